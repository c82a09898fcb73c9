using Ambient.Http;

namespace Ambient.Hbone.Messages;

/// <summary>
/// The bodies of one request and its response, as one side sees them: what comes is lent piece by piece, what goes is taken by copying. After an
/// upgrade they are the bytes of the other protocol. One reader and one writer at a time, which may be different ones; only <see cref="Abort"/> may
/// be called at any time and from any thread.
/// <para>
/// A token that is cancelled before a write takes anything cancels that write alone. One that is cancelled while a write, flush or end waits for room ends
/// the wait: over HTTP/1.1 part of a message is out by then and cannot be taken back, so the exchange is broken off with
/// <see cref="MessageFault.Aborted"/>; over HTTP/2 that happens where bytes of a write were not taken yet, else they leave all the same and the exchange
/// goes on.
/// </para>
/// </summary>
public abstract class MessageExchange
{
    private protected MessageExchange()
    {
    }

    /// <summary>Trailers that came; whole once the body has been read to its end (RFC 9110 section 6.5).</summary>
    public abstract HttpFields Trailers { get; }

    /// <summary>Bytes of the body received so far.</summary>
    public abstract long BytesReceived { get; }

    /// <summary>Bytes of the body taken for sending so far.</summary>
    public abstract long BytesSent { get; }

    /// <summary>What broke the exchange off; <see cref="MessageFault.None"/> while nothing has.</summary>
    public abstract MessageFault Fault { get; }

    /// <summary>Lends the next piece of the body if there is one at hand. Empty: the body has ended. False: <see cref="ReadAsync"/> would wait.</summary>
    /// <param name="piece">Valid until the next read.</param>
    /// <exception cref="MessageException">The body was broken off.</exception>
    public abstract bool TryRead(out ReadOnlyMemory<byte> piece);

    /// <summary>Lends the next piece of the body, valid until the next read; empty: the body has ended.</summary>
    /// <exception cref="MessageException">The body was broken off.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled; the exchange goes on.</exception>
    public abstract ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Takes bytes of the body, after the head. Completes when they are copied or sent, so it waits while the peer does not read. They leave with
    /// the next <see cref="FlushAsync"/> or <see cref="EndAsync"/> at the latest.
    /// </summary>
    /// <exception cref="MessageException">The exchange was broken off.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    /// <exception cref="InvalidOperationException">The head was not sent, or the message has ended, or has announced fewer bytes.</exception>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default);

    /// <summary>Sends what was taken.</summary>
    /// <exception cref="MessageException">The exchange was broken off.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public abstract ValueTask FlushAsync(CancellationToken cancellationToken = default);

    /// <summary>Ends the message that is sent. Where the protocol has no place for trailers they are left out.</summary>
    /// <param name="trailers">Trailers, or null.</param>
    /// <param name="cancellationToken">Cancels the wait for room.</param>
    /// <exception cref="MessageException">The exchange was broken off.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    /// <exception cref="InvalidOperationException">The head was not sent, or more bytes were announced than written.</exception>
    public abstract ValueTask EndAsync(HttpFields? trailers = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Breaks the exchange off so that it does not look complete to the peer: a stream is reset, a connection of HTTP/1 closed. Whoever reads or
    /// writes gets a <see cref="MessageException"/> with this fault, on the connection's thread and never within the call: it may be called under a
    /// lock that they want. Nothing happens when it is over already.
    /// </summary>
    public abstract void Abort(MessageFault fault);
}
