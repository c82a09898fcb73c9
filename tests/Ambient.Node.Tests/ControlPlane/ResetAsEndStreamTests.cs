using System.Net;
using System.Net.Sockets;
using Ambient.Node.ControlPlane;

namespace Ambient.Node.Tests.ControlPlane;

/// <summary>Over real sockets, for it is their errors that differ by who meets them.</summary>
public sealed class ResetAsEndStreamTests
{
    [Fact]
    public async Task Reset_ReadsAsTheEnd()
    {
        var (stream, peer) = await ConnectAsync();
        await using var _ = stream;
        var pending = stream.ReadAsync(new byte[10]);
        Reset(peer);

        Assert.Equal(0, await pending.AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(0, await stream.ReadAsync(new byte[10].AsMemory()));
        Assert.Equal(0, stream.Read(new byte[10], 0, 10));
    }

    [Fact]
    public async Task Reset_ThatAWriteMeets_DropsWhatIsWritten_AndReadsAsTheEnd()
    {
        var (stream, peer) = await ConnectAsync();
        await using var _ = stream;
        Reset(peer);

        // The first meets the reset, the others a broken pipe.
        await stream.WriteAsync(new byte[10]);
        await stream.WriteAsync(new byte[10].AsMemory());
        stream.Write(new byte[10], 0, 10);
        await stream.FlushAsync();

        Assert.Equal(0, await stream.ReadAsync(new byte[10].AsMemory()));
    }

    [Fact]
    public async Task Bytes_PassBothWays()
    {
        var (stream, peer) = await ConnectAsync();
        await using var _ = stream;
        using var __ = peer;
        await stream.WriteAsync("there"u8.ToArray());
        var space = new byte[10];
        Assert.Equal(5, await peer.ReceiveAsync(space));
        await peer.SendAsync("and back"u8.ToArray());

        await stream.ReadExactlyAsync(space.AsMemory(0, 8));
        Assert.Equal("and back"u8, space.AsSpan(0, 8));
    }

    [Fact]
    public async Task OtherFailures_StayFailures()
    {
        var (stream, peer) = await ConnectAsync();
        using var _ = peer;
        await stream.DisposeAsync();

        await Assert.ThrowsAnyAsync<ObjectDisposedException>(async () => await stream.ReadExactlyAsync(new byte[10].AsMemory()));
        await Assert.ThrowsAnyAsync<ObjectDisposedException>(async () => await stream.WriteAsync(new byte[10].AsMemory()));
    }

    private static async Task<(ResetAsEndStream Stream, Socket Peer)> ConnectAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.LocalEndPoint!);
        return (new ResetAsEndStream(new NetworkStream(socket, ownsSocket: true)), await listener.AcceptAsync());
    }

    private static void Reset(Socket peer)
    {
        peer.LingerState = new LingerOption(true, 0);
        peer.Close();
    }
}
