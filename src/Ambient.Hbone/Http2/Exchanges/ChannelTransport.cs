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
    private readonly ChannelSender _sender = new(channel.Bytes);

    public override EventLoop? Loop => channel.Loop;

    public override ValueTask WaitToReadAsync() => channel.WaitToReceiveAsync();

    public override int TryRead(Memory<byte> buffer)
    {
        var count = channel.TryReceive(buffer.Span, out var error);
        if (count < 0)
        {
            return error == SocketError.WouldBlock ? 0 : throw Failure(error);
        }

        return count == 0 ? -1 : count;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes) => Checked(_sender.WriteAsync(bytes));

    public override ValueTask FlushAsync() => Checked(_sender.FlushAsync());

    public override async ValueTask CloseWriteAsync()
    {
        await FlushAsync().ConfigureAwait(false);
        channel.Bytes.ShutdownSend();
    }

    public override void Abort() => channel.Bytes.ShutdownBoth();

    public override ValueTask DisposeAsync()
    {
        _sender.Release();
        return channel.DisposeAsync();
    }

    private static IOException Failure(SocketError error) => new($"the connection failed: {error}", new SocketException((int)error));

    private static ValueTask Checked(ValueTask sending) => sending.IsCompletedSuccessfully ? sending : CheckAsync(sending);

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private static async ValueTask CheckAsync(ValueTask sending)
    {
        try
        {
            await sending.ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            throw Failure(e.SocketErrorCode);
        }
    }
}
