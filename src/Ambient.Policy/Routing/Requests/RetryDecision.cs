using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Whether a try that failed is tried again, as a <see cref="RetryRule"/> has it. How many tries there may be is not asked here.</summary>
public static class RetryDecision
{
    private const RetryConditions Unanswered = RetryConditions.Reset | RetryConditions.ServerError | RetryConditions.GatewayError;

    /// <summary>Whether an answer is tried again.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="status">Status of the answer.</param>
    /// <param name="grpcStatus">gRPC status in the answer's head, where there is one; else null.</param>
    public static bool OnAnswer(RetryRule rule, int status, int? grpcStatus)
    {
        ArgumentNullException.ThrowIfNull(rule);
        var conditions = rule.Conditions;
        return rule.StatusCodes.Contains(status)
            || ((conditions & RetryConditions.ServerError) != 0 && status is >= 500 and <= 599)
            || ((conditions & RetryConditions.GatewayError) != 0 && status is >= 502 and <= 504)
            || ((conditions & RetryConditions.Conflict) != 0 && status == 409)
            || (grpcStatus is { } grpc && (conditions & OfGrpc(grpc)) != 0);
    }

    /// <summary>Whether a failure without an answer is tried again.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="failure">What it was: one of <see cref="RetryConditions.ConnectFailure"/>, <see cref="RetryConditions.RefusedStream"/>,
    /// <see cref="RetryConditions.ResetBeforeRequest"/> and <see cref="RetryConditions.Reset"/>.</param>
    public static bool OnFailure(RetryRule rule, RetryConditions failure)
    {
        ArgumentNullException.ThrowIfNull(rule);
        return (rule.Conditions & (failure | (failure == RetryConditions.None ? RetryConditions.None : Unanswered))) != 0;
    }

    /// <summary>Whether a request may be sent again of which bytes of the body have left already.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="isGrpc">Whether the request is gRPC.</param>
    public static bool MayFollowBody(RetryRule rule, bool isGrpc)
    {
        ArgumentNullException.ThrowIfNull(rule);
        const RetryConditions before = RetryConditions.ConnectFailure | RetryConditions.RefusedStream | RetryConditions.ResetBeforeRequest;
        const RetryConditions grpc = RetryConditions.GrpcCancelled | RetryConditions.GrpcDeadlineExceeded | RetryConditions.GrpcInternal
            | RetryConditions.GrpcResourceExhausted | RetryConditions.GrpcUnavailable;
        var after = rule.Conditions & ~before & (isGrpc ? ~RetryConditions.None : ~grpc);
        return rule.Attempts > 0 && (!rule.StatusCodes.IsEmpty || after != 0);
    }

    private static RetryConditions OfGrpc(int status) => status switch
    {
        1 => RetryConditions.GrpcCancelled,
        4 => RetryConditions.GrpcDeadlineExceeded,
        8 => RetryConditions.GrpcResourceExhausted,
        13 => RetryConditions.GrpcInternal,
        14 => RetryConditions.GrpcUnavailable,
        _ => RetryConditions.None,
    };
}
