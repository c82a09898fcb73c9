using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;

namespace Ambient.Hbone.Http2.Exchanges;

/// <summary>The code of the RST_STREAM that breaks a message off (RFC 9113 section 7).</summary>
internal static class ResetCodes
{
    /// <summary>To a client: never one that it could take for an end of the response.</summary>
    public static Http2ErrorCode ToClient(MessageFault fault) => fault switch
    {
        MessageFault.Refused => Http2ErrorCode.RefusedStream,
        MessageFault.Malformed => Http2ErrorCode.ProtocolError,
        MessageFault.TooLarge => Http2ErrorCode.EnhanceYourCalm,
        _ => Http2ErrorCode.InternalError,
    };

    /// <summary>To a server: the request is not wanted any more, unless its answer broke the protocol.</summary>
    public static Http2ErrorCode ToServer(MessageFault fault) => fault switch
    {
        MessageFault.Malformed => Http2ErrorCode.ProtocolError,
        MessageFault.TooLarge => Http2ErrorCode.EnhanceYourCalm,
        _ => Http2ErrorCode.Cancel,
    };
}
