using System.Net.Sockets;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Http1;

/// <summary>
/// A channel without a peer: it brings bytes a number of times over, and counts what is sent, or takes none of it. Nothing in it allocates, so that
/// what is measured is the connection's.
/// </summary>
/// <param name="bytes">What it brings.</param>
/// <param name="times">How often.</param>
/// <param name="ends">Whether its peer ends then, or is silent.</param>
/// <param name="takes">Whether it takes what is sent.</param>
internal sealed class MemoryChannel(byte[] bytes, long times, bool ends, bool takes = true) : IByteChannel
{
    private long _times = times;
    private readonly TaskCompletionSource _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public EventLoop? Loop => null;

    /// <summary>Bytes that were received from it.</summary>
    public long Received { get; private set; }

    /// <summary>Bytes that were sent to it.</summary>
    public long Sent { get; private set; }

    private long Left => (bytes.Length * Volatile.Read(ref _times)) - Received;

    /// <summary>Brings its bytes so many times more.</summary>
    public void Bring(long more)
    {
        Volatile.Write(ref _times, _times + more);
        Wake();
    }

    public int TryReceive(Span<byte> buffer, out SocketError error)
    {
        error = SocketError.Success;
        if (_broken.Task.IsCompleted)
        {
            error = SocketError.ConnectionAborted;
            return -1;
        }

        var count = 0;
        while (count < buffer.Length && Left > 0)
        {
            var at = (int)(Received % bytes.Length);
            var piece = Math.Min(bytes.Length - at, buffer.Length - count);
            bytes.AsSpan(at, piece).CopyTo(buffer[count..]);
            count += piece;
            Received += piece;
        }

        if (count > 0 || ends)
        {
            return count;
        }

        error = SocketError.WouldBlock;
        return -1;
    }

    public bool IsDrained => false;

    public bool TryLend(out ReadOnlyMemory<byte> bytes)
    {
        bytes = default;
        return false;
    }

    public void Return(int count) => throw new InvalidOperationException("nothing was lent");

    public ValueTask WaitToReceiveAsync() => Left > 0 || ends || _broken.Task.IsCompleted ? default : new ValueTask(_woken.Task);

    public int TrySend(ReadOnlySpan<byte> sent, out SocketError error)
    {
        error = takes ? SocketError.Success : SocketError.WouldBlock;
        Sent += takes ? sent.Length : 0;
        return takes ? sent.Length : -1;
    }

    public ValueTask SendAllAsync(ReadOnlyMemory<byte> sent) => new(_broken.Task);

    public async ValueTask SendOwnedAsync(byte[] buffer, int offset, int count)
    {
        await _broken.Task;
        IoBuffers.Return(buffer);
        throw new SocketException((int)SocketError.ConnectionAborted);
    }

    public void Wake() => Interlocked.Exchange(ref _woken, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    public void ShutdownSend()
    {
    }

    public void ShutdownBoth() => Break();

    public void Break()
    {
        _broken.TrySetResult();
        Wake();
    }

    public void Watch(IHangUpWatcher? watcher)
    {
    }

    public void Close() => Break();
}
