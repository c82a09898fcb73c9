using System.Net.Security;
using System.Net.Sockets;
using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>What is sent last arrives, over real sockets and TLS, where closing too early would lose it.</summary>
public sealed class Http2ConnectionLastWordsTests
{
    [Fact]
    public async Task ShutDown_WhileALargeDownloadRuns_DeliversEveryByte()
    {
        const int Length = 20_000_000;
        await using var pair = new HbonePair().Start(async (connect, cancellationToken) =>
        {
            await using var tunnel = connect.Accept();
            for (var sent = 0; sent < Length; sent += 100_000)
            {
                await tunnel.Output.WriteAsync(new byte[100_000], cancellationToken);
            }

            await tunnel.Output.CompleteAsync();
            await tunnel.Input.ReadAsync(cancellationToken);
        });
        await using var tunnel = await pair.ConnectAsync();
        using var deadline = new CancellationTokenSource(HbonePair.Patience);
        var shutdown = pair.Listener.ShutdownAsync(deadline.Token);
        await tunnel.Output.CompleteAsync();
        Assert.Equal(Length, (await Echo.ReadAllAsync(tunnel)).Length);
        await shutdown.WaitAsync(HbonePair.Patience);
        Assert.False(deadline.IsCancellationRequested);
    }

    [Theory]
    [InlineData("PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: x\r\n\r\n")]
    public async Task Fault_AtOnce_IsToldWithGoAway(string instead)
    {
        await using var pair = new HbonePair().Start(Echo.HandleAsync);
        await using var peer = await ConnectAsync(pair);
        await peer.SendRawAsync(System.Text.Encoding.ASCII.GetBytes(instead));
        var goAway = await peer.ExpectGoAwayAsync(Http2ErrorCode.ProtocolError);
        Assert.Contains("no connection preface", goAway.Debug, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fault_WithMuchMoreBehindIt_IsToldWithGoAway()
    {
        // Bytes that lie unread when a socket is closed make the kernel reset the connection, GOAWAY and all.
        for (var round = 0; round < 10; round++)
        {
            await using var pair = new HbonePair().Start(Echo.HandleAsync);
            await using var peer = await ConnectAsync(pair);
            await peer.HandshakeAsync();
            await peer.SendAsync(FrameType.PushPromise, FrameFlags.EndHeaders, 1, 0, 0, 0, 2);
            await peer.FloodAsync(20, _ => RudePeer.Frame(FrameType.Data, 0, 1, new byte[16384]));
            await peer.ExpectGoAwayAsync(Http2ErrorCode.ProtocolError);
        }
    }

    [Fact]
    public async Task Fault_PeerThatNeverHangsUp_IsClosedAllTheSame()
    {
        await using var pair = new HbonePair().Start(Echo.HandleAsync);
        await using var peer = await ConnectAsync(pair);
        await peer.HandshakeAsync();
        await peer.SendAsync(FrameType.PushPromise, FrameFlags.EndHeaders, 1, 0, 0, 0, 2);
        await peer.ExpectGoAwayAsync(Http2ErrorCode.ProtocolError);
        var closed = await Record.ExceptionAsync(async () =>
        {
            using var patience = new CancellationTokenSource(HbonePair.Patience);
            while (true)
            {
                await peer.SendPingAsync();
                await Task.Delay(50, patience.Token);
            }
        });
        Assert.IsAssignableFrom<IOException>(closed);
    }

    private static async Task<RudePeer> ConnectAsync(HbonePair pair)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(pair.EndPoint);
        var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
        var svid = pair.Authority.Issue(pair.ClientId);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "",
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            ClientCertificateContext = svid.TlsContext,
            RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null,
        });
        return new RudePeer(tls, isClient: true);
    }
}
