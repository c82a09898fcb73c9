using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>A request of HTTP/1.1 and its response. One object serves all requests of a connection.</summary>
internal sealed class Http1ServerExchange(Http1ServerConnection connection, Http1Wire wire) : ServerExchange
{
    private volatile bool _hasStarted;
    private int _heads;
    private bool _continued;
    private bool _isRead;
    private bool _isOver = true;

    public override HttpFields Trailers => wire.In.Trailers;

    public override long BytesReceived => wire.In.BodyBytes;

    public override long BytesSent => wire.BytesSent;

    public override MessageFault Fault => wire.Fault;

    public override bool HasStarted => _hasStarted;

    public override bool IsRequestWhole => wire.In.IsComplete;

    internal override long Moved => wire.In.BodyBytes + wire.BytesSent + Volatile.Read(ref _heads) + (wire.In.IsComplete ? 1 : 0);

    internal override bool CanBeAnswered => !_hasStarted && wire.Fault == MessageFault.None && !wire.IsSending;

    /// <summary>Whether both sides speak another protocol by now.</summary>
    public bool IsUpgraded { get; private set; }

    /// <summary>Whether the connection can carry another request when this one is over.</summary>
    public bool KeepAlive { get; private set; }

    /// <summary>The client waits for a 100 and has not got it: it may never send its body.</summary>
    private bool WaitsToContinue => Request.ExpectsContinue && !wire.In.IsComplete && wire.In.BodyBytes == 0 && !_continued;

    /// <summary>A head was read into <see cref="ServerExchange.Request"/>.</summary>
    public void Begin(in Http1Framing framing)
    {
        Response.Clear();
        OnGone = null;
        OnStalled = null;
        (_hasStarted, IsUpgraded, _continued, _isRead, KeepAlive) = (false, false, false, false, framing.KeepAlive);
        wire.In.BeginBody(framing);
        wire.BeginMessage();
        Volatile.Write(ref _isOver, false);
        BeginWatch();
    }

    /// <summary>The client has gone. Any thread.</summary>
    public void OnHangUp()
    {
        if (!Volatile.Read(ref _isOver) && !IsUpgraded && !wire.HasEnded && wire.Break(MessageFault.ClientGone, "it was closed before the response was complete"))
        {
            OnGone?.Invoke(this);
        }
    }

    /// <summary>The handler is done: whether the connection may go on.</summary>
    public bool Finish()
    {
        Volatile.Write(ref _isOver, true);
        EndWatch();
        OnGone = null;
        if (!wire.HasEnded)
        {
            wire.Break(MessageFault.Aborted, "the response was broken off");
        }

        return wire.Fault == MessageFault.None && KeepAlive && !IsUpgraded && DrainAtHand();
    }

    public override bool TryRead(out ReadOnlyMemory<byte> piece)
    {
        _isRead = true;
        return wire.TryRead(out piece);
    }

    public override ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken = default)
    {
        _isRead = true;
        return wire.ReadAsync(cancellationToken);
    }

    public override async ValueTask SendInterimAsync(ResponseHead head, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(head);
        if (!head.IsInterim || _hasStarted)
        {
            throw new InvalidOperationException(_hasStarted ? "the final head was sent" : $"{head.Status} is not an interim status");
        }

        if (Request.Version == HttpProtocolVersion.Http10)
        {
            // RFC 9110 section 15.2: it knows none.
            return;
        }

        _continued |= head.Status == 100;
        Volatile.Write(ref _heads, _heads + 1);
        await wire.ReserveAsync(Http1Writer.MeasureResponse(head), cancellationToken).ConfigureAwait(false);
        wire.Out.Advance(Http1Writer.WriteResponse(head, Http1BodyKind.None, keepAlive: true, Request.Version, wire.Out.Space));
        await wire.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    public override ValueTask SendHeadAsync(ResponseHead head, bool end, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(head);
        if (_hasStarted)
        {
            throw new InvalidOperationException("a final head was sent before");
        }

        if (head.IsInterim || head.Status is < 101 or > 599)
        {
            throw new ArgumentException($"{head.Status} is not a final status", nameof(head));
        }

        var reserve = wire.ReserveAsync(Http1Writer.MeasureResponse(head), cancellationToken);
        if (!reserve.IsCompletedSuccessfully)
        {
            return SendHeadSlowlyAsync(reserve, head, end, cancellationToken);
        }

        WriteHead(head, end);
        return end ? EndAsync(null, cancellationToken) : default;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => wire.WriteAsync(bytes, cancellationToken);

    public override ValueTask FlushAsync(CancellationToken cancellationToken = default) => wire.FlushAsync(cancellationToken);

    public override ValueTask EndAsync(HttpFields? trailers = null, CancellationToken cancellationToken = default) =>
        IsUpgraded ? EndUpgradedAsync(cancellationToken) : wire.EndAndFlushAsync(trailers, cancellationToken);

    public override void Abort(MessageFault fault)
    {
        if (!Volatile.Read(ref _isOver))
        {
            wire.Break(fault, "the exchange was broken off");
        }
    }

    internal override void StopWaiting(string reason) => wire.StopWaiting(reason);

    internal override void WakeReader() => wire.WakeReader();

    internal override void BreakStalled(string reason) => wire.Break(MessageFault.TimedOut, reason);

    private async ValueTask EndUpgradedAsync(CancellationToken cancellationToken)
    {
        await wire.EndAndFlushAsync(null, cancellationToken).ConfigureAwait(false);
        connection.EndSending();
    }

    private async ValueTask SendHeadSlowlyAsync(ValueTask reserve, ResponseHead head, bool end, CancellationToken cancellationToken)
    {
        await reserve.ConfigureAwait(false);
        WriteHead(head, end);
        if (end)
        {
            await EndAsync(null, cancellationToken).ConfigureAwait(false);
        }
    }

    private void WriteHead(ResponseHead head, bool end)
    {
        if (head.Status == 101 && (Request.Upgrade is null || !wire.In.IsComplete))
        {
            throw new InvalidOperationException(Request.Upgrade is null ? "the client has not asked to change the protocol" : "the request has a body, which comes before the other protocol");
        }

        _hasStarted = true;
        Volatile.Write(ref _heads, _heads + 1);
        var kind = KindOf(head, end);
        KeepAlive &= kind != Http1BodyKind.UntilClose && !connection.IsDraining && !WaitsToContinue && (wire.In.IsComplete || (!IsStalled && MayYetComplete(kind, end)));
        wire.Out.Advance(Http1Writer.WriteResponse(head, kind, KeepAlive, Request.Version, wire.Out.Space));
        wire.BeginBody(kind, kind == Http1BodyKind.Length ? head.ContentLength!.Value : 0);
        if (IsTunnel(head))
        {
            IsUpgraded = true;
            wire.In.BeginRaw();
        }
    }

    /// <summary>
    /// Whether the rest of a request can be read beside its response or after it. Nobody has looked at the body so far when an answer of known length
    /// comes early: what is not here by then is not waited for, and the client is told so.
    /// </summary>
    private bool MayYetComplete(Http1BodyKind response, bool end) => _isRead || (end ? DrainAtHand() : response != Http1BodyKind.Length || wire.In.HasWholeBody);

    /// <summary>Whether what follows a head is another protocol (RFC 9110 sections 7.8 and 9.3.6).</summary>
    private bool IsTunnel(ResponseHead head) => head.Status == 101 || (head.Status is >= 200 and < 300 && Request.Method == "CONNECT");

    private Http1BodyKind KindOf(ResponseHead head, bool end)
    {
        if (IsTunnel(head))
        {
            return Http1BodyKind.UntilClose;
        }

        if (head.Status is 204 or 304 || Request.Method == "HEAD")
        {
            return Http1BodyKind.None;
        }

        if (end && head.ContentLength is null)
        {
            head.ContentLength = 0;
        }

        return head.ContentLength is not null ? Http1BodyKind.Length
            : Request.Version == HttpProtocolVersion.Http10 ? Http1BodyKind.UntilClose
            : Http1BodyKind.Chunked;
    }

    /// <summary>
    /// Reads what is left of a request whose response is complete, if it is here already: an answer that came early need not cost a connection.
    /// </summary>
    private bool DrainAtHand()
    {
        try
        {
            while (!wire.In.IsComplete)
            {
                if (!wire.In.TryRead(out _) || wire.In.BodyBytes > Http1ServerConnection.MostDrained)
                {
                    return false;
                }
            }

            wire.In.ReturnLent();
            return true;
        }
        catch (Exception e) when (e is Http1Exception or IOException or System.Net.Sockets.SocketException)
        {
            return false;
        }
    }
}
