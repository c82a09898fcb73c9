using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Tls;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Connections;

/// <summary>How a connection ended, in the words and flags of the mesh's logs and metrics. One place, so that log, metric and test agree.</summary>
/// <param name="Flag">Label <c>response_flags</c>.</param>
/// <param name="Error">Text of the log's <c>error</c>; null for success.</param>
internal readonly record struct ConnectionOutcome(ResponseFlag Flag, string? Error)
{
    /// <summary>Both sides ended it.</summary>
    public static ConnectionOutcome Complete => new(ResponseFlag.None, null);

    /// <summary>Policy denied it.</summary>
    public static ConnectionOutcome Denied(string reason) => new(ResponseFlag.Deny, $"connection closed due to policy rejection: {reason}");

    /// <summary>The host ended it.</summary>
    /// <param name="cause">Kind of reason.</param>
    /// <param name="reason">In words, or null where the kind says it all.</param>
    public static ConnectionOutcome EndedBy(ConnectionEnd cause, string? reason = null) => cause switch
    {
        ConnectionEnd.PolicyChange => new(ResponseFlag.Deny, With("connection closed due to policy change", reason)),
        ConnectionEnd.Rebound => new(ResponseFlag.Connect, With("connection closed", reason ?? "its destination is no longer served here")),
        ConnectionEnd.TimedOut => new(ResponseFlag.Connect, With("connection closed", reason)),
        ConnectionEnd.WorkloadGone => new(ResponseFlag.Connect, "connection closed: the workload left this node or the mesh"),
        _ => new(ResponseFlag.Connect, "connection closed due to connection drain"),
    };

    /// <summary>A delivery to the workload failed.</summary>
    public static ConnectionOutcome DeliveryFailed(Exception cause) => new(ResponseFlag.Connect, $"connection failed: {Words(cause)}");

    /// <summary>Plain TCP to a destination failed.</summary>
    public static ConnectionOutcome ConnectFailed(Exception cause) => new(ResponseFlag.Connect, IoError(cause));

    /// <summary>An unforeseen fault of ours. The connection still ends, is counted, and says so in the log.</summary>
    public static ConnectionOutcome Unexpected(Exception cause)
    {
        ArgumentNullException.ThrowIfNull(cause);
        return new(ResponseFlag.Connect, $"internal error, please report it: {cause.GetType().Name}: {cause.Message}");
    }

    /// <summary>A tunnel could not be opened.</summary>
    public static ConnectionOutcome TunnelFailed(HboneException cause, string? waypoint)
    {
        ArgumentNullException.ThrowIfNull(cause);
        if (cause.Failure == HboneFailure.Refused)
        {
            return new(ResponseFlag.Connect, $"http status: {cause.StatusCode} {ReasonPhrase(cause.StatusCode ?? 0)}");
        }

        var (flag, words) = cause.Failure switch
        {
            HboneFailure.ConnectTimeout => (ResponseFlag.NetworkPolicy, cause.Message),
            HboneFailure.ConnectFailed => (ResponseFlag.Connect, IoError(cause)),
            HboneFailure.IdentityUnavailable => (ResponseFlag.IdentityError, $"failed to fetch certificate: {cause.Message}"),
            HboneFailure.Http2Failed => (ResponseFlag.Http2Handshake, $"h2 failed: {cause.Message}"),
            _ => (ResponseFlag.Connect, $"tls handshake error: {cause.Message}"),
        };
        return new(flag, waypoint is null ? words : $"waypoint {waypoint}: {words}");
    }

    /// <summary>A relay ended.</summary>
    public static ConnectionOutcome Relayed(RelayOutcome outcome, ConnectionEnd endedBy, string? reason = null) => outcome.End switch
    {
        // The host's own doing looks like a failure of whichever side it hit first, or like an ordinary end.
        _ when endedBy != ConnectionEnd.None => EndedBy(endedBy, reason),
        _ when PeerRevokedException.IsCauseOf(outcome.Error) => new(ResponseFlag.CertRevoked, "connection closed: peer certificate revoked by CRL"),
        RelayEnd.Complete => Complete,
        RelayEnd.ClientDisconnected => new(ResponseFlag.Connect, "receive: client disconnected before all data was written"),
        RelayEnd.ServerDisconnected => new(ResponseFlag.Connect, "send: destination disconnected before all data was written"),
        RelayEnd.ClientFailed => new(ResponseFlag.Connect, $"receive: {Words(outcome.Error)}"),
        RelayEnd.ServerFailed => new(ResponseFlag.Connect, $"send: {Words(outcome.Error)}"),
        _ => EndedBy(endedBy),
    };

    private static string With(string text, string? reason) => reason is null ? text : $"{text}: {reason}";

    private static string IoError(Exception cause) => $"io error: {Words(cause)}";

    private static string Words(Exception? cause) => cause is null ? "unknown cause" : ErrorText.Of(cause);

    private static string ReasonPhrase(int status) => status switch
    {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    };
}
