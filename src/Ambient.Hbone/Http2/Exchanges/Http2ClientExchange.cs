using System.Runtime.CompilerServices;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Exchanges;

/// <summary>A request on a stream of a client's connection, and its response.</summary>
internal sealed class Http2ClientExchange : ClientExchange, IMessageStreamOwner
{
    private readonly Http2ClientConnection _connection;
    private readonly MessageStream _bodies;
    private readonly SocketWait _heads = new();
    private readonly Lock _gate = new();
    private HeadWait? _headWait;
    private AnsweredRequest _request;

    // A head that came, and whether it was asked for since; those that come behind it wait in the queue.
    private bool _headCame;
    private volatile bool _anyHeadCame;
    private bool _headLent;
    private Queue<ResponseHead>? _moreHeads;
    private int _interimHeads;
    private int _interimSize;
    private bool _answered;
    private bool _disposed;
    private bool _left;

    public Http2ClientExchange(Http2ClientConnection connection)
    {
        _connection = connection;
        _bodies = new MessageStream(this);
    }

    public override HttpFields Trailers => _bodies.Trailers;

    public override long BytesReceived => _bodies.BytesReceived;

    public override long BytesSent => _bodies.BytesSent;

    public override MessageFault Fault => _bodies.Fault;

    public override bool HasSent => _bodies.IsOpen;

    public override bool TryRead(out ReadOnlyMemory<byte> piece) => _bodies.TryRead(out piece);

    public override ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken = default) => _bodies.ReadAsync(cancellationToken);

    public override ValueTask SendHeadAsync(RequestHead head, bool end, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(head);
        if (_bodies.HasSentHead)
        {
            throw new InvalidOperationException("a head was sent before");
        }

        if (head.Upgrade is null || _connection.Http2.SettingsReceived.IsCompleted)
        {
            try
            {
                SendHead(head, end);
                return default;
            }
            catch (MessageException e)
            {
                return ValueTask.FromException(e);
            }
        }

        return SendUpgradeAsync(head, end, cancellationToken);
    }

    public override ValueTask<ResponseHead> ReceiveHeadAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            return TryTakeHead() ? new ValueTask<ResponseHead>(Response) : WaitForHeadAsync(cancellationToken);
        }
        catch (MessageException e)
        {
            return ValueTask.FromException<ResponseHead>(e);
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => _bodies.WriteAsync(bytes, cancellationToken);

    public override ValueTask FlushAsync(CancellationToken cancellationToken = default) => _bodies.FlushAsync(cancellationToken);

    public override ValueTask EndAsync(HttpFields? trailers = null, CancellationToken cancellationToken = default) => _bodies.EndAsync(trailers);

    public override void Abort(MessageFault fault)
    {
        _bodies.Abort(fault, "the exchange was broken off on this side");
        WakeReceiver();
    }

    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return default;
        }

        if (_bodies.IsOpen)
        {
            _bodies.StopReading();
            _bodies.Stream.Reset(_bodies.IsWhole ? Http2ErrorCode.NoError : Http2ErrorCode.Cancel);
        }

        // Whoever reads the end goes on before the connection has told that the stream is over: then it is kept when that is told.
        var isOpen = _bodies.IsOpen;
        Interlocked.Exchange(ref _left, isOpen);
        var unused = !isOpen || TryTake();
        if (unused)
        {
            Clear();
        }

        _connection.Release(unused ? this : null);
        return default;
    }

    /// <summary>It serves another request.</summary>
    public Http2ClientExchange Renew()
    {
        // Not when it was given back: who disposes of it twice must not give it back twice.
        _disposed = false;
        return this;
    }

    /// <summary>Read loop: the block of a response.</summary>
    /// <returns>Whether it is the final one.</returns>
    public bool OnResponse(MessageHeaderReader headers, ReadOnlySpan<byte> block, bool endStream)
    {
        ResponseHead head;
        var waits = false;

        // Before the first head came nobody can have taken one.
        if (_anyHeadCame)
        {
            lock (_gate)
            {
                waits = _headCame || _headLent;
            }
        }

        head = waits ? new ResponseHead() : Response;

        headers.ReadResponse(_bodies.Stream.Id, block, endStream, _request, head);
        if (head.IsInterim)
        {
            _interimSize += head.Fields.Size;
            if (++_interimHeads > _connection.MaxInterimHeads || _interimSize > _connection.MaxInterimSize)
            {
                throw new Http2StreamException(
                    _bodies.Stream.Id, Http2ErrorCode.EnhanceYourCalm, $"more than {_connection.MaxInterimHeads} interim heads or {_connection.MaxInterimSize} bytes of them");
            }
        }
        else
        {
            _bodies.Announce(!head.HasBody && head.Upgrade is null && !endStream && !_request.IsConnect ? 0 : head.HasBody ? head.ContentLength ?? -1 : -1);
            _bodies.Stream.Answered = true;
        }

        lock (_gate)
        {
            _answered |= !head.IsInterim;
            _anyHeadCame = true;
            if (waits)
            {
                (_moreHeads ??= new Queue<ResponseHead>()).Enqueue(head);
            }
            else
            {
                _headCame = true;
            }
        }

        var isFinal = !head.IsInterim;
        _connection.Http2.RunAfterRead(_heads);
        return isFinal;
    }

    (MessageFault Fault, string Reason, Exception? Cause) IMessageStreamOwner.Explain(StreamFault fault, bool isWhole)
    {
        // A server that has answered in whole may refuse to read the rest of the request (RFC 9113 section 8.1): that is an end.
        if (isWhole && fault.IsQuiet)
        {
            return default;
        }

        if (fault.IsUnprocessed)
        {
            return (MessageFault.Refused, $"the server has not looked at the request: {fault.Code}", fault.Cause);
        }

        if (fault.Origin == StreamFaultOrigin.Peer)
        {
            return (MessageFault.Reset, $"the server reset the request: {fault.Code}", null);
        }

        return fault.Cause switch
        {
            Http2StreamException broken => (broken.Code == Http2ErrorCode.EnhanceYourCalm ? MessageFault.TooLarge : MessageFault.Malformed, broken.Message, broken),
            Http2ConnectionException broken => (MessageFault.Malformed, broken.Message, broken),
            var cause => (_answered ? MessageFault.Closed : MessageFault.ClosedUnanswered, $"the server's connection has ended: {cause?.Message ?? "closed"}", cause),
        };
    }

    Http2ErrorCode IMessageStreamOwner.CodeOf(MessageFault fault) => ResetCodes.ToServer(fault);

    void IMessageStreamOwner.OnFault(StreamFault fault)
    {
        if (fault.Origin == StreamFaultOrigin.Local)
        {
            WakeReceiver();
        }
        else
        {
            _heads.Signal();
        }
    }

    void IMessageStreamOwner.OnOver() => TryKeep();

    /// <summary>Whoever waits for a head looks again, but not within the call.</summary>
    private void WakeReceiver() => _heads.SignalLater(_connection.Http2.Loop);

    private void TryKeep()
    {
        if (TryTake())
        {
            Clear();
            _connection.Keep(this);
        }
    }

    /// <summary>Whether it was left and is over, so that the caller, and nobody else, may give it back.</summary>
    private bool TryTake() => Volatile.Read(ref _left) && _bodies.IsReusable && Interlocked.Exchange(ref _left, false);

    private void SendHead(RequestHead head, bool end)
    {
        if (head.Upgrade is not null && !_connection.Http2.TakesExtendedConnect)
        {
            throw new MessageException(MessageFault.Unsupported, $"the server does not take {head.Upgrade} over HTTP/2 (SETTINGS_ENABLE_CONNECT_PROTOCOL)");
        }

        _request = new AnsweredRequest(head.Method == "HEAD", head.Upgrade, head.Method == "CONNECT");
        var length = head.Upgrade is null && !_request.IsConnect ? head.ContentLength ?? -1 : -1;
        _bodies.OnHeadSent(length, bodyless: false, end);
        try
        {
            _connection.Http2.Open(new RequestBlock(head), _bodies, endStream: end, later: !end);
        }
        catch (UnprocessedException e)
        {
            _bodies.Fail(MessageFault.Refused, e.Message, e);
            throw new MessageException(MessageFault.Refused, e.Message, e);
        }
    }

    private async ValueTask SendUpgradeAsync(RequestHead head, bool end, CancellationToken cancellationToken)
    {
        try
        {
            await _connection.Http2.SettingsReceived.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            _bodies.Fail(MessageFault.ClosedUnanswered, e.Message, e);
            throw new MessageException(MessageFault.ClosedUnanswered, $"the server's connection has ended: {e.Message}", e);
        }

        SendHead(head, end);
    }

    private bool TryTakeHead()
    {
        if (!_anyHeadCame)
        {
            return _bodies.Fault == MessageFault.None ? false : throw _bodies.Failure();
        }

        lock (_gate)
        {
            if (_headCame)
            {
                (_headCame, _headLent) = (false, true);
                return true;
            }

            if (_moreHeads is not null && _moreHeads.TryDequeue(out var next))
            {
                Response.CopyFrom(next);
                _headLent = true;
                return true;
            }

            _headLent = false;
        }

        return _bodies.Fault == MessageFault.None ? false : throw _bodies.Failure();
    }

    private ValueTask<ResponseHead> WaitForHeadAsync(CancellationToken cancellationToken)
    {
        if (_bodies.IsOpen)
        {
            // A head that waits for its body must not be waited for.
            _connection.Http2.Flush();
        }

        return cancellationToken.CanBeCanceled ? WaitForHeadCancellablyAsync(cancellationToken) : (_headWait ??= new Http2HeadWait(this)).BeginAsync();
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<ResponseHead> WaitForHeadCancellablyAsync(CancellationToken cancellationToken)
    {
        using var onCancel = cancellationToken.UnsafeRegister(static exchange => ((Http2ClientExchange)exchange!).WakeReceiver(), this);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await _heads.WaitAsync().ConfigureAwait(false);
            if (TryTakeHead())
            {
                return Response;
            }
        }
    }

    private void Clear()
    {
        _bodies.Clear();
        _heads.Forget();
        Response.Clear();
        _request = default;
        (_headCame, _headLent, _anyHeadCame, _answered) = (false, false, false, false);
        (_interimHeads, _interimSize) = (0, 0);
        _moreHeads?.Clear();
    }

    private sealed class Http2HeadWait(Http2ClientExchange exchange) : HeadWait
    {
        protected override ResponseHead Head => exchange.Response;

        protected override ValueTask WaitAsync() => exchange._heads.WaitAsync();

        protected override bool TryTake() => exchange.TryTakeHead();
    }
}
