using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Relaying;

namespace Ambient.Hbone.Tests.Connect;

public sealed class SocketConnectorTests
{
    [Fact]
    public async Task Connect_ToAListener_GivesAConnectedSocketWithItsOptions()
    {
        using var app = TcpPeer.Listen();

        using var socket = await SocketConnector.Default.ConnectAsync(app.EndPoint, IPAddress.Parse("127.0.0.9"), CancellationToken.None);
        using var accepted = await app.AcceptAsync();

        Assert.True(socket.Connected);
        Assert.True(socket.NoDelay);
        Assert.Equal(app.EndPoint, socket.RemoteEndPoint);
        Assert.Equal(IPAddress.Parse("127.0.0.9"), ((IPEndPoint)accepted.RemoteEndPoint!).Address);
        Assert.Equal(180, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime)!);
    }

    [Fact]
    public async Task Connect_WhereNobodyListens_IsRefused()
    {
        IPEndPoint nowhere;
        using (var app = TcpPeer.Listen())
        {
            nowhere = app.EndPoint;
        }

        var failure = await Assert.ThrowsAsync<SocketException>(() => SocketConnector.Default.ConnectAsync(nowhere, null, CancellationToken.None).AsTask());

        Assert.Equal(SocketError.ConnectionRefused, failure.SocketErrorCode);
    }

    [Fact]
    public async Task Connect_Cancelled_GivesUp()
    {
        using var cancel = new CancellationTokenSource();

        // A full backlog: the listener's queue is taken, so a further connection stays in SYN_SENT.
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        var waiting = new List<Task<Socket>>();
        for (var i = 0; i < 10; i++)
        {
            waiting.Add(SocketConnector.Default.ConnectAsync((IPEndPoint)listener.LocalEndPoint!, null, cancel.Token).AsTask());
        }

        await cancel.CancelAsync();

        var cancelled = 0;
        foreach (var task in waiting)
        {
            try
            {
                (await task.WaitAsync(HbonePair.Patience)).Dispose();
            }
            catch (OperationCanceledException)
            {
                cancelled++;
            }
        }

        Assert.InRange(cancelled, 1, 10);
    }

    [Fact]
    public async Task ConnectInPlace_ToAListener_RelaysAsTheSameObject()
    {
        using var app = TcpPeer.Listen();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        await SocketConnector.ConnectInPlaceAsync(client, app.EndPoint, null, CancellationToken.None);
        using var accepted = await app.AcceptAsync();

        var channel = new SocketChannel(client, HboneIo.Default.NextLoop());
        await channel.SendAllAsync("over"u8.ToArray());
        var got = new byte[8];
        Assert.Equal(4, await accepted.ReceiveAsync(got));
        channel.DetachToClose();
    }

    [Fact]
    public async Task ConnectInPlace_WhereNobodyListens_IsRefusedAndCloses()
    {
        IPEndPoint nowhere;
        using (var app = TcpPeer.Listen())
        {
            nowhere = app.EndPoint;
        }

        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var failure = await Assert.ThrowsAsync<SocketException>(() => SocketConnector.ConnectInPlaceAsync(socket, nowhere, null, CancellationToken.None).AsTask());

        Assert.Equal(SocketError.ConnectionRefused, failure.SocketErrorCode);
        Assert.True(socket.SafeHandle.IsClosed);
    }

    [Fact]
    public async Task Channel_OfASocketThatWasToBeClosedAndWasNot_IsServedAgain()
    {
        using var app = TcpPeer.Listen();
        using var client = await SocketConnector.Default.ConnectAsync(app.EndPoint, null, CancellationToken.None);
        using var accepted = await app.AcceptAsync();
        var first = new SocketChannel(client, HboneIo.Default.NextLoop());
        first.DetachToClose();

        var second = new SocketChannel(client, first.Loop);
        var waiting = second.WaitToReceiveAsync();
        await accepted.SendAsync("again"u8.ToArray());
        await waiting.AsTask().WaitAsync(HbonePair.Patience);

        var got = new byte[8];
        Assert.Equal(5, second.TryReceive(got, out _));
        second.Detach();
    }
}
