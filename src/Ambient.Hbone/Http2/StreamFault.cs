using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Http2;

/// <summary>Why a stream ended before both halves were closed.</summary>
/// <param name="Origin">Who or what ended it.</param>
/// <param name="Code">The code of the reset, sent or received.</param>
/// <param name="Cause">What broke the connection, when it did.</param>
internal sealed record StreamFault(StreamFaultOrigin Origin, Http2ErrorCode Code, Exception? Cause = null)
{
    /// <summary>Whether the peer merely lost interest, which reads as an end (docs/protocol.md, "Ends and aborts").</summary>
    public bool IsQuiet => Origin == StreamFaultOrigin.Peer && Code is Http2ErrorCode.NoError or Http2ErrorCode.Cancel;

    /// <summary>
    /// Whether the peer says that it has done nothing with the request, so that it may safely be sent again elsewhere
    /// (RFC 9113 section 8.7).
    /// </summary>
    public bool IsUnprocessed { get; init; }

    /// <summary>The fault as an exception for whoever reads or writes the stream.</summary>
    public IOException ToException() => Origin switch
    {
        _ when IsUnprocessed => new UnprocessedException($"the peer takes no more tunnels on this connection: {Code}"),
        StreamFaultOrigin.Local => new IOException("the tunnel was closed on this side"),
        StreamFaultOrigin.Peer => new IOException($"the peer reset the tunnel: {Code}"),
        _ => new IOException($"the connection that carries the tunnel is gone: {Cause?.Message ?? "closed"}", Cause),
    };
}
