using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Pooling;

public sealed class DialTests
{
    [Fact]
    public async Task Connect_SocketIsResetBeforeTheHandshake_IsAnHboneExceptionAndClosesTheSocket()
    {
        var connector = new ResetConnector();
        await using var pair = new HbonePair { ClientOptions = { Connector = connector } }.Start(Echo.HandleAsync);

        await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());

        Assert.True(connector.Socket!.SafeHandle.IsClosed);
    }

    // Connects, but not to whom it was asked to: somebody who hangs up at once.
    private sealed class ResetConnector : ISocketConnector
    {
        public Socket? Socket { get; private set; }

        public async ValueTask<Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken)
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            Socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await Socket.ConnectAsync(listener.LocalEndpoint, cancellationToken);
            var accepted = await listener.AcceptSocketAsync(cancellationToken);
            accepted.LingerState = new LingerOption(true, 0);
            accepted.Dispose();
            Assert.True(Socket.Poll(HbonePair.Patience, SelectMode.SelectRead));
            return Socket;
        }
    }
}
