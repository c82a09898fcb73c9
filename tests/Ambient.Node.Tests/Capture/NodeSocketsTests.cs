using System.Net;
using System.Net.Sockets;
using Ambient.Node.Sockets;
using Ambient.Node.Tests.Capture.InPod;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Capture;

public sealed class NodeSocketsTests
{
    private const int SocketLevel = 1;
    private const int Mark = 36;
    private const int ReusePort = 15;
    private const int TcpLevel = 6;
    private const int TcpUserTimeout = 18;

    private static readonly NodeSocketOptions Options = new()
    {
        OriginalSource = OriginalSource.Off,
        KeepAlive = true,
        KeepAliveTime = TimeSpan.FromSeconds(10),
        KeepAliveInterval = TimeSpan.FromSeconds(2),
        KeepAliveRetries = 5,
        UserTimeout = true,
    };

    [SkippableFact]
    public async Task HandedOver_NewConnectionsGoToTheNextListener_AndNoneIsLost()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "ports are shared on Linux only");
        var sockets = new NodeSockets(new NodeSocketOptions { OriginalSource = OriginalSource.Off, ReusePort = true }, NullLogger.Instance);
        var leaving = sockets.Listen("leaving", new IPEndPoint(IPAddress.Loopback, 0), transparent: false);
        var address = (IPEndPoint)leaving.LocalEndPoint!;

        // Alone, it goes on as before.
        Assert.True(sockets.HandOver(leaving));
        using (await sockets.ConnectAsync(address, null, CancellationToken.None))
        {
            (await leaving.AcceptAsync().WaitAsync(TimeSpan.FromSeconds(30))).Dispose();
        }

        using var next = sockets.Listen("next", address, transparent: false);
        for (var i = 0; i < 50; i++)
        {
            using var connected = await sockets.ConnectAsync(address, null, CancellationToken.None);
            (await next.AcceptAsync().WaitAsync(TimeSpan.FromSeconds(30))).Dispose();
        }

        leaving.Dispose();
        using var last = await sockets.ConnectAsync(address, null, CancellationToken.None);
        (await next.AcceptAsync().WaitAsync(TimeSpan.FromSeconds(30))).Dispose();
    }

    [Fact]
    public void NotShared_NothingIsHandedOver()
    {
        var sockets = new NodeSockets(Options, NullLogger.Instance);
        using var listener = sockets.Listen("test", new IPEndPoint(IPAddress.Loopback, 0), transparent: false);

        Assert.False(sockets.HandOver(listener));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Reference", "test_keep_alive_options")]
    public async Task KeepAliveOptions_AreOnWhatIsAcceptedAndOnWhatIsConnected(bool toRelay)
    {
        var sockets = new NodeSockets(Options, NullLogger.Instance);
        using var listener = sockets.Listen("test", new IPEndPoint(IPAddress.Loopback, 0), transparent: false);
        var accepting = listener.AcceptAsync();

        var destination = (IPEndPoint)listener.LocalEndPoint!;
        using var connected = toRelay
            ? await sockets.ConnectToRelayAsync(destination, null, CancellationToken.None)
            : await sockets.ConnectAsync(destination, null, CancellationToken.None);
        using var accepted = await accepting.WaitAsync(TimeSpan.FromSeconds(30));
        sockets.Accepted(accepted);

        Assert.All((Socket[])[connected, accepted], socket =>
        {
            Assert.True(socket.NoDelay);
            Assert.Equal(1, Convert.ToInt32(socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive), System.Globalization.CultureInfo.InvariantCulture));
            Assert.Equal(10, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime)!);
            Assert.Equal(2, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval)!);
            Assert.Equal(5, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount)!);
            var timeout = new byte[4];
            Assert.Equal(4, socket.GetRawSocketOption(TcpLevel, TcpUserTimeout, timeout));
            Assert.Equal(20_000, BitConverter.ToInt32(timeout));
        });
    }

    [SkippableTheory]
    [Trait("Reference", "test_inpod_config_no_port_reuse")]
    [Trait("Reference", "test_inpod_config_port_reuse")]
    [Trait("Reference", "test_inpod_config_outbound_sockets")]
    [Trait("Reference", "test_run_works")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SocketsOfAPod_AreInItsNetwork_Marked_AndShareAPortOnlyWhereTheyMay(bool reuse)
    {
        using var pod = await OtherNetwork.CreateAsync();
        var sockets = new NodeSockets(
            new NodeSocketOptions { OriginalSource = OriginalSource.Off, PacketMark = 1337, ReusePort = reuse }, NullLogger.Instance, pod.Namespace);
        var address = new IPEndPoint(IPAddress.Loopback, 15006);
        using var listener = sockets.Listen("test", address, transparent: false);

        // Not in this process's own network: nobody listens there.
        using var outside = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await Assert.ThrowsAnyAsync<SocketException>(() => outside.ConnectAsync(address));
        using var connected = await sockets.ConnectAsync(address, null, CancellationToken.None);
        using var accepted = await listener.AcceptAsync();

        Assert.Equal((1337, 1337), (Option(listener, Mark), Option(connected, Mark)));
        Assert.Equal((reuse ? 1 : 0, 0), (Option(listener, ReusePort), Option(connected, ReusePort)));
        if (reuse)
        {
            using var beside = sockets.Listen("test", address, transparent: false);
        }
        else
        {
            Assert.Throws<IOException>(() => sockets.Listen("test", address, transparent: false));
        }

        // Datagrams likewise: those that wait for questions, and those that ask.
        using var questions = sockets.ListenDatagram("test", address);
        using var asking = sockets.Datagram(AddressFamily.InterNetwork);
        await asking.SendToAsync(new byte[] { 53 }, address);
        Assert.Equal(1, await questions.ReceiveAsync(new byte[8]).WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal((1337, 1337), (Option(questions, Mark), Option(asking, Mark)));
        Assert.Equal((reuse ? 1 : 0, 0), (Option(questions, ReusePort), Option(asking, ReusePort)));

        // This thread is where it was.
        Assert.Equal(new FileInfo("/proc/self/ns/net").LinkTarget, new FileInfo("/proc/thread-self/ns/net").LinkTarget);
    }

    private static int Option(Socket socket, int option)
    {
        var value = new byte[4];
        socket.GetRawSocketOption(SocketLevel, option, value);
        return BitConverter.ToInt32(value);
    }
}
