using System.Net.Sockets;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>A request of HTTP/1.1 that is sent, and its response. One object serves all requests of a connection, one after the other.</summary>
internal sealed class Http1ClientExchange(Http1ClientConnection connection, Http1Wire wire, MessageClientOptions options) : ClientExchange
{
    private readonly Http1ResponseParser _parser = new(options.MaxHeadSize, options.MaxFields);
    private readonly Http1Wire _wire = wire;
    private HeadWait? _headWait;
    private string _method = "";
    private string? _upgrade;
    private bool _isPartial;
    private int _interim;
    private int _interimSize;
    private bool _hasHead;
    private bool _hasBytes;
    private bool _isOver = true;

    public override HttpFields Trailers => _wire.In.Trailers;

    public override long BytesReceived => _wire.In.BodyBytes;

    public override long BytesSent => _wire.BytesSent;

    public override MessageFault Fault => _wire.Fault;

    public override bool HasSent => _wire.HasSent;

    /// <summary>The connection is ours until we are disposed of.</summary>
    public void Begin()
    {
        (_interim, _interimSize, _hasHead, _hasBytes, _isPartial, _method, _upgrade) = (0, 0, false, false, false, "", null);
        Response.Clear();
        _parser.Reset();
        _wire.BeginMessage();
        _wire.In.BeginBody(default);
        Volatile.Write(ref _isOver, false);
    }

    public override ValueTask SendHeadAsync(RequestHead head, bool end, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(head);
        var reserve = _wire.ReserveAsync(Http1Writer.MeasureRequest(head), cancellationToken);
        if (!reserve.IsCompletedSuccessfully)
        {
            return SendHeadSlowlyAsync(reserve, head, end, cancellationToken);
        }

        WriteHead(head, end);
        return end ? EndAsync(null, cancellationToken) : default;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => _wire.WriteAsync(bytes, cancellationToken);

    public override ValueTask FlushAsync(CancellationToken cancellationToken = default) => _wire.FlushAsync(cancellationToken);

    public override ValueTask EndAsync(HttpFields? trailers = null, CancellationToken cancellationToken = default) =>
        Response.Status == 101 ? EndUpgradedAsync(cancellationToken) : _wire.EndAndFlushAsync(trailers, cancellationToken);

    public override ValueTask<ResponseHead> ReceiveHeadAsync(CancellationToken cancellationToken = default)
    {
        if (_hasHead)
        {
            throw new InvalidOperationException("the final head has come");
        }

        if (!_isPartial)
        {
            Response.Clear();
            _isPartial = true;
        }

        try
        {
            return TryReceiveHead() ? new ValueTask<ResponseHead>(Response)
                : cancellationToken.CanBeCanceled ? ReceiveHeadCancellablyAsync(cancellationToken)
                : (_headWait ??= new Http1HeadWait(this)).BeginAsync();
        }
        catch (MessageException e)
        {
            return ValueTask.FromException<ResponseHead>(e);
        }
    }

    public override bool TryRead(out ReadOnlyMemory<byte> piece) => _wire.TryRead(out piece);

    public override ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken = default) => _wire.ReadAsync(cancellationToken);

    public override void Abort(MessageFault fault)
    {
        if (Volatile.Read(ref _isOver))
        {
            return;
        }

        // Another protocol has no frame that shows what is missing.
        if (fault == MessageFault.ClientGone && Response.Status != 101)
        {
            _wire.Leave(fault, "the exchange was broken off");
        }
        else
        {
            _wire.Break(fault, "the exchange was broken off");
        }
    }

    public override ValueTask DisposeAsync()
    {
        if (Volatile.Read(ref _isOver))
        {
            return default;
        }

        Volatile.Write(ref _isOver, true);
        _wire.In.ReturnLent();
        connection.End(reusable: _wire.Fault == MessageFault.None && _hasHead && _wire.HasEnded && _wire.In.IsComplete && _parser.Framing.KeepAlive && Response.Status != 101);
        return default;
    }

    /// <summary>Reads on as far as it goes. False: it goes on when more has come.</summary>
    /// <exception cref="MessageException">The exchange was broken off.</exception>
    private bool TryReceiveHead()
    {
        var input = _wire.In;
        try
        {
            while (true)
            {
                _wire.ThrowIfBroken();
                if (!input.Available.IsEmpty)
                {
                    _hasBytes = true;
                    var complete = _parser.Parse(input.Available, Response, _method, out var consumed);
                    input.Consume(consumed);
                    if (complete)
                    {
                        break;
                    }
                }

                if (input.TryFill())
                {
                    continue;
                }

                if (input.HasEnded)
                {
                    throw Lost("it was closed", null);
                }

                return false;
            }
        }
        catch (Http1Exception e)
        {
            _wire.Break(e.Status == 431 ? MessageFault.TooLarge : MessageFault.Malformed, e.Message, e);
            _wire.ThrowIfBroken();
        }
        catch (Exception e) when (e is SocketException or (IOException and not MessageException))
        {
            throw Lost(e.Message, e);
        }

        _isPartial = false;
        OnHead();
        return true;
    }

    private async ValueTask<ResponseHead> ReceiveHeadCancellablyAsync(CancellationToken cancellationToken)
    {
        do
        {
            try
            {
                await _wire.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is SocketException or (IOException and not MessageException))
            {
                throw Lost(e.Message, e);
            }
        }
        while (!TryReceiveHead());
        return Response;
    }

    private async ValueTask EndUpgradedAsync(CancellationToken cancellationToken)
    {
        await _wire.EndAndFlushAsync(null, cancellationToken).ConfigureAwait(false);
        connection.EndSending();
    }

    private void OnHead()
    {
        if (Response.IsInterim)
        {
            _parser.Reset();
            _interimSize += Response.Fields.Size;
            if (++_interim > options.MaxInterimHeads || _interimSize > options.MaxHeadSize)
            {
                _wire.Break(MessageFault.TooLarge, $"it sent more than {options.MaxInterimHeads} interim heads, or {options.MaxHeadSize} bytes of them");
                _wire.ThrowIfBroken();
            }

            return;
        }

        if (Response.Status == 101 && !Offers(_upgrade, Response.Upgrade!))
        {
            _wire.Break(MessageFault.Malformed, "it changes to a protocol that it was not asked for");
            _wire.ThrowIfBroken();
        }

        _hasHead = true;
        if (Response.Status == 101)
        {
            _wire.In.BeginRaw();
        }
        else
        {
            _wire.In.BeginBody(_parser.Framing);
        }
    }

    /// <summary>Whether the protocols that the endpoint changes to are among those asked for (RFC 9110 section 7.8).</summary>
    private static bool Offers(string? asked, string chosen)
    {
        foreach (var range in chosen.AsSpan().Split(", "))
        {
            var isOffered = false;
            foreach (var other in asked.AsSpan().Split(','))
            {
                isOffered |= asked.AsSpan()[other].Trim(' ').Equals(chosen.AsSpan()[range], StringComparison.OrdinalIgnoreCase);
            }

            if (!isOffered)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The connection ended while a head was waited for.</summary>
    private MessageException Lost(string why, Exception? cause)
    {
        _wire.Break(_hasBytes ? MessageFault.Closed : MessageFault.ClosedUnanswered, why, cause);
        return new MessageException(_wire.Fault, $"the endpoint's connection ended before its answer was there: {why}", cause);
    }

    private async ValueTask SendHeadSlowlyAsync(ValueTask reserve, RequestHead head, bool end, CancellationToken cancellationToken)
    {
        await reserve.ConfigureAwait(false);
        WriteHead(head, end);
        if (end)
        {
            await EndAsync(null, cancellationToken).ConfigureAwait(false);
        }
    }

    private void WriteHead(RequestHead head, bool end)
    {
        (_method, _upgrade) = (head.Method, head.Upgrade);
        var kind = !head.HasBody ? Http1BodyKind.None : head.ContentLength is not null ? Http1BodyKind.Length : Http1BodyKind.Chunked;
        if (head.Upgrade is not null && !end && kind == Http1BodyKind.None)
        {
            // What is written after a 101 belongs to the other protocol.
            kind = Http1BodyKind.UntilClose;
            _wire.Out.Advance(Http1Writer.WriteRequest(head, Http1BodyKind.None, keepAlive: true, _wire.Out.Space));
        }
        else
        {
            _wire.Out.Advance(Http1Writer.WriteRequest(head, kind, keepAlive: true, _wire.Out.Space));
        }

        _wire.BeginBody(kind, kind == Http1BodyKind.Length ? head.ContentLength!.Value : 0);
    }

    private sealed class Http1HeadWait(Http1ClientExchange exchange) : HeadWait
    {
        protected override ResponseHead Head => exchange.Response;

        protected override ValueTask WaitAsync() => exchange._wire.In.WaitAsync();

        protected override bool TryTake() => exchange.TryReceiveHead();

        protected override Exception Explain(Exception failure) => failure is SocketException or (IOException and not MessageException) ? exchange.Lost(failure.Message, failure) : failure;
    }
}
