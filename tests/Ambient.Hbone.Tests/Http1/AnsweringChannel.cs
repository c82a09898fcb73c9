using System.Net.Sockets;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Http1;

/// <summary>A server that has its answer ready as soon as something is sent to it, and allocates nothing.</summary>
internal sealed class AnsweringChannel(byte[] answer) : IByteChannel
{
    private int _left;

    public EventLoop? Loop => null;

    public int TryReceive(Span<byte> buffer, out SocketError error)
    {
        error = _left == 0 ? SocketError.WouldBlock : SocketError.Success;
        if (_left == 0)
        {
            return -1;
        }

        var count = Math.Min(_left, buffer.Length);
        answer.AsSpan(answer.Length - _left, count).CopyTo(buffer);
        _left -= count;
        return count;
    }

    public bool IsDrained => false;

    public bool TryLend(out ReadOnlyMemory<byte> bytes)
    {
        bytes = default;
        return false;
    }

    public void Return(int count) => throw new InvalidOperationException("nothing was lent");

    public ValueTask WaitToReceiveAsync() => default;

    public int TrySend(ReadOnlySpan<byte> bytes, out SocketError error)
    {
        error = SocketError.Success;
        _left = answer.Length;
        return bytes.Length;
    }

    public ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes) => default;

    public ValueTask SendOwnedAsync(byte[] buffer, int offset, int count) => default;

    public void Wake()
    {
    }

    public void ShutdownSend()
    {
    }

    public void ShutdownBoth()
    {
    }

    public void Break()
    {
    }

    public void Watch(IHangUpWatcher? watcher)
    {
    }

    public void Close()
    {
    }
}
