using System.Net.Sockets;

namespace Ambient.Hbone.Sockets;

/// <summary>
/// A stream as a channel: TLS by <see cref="System.Net.Security.SslStream"/>, as a gateway's listeners speak it. A read waits all the time, without a
/// buffer as long as nothing comes, because a stream tells of its end in no other way.
/// </summary>
#pragma warning disable CA1001 // The source has no timer and no link, so there is nothing to dispose of.
internal sealed class StreamChannel : IByteChannel
#pragma warning restore CA1001
{
    private readonly Stream _stream;
    private readonly CancellationTokenSource _broken = new();
    private readonly SocketWait _readable = new();
    private readonly SocketWait _taken = new();
    private readonly Lock _gate = new();
    private byte[]? _buffer;
    private int _start;
    private int _end;
    private bool _ended;
    private bool _closed;
    private IHangUpWatcher? _watcher;

    /// <param name="stream">Owned from here.</param>
    public StreamChannel(Stream stream)
    {
        _stream = stream;
        _ = PumpAsync();
    }

    public EventLoop? Loop => null;

    public int TryReceive(Span<byte> buffer, out SocketError error)
    {
        lock (_gate)
        {
            if (_buffer is null)
            {
                error = _ended || _closed ? SocketError.Success : SocketError.WouldBlock;
                return _ended || _closed ? 0 : -1;
            }

            var count = Math.Min(_end - _start, buffer.Length);
            _buffer.AsSpan(_start, count).CopyTo(buffer);
            _start += count;
            error = SocketError.Success;
            if (_start < _end)
            {
                return count;
            }

            IoBuffers.Return(_buffer);
            _buffer = null;
            buffer = buffer[..count];
        }

        _taken.Signal();
        return buffer.Length;
    }

    public bool IsDrained
    {
        get
        {
            lock (_gate)
            {
                return _buffer is null && !_ended && !_closed;
            }
        }
    }

    public bool TryLend(out ReadOnlyMemory<byte> bytes)
    {
        bytes = default;
        return false;
    }

    public void Return(int count) => throw new InvalidOperationException("nothing was lent");

    public ValueTask WaitToReceiveAsync()
    {
        lock (_gate)
        {
            if (_buffer is not null || _ended || _closed)
            {
                return default;
            }
        }

        return _readable.WaitAsync();
    }

    public int TrySend(ReadOnlySpan<byte> bytes, out SocketError error)
    {
        // A stream cannot say beforehand whether it would wait.
        error = SocketError.WouldBlock;
        return -1;
    }

    public ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes) => _stream.WriteAsync(bytes, _broken.Token);

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

    public void Wake() => _readable.SignalLater(null);

    public void ShutdownSend()
    {
        if (_stream is System.Net.Security.SslStream tls)
        {
            _ = Observe(tls.ShutdownAsync());
        }
    }

    public void ShutdownBoth() => _ = _broken.CancelAsync();

    public void Break() => ShutdownBoth();

    public void Watch(IHangUpWatcher? watcher)
    {
        bool ended;
        lock (_gate)
        {
            _watcher = watcher;
            ended = _ended;
        }

        if (ended)
        {
            watcher?.OnHangUp();
        }
    }

    public void Close()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            if (_buffer is { } unread)
            {
                IoBuffers.Return(unread);
                _buffer = null;
            }
        }

        _readable.Signal();
        _taken.Signal();
        _ = Observe(CloseStreamAsync());
    }

    private async Task CloseStreamAsync()
    {
        // What reads or writes still is woken first: a stream must not be disposed of under it.
        await _broken.CancelAsync().ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
    }

    private async Task PumpAsync()
    {
        try
        {
            while (true)
            {
                // Waits without a buffer.
                _ = await _stream.ReadAsync(Memory<byte>.Empty, _broken.Token).ConfigureAwait(false);
                var buffer = IoBuffers.Rent(IoBuffers.Medium);
                int count;
                try
                {
                    count = await _stream.ReadAsync(buffer, _broken.Token).ConfigureAwait(false);
                }
                catch
                {
                    IoBuffers.Return(buffer);
                    throw;
                }

                lock (_gate)
                {
                    if (count == 0 || _closed)
                    {
                        IoBuffers.Return(buffer);
                        break;
                    }

                    (_buffer, _start, _end) = (buffer, 0, count);
                }

                _readable.Signal();
                await _taken.WaitAsync().ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // Whoever sends next is told why; who receives sees an end.
        }

        IHangUpWatcher? watcher;
        lock (_gate)
        {
            _ended = true;
            watcher = _watcher;
        }

        watcher?.OnHangUp();
        _readable.Signal();
    }

    private static async Task Observe(Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException or SocketException)
        {
            // The connection is gone already.
        }
    }
}
