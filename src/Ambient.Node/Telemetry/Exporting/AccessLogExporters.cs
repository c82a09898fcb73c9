using Ambient.Mesh;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Exporting;

/// <summary>The exporters of a process's access log: one for each collector that is in use, started when the first record goes to it.</summary>
internal sealed class AccessLogExporters : IAsyncDisposable
{
    private readonly ExporterTable<AccessLogExporterKey, AccessLogExporter> _exporters;

    /// <summary>Creates the exporters of a process; none is started.</summary>
    /// <param name="registry">Counts records.</param>
    /// <param name="connect">Connects to services of the mesh.</param>
    /// <param name="logger">Log.</param>
    /// <param name="time">Clock.</param>
    public AccessLogExporters(MetricRegistry registry, MeshConnect connect, ILogger logger, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(registry);
        _exporters = new(
            (key, counters) => new AccessLogExporter(key, connect, counters, logger, time),
            static key => key.Name,
            registry.Add(new CounterFamily("ambient_access_log_records_exported", "Records of the access log that a collector took.")),
            registry.Add(new CounterFamily("ambient_access_log_records_dropped", "Records of the access log that no collector took: the queue was full, or sending failed.")));
    }

    /// <summary>The exporter to a collector, started when first asked for.</summary>
    public AccessLogExporter Of(AccessLogCollector collector)
    {
        ArgumentNullException.ThrowIfNull(collector);
        return _exporters.Of(new AccessLogExporterKey(collector.Name, collector.Address, collector.LogName));
    }

    /// <summary>Sends what is queued, within two seconds each, and stops.</summary>
    public ValueTask DisposeAsync() => _exporters.DisposeAsync();
}
