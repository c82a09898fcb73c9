using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Requests;

/// <summary>What is known of a request at its end, for metrics and log.</summary>
internal readonly record struct RequestSummary
{
    /// <summary>The client's workload, found by its address, or null.</summary>
    public Workload? Source { get; init; }

    /// <summary>The client's identity, or null.</summary>
    public SpiffeId? Identity { get; init; }

    /// <summary>The endpoint that was asked last, or null when none was.</summary>
    public Workload? Destination { get; init; }

    /// <summary>The service that the request was for, or null.</summary>
    public MeshService? Service { get; init; }

    /// <summary>Whether client and endpoint speak gRPC.</summary>
    public bool IsGrpc { get; init; }

    /// <summary>HTTP status; 0 when the client went away.</summary>
    public int Code { get; init; }

    /// <summary>gRPC status, or null.</summary>
    public string? GrpcStatus { get; init; }

    /// <summary>See <see cref="ResponseFlags"/>.</summary>
    public string Flags { get; init; }

    /// <summary>From the head of the request to the end of the answer.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Messages of the client's, for gRPC.</summary>
    public long RequestMessages { get; init; }

    /// <summary>Messages of the answer, for gRPC.</summary>
    public long ResponseMessages { get; init; }

    /// <summary>What is changed of metrics; null: nothing.</summary>
    public MetricOverrides? Overrides { get; init; }

    /// <summary>Attributes of the request that labels are changed to; null: to none.</summary>
    public string? Attributes { get; init; }

    /// <summary>Bytes of the request's body.</summary>
    public long RequestBytes { get; init; }

    /// <summary>Bytes of the answer's body.</summary>
    public long ResponseBytes { get; init; }
}
