using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>What is logged, counted and traced of some traffic, where a control plane has worked it out already.</summary>
public sealed record TrafficTelemetry
{
    /// <summary>Lines or records about each request or connection; none: it is not logged.</summary>
    public ImmutableArray<AccessLogOutput> Logs { get; init; } = [];

    /// <summary>What is changed of metrics, the later over the earlier.</summary>
    public ImmutableArray<MetricRule> Metrics { get; init; } = [];

    /// <summary>How it is traced; null: not at all, and what a request says of its trace is passed on as it is.</summary>
    public TrafficTracing? Tracing { get; init; }

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(TrafficTelemetry? other) =>
        ReferenceEquals(this, other)
        || (other is not null && Tracing == other.Tracing && StructuralEquality.Same(Logs, other.Logs) && StructuralEquality.Same(Metrics, other.Metrics));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Logs.Length, Metrics.Length, Tracing);
}

/// <summary>What is logged, counted and traced at one port.</summary>
/// <param name="Requests">Of its requests; null: nothing is said, and the defaults hold.</param>
/// <param name="Connections">Of its opaque connections; null: likewise.</param>
public sealed record PortTelemetry(TrafficTelemetry? Requests, TrafficTelemetry? Connections)
{
    /// <summary>Port under which stands what holds at every port that is not named.</summary>
    public const int AnyPort = 0;
}

/// <summary>One of the logs that a request or connection is written to when it ends: the process's own, or a collector's.</summary>
public sealed record AccessLogOutput
{
    /// <summary>Form of a line of the process's log; null where it goes to a collector.</summary>
    public AccessLogFormat? Format { get; init; }

    /// <summary>Where it goes instead.</summary>
    public AccessLogCollector? Collector { get; init; }

    /// <summary>What has to hold of a request or connection; none: everything is logged.</summary>
    public ImmutableArray<AccessLogCondition> Conditions { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(AccessLogOutput? other) =>
        other is not null && Format == other.Format && Collector == other.Collector && StructuralEquality.Same(Conditions, other.Conditions);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Format, Collector, Conditions.Length);
}

/// <summary>A collector that takes the access log as records by OTLP over gRPC.</summary>
public sealed record AccessLogCollector
{
    /// <summary>Name, by which metrics and the log call it.</summary>
    public required string Name { get; init; }

    /// <summary>Where it is.</summary>
    public required Uri Address { get; init; }

    /// <summary>Name of the log, an attribute of the resource; null: none.</summary>
    public string? LogName { get; init; }

    /// <summary>Text of a record, with Envoy's <c>%COMMAND%</c> operators; null: none.</summary>
    public string? Body { get; init; }

    /// <summary>Attributes of a record: such texts by name.</summary>
    public ImmutableArray<KeyValuePair<string, string>> Attributes { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(AccessLogCollector? other) =>
        ReferenceEquals(this, other)
        || (other is not null && Name == other.Name && Address == other.Address && LogName == other.LogName && Body == other.Body
            && StructuralEquality.Same(Attributes, other.Attributes));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Address, Body, Attributes.Length);
}

/// <summary>Something that has to hold of a request or connection for it to be logged: one of the three that are set.</summary>
public sealed record AccessLogCondition
{
    /// <summary>A CEL expression of comparisons; null: it is another condition.</summary>
    public string? Expression { get; init; }

    /// <summary>Response flags of which it must have one.</summary>
    public ImmutableArray<string> Flags { get; init; } = [];

    /// <summary>Lowest status; null: it is another condition, or has no lower bound.</summary>
    public int? LowestStatus { get; init; }

    /// <summary>Highest status; null: it is another condition, or has no upper bound.</summary>
    public int? HighestStatus { get; init; }

    /// <summary>A status that it must not have; null: it is another condition.</summary>
    public int? OtherThanStatus { get; init; }

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(AccessLogCondition? other) =>
        other is not null && Expression == other.Expression && LowestStatus == other.LowestStatus && HighestStatus == other.HighestStatus
        && OtherThanStatus == other.OtherThanStatus && StructuralEquality.Same(Flags, other.Flags);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Expression, Flags.Length, LowestStatus, HighestStatus, OtherThanStatus);
}

/// <summary>How traffic is traced.</summary>
public sealed record TrafficTracing
{
    /// <summary>Where spans go; null: nowhere, and only who listens to the source of them sees them.</summary>
    public TelemetryProvider? Provider { get; init; }

    /// <summary>Name of the proxy in spans (<c>service.name</c>); null: its own.</summary>
    public string? ServiceName { get; init; }

    /// <summary>Percent of traces that are recorded by chance, 0 to 100.</summary>
    public double Sampling { get; init; } = 100;

    /// <summary>Percent of those that a client asks for by <c>x-client-trace-id</c>, 0 to 100.</summary>
    public double ClientSampling { get; init; } = 100;

    /// <summary>Most that are recorded at all, whoever asks for it in the id of a request, in percent.</summary>
    public double OverallSampling { get; init; } = 100;

    /// <summary>Whether the id of a request decides by chance, so that every proxy on its way decides the same.</summary>
    public bool UsesRequestId { get; init; } = true;

    /// <summary>Whether the endpoint is told the trace; else what the request says of it is passed on as it is.</summary>
    public bool PropagatesContext { get; init; } = true;

    /// <summary>Whether spans have Istio's own tags.</summary>
    public bool HasIstioTags { get; init; } = true;

    /// <summary>Further tags, by name.</summary>
    public ImmutableArray<SpanTag> Tags { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(TrafficTracing? other) =>
        ReferenceEquals(this, other)
        || (other is not null && Provider == other.Provider && ServiceName == other.ServiceName && Sampling == other.Sampling && ClientSampling == other.ClientSampling
            && OverallSampling == other.OverallSampling && UsesRequestId == other.UsesRequestId && PropagatesContext == other.PropagatesContext
            && HasIstioTags == other.HasIstioTags && StructuralEquality.Same(Tags, other.Tags));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Provider, ServiceName, Sampling, UsesRequestId, HasIstioTags, Tags.Length);
}
