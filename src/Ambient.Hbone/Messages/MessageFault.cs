namespace Ambient.Hbone.Messages;

/// <summary>
/// What broke a message off. One list for both sides, which statuses, retries, response flags and logs go by.
/// </summary>
public enum MessageFault
{
    /// <summary>Nothing did.</summary>
    None,

    /// <summary>No connection could be made.</summary>
    NotConnected,

    /// <summary>The peer has not looked at the request and says so: REFUSED_STREAM, or a GOAWAY below it (RFC 9113 section 8.7). It may be sent again.</summary>
    Refused,

    /// <summary>The connection ended before a byte of the response, as one does that was closed while it idled.</summary>
    ClosedUnanswered,

    /// <summary>The connection ended, or failed, within the response.</summary>
    Closed,

    /// <summary>The peer reset the stream.</summary>
    Reset,

    /// <summary>The peer broke the protocol.</summary>
    Malformed,

    /// <summary>The peer's head is larger than allowed.</summary>
    TooLarge,

    /// <summary>The peer took too long.</summary>
    TimedOut,

    /// <summary>Whoever the message is for, or comes from, went away.</summary>
    ClientGone,

    /// <summary>We ended it ourselves.</summary>
    Aborted,

    /// <summary>The peer's protocol has no way to carry the request, as an upgrade over HTTP/2 that the server does not take. Nothing was sent.</summary>
    Unsupported,
}
