using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Ambient.Hbone.Sockets;

/// <summary>
/// A connected socket for code that does its own buffering: tries first, waits only when the kernel has nothing (or no
/// room), and holds no buffer while it waits. One reader and one writer at a time. Does not own the socket, but has to
/// be detached before the socket is closed.
/// </summary>
internal sealed class SocketChannel : IByteChannel
{
    /// <summary>Buffers that one receive fills at most.</summary>
    public const int MaxPieces = 4;

    private readonly Socket _socket;
    private readonly SafeSocketHandle _handle;
    private readonly SocketWait? _readable;
    private SocketWait? _writable;
    private readonly long _token;
    private volatile bool _hungUp;
    private volatile int _detached;

    // The kernel has nothing more to give and signals when that changes. Only the loop's thread touches it.
    private bool _drained;
    private volatile IHangUpWatcher? _watcher;

    /// <param name="socket">Connected socket.</param>
    /// <param name="loop">The loop that serves it: that of the other end of a relay, or any of the host's. Null: the platform's own threads do.</param>
    /// <param name="connecting">Whether the socket is still connecting.</param>
    public SocketChannel(Socket socket, EventLoop? loop, bool connecting = false)
    {
        _socket = socket;
        _handle = socket.SafeHandle;
        if (loop is null)
        {
            socket.Blocking = false;
        }
        else
        {
            // Each call says that it must not wait, which saves telling the socket so.
            _readable = new SocketWait();
            _writable = connecting ? new SocketWait() : null;
            Loop = loop;
            _token = Loop.Register(this);
        }
    }

    public Socket Socket => _socket;

    /// <summary>The loop that serves the socket; null where there are no loops.</summary>
    public EventLoop? Loop { get; }

    /// <summary>Whether one receive may fill several buffers: on the loop's thread only.</summary>
    public bool CanScatter => Loop is not null && EventLoop.Current == Loop && Libc.CanScatter;

    /// <summary>Bytes that a receive would find; 0 also when the socket is gone.</summary>
    public int Available
    {
        get
        {
            try
            {
                return _detached == 0 ? _socket.Available : 0;
            }
            catch (SocketException)
            {
                return 0;
            }
            catch (ObjectDisposedException)
            {
                return 0;
            }
        }
    }

    /// <summary>Receives what is there: bytes, 0 at the end of the stream, -1 when nothing is there or on failure.</summary>
    /// <param name="buffer">Not empty.</param>
    /// <param name="error"><see cref="SocketError.WouldBlock"/> when nothing is there; else why it failed.</param>
    public unsafe int TryReceive(Span<byte> buffer, out SocketError error)
    {
        fixed (byte* start = buffer)
        {
            var whole = new Libc.Vector { Start = start, Length = buffer.Length };
            return Receive(buffer, &whole, 1, out error);
        }
    }

    /// <summary>The same into several buffers, one after the other. Only where <see cref="CanScatter"/>.</summary>
    /// <param name="buffers">At most <see cref="MaxPieces"/>.</param>
    /// <param name="offset">Where in each of them.</param>
    /// <param name="each">Bytes for each.</param>
    /// <param name="error">As for one buffer.</param>
    public unsafe int TryReceive(ReadOnlySpan<byte[]> buffers, int offset, int each, out SocketError error)
    {
        var vectors = stackalloc Libc.Vector[MaxPieces];
        fixed (byte* first = buffers[0], second = At(buffers, 1), third = At(buffers, 2), fourth = At(buffers, 3))
        {
            vectors[0].Start = first + offset;
            vectors[1].Start = second + offset;
            vectors[2].Start = third + offset;
            vectors[3].Start = fourth + offset;
            for (var i = 0; i < buffers.Length; i++)
            {
                vectors[i].Length = each;
            }

            return Receive(default, vectors, buffers.Length, out error);
        }
    }

    /// <inheritdoc/>
    public bool IsDrained => _drained && EventLoop.Current == Loop;

    /// <summary>Sends what fits: bytes, or -1 when nothing fits or on failure.</summary>
    /// <param name="bytes">Not empty.</param>
    /// <param name="error"><see cref="SocketError.WouldBlock"/> when nothing fits; else why it failed.</param>
    public unsafe int TrySend(ReadOnlySpan<byte> bytes, out SocketError error)
    {
        try
        {
            if (Loop is null)
            {
                var sent = _socket.Send(bytes, SocketFlags.None, out error);
                return error == SocketError.Success ? sent : -1;
            }

            fixed (byte* start = bytes)
            {
                while (_detached == 0)
                {
                    var count = Libc.Send(_handle, start, bytes.Length, out error);
                    if (error != SocketError.Interrupted)
                    {
                        return count;
                    }
                }
            }
        }
        catch (ObjectDisposedException)
        {
        }

        error = SocketError.OperationAborted;
        return -1;
    }

    /// <inheritdoc/>
    public bool TryLend(out ReadOnlyMemory<byte> bytes)
    {
        bytes = default;
        return false;
    }

    /// <inheritdoc/>
    public void Return(int count) => throw new InvalidOperationException("nothing was lent");

    /// <summary>Waits until there is something to receive, be it the end or a failure. May complete for nothing.</summary>
    public ValueTask WaitToReceiveAsync() => _readable is null ? PeekAsync() : _hungUp ? default : _readable.WaitAsync();

    /// <summary>Sends all, waiting as often as it must.</summary>
    /// <exception cref="SocketException">The connection failed.</exception>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (Loop is null)
            {
                bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, CancellationToken.None).ConfigureAwait(false)..];
                continue;
            }

            var sent = TrySend(bytes.Span, out var error);
            if (sent >= 0)
            {
                bytes = bytes[sent..];
            }
            else if (error == SocketError.WouldBlock && _writable is null)
            {
                // From here on events are kept; one that came before is what the next try is for.
                Volatile.Write(ref _writable, new SocketWait());
            }
            else if (error == SocketError.WouldBlock && _detached == 0)
            {
                await _writable!.WaitAsync().ConfigureAwait(false);
            }
            else
            {
                throw new SocketException((int)(error == SocketError.WouldBlock ? SocketError.OperationAborted : error));
            }
        }
    }

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask SendOwnedAsync(byte[] buffer, int offset, int count)
    {
        try
        {
            await SendAllAsync(buffer.AsMemory(offset, count)).ConfigureAwait(false);
        }
        finally
        {
            IoBuffers.Return(buffer);
        }
    }

    /// <inheritdoc/>
    public void Wake()
    {
        if (_readable is null)
        {
            // The platform's own threads know no other way.
            ShutdownReceive();
        }

        _readable?.SignalLater(Loop);
    }

    /// <summary>Waits until a connection attempt has ended. Only where there are loops.</summary>
    /// <exception cref="SocketException">It failed.</exception>
    public async ValueTask WaitToConnectAsync()
    {
        // A socket that is connecting reports nothing before the attempt has ended.
        await _writable!.WaitAsync().ConfigureAwait(false);
        if (_detached == 0 && (SocketError)(int)_socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)! is var error and not SocketError.Success)
        {
            throw new SocketException((int)error);
        }
    }

    /// <summary>Ends our direction.</summary>
    public void ShutdownSend() => Shutdown(SocketShutdown.Send);

    /// <summary>Ends the peer's direction as far as we are concerned, which wakes whoever waits to receive.</summary>
    public void ShutdownReceive() => Shutdown(SocketShutdown.Receive);

    /// <summary>Closing will tell the peer that the connection did not end in order.</summary>
    public void ResetOnClose()
    {
        try
        {
            _socket.LingerState = new LingerOption(true, 0);
        }
        catch (SocketException)
        {
        }
        catch (ObjectDisposedException)
        {
        }
    }

    /// <summary>
    /// Ends everything at once; closing the socket will reset the connection. Whoever waits is woken, but not within the call: who ends a connection
    /// for others may hold a lock that they want.
    /// </summary>
    public void Abort()
    {
        ResetOnClose();
        if (Loop is null)
        {
            ShutdownBoth();
        }

        Detach(closing: false, later: true);
    }

    /// <summary>Ends both directions, which wakes whoever waits.</summary>
    public void ShutdownBoth() => Shutdown(SocketShutdown.Both);

    /// <summary>
    /// Nothing more is to be moved: wakes whoever waits, without a word to the peer, and every later try fails. Any
    /// number of times.
    /// </summary>
    public void Detach() => Detach(closing: false, later: false);

    /// <summary>As <see cref="Detach()"/>, where the socket is closed next, which takes it out of the loop's set by itself.</summary>
    public void DetachToClose() => Detach(closing: true, later: false);

    /// <inheritdoc/>
    public void Break() => Abort();

    /// <inheritdoc/>
    public void Watch(IHangUpWatcher? watcher)
    {
        _watcher = watcher;
        if (_hungUp)
        {
            watcher?.OnHangUp();
        }
    }

    /// <inheritdoc/>
    public void Close()
    {
        DetachToClose();
        _socket.Dispose();
    }

    private void Detach(bool closing, bool later)
    {
        if (Interlocked.Exchange(ref _detached, 1) != 0)
        {
            return;
        }

        if (Loop is not null)
        {
            Loop.Unregister(this, _token, closing);
            _hungUp = true;
            if (later)
            {
                _readable!.SignalLater(Loop);
                Volatile.Read(ref _writable)?.SignalLater(Loop);
            }
            else
            {
                _readable!.Signal();
                Volatile.Read(ref _writable)?.Signal();
            }
        }
    }

    /// <summary>The loop's thread: something happened to the socket.</summary>
    internal void OnEvents(int events)
    {
        if ((events & (Libc.EpollRdHup | Libc.EpollHup | Libc.EpollErr)) != 0)
        {
            // No further event will announce what is left to read, so no wait may wait again.
            _hungUp = true;
            _watcher?.OnHangUp();
        }

        if ((events & (Libc.EpollOut | Libc.EpollHup | Libc.EpollErr)) != 0)
        {
            Volatile.Read(ref _writable)?.Signal();
        }

        if ((events & ~Libc.EpollOut) != 0)
        {
            _drained = false;
            _readable!.Signal();
        }
    }

    private static byte[]? At(ReadOnlySpan<byte[]> buffers, int index) => index < buffers.Length ? buffers[index] : null;

    /// <summary>One receive, again where a signal has cut it short.</summary>
    /// <param name="whole">The buffer where there are no loops.</param>
    /// <param name="buffers">Where the bytes go.</param>
    /// <param name="count">How many of them.</param>
    /// <param name="error">Why it failed.</param>
    private unsafe int Receive(Span<byte> whole, Libc.Vector* buffers, int count, out SocketError error)
    {
        try
        {
            if (Loop is null)
            {
                var received = _socket.Receive(whole, SocketFlags.None, out error);
                return error == SocketError.Success ? received : -1;
            }

            if (_detached == 0 && IsDrained)
            {
                error = SocketError.WouldBlock;
                return -1;
            }

            while (_detached == 0)
            {
                var received = count == 1
                    ? Libc.Receive(_handle, buffers->Start, (int)buffers->Length, out error)
                    : Libc.Receive(_handle, buffers, count, out error);
                if (error != SocketError.Interrupted)
                {
                    // All of them are of one length.
                    Notice(received, count * (int)buffers->Length, error);
                    return received;
                }
            }
        }
        catch (ObjectDisposedException)
        {
        }

        error = SocketError.OperationAborted;
        return -1;
    }

    /// <summary>
    /// Decides from one receive whether the next can be skipped. After a receive that did not fill its buffer, further bytes raise a new event, so the
    /// kernel need not be asked before that (epoll(7), edge-triggered streams). Once the peer has hung up no more events come, and nothing is skipped.
    /// </summary>
    private void Notice(int count, int wanted, SocketError error)
    {
        if (EventLoop.Current == Loop && !_hungUp)
        {
            _drained = count > 0 ? count < wanted : error == SocketError.WouldBlock;
        }
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask PeekAsync()
    {
        try
        {
            await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The receive that follows says so again.
        }
    }

    private void Shutdown(SocketShutdown how)
    {
        try
        {
            _socket.Shutdown(how);
        }
        catch (SocketException)
        {
            // It is gone already, which is what was wanted.
        }
        catch (ObjectDisposedException)
        {
        }
    }
}
