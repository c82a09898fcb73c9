using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Requests;

/// <summary>How the requests of one place are traced.</summary>
internal sealed record TracingSettings
{
    /// <summary>Where spans are sent; null: nowhere, and only who listens to the source sees them.</summary>
    public TelemetryProvider? Provider { get; init; }

    /// <summary>Hundredths of a percent of traces that are recorded where a request does not say itself, 0 to 10,000.</summary>
    public int Sampling { get; init; } = 100;

    /// <summary>Whether the id of a request decides that, so that every proxy on its way decides the same.</summary>
    public bool UsesRequestId { get; init; } = true;

    /// <summary>Whether spans have Istio's own tags.</summary>
    public bool HasIstioTags { get; init; } = true;

    /// <summary>Further tags, by name; those of the environment are literal by now.</summary>
    public ImmutableArray<SpanTag> Tags { get; init; } = [];
}
