using System.Diagnostics;
using Ambient.Mesh;
using Ambient.Node.Telemetry.Exporting;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Tracing;

/// <summary>
/// Where spans of a host begin and end: a source of activities, to which an embedder may listen by its name, and one exporter for each provider that is in
/// use. Without a provider there is no exporter, and nothing of this is touched. Another host in the process has a source of its own, so
/// its exporter does not switch on the spans of this one.
/// </summary>
internal sealed class SpanExporters : IAsyncDisposable
{
    /// <summary>Name of the source.</summary>
    public const string SourceName = "Ambient.Node.Requests";

    // Whether a trace is recorded is decided before a span is begun: what is begun is recorded.
    private readonly Lazy<ActivityListener> _listener;

    private readonly ExporterTable<TelemetryProvider, SpanExporter> _exporters;

    /// <summary>Creates the exporters of a process; none is started.</summary>
    /// <param name="registry">Counts spans.</param>
    /// <param name="connect">Connects to services of the mesh.</param>
    /// <param name="logger">Log.</param>
    /// <param name="time">Clock.</param>
    public SpanExporters(MetricRegistry registry, MeshConnect connect, ILogger logger, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(registry);
        _listener = new(() =>
        {
            var listener = new ActivityListener
            {
                ShouldListenTo = source => ReferenceEquals(source, Source),
                Sample = static (ref options) => ActivitySamplingResult.AllDataAndRecorded,
            };
            ActivitySource.AddActivityListener(listener);
            return listener;
        });
        _exporters = new(
            (provider, counters) => new SpanExporter(provider, connect, counters, logger, time),
            static provider => provider.Name,
            registry.Add(new CounterFamily("ambient_trace_spans_exported", "Spans that a collector took.")),
            registry.Add(new CounterFamily("ambient_trace_spans_dropped", "Spans that no collector took: the queue was full, or sending failed.")));
    }

    /// <summary>The source of the spans of requests.</summary>
    public ActivitySource Source { get; } = new(SourceName);

    /// <summary>Whether somebody listens to the spans.</summary>
    public bool AreHeard => Source.HasListeners();

    /// <summary>The exporter of a provider, started when first asked for.</summary>
    public SpanExporter Of(TelemetryProvider provider)
    {
        _ = _listener.Value;
        return _exporters.Of(provider);
    }

    /// <summary>Sends what is queued, within two seconds each, and stops.</summary>
    public async ValueTask DisposeAsync()
    {
        await _exporters.DisposeAsync().ConfigureAwait(false);
        if (_listener.IsValueCreated)
        {
            _listener.Value.Dispose();
        }

        Source.Dispose();
    }
}
