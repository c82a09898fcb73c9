using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;

namespace Ambient.Hbone.Http2.Exchanges;

/// <summary>The exchange whose bodies a <see cref="MessageStream"/> moves.</summary>
internal interface IMessageStreamOwner
{
    /// <summary>What the end of a stream before its time means on this side; <see cref="MessageFault.None"/>: it is in order.</summary>
    /// <param name="fault">What ended it.</param>
    /// <param name="isWhole">Whether the peer's message had come to its end.</param>
    (MessageFault Fault, string Reason, Exception? Cause) Explain(StreamFault fault, bool isWhole);

    /// <summary>The code of the RST_STREAM that breaks the exchange off on this side.</summary>
    Http2ErrorCode CodeOf(MessageFault fault);

    /// <summary>The stream ended before its time. From any thread.</summary>
    void OnFault(StreamFault fault);

    /// <summary>The stream has ended, in order or not. From any thread.</summary>
    void OnOver();
}
