using System.Net.Sockets;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Http2.Connections;
using Ambient.Identity;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Relaying;

/// <summary>A peer that opens no window, or does not read, makes us hold little: what may not be sent stays in the application's socket.</summary>
public sealed class ClosedWindowTests
{
    [Fact]
    public async Task WindowThatNeverOpens_HoldsOneSmallBufferForEachTunnel()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 0));
        await using var floods = await Floods.StartAsync(harness, 50);
        await floods.StandStillAsync();
        Assert.InRange(harness.Connection.BufferedBytes, 1, 50 * IoBuffers.Small);

        // And what was left in the sockets is not lost.
        await floods.OpenAndReceiveAsync(200_000);
    }

    [Fact]
    public async Task ConnectionWindowThatNeverOpens_HoldsOneSmallBufferForEachTunnel()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, int.MaxValue));
        await using var floods = await Floods.StartAsync(harness, 50);
        await floods.StandStillAsync();
        Assert.InRange(harness.Connection.BufferedBytes, 1, (50 * IoBuffers.Small) + IoBuffers.Bulk);
    }

    [Fact]
    public async Task PeerThatDoesNotRead_HoldsTheConnectionsBudget()
    {
        await using var harness = ConnectionHarness.StartServer(capacity: 64 * 1024);
        await harness.Peer.HandshakeAsync((SettingId.InitialWindowSize, int.MaxValue));
        await harness.Peer.SendWindowUpdateAsync(0, int.MaxValue - 65535);
        await using var floods = await Floods.StartAsync(harness, 50, reading: false);
        await floods.StandStillAsync();
        Assert.InRange(harness.Connection.BufferedBytes, 1, SendQueue.Budget + (2 * IoBuffers.Bulk) + (50 * IoBuffers.Small));
    }

    [Fact]
    public async Task PeerThatDoesNotRead_OverTwoConnections_HoldsItsIdentitysBudget()
    {
        var identity = new IdentityBudget(SpiffeId.ForServiceAccount("cluster.local", "default", "sleep"), 128 * 1024);
        BufferShare[] shares = [new(identity), new(identity)];
        await using var first = ConnectionHarness.StartServer(new Http2ConnectionOptions { Buffers = shares[0] }, capacity: 64 * 1024);
        await using var second = ConnectionHarness.StartServer(new Http2ConnectionOptions { Buffers = shares[1] }, capacity: 64 * 1024);
        foreach (var harness in (ConnectionHarness[])[first, second])
        {
            await harness.Peer.HandshakeAsync((SettingId.InitialWindowSize, int.MaxValue));
            await harness.Peer.SendWindowUpdateAsync(0, int.MaxValue - 65535);
        }

        await using var floods = await Floods.StartAsync(first, 50, reading: false);
        await using var more = await Floods.StartAsync(second, 50, reading: false);
        await floods.StandStillAsync();
        await more.StandStillAsync();

        // Each connection alone could hold a megabyte.
        Assert.InRange(identity.Bytes, 1, (128 * 1024) + (2 * IoBuffers.Bulk) + (100 * IoBuffers.Small));
        Assert.Equal(identity.Bytes, first.Connection.BufferedBytes + second.Connection.BufferedBytes);
        shares[0].End();
        shares[1].End();
        Assert.Equal(0, identity.Bytes);
    }

    [Fact]
    public async Task StreamsThatStandStill_DoNotHoldUpOneThatMayGoOn()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 0));
        await using var floods = await Floods.StartAsync(harness, 50);
        await floods.StandStillAsync();
        await harness.Peer.SendWindowUpdateAsync(0, 10_000_000);
        await harness.Peer.SendWindowUpdateAsync(99, 1_000_000);
        Assert.Equal(500_000, (await harness.Peer.ExpectDataAsync(99, 500_000)).Take(500_000).Count());
    }

    [Fact]
    public async Task EndOfInputBehindAClosedWindow_IsNotLost()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 0));
        using var app = TcpPeer.Listen();
        using var client = await TcpPeer.ConnectAsync(app.EndPoint);
        using var server = await app.AcceptAsync();
        var tunnel = await harness.AcceptAsync(1);
        var relay = Relay.RunAsync(tunnel, client, new RelayCounters(), CancellationToken.None);
        await server.SendAsync("last words"u8.ToArray());
        server.Shutdown(SocketShutdown.Send);
        Assert.DoesNotContain(await harness.Peer.SettleAsync(), frame => frame.Type == FrameType.Data);
        await harness.Peer.SendWindowUpdateAsync(1, 10);
        Assert.Equal("last words"u8.ToArray(), await harness.Peer.ExpectDataAsync(1, 10));
        await harness.Peer.ExpectAsync(frame => frame is { Type: FrameType.Data, EndStream: true }, "END_STREAM");
        await harness.Peer.SendDataAsync(1, default, endStream: true);
        await relay.AsTask().WaitAsync(HbonePair.Patience);
    }
}
