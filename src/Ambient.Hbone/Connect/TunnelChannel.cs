using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Connect;

/// <summary>
/// A tunnel as what another connection's TLS travels on. What the stream receives waits here, bounded by its window, until the
/// inner connection takes it; only then does the peer get credit, so that a slow reader at the end of the inner tunnel slows the
/// sender of the outer one.
/// </summary>
internal sealed class TunnelChannel : IByteChannel, IStreamSink
{
    private readonly StreamTunnel _tunnel;
    private readonly Http2Stream _stream;
    private readonly SocketWait _readable = new();
    private readonly Lock _gate = new();
    private ChunkQueue? _received;
    private bool _ended;
    private bool _closed;
    private StreamFault? _fault;
    private IHangUpWatcher? _watcher;

    // Whether a read would find something: bytes, or an end. Written under the lock with what it speaks of. Who only asks reads it without: the lock would tell
    // no more, as the answer may be out of date as soon as it is left.
    private volatile bool _hasSome;

    /// <param name="tunnel">Owned from here; nobody may have read from it.</param>
    public TunnelChannel(StreamTunnel tunnel)
    {
        _tunnel = tunnel;
        _stream = tunnel.Stream;
        _stream.InlineWriter = _stream.Connection.Io.RunsInline;
        _stream.Attach(this);
    }

    public EventLoop? Loop => _stream.Connection.Loop;

    /// <summary>Whether the stream was reset, or lost: it takes nothing any more either.</summary>
    public bool IsGone => _stream.Fault is not null;

    public void Begin(ChunkQueue? early, bool ended)
    {
        _received = early;
        _ended = ended;
        NoteWhatIsThere();
    }

    public void OnData(ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            if (!_closed)
            {
                (_received ??= new ChunkQueue()).Append(data);
                data = default;
                NoteWhatIsThere();
            }
        }

        if (data.IsEmpty)
        {
            _readable.Signal();
        }
        else
        {
            _stream.Consumed(data.Length);
        }
    }

    public void OnEnd()
    {
        lock (_gate)
        {
            _ended = true;
            NoteWhatIsThere();
        }

        OnHangUp();
    }

    public void OnFault(StreamFault fault)
    {
        lock (_gate)
        {
            _ended = true;
            _fault = fault.IsQuiet ? null : fault;
            NoteWhatIsThere();
        }

        if (fault.Origin == StreamFaultOrigin.Local)
        {
            // Broken off here, by somebody who need not be ready for what its reader does next.
            Volatile.Read(ref _watcher)?.OnHangUp();
            _readable.SignalLater(Loop);
            return;
        }

        OnHangUp();
    }

    public int TryReceive(Span<byte> buffer, out SocketError error)
    {
        var count = 0;
        lock (_gate)
        {
            while (_received is { Length: > 0 } received && count < buffer.Length)
            {
                var head = received.Head.Span;
                head = head[..Math.Min(head.Length, buffer.Length - count)];
                head.CopyTo(buffer[count..]);
                count += head.Length;
                received.Consume(head.Length);
            }

            NoteWhatIsThere();
            if (count == 0 && !_ended && !_closed)
            {
                error = SocketError.WouldBlock;
                return -1;
            }

            if (count == 0 && _fault is not null)
            {
                throw _fault.ToException();
            }
        }

        error = SocketError.Success;
        if (count > 0)
        {
            _stream.Consumed(count);
        }

        return count;
    }

    public bool IsDrained => !_hasSome;

    public bool TryLend(out ReadOnlyMemory<byte> bytes)
    {
        lock (_gate)
        {
            // What comes meanwhile is appended behind it.
            bytes = _received is { Length: > 0 } received ? received.Head : default;
        }

        return !bytes.IsEmpty;
    }

    public void Return(int count)
    {
        lock (_gate)
        {
            if (_closed)
            {
                // All of it was given back then.
                return;
            }

            _received!.Consume(count);
            NoteWhatIsThere();
        }

        _stream.Consumed(count);
    }

    public ValueTask WaitToReceiveAsync()
    {
        // A signal that comes before the wait is kept for it, and each comes after what it speaks of.
        return _hasSome ? default : _readable.WaitAsync();
    }

    public int TrySend(ReadOnlySpan<byte> bytes, out SocketError error)
    {
        var sent = _stream.TryWrite(bytes);
        error = sent ? SocketError.Success : SocketError.WouldBlock;
        return sent ? bytes.Length : -1;
    }

    public async ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var count = Math.Min(bytes.Length, IoBuffers.Piece - FrameHeader.Size);
            var buffer = IoBuffers.Rent(FrameHeader.Size + count);
            bytes.Span[..count].CopyTo(buffer.AsSpan(FrameHeader.Size));
            bytes = bytes[count..];
            if (!await _stream.WriteAsync(buffer, FrameHeader.Size, count).ConfigureAwait(false))
            {
                throw Refusal();
            }
        }
    }

    public ValueTask SendOwnedAsync(byte[] buffer, int offset, int count)
    {
        var write = _stream.WriteAsync(buffer, offset, count);
        if (!write.IsCompletedSuccessfully)
        {
            return AwaitAsync(write);
        }

        return write.Result ? default : ValueTask.FromException(Refusal());
    }

    public void Wake() => _readable.SignalLater(Loop);

    public void ShutdownSend() => _stream.EndWrite();

    public void ShutdownBoth() => _tunnel.Abort();

    public void Break() => _tunnel.Break();

    public void Watch(IHangUpWatcher? watcher)
    {
        Volatile.Write(ref _watcher, watcher);
        bool ended;
        lock (_gate)
        {
            ended = _ended;
        }

        if (ended)
        {
            watcher?.OnHangUp();
        }
    }

    public void Close()
    {
        var unread = 0;
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            unread = _received?.Length ?? 0;
            _received?.Clear();
            NoteWhatIsThere();
        }

        // Bytes that nobody will read give their credit back: other tunnels share the connection's.
        _stream.Consumed(unread);
        _readable.Signal();
        _tunnel.Release();
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask AwaitAsync(ValueTask<bool> write)
    {
        if (!await write.ConfigureAwait(false))
        {
            throw Refusal();
        }
    }

    /// <summary>Under the lock, or before anybody else knows of this.</summary>
    private void NoteWhatIsThere() => _hasSome = _received is { Length: > 0 } || _ended || _closed;

    private IOException Refusal() => _stream.Fault?.ToException() ?? new IOException("the tunnel takes no more");

    private void OnHangUp()
    {
        Volatile.Read(ref _watcher)?.OnHangUp();
        _readable.Signal();
    }
}
