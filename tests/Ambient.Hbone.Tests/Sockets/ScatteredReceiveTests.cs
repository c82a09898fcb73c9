using System.Net.Sockets;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Relaying;

namespace Ambient.Hbone.Tests.Sockets;

/// <summary>One receive that fills several buffers gives what several would, wherever the bytes end.</summary>
public sealed class ScatteredReceiveTests
{
    private const int Offset = 3;
    private const int Each = 10;

    public static TheoryData<int, int> Amounts()
    {
        var data = new TheoryData<int, int>();
        for (var buffers = 1; buffers <= SocketChannel.MaxPieces; buffers++)
        {
            foreach (var bytes in (int[])[1, Each - 1, Each, Each + 1, (2 * Each) - 1, 2 * Each, (3 * Each) + 5, 4 * Each, (4 * Each) + 7])
            {
                data.Add(buffers, bytes);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Amounts))]
    public Task Bytes_FillOneBufferAfterTheOther_AndNothingElseOfThem(int count, int bytes) => There.RunAsync(async there =>
    {
        var sent = Enumerable.Range(1, bytes).Select(static i => (byte)i).ToArray();
        await there.SendAndWaitAsync(sent);
        var buffers = Enumerable.Range(0, count).Select(static _ => new byte[Offset + Each + 1]).ToArray();
        Assert.True(there.Channel.CanScatter);
        Assert.Equal(bytes, there.Channel.Available);
        var received = there.Channel.TryReceive(buffers, Offset, Each, out var error);
        Assert.Equal(SocketError.Success, error);
        Assert.Equal(Math.Min(bytes, count * Each), received);
        Assert.Equal(sent.Take(received), buffers.SelectMany(static buffer => buffer.Skip(Offset).Take(Each)).Take(received));
        Assert.All(buffers, static buffer => Assert.True(buffer.AsSpan(0, Offset).IndexOfAnyExcept((byte)0) < 0 && buffer[^1] == 0));

        // A receive that was not filled is the last until the next event.
        Assert.Equal(bytes < count * Each, there.Channel.IsDrained);
        var rest = new byte[4 * Each];
        Assert.Equal(bytes > received ? bytes - received : -1, there.Channel.TryReceive(rest, out _));
        Assert.Equal(sent.Skip(received), rest.Take(bytes - received));
    });

    [Fact]
    public Task EndAndFailure_AreToldAsForOneBuffer() => There.RunAsync(async there =>
    {
        await there.SendAndWaitAsync([1]);
        byte[][] buffers = [new byte[Offset + Each], new byte[Offset + Each]];
        Assert.Equal(1, there.Channel.TryReceive(buffers, Offset, Each, out _));
        Assert.Equal(-1, there.Channel.TryReceive(buffers, Offset, Each, out var error));
        Assert.Equal(SocketError.WouldBlock, error);
        there.Peer.Shutdown(SocketShutdown.Send);
        int received;
        while ((received = there.Channel.TryReceive(buffers, Offset, Each, out error)) < 0 && error == SocketError.WouldBlock)
        {
            await there.Channel.WaitToReceiveAsync();
        }

        Assert.Equal(0, received);
        Assert.Equal(SocketError.Success, error);
        there.Channel.Detach();
        Assert.Equal(0, there.Channel.Available);
        Assert.Equal(-1, there.Channel.TryReceive(buffers, Offset, Each, out error));
        Assert.Equal(SocketError.OperationAborted, error);
    });

    [Fact]
    public Task OnAnotherThread_OneBufferAtATime() => There.RunAsync(async there =>
    {
        await Task.Yield();
        Assert.False(there.Channel.CanScatter);
        using var listener = TcpPeer.Listen();
        using var client = await TcpPeer.ConnectAsync(listener.EndPoint);
        Assert.False(new SocketChannel(client, loop: null).CanScatter);
    });

    /// <summary>A socket of a loop, on whose thread the test runs, and its peer.</summary>
    private sealed class There : IDisposable
    {
        private readonly HboneIo _io = new(1);
        private readonly TcpPeer _listener = TcpPeer.Listen();
        private readonly LoopPlace _place;
        private readonly Socket _socket;

        private There()
        {
            var loop = _io.NextLoop()!;
            _place = new LoopPlace(loop);
            Peer = TcpPeer.Connect(_listener.EndPoint);
            _socket = _listener.Accept();
            Channel = new SocketChannel(_socket, loop);
        }

        public Socket Peer { get; }

        public SocketChannel Channel { get; }

        /// <summary>Runs a test where nothing takes it off the loop's thread, as the context of a test would.</summary>
        public static Task RunAsync(Func<There, Task> test) => EventLoop.IsSupported
            ? Task.Run(async () =>
            {
                using var there = new There();
                await there._place.EnterAsync();
                await test(there);
            })
            : Task.CompletedTask;

        /// <summary>Until all of it is in the socket.</summary>
        public async Task SendAndWaitAsync(byte[] bytes)
        {
            Peer.Send(bytes);
            while (_socket.Available < bytes.Length)
            {
                await Channel.WaitToReceiveAsync();
            }
        }

        public void Dispose()
        {
            Channel.DetachToClose();
            _socket.Dispose();
            Peer.Dispose();
            _listener.Dispose();
            _place.Dispose();
            _io.Dispose();
        }
    }
}
