using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2.Exchanges;

/// <summary>
/// HTTP/2 over a channel of messages: a tunnel, a socket or a stream of TLS. What is written is gathered, so that the frames of a turn leave in one
/// send. Holds no buffer while nothing moves.
/// </summary>
internal sealed class ChannelTransport(MessageChannel channel) : Http2Transport
{
    private byte[]? _out;
    private int _outEnd;
    private bool _drained;

    public override EventLoop? Loop => channel.Loop;

    public override ValueTask WaitToReadAsync()
    {
        _drained = false;
        return channel.WaitToReceiveAsync();
    }

    public override int TryRead(Memory<byte> buffer)
    {
        if (_drained)
        {
            return 0;
        }

        var wasPeeked = channel.HoldsBytes;
        var count = channel.TryReceive(buffer.Span, out var error);
        if (count < 0)
        {
            return error == SocketError.WouldBlock ? 0 : throw Failure(error);
        }

        // Less than there was room for: there is no more, and asking again would cost a system call.
        _drained = count < buffer.Length && count > 0 && !wasPeeked;
        return count == 0 ? -1 : count;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        if (_out is null || _out.Length - _outEnd < bytes.Length)
        {
            if (_outEnd > 0 && _outEnd + bytes.Length > IoBuffers.Large)
            {
                return WriteAfterFlushAsync(bytes);
            }

            if (_outEnd + bytes.Length > IoBuffers.Bulk)
            {
                return SendAsync(bytes);
            }

            Grow(bytes.Length);
        }

        bytes.Span.CopyTo(_out.AsSpan(_outEnd));
        _outEnd += bytes.Length;
        return default;
    }

    public override ValueTask FlushAsync()
    {
        if (_out is null)
        {
            return default;
        }

        var sent = channel.Bytes.TrySend(_out.AsSpan(0, _outEnd), out var error);
        if (sent == _outEnd)
        {
            GiveBack();
            return default;
        }

        return sent < 0 && error != SocketError.WouldBlock ? ValueTask.FromException(Failure(error)) : FlushRestAsync(Math.Max(sent, 0));
    }

    public override async ValueTask CloseWriteAsync()
    {
        await FlushAsync().ConfigureAwait(false);
        channel.Bytes.ShutdownSend();
    }

    public override void Abort() => channel.Bytes.ShutdownBoth();

    public override ValueTask DisposeAsync()
    {
        GiveBack();
        return channel.DisposeAsync();
    }

    private static IOException Failure(SocketError error) => new($"the connection failed: {error}", new SocketException((int)error));

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WriteAfterFlushAsync(ReadOnlyMemory<byte> bytes)
    {
        await FlushAsync().ConfigureAwait(false);
        await WriteAsync(bytes).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask FlushRestAsync(int sent)
    {
        await SendAsync(_out.AsMemory(sent, _outEnd - sent)).ConfigureAwait(false);
        GiveBack();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await channel.Bytes.SendAllAsync(bytes).ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            throw Failure(e.SocketErrorCode);
        }
    }

    private void Grow(int more)
    {
        var larger = IoBuffers.Rent(_outEnd + more);
        if (_out is { } old)
        {
            old.AsSpan(0, _outEnd).CopyTo(larger);
            IoBuffers.Return(old);
        }

        _out = larger;
    }

    private void GiveBack()
    {
        if (_out is { } buffer)
        {
            _out = null;
            _outEnd = 0;
            IoBuffers.Return(buffer);
        }
    }
}
