namespace Ambient.Mesh;

/// <summary>Faults that are made on purpose, to see how callers bear them. Delay and abort are drawn for each request by themselves.</summary>
public sealed record FaultRule
{
    /// <summary>How long a request is held back; zero: it is not.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Share of the requests that are held back, per million.</summary>
    public int DelayPartsPerMillion { get; init; }

    /// <summary>Status that aborted requests are answered with, 200 to 599; 0: by gRPC status, or not at all.</summary>
    public int AbortStatus { get; init; }

    /// <summary>gRPC status that aborted requests are answered with; null: by HTTP status.</summary>
    public int? AbortGrpcStatus { get; init; }

    /// <summary>Share of the requests that are aborted, per million.</summary>
    public int AbortPartsPerMillion { get; init; }
}
