using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>
/// One connection of HTTP/1.1 as its exchanges use it, on either side: bodies in and out, one message at a time, and what broke it. Whatever breaks
/// an exchange ends the connection, for nobody could tell where the next message begins (RFC 9112 section 9.3).
/// </summary>
internal sealed class Http1Wire(MessageChannel channel, int maxHeadSize, int maxFields, bool isServer)
{
    private const string Cancelled = "a write was cancelled";

    private int _fault;
    private string _why = "";
    private Exception? _cause;
    private Http1Exception? _refusal;
    private Http1BodyKind _kind;
    private long _left;
    private bool _started;
    private bool _isSending;
    private volatile string? _noMore;

    public Http1Receiver In { get; } = new(channel, maxHeadSize, maxFields);

    public ChannelSender Out { get; } = new(channel.Bytes);

    /// <summary>What broke it; none while nothing has.</summary>
    public MessageFault Fault => (MessageFault)Volatile.Read(ref _fault);

    /// <summary>Whether bytes are on their way and the peer does not take them. Any thread.</summary>
    public bool IsSending => Volatile.Read(ref _isSending);

    /// <summary>Whether the message that is sent has ended.</summary>
    public bool HasEnded { get; private set; } = true;

    /// <summary>Bytes of the body that is sent.</summary>
    public long BytesSent { get; private set; }

    /// <summary>Whether bytes may have left since <see cref="BeginMessage"/>.</summary>
    public bool HasSent { get; private set; }

    /// <summary>A message is about to be sent.</summary>
    public void BeginMessage()
    {
        (HasEnded, HasSent, _started, BytesSent, _noMore) = (false, false, false, 0, null);
    }

    /// <summary>The head is in <see cref="Out"/>, and this follows it.</summary>
    /// <param name="kind">Framing; <see cref="Http1BodyKind.UntilClose"/> for another protocol too.</param>
    /// <param name="length">Bytes, with <see cref="Http1BodyKind.Length"/>.</param>
    public void BeginBody(Http1BodyKind kind, long length)
    {
        (_kind, _left, _started) = (kind, length, true);
    }

    /// <summary>As <see cref="MessageExchange.TryRead"/>.</summary>
    public bool TryRead(out ReadOnlyMemory<byte> piece)
    {
        ThrowIfBroken();
        try
        {
            if (In.TryRead(out piece))
            {
                return true;
            }

            return _noMore is { } reason ? throw new MessageException(MessageFault.TimedOut, $"the client has not sent the rest of its request: {reason}") : false;
        }
        catch (Http1Exception e) when (isServer && !_started)
        {
            // Nothing goes on, but the client can still be told why.
            if (Interlocked.CompareExchange(ref _fault, (int)MessageFault.Malformed, (int)MessageFault.None) == (int)MessageFault.None)
            {
                (_why, _cause, _refusal) = (e.Message, e, e);
            }

            throw Exception();
        }
        catch (Exception e) when (e is Http1Exception or SocketException or (IOException and not MessageException))
        {
            throw Break(e);
        }
    }

    /// <summary>Nobody waits for more of the message that is received: who is about to fails, and who does when it is woken. Any thread.</summary>
    /// <param name="reason">For a person.</param>
    public void StopWaiting(string reason) => _noMore = reason;

    /// <summary>Whoever waits to receive looks again, there and then. Any thread.</summary>
    public void WakeReader() => channel.Bytes.Wake();

    /// <summary>
    /// The fault of a body that broke the protocol before its response had begun, which is still to be answered: nothing is broken by it any more.
    /// Null: there is none.
    /// </summary>
    public Http1Exception? TakeRefusal()
    {
        var refusal = Interlocked.Exchange(ref _refusal, null);
        if (refusal is not null)
        {
            Volatile.Write(ref _fault, (int)MessageFault.None);
        }

        return refusal;
    }

    /// <summary>As <see cref="MessageExchange.ReadAsync"/>.</summary>
    public ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken) =>
        TryRead(out var piece) ? new ValueTask<ReadOnlyMemory<byte>>(piece) : WaitAndReadAsync(cancellationToken);

    /// <summary>Waits for more to receive, without receiving it.</summary>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public ValueTask WaitAsync(CancellationToken cancellationToken) => cancellationToken.CanBeCanceled ? WaitCancellablyAsync(cancellationToken) : In.WaitAsync();

    /// <summary>As <see cref="MessageExchange.WriteAsync"/>.</summary>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (!_started || HasEnded)
        {
            throw new InvalidOperationException(HasEnded ? "the message has ended" : "the head was not sent");
        }

        ThrowIfBroken();
        if (bytes.IsEmpty)
        {
            return default;
        }

        switch (_kind)
        {
            case Http1BodyKind.None:
                throw new InvalidOperationException("the message has no body");
            case Http1BodyKind.Length when bytes.Length > _left:
                throw new InvalidOperationException($"the body is {bytes.Length - _left} bytes longer than announced");
        }

        _left -= bytes.Length;
        BytesSent += bytes.Length;
        HasSent = true;
        return Guarded(_kind == Http1BodyKind.Chunked ? WriteChunkAsync(bytes) : Out.WriteAsync(bytes), cancellationToken);
    }

    /// <summary>As <see cref="MessageExchange.FlushAsync"/>.</summary>
    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (!Out.HasPending)
        {
            return default;
        }

        ThrowIfBroken();
        HasSent = true;
        return Guarded(Out.FlushAsync(), cancellationToken);
    }

    /// <summary>Ends the message, without a flush.</summary>
    private ValueTask EndAsync(HttpFields? trailers, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (!_started || HasEnded)
        {
            throw new InvalidOperationException(HasEnded ? "the message has ended" : "the head was not sent");
        }

        ThrowIfBroken();
        if (_kind == Http1BodyKind.Length && _left > 0)
        {
            throw new InvalidOperationException($"the body is {_left} bytes shorter than announced");
        }

        if (_kind == Http1BodyKind.Chunked)
        {
            var reserve = Out.ReserveAsync(Http1Writer.MeasureTrailers(trailers));
            if (!reserve.IsCompletedSuccessfully)
            {
                return EndSlowlyAsync(reserve, trailers, cancellationToken);
            }

            Out.Advance(Http1Writer.WriteTrailers(trailers, Out.Space));
        }

        HasEnded = true;
        return default;
    }

    /// <summary>Ends the message and sends it.</summary>
    public ValueTask EndAndFlushAsync(HttpFields? trailers, CancellationToken cancellationToken)
    {
        var ended = EndAsync(trailers, cancellationToken);
        return ended.IsCompletedSuccessfully ? FlushAsync(cancellationToken) : FlushSlowlyAsync(ended, cancellationToken);
    }

    /// <summary>Makes room in <see cref="Out"/>.</summary>
    public ValueTask ReserveAsync(int size, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        ThrowIfBroken();
        return Guarded(Out.ReserveAsync(size), cancellationToken);
    }

    /// <summary>
    /// Ends the connection for a peer that has been sent a whole message, whose answer nobody waits for any more: in order, since nothing was cut off
    /// (RFC 9112 section 9.6). Else, or where the message is still on its way, breaks it. Any thread.
    /// </summary>
    /// <param name="fault">What it is.</param>
    /// <param name="why">For a person.</param>
    public void Leave(MessageFault fault, string why)
    {
        if (!HasEnded || Volatile.Read(ref _isSending) || Out.HasPending)
        {
            Break(fault, why);
        }
        else if (Interlocked.CompareExchange(ref _fault, (int)fault, (int)MessageFault.None) == (int)MessageFault.None)
        {
            _why = why;
            channel.Bytes.ShutdownSend();
            channel.Bytes.Wake();
        }
    }

    /// <summary>Breaks the connection. The first one counts. Any thread.</summary>
    /// <param name="fault">What it is.</param>
    /// <param name="why">For a person.</param>
    /// <param name="cause">The failure beneath, or null.</param>
    public bool Break(MessageFault fault, string why, Exception? cause = null)
    {
        if (Interlocked.CompareExchange(ref _fault, (int)fault, (int)MessageFault.None) != (int)MessageFault.None)
        {
            return false;
        }

        (_why, _cause) = (why, cause);
        channel.Bytes.Break();
        channel.Bytes.Wake();
        return true;
    }

    /// <summary>The connection failed while it was used.</summary>
    public MessageException Break(Exception cause)
    {
        var fault = cause is Http1Exception ? MessageFault.Malformed : isServer ? MessageFault.ClientGone : MessageFault.Closed;
        Break(fault, cause.Message, cause);
        return Exception();
    }

    /// <exception cref="MessageException">It is broken.</exception>
    public void ThrowIfBroken()
    {
        if (Volatile.Read(ref _fault) != (int)MessageFault.None)
        {
            throw Exception();
        }
    }

    /// <summary>Gives everything back.</summary>
    public void Release()
    {
        In.Release();
        Out.Release();
    }

    private MessageException Exception() => new(Fault, $"the {(isServer ? "client" : "endpoint")}'s connection ended: {_why}", _cause);

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask EndSlowlyAsync(ValueTask reserve, HttpFields? trailers, CancellationToken cancellationToken)
    {
        await Guarded(reserve, cancellationToken).ConfigureAwait(false);
        Out.Advance(Http1Writer.WriteTrailers(trailers, Out.Space));
        HasEnded = true;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask FlushSlowlyAsync(ValueTask before, CancellationToken cancellationToken)
    {
        await before.ConfigureAwait(false);
        await FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private ValueTask Guarded(ValueTask task, CancellationToken cancellationToken) =>
        task.IsCompletedSuccessfully ? task : cancellationToken.CanBeCanceled ? CancellablyAsync(task, cancellationToken) : GuardedAsync(task);

    /// <summary>Part of a message is on its way when a wait is cancelled, and cannot be taken back: so the connection is broken.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask CancellablyAsync(ValueTask task, CancellationToken cancellationToken)
    {
        try
        {
            await using (cancellationToken.UnsafeRegister(static wire => ((Http1Wire)wire!).Break(MessageFault.Aborted, Cancelled), this).ConfigureAwait(false))
            {
                await GuardedAsync(task).ConfigureAwait(false);
            }
        }
        catch (MessageException) when (cancellationToken.IsCancellationRequested && Fault == MessageFault.Aborted)
        {
            // Told below.
        }

        if (Fault == MessageFault.Aborted)
        {
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask GuardedAsync(ValueTask task)
    {
        Volatile.Write(ref _isSending, true);
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException or OperationCanceledException)
        {
            throw Break(e);
        }
        finally
        {
            Volatile.Write(ref _isSending, false);
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask WriteChunkAsync(ReadOnlyMemory<byte> bytes)
    {
        const int longest = 10;
        await Out.ReserveAsync(longest).ConfigureAwait(false);
        Out.Advance(Http1Writer.WriteChunkHeader(bytes.Length, Out.Space));
        await Out.WriteAsync(bytes).ConfigureAwait(false);
        await Out.ReserveAsync(2).ConfigureAwait(false);
        "\r\n"u8.CopyTo(Out.Space);
        Out.Advance(2);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<ReadOnlyMemory<byte>> WaitAndReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await WaitAsync(cancellationToken).ConfigureAwait(false);
            if (TryRead(out var piece))
            {
                return piece;
            }
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask WaitCancellablyAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await using (cancellationToken.UnsafeRegister(static c => ((MessageChannel)c!).Bytes.Wake(), channel).ConfigureAwait(false))
        {
            await In.WaitAsync().ConfigureAwait(false);
        }

        cancellationToken.ThrowIfCancellationRequested();
    }
}
