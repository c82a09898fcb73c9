using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Sockets;

public sealed class SocketConnectorTests
{
    private const int LevelIP = 0;
    private const int BindAddressNoPort = 24;

    // A port that is chosen for the source alone is used up for every destination: 28,000 connections a minute, and each costs more than the one before.
    [Fact]
    public async Task Source_IsBound_AndItsPortLeftToTheConnection()
    {
        var source = IPAddress.Parse("127.0.0.77");
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();

        using var socket = await SocketConnector.Default.ConnectAsync((IPEndPoint)listener.LocalEndPoint!, source, CancellationToken.None);
        using var accepted = await listener.AcceptAsync();

        Assert.Equal(source, ((IPEndPoint)accepted.RemoteEndPoint!).Address);
        if (OperatingSystem.IsLinux())
        {
            var isLeft = new byte[sizeof(int)];
            Assert.Equal(sizeof(int), socket.GetRawSocketOption(LevelIP, BindAddressNoPort, isLeft));
            Assert.Equal(1, isLeft[0]);
        }
    }
}
