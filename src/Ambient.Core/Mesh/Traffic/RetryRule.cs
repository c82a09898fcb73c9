using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>Which failures of a try are tried again.</summary>
[Flags]
public enum RetryConditions
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>No connection could be made.</summary>
    ConnectFailure = 1,

    /// <summary>The endpoint refused the stream before it looked at it (RFC 9113 section 8.7).</summary>
    RefusedStream = 1 << 1,

    /// <summary>The endpoint broke off, or took too long, before its answer began.</summary>
    Reset = 1 << 2,

    /// <summary>The endpoint broke off before anything of the request was sent.</summary>
    ResetBeforeRequest = 1 << 3,

    /// <summary>Any status of 500 to 599, and every failure without an answer.</summary>
    ServerError = 1 << 4,

    /// <summary>502, 503 or 504.</summary>
    GatewayError = 1 << 5,

    /// <summary>409.</summary>
    Conflict = 1 << 6,

    /// <summary>gRPC status 1.</summary>
    GrpcCancelled = 1 << 7,

    /// <summary>gRPC status 4.</summary>
    GrpcDeadlineExceeded = 1 << 8,

    /// <summary>gRPC status 8.</summary>
    GrpcResourceExhausted = 1 << 9,

    /// <summary>gRPC status 13.</summary>
    GrpcInternal = 1 << 10,

    /// <summary>gRPC status 14.</summary>
    GrpcUnavailable = 1 << 11,
}

/// <summary>When a request is sent again.</summary>
public sealed record RetryRule
{
    /// <summary>What a rule that says nothing stands for (https://istio.io/latest/docs/concepts/traffic-management/#retries).</summary>
    public static RetryRule Default { get; } = new();

    /// <summary>Tries after the first, 0 to 100. Default 2.</summary>
    public int Attempts { get; init; } = 2;

    /// <summary>Which failures. Default: no connection, a refused stream, gRPC's UNAVAILABLE and CANCELLED.</summary>
    public RetryConditions Conditions { get; init; } =
        RetryConditions.ConnectFailure | RetryConditions.RefusedStream | RetryConditions.GrpcUnavailable | RetryConditions.GrpcCancelled;

    /// <summary>Statuses that are tried again.</summary>
    public ImmutableArray<int> StatusCodes { get; init; } = [];

    /// <summary>Longest wait before the second try; doubles for each further one, up to ten times this. Default 25 ms.</summary>
    public TimeSpan Backoff { get; init; } = TimeSpan.FromMilliseconds(25);

    /// <summary>Whether endpoints that failed are avoided while there are others. Default true.</summary>
    public bool AvoidsFailedEndpoints { get; init; } = true;

    /// <summary>
    /// The condition of a name (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on and
    /// x-envoy-retry-grpc-on); null: it is not known.
    /// </summary>
    /// <param name="name">Name, for example <c>gateway-error</c>.</param>
    public static RetryConditions? ConditionOf(string name) => name switch
    {
        "5xx" => RetryConditions.ServerError,
        "gateway-error" => RetryConditions.GatewayError,
        "reset" => RetryConditions.Reset,
        "reset-before-request" => RetryConditions.ResetBeforeRequest,
        "connect-failure" => RetryConditions.ConnectFailure,
        "retriable-4xx" => RetryConditions.Conflict,
        "refused-stream" => RetryConditions.RefusedStream,
        "cancelled" => RetryConditions.GrpcCancelled,
        "deadline-exceeded" => RetryConditions.GrpcDeadlineExceeded,
        "internal" => RetryConditions.GrpcInternal,
        "resource-exhausted" => RetryConditions.GrpcResourceExhausted,
        "unavailable" => RetryConditions.GrpcUnavailable,

        // Codes and headers that are retried are named apart; what they are called has no meaning by itself here.
        "retriable-status-codes" or "retriable-headers" or "envoy-ratelimited" or "http3-post-connect-failure" => RetryConditions.None,
        _ => null,
    };

    /// <summary>Whether further tries go to localities that no try has been in, while there are others. Default false.</summary>
    public bool PrefersOtherLocalities { get; init; }

    /// <summary>Whether every field is equal, statuses by content.</summary>
    public bool Equals(RetryRule? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Attempts == other.Attempts
            && Conditions == other.Conditions
            && Backoff == other.Backoff
            && AvoidsFailedEndpoints == other.AvoidsFailedEndpoints
            && PrefersOtherLocalities == other.PrefersOtherLocalities
            && StructuralEquality.Same(StatusCodes, other.StatusCodes));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Attempts, Conditions, StatusCodes.Length, Backoff);
}
