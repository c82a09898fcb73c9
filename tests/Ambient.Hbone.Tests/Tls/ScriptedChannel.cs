using System.Net.Sockets;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>A connection whose peer is the test: pieces arrive as they were put in, and what is sent is kept.</summary>
internal sealed class ScriptedChannel : IByteChannel
{
    private readonly Queue<ReadOnlyMemory<byte>> _arriving = new();
    private readonly List<byte> _sent = [];
    private bool _ended;

    public EventLoop? Loop => null;

    /// <summary>Does not keep what is sent.</summary>
    public bool Forgets { get; set; }

    public bool IsClosed { get; private set; }

    /// <summary>How often it was waited for more.</summary>
    public int Waits { get; private set; }

    /// <summary>Whether there is something to receive.</summary>
    public bool HasMore => _arriving.Count > 0;

    /// <summary>Bytes sent so far, which are forgotten.</summary>
    public byte[] TakeSent()
    {
        var sent = _sent.ToArray();
        _sent.Clear();
        return sent;
    }

    public void Arrive(ReadOnlyMemory<byte> piece)
    {
        if (!piece.IsEmpty)
        {
            _arriving.Enqueue(piece);
        }
    }

    public void End() => _ended = true;

    public int TryReceive(Span<byte> buffer, out SocketError error)
    {
        error = SocketError.Success;
        if (!_arriving.TryPeek(out var piece))
        {
            error = _ended ? SocketError.Success : SocketError.WouldBlock;
            return _ended ? 0 : -1;
        }

        _arriving.Dequeue();
        var count = Math.Min(piece.Length, buffer.Length);
        piece.Span[..count].CopyTo(buffer);
        if (count < piece.Length)
        {
            var rest = _arriving.ToArray();
            _arriving.Clear();
            Arrive(piece[count..]);
            Array.ForEach(rest, each => _arriving.Enqueue(each));
        }

        return count;
    }

    public bool IsDrained => false;

    public bool TryLend(out ReadOnlyMemory<byte> bytes)
    {
        bytes = default;
        return false;
    }

    public void Return(int count) => throw new InvalidOperationException("nothing was lent");

    public ValueTask WaitToReceiveAsync()
    {
        Waits++;
        return default;
    }

    public int TrySend(ReadOnlySpan<byte> bytes, out SocketError error)
    {
        error = SocketError.Success;
        if (!Forgets)
        {
            _sent.AddRange(bytes);
        }

        return bytes.Length;
    }

    public ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes)
    {
        _sent.AddRange(bytes.Span);
        return default;
    }

    public ValueTask SendOwnedAsync(byte[] buffer, int offset, int count)
    {
        _sent.AddRange(buffer.AsSpan(offset, count));
        IoBuffers.Return(buffer);
        return default;
    }

    public void Wake()
    {
    }

    public void ShutdownSend()
    {
    }

    public void ShutdownBoth() => IsClosed = true;

    public void Close() => IsClosed = true;

    public void Break() => IsClosed = true;

    public void Watch(IHangUpWatcher? watcher)
    {
    }
}
