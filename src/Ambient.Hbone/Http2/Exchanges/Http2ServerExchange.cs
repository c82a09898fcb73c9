using System.Runtime.CompilerServices;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Exchanges;

/// <summary>A request on a stream of a server's connection, and the response to it.</summary>
internal sealed class Http2ServerExchange : ServerExchange, IMessageStreamOwner, IAfterRead
{
    private readonly Http2ServerConnection _connection;
    private readonly MessageStream _bodies;
    private readonly Action _onHandled;
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _handling;
    private int _handled;
    private int _heads;

    public Http2ServerExchange(Http2ServerConnection connection)
    {
        _connection = connection;
        _bodies = new MessageStream(this);
        _onHandled = OnHandled;
    }

    /// <summary>Whether the request waits for the rest of what was read with it. Read loop.</summary>
    public bool IsUnbegun { get; private set; }

    public override HttpFields Trailers => _bodies.Trailers;

    public override long BytesReceived => _bodies.BytesReceived;

    public override long BytesSent => _bodies.BytesSent;

    public override MessageFault Fault => _bodies.Fault;

    public override bool HasStarted => _bodies.HasSentHead;

    public override bool IsRequestWhole => _bodies.IsWhole;

    internal override long Moved =>
        _bodies.BytesReceived + _bodies.BytesSent - _bodies.Stream.Queued + Volatile.Read(ref _heads) + (_bodies.IsWhole ? 1 : 0);

    internal override bool CanBeAnswered => !_bodies.HasSentHead && Volatile.Read(ref _handled) == 0;

    /// <summary>On the read loop: the stream of the request that was read begins.</summary>
    public void Begin(Http2Stream stream)
    {
        _bodies.Begin(stream);
        _bodies.Announce(Request.ContentLength ?? -1);
        BeginWatch();
        IsUnbegun = true;
        stream.Connection.RunAfterRead(this);
    }

    /// <summary>What came with the head is there: the request is handled.</summary>
    void IAfterRead.OnReadHandled()
    {
        IsUnbegun = false;
        var wasGone = _bodies.Fault != MessageFault.None;
#pragma warning disable CA2012 // Asked for its result once, when it is completed, by OnHandled: an async method would cost an object for each request.
        _handling = _connection.Handler.HandleAsync(this).ConfigureAwait(false).GetAwaiter();
#pragma warning restore CA2012
        if (_handling.IsCompleted)
        {
            OnHandled();
        }
        else
        {
            if (wasGone)
            {
                // Nobody had said yet who is to be told.
                OnGone?.Invoke(this);
            }

            _handling.UnsafeOnCompleted(_onHandled);
        }
    }

    /// <summary>Ready for another request.</summary>
    public void Clear()
    {
        EndWatch();
        Request.Clear();
        Response.Clear();
        OnGone = OnStalled = null;
        _bodies.Clear();
    }

    public override bool TryRead(out ReadOnlyMemory<byte> piece) => _bodies.TryRead(out piece);

    public override ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken = default) => _bodies.ReadAsync(cancellationToken);

    public override ValueTask SendInterimAsync(ResponseHead head, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(head);
        if (!head.IsInterim || HasStarted)
        {
            throw new InvalidOperationException(HasStarted ? "the final head was sent" : $"status {head.Status} is not that of an interim head");
        }

        Volatile.Write(ref _heads, _heads + 1);
        return Sent(_bodies.WriteHead(head, answers: false, endStream: false, later: false));
    }

    public override ValueTask SendHeadAsync(ResponseHead head, bool end, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(head);
        if (HasStarted || head.IsInterim)
        {
            throw new InvalidOperationException(HasStarted ? "a final head was sent before" : $"status {head.Status} is not that of a final head");
        }

        if (head.Status is < 101 or > 599)
        {
            throw new ArgumentException($"{head.Status} is not a status", nameof(head));
        }

        Volatile.Write(ref _heads, _heads + 1);

        // Headers alone, whatever the head announces (RFC 9110 sections 9.3.2, 15.3.5 and 15.4.5).
        var bodyless = head.Upgrade is null && (Request.Method == "HEAD" || head.Status is 204 or 304);
        _bodies.OnHeadSent(head.Upgrade is null ? head.ContentLength ?? -1 : -1, bodyless, end);
        return Sent(_bodies.WriteHead(head, answers: true, endStream: end, later: !end));
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => _bodies.WriteAsync(bytes, cancellationToken);

    public override ValueTask FlushAsync(CancellationToken cancellationToken = default) => _bodies.FlushAsync(cancellationToken);

    public override ValueTask EndAsync(HttpFields? trailers = null, CancellationToken cancellationToken = default) => _bodies.EndAsync(trailers);

    public override void Abort(MessageFault fault) => _bodies.Abort(fault, "the exchange was broken off on this side");

    (MessageFault Fault, string Reason, Exception? Cause) IMessageStreamOwner.Explain(StreamFault fault, bool isWhole) => fault.Cause is Http2StreamException broken
        ? (broken.Code == Http2ErrorCode.EnhanceYourCalm ? MessageFault.TooLarge : MessageFault.Malformed, broken.Message, broken)
        : fault.Origin == StreamFaultOrigin.Peer
            ? (MessageFault.ClientGone, $"the client reset the request: {fault.Code}", null)
            : (MessageFault.ClientGone, $"the client's connection has ended: {fault.Cause?.Message ?? "closed"}", fault.Cause);

    Http2ErrorCode IMessageStreamOwner.CodeOf(MessageFault fault) => ResetCodes.ToClient(fault);

    void IMessageStreamOwner.OnFault(StreamFault fault)
    {
        var stream = _bodies.Stream;
        if (fault.Origin != StreamFaultOrigin.Local && !(stream.LocalEnded && !stream.EndQueued))
        {
            OnGone?.Invoke(this);
        }
    }

    void IMessageStreamOwner.OnOver() => TryGiveBack();

    internal override void StopWaiting(string reason) => _bodies.StopWaiting(reason);

    internal override void WakeReader() => _bodies.WakeReader();

    internal override void BreakStalled(string reason) => _bodies.Abort(MessageFault.TimedOut, reason);

    private ValueTask Sent(bool sent) => sent ? default : ValueTask.FromException(_bodies.Failure());

    /// <summary>The handler is done: whatever it left open ends.</summary>
    private void OnHandled()
    {
        Exception? failure = null;
        EndHandling();
        try
        {
            _handling.GetResult();
        }
        catch (Exception e)
        {
            failure = e;
        }

        _handling = default;
        try
        {
            if (failure is not null && !(failure is MessageException { Fault: MessageFault.TimedOut } && IsStalled && !HasStarted))
            {
                Abort(MessageFault.Aborted);
                _connection.Handler.OnFailed(this, failure);
            }
            else if (!HasStarted)
            {
                Response.Clear();
                Response.Status = StatusWithoutAnswer;
                _ = SendHeadAsync(Response, end: true).AsTask().Exception;
            }
            else if (!_bodies.HasSentEnd)
            {
                Abort(MessageFault.Aborted);
            }
        }
        finally
        {
            // A response that is complete although its request was not read is an end all the same (RFC 9113 section 8.1).
            _bodies.StopReading();
            _bodies.Stream.Release(Http2ErrorCode.NoError);
            Interlocked.Exchange(ref _handled, 1);
            TryGiveBack();
        }
    }

    private void TryGiveBack()
    {
        if (Volatile.Read(ref _handled) != 0 && _bodies.IsReusable && Interlocked.Exchange(ref _handled, 0) != 0)
        {
            _connection.GiveBack(this);
        }
    }
}
