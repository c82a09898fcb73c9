using Ambient.Hbone.Messages;
using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Forwarding;

/// <summary>What a fault of a message means: the answer, the flag in log and metrics, and whether a request may be sent again. The one place that says it.</summary>
internal static class FaultOutcomes
{
    /// <summary>The answer to a request whose endpoint failed before its answer began, and the flag.</summary>
    public static (int Status, string Body, string Flags) OfUpstream(MessageFault fault) => fault switch
    {
        MessageFault.NotConnected => (503, LocalReply.UpstreamFailed, ResponseFlags.UpstreamConnectionFailure),
        MessageFault.TimedOut => (504, LocalReply.UpstreamTimedOut, ResponseFlags.UpstreamRequestTimeout),
        MessageFault.Malformed or MessageFault.TooLarge => (502, LocalReply.UpstreamFailed, ResponseFlags.UpstreamProtocolError),
        MessageFault.Reset or MessageFault.Refused => (503, LocalReply.UpstreamFailed, ResponseFlags.UpstreamRemoteReset),
        MessageFault.ClientGone => (0, "", ResponseFlags.DownstreamConnectionTermination),
        MessageFault.Aborted => (500, "", ResponseFlags.LocalReset),
        _ => (503, LocalReply.UpstreamFailed, ResponseFlags.UpstreamConnectionTermination),
    };

    /// <summary>The answer to a request of which nothing moved any more, and the flag, as Envoy's for <c>stream_idle_timeout</c>.</summary>
    /// <param name="isWhole">Whether the request had come to its end, so that it is the endpoint who is silent.</param>
    public static (int Status, string Body, string Flags) OfStall(bool isWhole) => (isWhole ? 504 : 408, LocalReply.StreamTimedOut, ResponseFlags.StreamIdleTimeout);

    /// <summary>The flag of a request whose client failed.</summary>
    public static string OfClient(MessageFault fault) => fault switch
    {
        MessageFault.Malformed or MessageFault.TooLarge => ResponseFlags.DownstreamProtocolError,
        MessageFault.TimedOut => ResponseFlags.StreamIdleTimeout,
        MessageFault.Aborted => ResponseFlags.LocalReset,
        _ => ResponseFlags.DownstreamConnectionTermination,
    };

    /// <summary>
    /// Whether a request that failed without an answer is sent again: elsewhere where the rule says so, or on a new connection where it met one that was
    /// closed while it idled.
    /// </summary>
    /// <param name="rule">When requests are sent again.</param>
    /// <param name="fault">What happened.</param>
    /// <param name="hasSent">Whether bytes of the request may have left.</param>
    /// <param name="wasReused">Whether the connection had served another request before.</param>
    /// <param name="method">The request's method.</param>
    /// <param name="bodyIsLost">Whether something of the request's body was taken from the client that is not kept.</param>
    public static Retry RetryOf(RetryRule rule, MessageFault fault, bool hasSent, bool wasReused, string method, bool bodyIsLost) => fault switch
    {
        MessageFault.NotConnected => RetryDecision.OnFailure(rule, RetryConditions.ConnectFailure) ? Retry.Elsewhere : Retry.No,
        _ when bodyIsLost => Retry.No,
        MessageFault.Refused => Retry.OnNewConnection,
        MessageFault.ClosedUnanswered when wasReused && (!hasSent || IsIdempotent(method)) => Retry.OnNewConnection,
        MessageFault.ClosedUnanswered or MessageFault.Closed or MessageFault.Reset or MessageFault.TimedOut =>
            RetryDecision.OnFailure(rule, hasSent ? RetryConditions.Reset : RetryConditions.ResetBeforeRequest) ? Retry.Elsewhere : Retry.No,
        _ => Retry.No,
    };

    // RFC 9110 section 9.2.2.
    private static bool IsIdempotent(string method) => method is "GET" or "HEAD" or "OPTIONS" or "PUT" or "DELETE" or "TRACE";
}
