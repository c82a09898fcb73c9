using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2.Framing;
using Ambient.Identity;
using Ambient.Testing.Certificates;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Pooling;

/// <summary>A server that goes away while a CONNECT is on its way to it (RFC 9113 sections 6.8 and 8.7).</summary>
public sealed class GoingAwayTests
{
    private readonly TestAuthority _authority = new();

    [Fact]
    public async Task Connect_GoAwayThatDoesNotCoverIt_IsSentAgainOnAnotherConnection()
    {
        using var listener = Listen();
        await using var client = new HboneClient(new HboneClientOptions(), new HbonePair.Svids(_authority));
        var connecting = client.ConnectAsync(Request(listener)).AsTask();

        await using var leaving = await AcceptAsync(listener);
        await leaving.ExpectHeadersAsync(1);
        await leaving.SendGoAwayAsync(0, Http2ErrorCode.NoError);
        await using var staying = await AcceptAsync(listener);
        await staying.ExpectHeadersAsync(1);
        await staying.SendHeadersAsync(1, endStream: false, (":status", "200"));

        await using var tunnel = await connecting.WaitAsync(HbonePair.Patience);
        Assert.Equal(1, client.PooledConnections);
    }

    [Fact]
    public async Task Connect_GoAwayThatCoversIt_IsNotSentAgain()
    {
        using var listener = Listen();
        await using var client = new HboneClient(new HboneClientOptions(), new HbonePair.Svids(_authority));
        var connecting = client.ConnectAsync(Request(listener)).AsTask();

        // It may have acted on the request: sending it twice is not ours to decide.
        await using var leaving = await AcceptAsync(listener);
        await leaving.ExpectHeadersAsync(1);
        await leaving.SendGoAwayAsync(1, Http2ErrorCode.NoError);
        await leaving.CloseAsync();

        var failure = await Assert.ThrowsAsync<HboneException>(() => connecting.WaitAsync(HbonePair.Patience));
        Assert.Equal(HboneFailure.Http2Failed, failure.Failure);
        Assert.False(listener.Pending());
    }

    [Fact]
    public async Task Connect_EveryConnectionGoesAway_GivesUpAndSaysSo()
    {
        using var listener = Listen();
        await using var client = new HboneClient(new HboneClientOptions(), new HbonePair.Svids(_authority));
        var connecting = client.ConnectAsync(Request(listener)).AsTask();
        var tries = await ServeAsync(listener, connecting, most: 100, async _ =>
        {
            await using var leaving = await AcceptAsync(listener);
            await leaving.ExpectHeadersAsync(1);
            await leaving.SendGoAwayAsync(0, Http2ErrorCode.NoError);
        });

        var failure = await Assert.ThrowsAsync<HboneException>(() => connecting.WaitAsync(HbonePair.Patience));
        Assert.Equal(HboneFailure.Http2Failed, failure.Failure);
        Assert.InRange(tries, 2, 20);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Connect_EveryConnectionTakesNoStreams_GivesUpAndKeepsNone(bool goingAway)
    {
        using var listener = Listen();
        await using var client = new HboneClient(new HboneClientOptions(), new HbonePair.Svids(_authority));
        var connecting = client.ConnectAsync(Request(listener)).AsTask();
        var tries = await ServeAsync(listener, connecting, most: 50, async _ =>
        {
            await using var useless = await AuthenticateAsync(listener);
            await useless.ExpectPrefaceAsync();
            await useless.SendRawAsync(goingAway
                ? (byte[])[.. RudePeer.Frame(FrameType.Settings, FrameFlags.None, 0), .. RudePeer.Frame(FrameType.GoAway, FrameFlags.None, 0, new byte[8])]
                : RudePeer.Frame(FrameType.Settings, FrameFlags.None, 0, [0, (byte)SettingId.MaxConcurrentStreams, 0, 0, 0, 0]));
            await useless.ExpectAsync(FrameType.GoAway);
        });

        var failure = await Assert.ThrowsAsync<HboneException>(() => connecting.WaitAsync(HbonePair.Patience));
        Assert.Equal(HboneFailure.Http2Failed, failure.Failure);
        Assert.InRange(tries, 1, 20);

        // The last one leaves the pool when it has ended, which may be a moment after whoever waited for it was told.
        for (var waits = 0; client.PooledConnections > 0; waits++)
        {
            Assert.True(waits < 600, "a connection that takes no streams stays in the pool");
            await Task.Delay(50);
        }
    }

    [Fact]
    public async Task Connect_SomeTakeNoStreamsAndOthersGoAwayLater_GivesUpAsSoon()
    {
        using var listener = Listen();
        await using var client = new HboneClient(new HboneClientOptions(), new HbonePair.Svids(_authority));
        var connecting = client.ConnectAsync(Request(listener)).AsTask();
        var tries = await ServeAsync(listener, connecting, most: 50, async number =>
        {
            // Whether a GOAWAY is there before the CONNECT is on its way is a matter of luck, so one peer may do both, over and over.
            if (number % 4 == 3)
            {
                await using var leaving = await AcceptAsync(listener);
                await leaving.ExpectHeadersAsync(1);
                await leaving.SendGoAwayAsync(0, Http2ErrorCode.NoError);
                return;
            }

            await using var useless = await AuthenticateAsync(listener);
            await useless.ExpectPrefaceAsync();
            await useless.SendSettingsAsync((SettingId.MaxConcurrentStreams, 0));
            await useless.ExpectAsync(FrameType.GoAway);
        });

        var failure = await Assert.ThrowsAsync<HboneException>(() => connecting.WaitAsync(HbonePair.Patience));
        Assert.Equal(HboneFailure.Http2Failed, failure.Failure);
        Assert.InRange(tries, 2, 20);
    }

    /// <summary>Serves one connection after the other, by its number from 0, until the client gives up or there were many. How many there were.</summary>
    private static async Task<int> ServeAsync(TcpListener listener, Task connecting, int most, Func<int, Task> serve)
    {
        var tries = 0;
        while (!connecting.IsCompleted && tries < most)
        {
            if (!listener.Pending())
            {
                await Task.Delay(5);
                continue;
            }

            await serve(tries);
            tries++;
        }

        return tries;
    }

    private static TcpListener Listen()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return listener;
    }

    private static HboneConnectRequest Request(TcpListener listener) => new()
    {
        NextHop = (IPEndPoint)listener.LocalEndpoint,
        Authority = "10.0.0.1:80",
        Source = SpiffeId.ForServiceAccount("cluster.local", "default", "sleep"),
        AcceptedIdentities = [ServerId],
    };

    private static SpiffeId ServerId { get; } = SpiffeId.ForServiceAccount("cluster.local", "default", "server");

    private async Task<RudePeer> AcceptAsync(TcpListener listener)
    {
        var peer = await AuthenticateAsync(listener);
        await peer.HandshakeAsync();
        return peer;
    }

    private async Task<RudePeer> AuthenticateAsync(TcpListener listener)
    {
        var socket = await listener.AcceptTcpClientAsync().WaitAsync(HbonePair.Patience);
        var tls = new SslStream(socket.GetStream());
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = _authority.Issue(ServerId).TlsContext,
            EnabledSslProtocols = SslProtocols.Tls13,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            ClientCertificateRequired = true,
            RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null,
        }).WaitAsync(HbonePair.Patience);
        return new RudePeer(tls, isClient: false);
    }
}
