using System.Net.Sockets;
using System.Threading.Tasks.Sources;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Relaying;

/// <summary>
/// Tunnel to socket and back. What the tunnel receives is written to the socket from the connection's read loop, as
/// long as the socket takes it; what it does not take waits here, bounded by the stream's window, for a drain that runs
/// when the socket has room. What the socket receives is read into a buffer that goes on to the wire as it is.
/// </summary>
/// <remarks>
/// Thousands of idle tunnels wait here, so one is little: it is its own lock and what its caller waits for, and one state machine waits for the
/// socket.
/// </remarks>
internal sealed class TunnelRelay : IStreamSink, IValueTaskSource<RelayOutcome>
{
    // Bytes that one flow moves before it gives way to the others of its thread.
    private const int TurnBudget = 512 * 1024;

    private LoopTurn? _turn;
    private readonly StreamTunnel _tunnel;
    private readonly Http2Stream _stream;
    private readonly SocketChannel _socket;
    private readonly RelayCounters _counters;
    private readonly bool _tunnelIsClient;

    // Guarded by the lock.
    private ChunkQueue? _backlog;
    private bool _draining;
    private bool _inputEnded;
    private bool _inputOver;
    private bool _aborted;
    private volatile bool _broken;
    private RelayOutcome? _outcome;
    private int _directionsLeft = 2;
    private Exception? _failure;
    private CancellationTokenRegistration _onAbort;
    private ManualResetValueTaskSourceCore<RelayOutcome> _over;

    private TunnelRelay(StreamTunnel tunnel, Socket socket, RelayCounters counters, bool tunnelIsClient)
    {
        _tunnel = tunnel;
        _stream = tunnel.Stream;
        var connection = _stream.Connection;
        _socket = new SocketChannel(socket, connection.Loop ?? connection.Io.NextLoop());
        _counters = counters;
        _tunnelIsClient = tunnelIsClient;
        _stream.InlineWriter = connection.Io.RunsInline;

        // Whatever the caller does next, it does not do it on a thread that moves other people's bytes unless the host says so.
        _over.RunContinuationsAsynchronously = !connection.Io.RunsInline;

        // What may not be sent yet stays in the socket, where it slows the application down, and is read when what was read before has left.
        _stream.SendAhead = 0;
        _stream.SendLimit = 1;
    }

    public static ValueTask<RelayOutcome> RunAsync(StreamTunnel tunnel, Socket socket, RelayCounters counters, bool tunnelIsClient, CancellationToken abort)
    {
        var relay = new TunnelRelay(tunnel, socket, counters, tunnelIsClient);
        try
        {
            relay._onAbort = abort.UnsafeRegister(static r => ((TunnelRelay)r!).Abort(), relay);
            counters.Attach(relay);
            relay._stream.Attach(relay);
        }
        catch
        {
            relay._onAbort.Unregister();
            counters.Detach(relay);
            relay._socket.DetachToClose();
            tunnel.Release();
            throw;
        }

        var result = new ValueTask<RelayOutcome>(relay, relay._over.Version);
        relay.StartEarlyDrain();
        _ = relay.PumpToEndAsync();
        return result;
    }

    RelayOutcome IValueTaskSource<RelayOutcome>.GetResult(short token) => _over.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<RelayOutcome>.GetStatus(short token) => _over.GetStatus(token);

    void IValueTaskSource<RelayOutcome>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _over.OnCompleted(continuation, state, token, flags);

    public void Begin(ChunkQueue? early, bool ended)
    {
        _backlog = early;
        _inputEnded = ended;

        // Whatever comes from here on queues behind this, until the drain has caught up.
        _draining = true;
    }

    public void OnData(ReadOnlySpan<byte> data)
    {
        lock (this)
        {
            if (_inputOver)
            {
                // The socket takes nothing any more; the peer will learn of it by a reset, and must not stall until then.
            }
            else if (_draining)
            {
                (_backlog ??= new ChunkQueue()).Append(data);
                return;
            }
            else
            {
                goto direct;
            }
        }

        _stream.Consumed(data.Length);
        return;

    direct:

        // Not under the lock: while nothing is queued, only the read loop sends.
        var sent = _socket.TrySend(data, out var error);
        if (sent < 0 && error != SocketError.WouldBlock)
        {
            _stream.Consumed(data.Length);
            EndInput(error);
            return;
        }

        sent = Math.Max(sent, 0);
        CountToSocket(sent);
        if (sent < data.Length)
        {
            lock (this)
            {
                (_backlog ??= new ChunkQueue()).Append(data[sent..]);
                _draining = true;
            }

            _ = DrainAsync();
        }

        if (sent > 0)
        {
            _stream.Consumed(sent);
        }
    }

    public void OnEnd()
    {
        lock (this)
        {
            _inputEnded = true;
            if (_draining)
            {
                return;
            }
        }

        EndInput(SocketError.Success);
    }

    public void OnFault(StreamFault fault)
    {
        bool draining;
        lock (this)
        {
            _inputEnded = true;
            _broken = !fault.IsQuiet;
            if (!fault.IsQuiet && fault.Origin != StreamFaultOrigin.Local)
            {
                _outcome ??= fault.Origin == StreamFaultOrigin.Connection
                    ? new RelayOutcome(_tunnelIsClient ? RelayEnd.ClientDisconnected : RelayEnd.ServerDisconnected, fault.ToException())
                    : new RelayOutcome(_tunnelIsClient ? RelayEnd.ClientFailed : RelayEnd.ServerFailed, fault.ToException());
            }

            draining = _draining && !_aborted;
        }

        // A fault that says more than "enough" must not look like an orderly end to the application.
        if (!fault.IsQuiet)
        {
            _socket.ResetOnClose();
        }

        if (!draining)
        {
            EndInput(SocketError.Success);
        }

        // The other direction has nowhere to go: an end of input wakes it.
        _socket.ShutdownReceive();
    }

    private void StartEarlyDrain() => _ = DrainAsync();

    /// <summary>Socket to tunnel, until the socket has no more or the tunnel takes no more.</summary>
    private async Task PumpToEndAsync()
    {
        Exception? failure = null;
        try
        {
            var size = IoBuffers.Medium;
            var read = 0;
            while (true)
            {
                await _socket.WaitToReceiveAsync().ConfigureAwait(false);
                while (true)
                {
                    if (read >= TurnBudget)
                    {
                        read = 0;
                        await (_turn ??= new LoopTurn()).NextAsync().ConfigureAwait(false);
                    }

                    var wanted = _stream.ReadAhead(size);
                    if (wanted == 0)
                    {
                        if (!await _stream.WaitForRoomAsync().ConfigureAwait(false))
                        {
                            EndOutput(SocketError.Success);
                            return;
                        }

                        continue;
                    }

                    var buffer = IoBuffers.Rent(FrameHeader.Size + wanted);
                    var pieces = _socket.CanScatter && !_socket.IsDrained ? RentPieces(wanted) : 1;
                    var last = pieces > 1
                        ? ReceivePieces(ref buffer, pieces, wanted, out var count, out var error)
                        : count = _socket.TryReceive(buffer.AsSpan(FrameHeader.Size, wanted), out error);
                    if (count <= 0)
                    {
                        IoBuffers.Return(buffer);
                        if (error == SocketError.WouldBlock)
                        {
                            break;
                        }

                        EndOutput(count == 0 ? SocketError.Success : error);
                        return;
                    }

                    read += count;
                    CountToTunnel(count);
                    var full = count == pieces * wanted;
                    bool writable;
                    if (!full && _stream.TryWrite(buffer.AsSpan(FrameHeader.Size, last)))
                    {
                        IoBuffers.Return(buffer);
                        writable = true;
                    }
                    else
                    {
                        writable = await _stream.WriteAsync(buffer, FrameHeader.Size, last).ConfigureAwait(false);
                    }

                    if (!writable)
                    {
                        EndOutput(SocketError.Success);
                        return;
                    }

                    size = full ? IoBuffers.Large : size;
                    if (!full)
                    {
                        read = 0;
                        break;
                    }
                }
            }
    
        }
        catch (Exception e)
        {
            // Nothing that was foreseen. The caller hears of it, and both sides end.
            failure = e;
            EndInput(SocketError.OperationAborted);
        }
        finally
        {
            OnDirectionOver(failure);
        }
    }

    /// <summary>
    /// Buffers for all but the first of the pieces that are worth receiving at once, on the loop: whole ones. What is left over is more by the time that these
    /// have been sent, and would be a crumb now.
    /// </summary>
    /// <param name="piece">What is worth reading.</param>
    /// <returns>How many pieces, the first with them.</returns>
    private int RentPieces(int piece)
    {
        var most = _stream.PiecesAhead(piece);
        most = most > 1 ? Math.Min(most, _socket.Available / piece) : 1;
        var buffers = _socket.Loop!.Pieces;
        var count = 1;
        while (count < most && IoBuffers.TryRentMore() is { } more)
        {
            buffers[count++] = more;
        }

        return count;
    }

    /// <summary>
    /// One receive for several pieces, of which all but the last are queued here. Where an application has much at hand a receive costs less in itself than
    /// in what the kernel does on its account: it acknowledges, and on one host the sender's part of that (freeing, sending on, waking it) runs within the call.
    /// </summary>
    /// <param name="buffer">For the first piece; the one that holds the last on return.</param>
    /// <param name="pieces">How many there are buffers for.</param>
    /// <param name="each">Bytes of each.</param>
    /// <param name="count">Bytes received, as <see cref="SocketChannel.TryReceive(Span{byte}, out SocketError)"/> has it.</param>
    /// <param name="error">Why nothing was.</param>
    /// <returns>Bytes of the last piece.</returns>
    private int ReceivePieces(ref byte[] buffer, int pieces, int each, out int count, out SocketError error)
    {
        var buffers = _socket.Loop!.Pieces.AsSpan(0, pieces);
        buffers[0] = buffer;
        count = _socket.TryReceive(buffers, FrameHeader.Size, each, out error);
        var last = Math.Max(count - 1, 0) / each;
        _socket.Loop.ScatteredReceives += last > 0 ? 1 : 0;
        for (var i = 0; i < last; i++)
        {
            _stream.Queue(buffers[i], FrameHeader.Size, each);
        }

        buffer = buffers[last];
        for (var i = last + 1; i < pieces; i++)
        {
            IoBuffers.Return(buffers[i]);
        }

        buffers.Clear();
        return Math.Max(count, 0) - (last * each);
    }

    /// <summary>Sends the backlog as the socket makes room for it. Runs once at a time.</summary>
    private async Task DrainAsync()
    {
        try
        {
            while (true)
            {
                ReadOnlyMemory<byte> head;
                lock (this)
                {
                    if (_backlog is null || _backlog.Length == 0 || _inputOver)
                    {
                        _draining = false;
                        _backlog = _backlog is { Length: 0 } ? null : _backlog;
                        if (!_inputEnded && !_inputOver)
                        {
                            return;
                        }

                        break;
                    }

                    head = _backlog.Head;
                }

                await _socket.SendAllAsync(head).ConfigureAwait(false);
                CountToSocket(head.Length);
                lock (this)
                {
                    _backlog.Consume(head.Length);
                }

                _stream.Consumed(head.Length);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            lock (this)
            {
                _draining = false;
            }

            EndInput(e is SocketException s ? s.SocketErrorCode : SocketError.OperationAborted);
            return;
        }

        EndInput(SocketError.Success);
    }

    /// <summary>Tunnel to socket is over: everything is delivered, or the socket takes no more.</summary>
    private void EndInput(SocketError error)
    {
        var dropped = 0;
        bool first;
        lock (this)
        {
            first = !_inputOver;
            _inputOver = true;
            if (first && !SideFailure.IsOrdinary(error))
            {
                _outcome ??= new RelayOutcome(_tunnelIsClient ? RelayEnd.ServerFailed : RelayEnd.ClientFailed, new SocketException((int)error));
            }

            // A drain that is in the middle of a send still needs its buffer; it comes back here when it notices.
            if (!_draining && _backlog is { } backlog)
            {
                dropped = backlog.Length;
                backlog.Clear();
                _backlog = null;
            }
        }

        _stream.Consumed(dropped);
        if (!first)
        {
            return;
        }

        if (error == SocketError.Success && !_broken)
        {
            _socket.ShutdownSend();
        }

        OnDirectionOver(null);
    }

    /// <summary>Socket to tunnel is over.</summary>
    private void EndOutput(SocketError error)
    {
        lock (this)
        {
            if (!SideFailure.IsOrdinary(error))
            {
                _outcome ??= new RelayOutcome(_tunnelIsClient ? RelayEnd.ServerFailed : RelayEnd.ClientFailed, new SocketException((int)error));
            }
        }

        _stream.EndWrite();
        if (error != SocketError.Success)
        {
            // A socket that was reset takes nothing either.
            EndInput(error);
        }
    }

    /// <summary>Ends both directions at once. Any thread, any number of times.</summary>
    internal void Abort()
    {
        lock (this)
        {
            _aborted = true;
            _outcome = new RelayOutcome(RelayEnd.Aborted, null);
        }

        // What is cut off here must not look complete there: no CANCEL, which reads as an end (docs/protocol.md, "Ends and aborts"), and before the
        // socket wakes the other direction, which would end the stream in order.
        _stream.Reset(Http2ErrorCode.InternalError);
        _socket.Abort();
        EndInput(SocketError.OperationAborted);
    }

    /// <summary>One of the two has nothing to move any more: with the second the relay is over.</summary>
    private void OnDirectionOver(Exception? failure)
    {
        _failure ??= failure;
        if (Interlocked.Decrement(ref _directionsLeft) > 0)
        {
            return;
        }

        _onAbort.Unregister();
        _counters.Detach(this);
        _socket.DetachToClose();
        _tunnel.Release();
        if (_failure is null)
        {
            _over.SetResult(Outcome());
        }
        else
        {
            _over.SetException(_failure);
        }
    }

    private RelayOutcome Outcome()
    {
        lock (this)
        {
            return _outcome ?? new RelayOutcome(RelayEnd.Complete, null);
        }
    }

    private void CountToSocket(int bytes)
    {
        if (_tunnelIsClient)
        {
            _counters.AddClientToServer(bytes);
        }
        else
        {
            _counters.AddServerToClient(bytes);
        }
    }

    private void CountToTunnel(int bytes)
    {
        if (_tunnelIsClient)
        {
            _counters.AddServerToClient(bytes);
        }
        else
        {
            _counters.AddClientToServer(bytes);
        }
    }
}
