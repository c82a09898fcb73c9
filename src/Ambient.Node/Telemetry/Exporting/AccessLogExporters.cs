using System.Collections.Concurrent;
using Ambient.Mesh;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Exporting;

/// <summary>The exporters of a process's access log: one for each collector that is in use, started when the first record goes to it.</summary>
internal sealed class AccessLogExporters : IAsyncDisposable
{
    private readonly ConcurrentDictionary<AccessLogExporterKey, Lazy<AccessLogExporter>> _exporters = new();
    private readonly MeshConnect _connect;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly CounterFamily _exported;
    private readonly CounterFamily _dropped;

    /// <summary>Creates the exporters of a process; none is started.</summary>
    /// <param name="registry">Counts records.</param>
    /// <param name="connect">Connects to services of the mesh.</param>
    /// <param name="logger">Log.</param>
    /// <param name="time">Clock.</param>
    public AccessLogExporters(MetricRegistry registry, MeshConnect connect, ILogger logger, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(registry);
        (_connect, _logger, _time) = (connect, logger, time);
        _exported = registry.Add(new CounterFamily("ambient_access_log_records_exported", "Records of the access log that a collector took."));
        _dropped = registry.Add(new CounterFamily("ambient_access_log_records_dropped", "Records of the access log that no collector took: the queue was full, or sending failed."));
    }

    /// <summary>The exporter to a collector, started when first asked for.</summary>
    public AccessLogExporter Of(AccessLogCollector collector)
    {
        ArgumentNullException.ThrowIfNull(collector);
        return _exporters.GetOrAdd(new AccessLogExporterKey(collector.Name, collector.Address, collector.LogName), static (key, state) => new Lazy<AccessLogExporter>(() =>
        {
            var labels = MetricLabels.Of(("provider", key.Name));
            return new AccessLogExporter(key, state._connect, new ExportCounters(state._exported.Series(labels), state._dropped.Series(labels)), state._logger, state._time);
        }), this).Value;
    }

    /// <summary>Sends what is queued, within two seconds each, and stops.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var exporter in _exporters.Values.Where(static exporter => exporter.IsValueCreated))
        {
            await exporter.Value.DisposeAsync().ConfigureAwait(false);
        }
    }
}
