using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>A Telemetry of Istio's API: what is logged, counted and traced of requests.</summary>
public sealed record RequestTelemetry
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary>When it was created; the older of two at the same place holds.</summary>
    public DateTimeOffset CreationTime { get; init; }

    /// <summary>What it is attached to; empty when it selects pods or its whole namespace.</summary>
    public ImmutableArray<ObjectReference> Targets { get; init; } = [];

    /// <summary>Pod labels that it selects; null when it has no selector.</summary>
    public ImmutableDictionary<string, string>? Selector { get; init; }

    /// <summary>What it says of access logs.</summary>
    public ImmutableArray<AccessLogRule> AccessLogs { get; init; } = [];

    /// <summary>What it says of metrics.</summary>
    public ImmutableArray<MetricRule> Metrics { get; init; } = [];

    /// <summary>What it says of traces.</summary>
    public ImmutableArray<TracingRule> Tracing { get; init; } = [];

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(RequestTelemetry? other) =>
        ReferenceEquals(this, other)
        || (other is not null && Name == other.Name && Namespace == other.Namespace && CreationTime == other.CreationTime
            && StructuralEquality.Same(Targets, other.Targets)
            && StructuralEquality.Same(Selector, other.Selector)
            && StructuralEquality.Same(AccessLogs, other.AccessLogs)
            && StructuralEquality.Same(Metrics, other.Metrics)
            && StructuralEquality.Same(Tracing, other.Tracing));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, AccessLogs.Length, Metrics.Length, Tracing.Length);
}

/// <summary>Which side of a request something is about. A waypoint is a server, an ingress gateway a client.</summary>
public enum TelemetryMode
{
    /// <summary>Both.</summary>
    ClientAndServer,

    /// <summary>The side that sends requests.</summary>
    Client,

    /// <summary>The side that takes them.</summary>
    Server,
}

/// <summary>An item of <c>accessLogging</c>.</summary>
public sealed record AccessLogRule
{
    /// <summary>Whose log.</summary>
    public TelemetryMode Mode { get; init; }

    /// <summary>Whether nothing is logged.</summary>
    public bool IsDisabled { get; init; }

    /// <summary>Expression that a request has to meet to be logged; null: every request is.</summary>
    public string? Filter { get; init; }

    /// <summary>Names of providers; empty: those of a wider Telemetry, or the mesh's.</summary>
    public ImmutableArray<string> Providers { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(AccessLogRule? other) =>
        other is not null && Mode == other.Mode && IsDisabled == other.IsDisabled && Filter == other.Filter && StructuralEquality.Same(Providers, other.Providers);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mode, IsDisabled, Filter);
}

/// <summary>A metric of requests, by the name that Telemetry has for it.</summary>
public enum RequestMetric
{
    /// <summary><c>istio_requests_total</c>.</summary>
    RequestCount,

    /// <summary><c>istio_request_duration_milliseconds</c>.</summary>
    RequestDuration,

    /// <summary><c>istio_request_bytes</c>.</summary>
    RequestSize,

    /// <summary><c>istio_response_bytes</c>.</summary>
    ResponseSize,

    /// <summary><c>istio_request_messages_total</c>.</summary>
    GrpcRequestMessages,

    /// <summary><c>istio_response_messages_total</c>.</summary>
    GrpcResponseMessages,

    /// <summary><c>istio_tcp_connections_opened_total</c>.</summary>
    TcpOpenedConnections,

    /// <summary><c>istio_tcp_connections_closed_total</c>.</summary>
    TcpClosedConnections,

    /// <summary><c>istio_tcp_sent_bytes_total</c>.</summary>
    TcpSentBytes,

    /// <summary><c>istio_tcp_received_bytes_total</c>.</summary>
    TcpReceivedBytes,
}

/// <summary>An item of <c>metrics.overrides</c>.</summary>
public sealed record MetricRule
{
    /// <summary>Which metric; null: all.</summary>
    public RequestMetric? Metric { get; init; }

    /// <summary>Whose metric.</summary>
    public TelemetryMode Mode { get; init; }

    /// <summary>Whether it is not counted; null: as a wider Telemetry says.</summary>
    public bool? IsDisabled { get; init; }

    /// <summary>Labels with other values: null takes a label away.</summary>
    public ImmutableArray<KeyValuePair<string, string?>> Tags { get; init; } = [];

    /// <summary>Labels whose values are attributes of CEL, for example <c>request.method</c>.</summary>
    public ImmutableArray<KeyValuePair<string, string>> Attributes { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(MetricRule? other) =>
        other is not null && Metric == other.Metric && Mode == other.Mode && IsDisabled == other.IsDisabled && StructuralEquality.Same(Tags, other.Tags)
        && StructuralEquality.Same(Attributes, other.Attributes);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Metric, Mode, IsDisabled, Tags.Length, Attributes.Length);
}

/// <summary>An item of <c>tracing</c>.</summary>
public sealed record TracingRule
{
    /// <summary>Whose spans.</summary>
    public TelemetryMode Mode { get; init; }

    /// <summary>Names of providers; empty: those of a wider Telemetry, or the mesh's.</summary>
    public ImmutableArray<string> Providers { get; init; } = [];

    /// <summary>Percent of traces that are recorded, 0 to 100; null: as a wider Telemetry says.</summary>
    public double? Sampling { get; init; }

    /// <summary>Whether no span is made, and what a request says of its trace is passed on as it is; null: as a wider Telemetry says.</summary>
    public bool? IsDisabled { get; init; }

    /// <summary>Whether the id of a request decides whether its trace is recorded; null: as a wider Telemetry says.</summary>
    public bool? UsesRequestId { get; init; }

    /// <summary>Whether spans have Istio's own tags; null: as a wider Telemetry says.</summary>
    public bool? HasIstioTags { get; init; }

    /// <summary>Whether the endpoint is told the trace; null: as a wider Telemetry says.</summary>
    public bool? PropagatesContext { get; init; }

    /// <summary>Further tags of spans.</summary>
    public ImmutableArray<SpanTag> Tags { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(TracingRule? other) =>
        other is not null && Mode == other.Mode && Sampling == other.Sampling && IsDisabled == other.IsDisabled && UsesRequestId == other.UsesRequestId
        && HasIstioTags == other.HasIstioTags && PropagatesContext == other.PropagatesContext && StructuralEquality.Same(Providers, other.Providers) && StructuralEquality.Same(Tags, other.Tags);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mode, Sampling, IsDisabled, Tags.Length);
}

/// <summary>A tag that a Telemetry adds to spans.</summary>
/// <param name="Name">Name of the tag.</param>
/// <param name="Source">Where its value comes from.</param>
/// <param name="Key">The value itself, the name of the header or environment variable that has it, or the text that makes it.</param>
/// <param name="Default">Value where the header or variable is missing; null: no tag then.</param>
public sealed record SpanTag(string Name, SpanTagSource Source, string Key, string? Default = null);

/// <summary>Where the value of a tag comes from.</summary>
public enum SpanTagSource
{
    /// <summary>It is written down.</summary>
    Literal,

    /// <summary>An environment variable of the proxy.</summary>
    Environment,

    /// <summary>A header of the request.</summary>
    Header,

    /// <summary>A text with the access log's <c>%COMMAND%</c> operators.</summary>
    Format,
}
