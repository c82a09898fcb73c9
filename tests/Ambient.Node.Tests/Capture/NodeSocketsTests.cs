using System.Net;
using System.Net.Sockets;
using Ambient.Node.Capture.Sockets;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Capture;

public sealed class NodeSocketsTests
{
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
}
