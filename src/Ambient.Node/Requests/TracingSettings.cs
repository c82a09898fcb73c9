using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Telemetry.AccessLogs;

namespace Ambient.Node.Requests;

/// <summary>How the requests of one place are traced, compiled.</summary>
internal sealed class TracingSettings
{
    // Chances are drawn in hundredths of a percent, as Envoy draws them.
    private const int Every = 10_000;

    private TracingSettings(TrafficTracing tracing)
    {
        (Provider, ServiceName) = (tracing.Provider, tracing.ServiceName);
        OverallSampling = Drawn(tracing.OverallSampling);
        Sampling = Math.Min(Drawn(tracing.Sampling), OverallSampling);
        ClientSampling = Math.Min(Drawn(tracing.ClientSampling), OverallSampling);
        (UsesRequestId, HasIstioTags, PropagatesContext) = (tracing.UsesRequestId, tracing.HasIstioTags, tracing.PropagatesContext);
        Tags = [.. tracing.Tags.Select(OfProcess).Select(static tag => new TraceTag(tag, tag.Source == SpanTagSource.Format
            ? AccessLogTemplate.Of(new AccessLogFormat(false, tag.Key) { OmitsEmptyValues = true }, new List<string>(), isRaw: true)
            : null))];
        NeedsEntry = Tags.Any(static tag => tag.Format is not null);
    }

    /// <summary>Where spans are sent; null: nowhere, and only who listens to the source sees them.</summary>
    public TelemetryProvider? Provider { get; }

    /// <summary>Name of the proxy in spans; null: its workload's.</summary>
    public string? ServiceName { get; }

    /// <summary>Of ten thousand traces those that are recorded by chance, where a request does not say itself.</summary>
    public int Sampling { get; }

    /// <summary>Of ten thousand traces that a client asks for by <c>x-client-trace-id</c> those that are recorded.</summary>
    public int ClientSampling { get; }

    /// <summary>Of ten thousand traces that the id of a request asks for those that are recorded.</summary>
    public int OverallSampling { get; }

    /// <summary>Whether the id of a request decides that, so that every proxy on its way decides the same.</summary>
    public bool UsesRequestId { get; }

    /// <summary>Whether spans have Istio's own tags.</summary>
    public bool HasIstioTags { get; }

    /// <summary>Whether the endpoint is told the trace.</summary>
    public bool PropagatesContext { get; }

    /// <summary>Further tags, by name; those of the environment are literal by now.</summary>
    public ImmutableArray<TraceTag> Tags { get; }

    /// <summary>Whether a tag is made of what the access log knows.</summary>
    public bool NeedsEntry { get; }

    /// <summary>Compiles them.</summary>
    public static TracingSettings Of(TrafficTracing tracing)
    {
        ArgumentNullException.ThrowIfNull(tracing);
        return new TracingSettings(tracing);
    }

    private static int Drawn(double percent) => (int)Math.Round(percent * Every / 100);

    private static SpanTag OfProcess(SpanTag tag) => tag.Source == SpanTagSource.Environment
        ? tag with { Source = SpanTagSource.Literal, Key = Environment.GetEnvironmentVariable(tag.Key) is { Length: > 0 } value ? value : tag.Default ?? "" }
        : tag;
}

/// <summary>A tag of spans.</summary>
/// <param name="Tag">The tag.</param>
/// <param name="Format">Makes its value; null: it comes from elsewhere.</param>
internal readonly record struct TraceTag(SpanTag Tag, AccessLogTemplate? Format);
