using System.Buffers;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Http2.HPack;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Exchanges;

/// <summary>
/// The bodies of one exchange on a stream, for whichever side: what came and waits to be read, bounded by the stream's window, and one buffer of
/// what is to be sent. Its lock guards what the read loop and the reader share; what is sent is the writer's alone. This part receives, the other sends.
/// </summary>
internal sealed partial class MessageStream : IStreamSink, IHttp2StreamOwner
{
    private readonly IMessageStreamOwner _owner;
    private readonly SocketWait _readable = new();
    private readonly Lock _gate = new();
    private Http2Stream? _stream;
    private ChunkQueue? _received;
    private int _lent;
    private long _bytesReceived;

    // Bytes of the body that are announced, or allowed; -1: any number.
    private long _announced = -1;
    private volatile bool _isWhole;
    private bool _unread;
    private volatile MessageFault _fault;
    private string? _reason;
    private Exception? _cause;
    private string? _noMore;

    public MessageStream(IMessageStreamOwner owner) => _owner = owner;

    /// <summary>Whose bodies these are.</summary>
    public IMessageStreamOwner Owner => _owner;

    /// <summary>The stream, once there is one.</summary>
    public Http2Stream Stream => _stream!;

    /// <summary>The loop that serves the stream; null: none, or there is no stream yet.</summary>
    public EventLoop? Loop => _stream?.Connection.Loop;

    /// <summary>Whether there is one.</summary>
    public bool IsOpen => _stream is not null;

    public HttpFields Trailers { get; } = new();

    public long BytesReceived => Volatile.Read(ref _bytesReceived);

    /// <summary>What broke the exchange off.</summary>
    public MessageFault Fault => _fault;

    /// <summary>Whether the peer's message has come to its end.</summary>
    public bool IsWhole => _isWhole;

    /// <summary>Whether both halves have ended in order and nothing calls here any more, so that the object can serve another exchange.</summary>
    public bool IsReusable => Volatile.Read(ref _isOver) && _isWhole && _fault == MessageFault.None && !_endedEarly;

    /// <summary>Called with the stream before anything is received on it.</summary>
    public void Begin(Http2Stream stream)
    {
        Take(stream);
        stream.Attach(this);
    }

    /// <summary>The head of what is received was read: what it announces is held against what comes.</summary>
    /// <param name="length">Bytes of the body; -1: any number.</param>
    public void Announce(long length) => _announced = length;

    /// <summary>Ready for another exchange.</summary>
    public void Clear()
    {
        (_stream, _lent, _bytesReceived, _announced, _isWhole, _unread) = (null, 0, 0, -1, false, false);
        (_fault, _reason, _cause, _noMore) = (MessageFault.None, null, null, null);
        Trailers.Clear();
        _readable.Forget();
        ClearWriting();
    }

    public bool TryRead(out ReadOnlyMemory<byte> piece)
    {
        MessageException? failure = null;
        var there = true;
        int returned;
        lock (_gate)
        {
            returned = _lent;
            if (_lent > 0)
            {
                _received!.Consume(_lent);
                _lent = 0;
            }

            piece = _received is null ? default : _received.Head;
            _lent = piece.Length;
            if (_lent == 0 && !_isWhole)
            {
                failure = _fault != MessageFault.None ? Failure()
                    : _noMore is null ? null
                    : new MessageException(MessageFault.TimedOut, $"the peer has not sent the rest of its message: {_noMore}");
                there = false;
            }
        }

        if (returned > 0)
        {
            _stream!.Consumed(returned);
        }

        return failure is null ? there : throw failure;
    }

    public ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return TryRead(out var piece) ? new ValueTask<ReadOnlyMemory<byte>>(piece) : WaitToReadAsync(cancellationToken);
        }
        catch (MessageException e)
        {
            return ValueTask.FromException<ReadOnlyMemory<byte>>(e);
        }
    }

    /// <summary>Nobody waits for more: who is about to fails, and who does when it is woken. Any thread.</summary>
    /// <param name="reason">For a person.</param>
    public void StopWaiting(string reason)
    {
        lock (_gate)
        {
            _noMore = reason;
        }
    }

    /// <summary>Whoever waits for more looks again, on the connection's thread. Any thread.</summary>
    public void WakeReader() => _readable.SignalLater(Loop);

    /// <summary>Nobody reads any more: what is there, and what is still to come, gives its credit back.</summary>
    public void StopReading()
    {
        // What is whole gets no more. With nothing left of it, and nothing lent, there is nothing to give back: who reads on at this moment makes neither more again.
        if (_isWhole && _received is not { Length: > 0 } && Volatile.Read(ref _lent) == 0)
        {
            return;
        }

        int unread;
        lock (_gate)
        {
            _unread = true;
            unread = _received?.Length ?? 0;
            if (_lent > 0)
            {
                // Somebody may still look at what was lent to him last: the collector takes it, and nobody else gets it before.
                _received = null;
                _lent = 0;
            }
            else
            {
                _received?.Clear();
            }
        }

        if (unread > 0)
        {
            _stream!.Consumed(unread);
        }
    }

    /// <summary>Breaks the exchange off. Nothing happens when it is over.</summary>
    public void Abort(MessageFault fault, string reason)
    {
        Fail(fault, reason, null);
        _stream?.Reset(_owner.CodeOf(fault));
    }

    /// <summary>The peer broke the protocol within the stream. On the read loop.</summary>
    public void OnMalformed(string reason)
    {
        Fail(MessageFault.Malformed, reason, null);
        var stream = _stream!;
        stream.Reset(Http2ErrorCode.ProtocolError);
        stream.Connection.Guard.OnStreamError();
    }

    /// <summary>Notes what broke the exchange off, unless something has already, and wakes the reader: not within the call.</summary>
    public void Fail(MessageFault fault, string reason, Exception? cause)
    {
        lock (_gate)
        {
            if (_fault != MessageFault.None)
            {
                return;
            }

            (_fault, _reason, _cause) = (fault, reason, cause);
        }

        _readable.SignalLater(Loop);
    }

    /// <summary>What broke the exchange off, for whoever reads or writes.</summary>
    public MessageException Failure()
    {
        lock (_gate)
        {
            return _fault == MessageFault.None
                ? new MessageException(MessageFault.Reset, "the peer has ended the stream: it reads no more of this message")
                : new MessageException(_fault, _reason ?? "the message was broken off", _cause);
        }
    }

    void IStreamSink.Begin(ChunkQueue? early, bool ended)
    {
        // Before anybody else knows of the stream, or the stream of this.
        _received = early ?? _received;
        _bytesReceived = early?.Length ?? 0;
        _isWhole = ended;
    }

    void IStreamSink.OnData(ReadOnlySpan<byte> data)
    {
        var connection = _stream!.Connection;
        var kept = false;
        var tooMany = false;
        lock (_gate)
        {
            _bytesReceived += data.Length;
            tooMany = _announced >= 0 && _bytesReceived > _announced;
            if (!tooMany && !_unread && _fault == MessageFault.None)
            {
                (_received ??= new ChunkQueue()).Append(data);
                kept = true;
            }
        }

        if (kept)
        {
            connection.RunAfterRead(_readable);
            return;
        }

        _stream!.Consumed(data.Length);
        if (tooMany)
        {
            OnMalformed($"the body has more bytes than the {_announced} of content-length");
        }
    }

    void IStreamSink.OnEnd()
    {
        // Whoever sees that it is whole may give the object back at once.
        var connection = _stream!.Connection;
        bool tooFew;
        lock (_gate)
        {
            tooFew = _announced >= 0 && _bytesReceived < _announced && _fault == MessageFault.None;
            if (tooFew)
            {
                (_fault, _reason) = (MessageFault.Malformed, $"the body ended {_announced - _bytesReceived} bytes before the {_announced} of content-length");
            }
            else
            {
                _isWhole = _fault == MessageFault.None;
            }
        }

        if (tooFew)
        {
            OnMalformed("");
        }

        connection.RunAfterRead(_readable);
    }

    void IStreamSink.OnFault(StreamFault fault)
    {
        lock (_gate)
        {
            if (_fault == MessageFault.None)
            {
                _endedEarly = true;
                if (fault.Origin != StreamFaultOrigin.Local)
                {
                    (_fault, _reason, _cause) = _owner.Explain(fault, _isWhole);
                }
            }
        }

        if (fault.Origin == StreamFaultOrigin.Local)
        {
            _readable.SignalLater(Loop);
        }
        else
        {
            _readable.Signal();
        }

        _owner.OnFault(fault);
    }

    void IHttp2StreamOwner.OnOpened(Http2Stream stream)
    {
        Take(stream);
        stream.AttachUnseen(this);
    }

    /// <summary>The sink is told already.</summary>
    void IHttp2StreamOwner.OnFault(StreamFault fault)
    {
    }

    /// <summary>The stream has ended, in order or not. From any thread.</summary>
    public void OnOver()
    {
        // The owner looks whether its user is done, as its user looks whether this is over: one of them must see the other.
        Interlocked.Exchange(ref _isOver, true);
        _owner.OnOver();
    }

    private void Take(Http2Stream stream)
    {
        stream.Owner = this;
        stream.InlineWriter = true;
        stream.SendAhead = 0;
        _stream = stream;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<ReadOnlyMemory<byte>> WaitToReadAsync(CancellationToken cancellationToken)
    {
        using var onCancel = cancellationToken.UnsafeRegister(static bodies => ((MessageStream)bodies!).WakeReader(), this);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await _readable.WaitAsync().ConfigureAwait(false);
            if (TryRead(out var piece))
            {
                return piece;
            }
        }
    }
}
