using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>Windows of stream and connection, in both directions.</summary>
public class Http2ConnectionFlowControlTests
{
    private static readonly Http2ConnectionOptions s_small = new() { StreamWindowSize = 1000, ConnectionWindowSize = 100_000 };
    private static readonly Http2ConnectionOptions s_wide = new() { StreamWindowSize = 60_000, ConnectionWindowSize = 100_000 };

    [Fact]
    public async Task Send_StreamWindow_IsNeverExceeded()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 10));
        var tunnel = await harness.AcceptAsync(1);
        await tunnel.WriteAsync(new byte[30]);
        Assert.Equal(10, DataBytes(await harness.Peer.SettleAsync()));
        await harness.Peer.SendWindowUpdateAsync(1, 5);
        Assert.Equal(5, (await harness.Peer.ExpectDataAsync(1, 5)).Length);
        Assert.Equal(0, DataBytes(await harness.Peer.SettleAsync()));
        await harness.Peer.SendWindowUpdateAsync(1, 100);
        Assert.Equal(15, (await harness.Peer.ExpectDataAsync(1, 15)).Length);
    }

    [Fact]
    public async Task Send_ConnectionWindow_IsSharedByStreams()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 1_000_000));
        var tunnels = new[] { await harness.AcceptAsync(1), await harness.AcceptAsync(3) };
        foreach (var tunnel in tunnels)
        {
            await tunnel.WriteAsync(new byte[50_000]);
        }

        var received = 0;
        while (received < 65535)
        {
            received += (await harness.Peer.ExpectAsync(FrameType.Data)).Payload.Length;
        }

        Assert.Equal(65535, received);
        Assert.Equal(0, DataBytes(await harness.Peer.SettleAsync()));
        await harness.Peer.SendWindowUpdateAsync(0, 1_000_000);
        while (received < 100_000)
        {
            received += (await harness.Peer.ExpectAsync(FrameType.Data)).Payload.Length;
        }
    }

    [Fact]
    public async Task Send_OneStreamBlocked_DoesNotHoldUpAnother()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 100));
        var blocked = await harness.AcceptAsync(1);
        var free = await harness.AcceptAsync(3);
        await blocked.WriteAsync(new byte[20_000]);
        await harness.Peer.ExpectDataAsync(1, 100);
        await free.WriteAsync(new byte[100]);
        Assert.Equal(100, (await harness.Peer.ExpectDataAsync(3, 100)).Length);
    }

    [Fact]
    public async Task Send_EmptyEndStream_NeedsNoWindow()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 0));
        var tunnel = await harness.AcceptAsync(1);
        await tunnel.Output.CompleteAsync();
        Assert.True((await harness.Peer.ExpectAsync(FrameType.Data, 1)).EndStream);
    }

    [Fact]
    public async Task Settings_InitialWindowShrinksBelowZero_WaitsUntilItIsPositive()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 100));
        var tunnel = await harness.AcceptAsync(1);
        await tunnel.WriteAsync(new byte[200]);
        await harness.Peer.ExpectDataAsync(1, 100);
        await harness.Peer.SendSettingsAsync((SettingId.InitialWindowSize, 40)); // the window is -60
        await harness.Peer.SendWindowUpdateAsync(1, 60); // 0
        Assert.Equal(0, DataBytes(await harness.Peer.SettleAsync()));
        await harness.Peer.SendWindowUpdateAsync(1, 20);
        Assert.Equal(20, (await harness.Peer.ExpectDataAsync(1, 20)).Length);
        await harness.Peer.SendSettingsAsync((SettingId.InitialWindowSize, 70)); // 30 more
        Assert.Equal(30, (await harness.Peer.ExpectDataAsync(1, 30)).Length);
        Assert.Equal(0, DataBytes(await harness.Peer.SettleAsync()));
    }

    [Fact]
    public async Task Settings_InitialWindowMakesAStreamOverflow_EndsTheConnection()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.AcceptAsync(1);
        await harness.Peer.SendWindowUpdateAsync(1, int.MaxValue - 65535);
        await harness.Peer.SettleAsync();
        await harness.Peer.SendSettingsAsync((SettingId.InitialWindowSize, 65536));
        await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.FlowControlError);
    }

    [Fact]
    public async Task WindowUpdate_StreamOverflow_ResetsTheStream()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.AcceptAsync(1);
        await harness.Peer.SendWindowUpdateAsync(1, int.MaxValue);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.FlowControlError);
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task Receive_OverTheStreamWindow_ResetsTheStream()
    {
        await using var harness = await ConnectionHarness.ServerAsync(s_small);
        var tunnel = await harness.AcceptAsync(1);
        await harness.Peer.SendDataAsync(1, new byte[1000]);
        await harness.Peer.SettleAsync();
        await harness.Peer.SendDataAsync(1, new byte[1]);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.FlowControlError);
        await tunnel.WaitUntilClosedAsync();
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task Receive_OverTheConnectionWindow_EndsTheConnection()
    {
        await using var harness = await ConnectionHarness.ServerAsync(new Http2ConnectionOptions { StreamWindowSize = 1_000_000, ConnectionWindowSize = 70_000 });
        await harness.AcceptAsync(1);
        await harness.Peer.SendDataAsync(1, new byte[70_000]);
        await harness.Peer.SendDataAsync(1, new byte[1]);
        await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.FlowControlError);
    }

    [Fact]
    public async Task Receive_UnreadBytes_EarnNoCredit()
    {
        await using var harness = await ConnectionHarness.ServerAsync(s_small);
        var tunnel = await harness.AcceptAsync(1);
        _ = tunnel.Input;
        await harness.Peer.SendDataAsync(1, new byte[1000]);
        Assert.DoesNotContain(await harness.Peer.SettleAsync(), frame => frame.Type == FrameType.WindowUpdate);
        await tunnel.ReadAsync(1000);
        var update = await harness.Peer.ExpectAsync(FrameType.WindowUpdate, 1);
        Assert.InRange(update.Increment, 1, 1000);
    }

    [Fact]
    public async Task Receive_ManyTimesTheWindows_KeepsFlowing()
    {
        await using var harness = await ConnectionHarness.ServerAsync(s_small);
        var tunnel = await harness.AcceptAsync(1);
        var credit = 1000;
        for (var sent = 0; sent < 300_000;)
        {
            while (credit == 0)
            {
                var update = await harness.Peer.ExpectAsync(frame => frame.Type == FrameType.WindowUpdate, "WINDOW_UPDATE");
                credit += update.StreamId == 1 ? update.Increment : 0;
            }

            await harness.Peer.SendDataAsync(1, new byte[credit]);
            await tunnel.ReadAsync(credit);
            sent += credit;
            credit = 0;
        }
    }

    [Fact]
    public async Task Receive_PaddingOnly_ReturnsItsCredit()
    {
        await using var harness = await ConnectionHarness.ServerAsync(s_small);
        await harness.AcceptAsync(1);
        for (var i = 0; i < 100; i++)
        {
            await harness.Peer.SendAsync(FrameType.Data, FrameFlags.Padded, 1, [255, .. new byte[255], 1]);
            await harness.Peer.SendAsync(FrameType.Data, FrameFlags.Padded, 1, [255, .. new byte[255]]);
            await harness.Peer.SettleAsync();
            if (i == 3)
            {
                break;
            }
        }

        // 2048 bytes in a window of 1000, all but four of them padding.
        await harness.Peer.SettleAsync();
        Assert.Equal(1, harness.Connection.OpenStreams);
    }

    [Fact]
    public async Task Receive_StreamsThatAreOver_ReturnTheConnectionsCredit()
    {
        // Each stream takes half of the connection's window with it when it is reset, read or not, answered or not.
        await using var harness = await ConnectionHarness.ServerAsync(new Http2ConnectionOptions { StreamWindowSize = 50_000, ConnectionWindowSize = 100_000 });
        for (var id = 1; id < 200; id += 2)
        {
            await harness.Peer.SendConnectAsync(id);
            var connect = await harness.NextConnectAsync();
            switch (id % 8)
            {
                case 1:
                    await harness.Peer.SendDataAsync(id, new byte[50_000]);
                    await harness.Peer.SendResetAsync(id, Http2ErrorCode.Cancel);
                    break;
                case 3:
                    await harness.Peer.SendDataAsync(id, new byte[50_000]);
                    await harness.Peer.SettleAsync();
                    connect.Reject(503);
                    break;
                case 5:
                    connect.Reject(401);
                    await harness.Peer.SendDataAsync(id, new byte[50_000], endStream: true);
                    break;
                default:
                    var tunnel = connect.Accept();
                    _ = tunnel.Input;
                    await harness.Peer.SendDataAsync(id, new byte[50_000], endStream: true);
                    await harness.Peer.SettleAsync();
                    await tunnel.ReadAsync(20_000);
                    tunnel.Abort();
                    break;
            }

            await harness.Peer.SettleAsync();
        }

        Assert.Equal(0, harness.Connection.OpenStreams);
        var last = await harness.AcceptAsync(1001);
        await harness.Peer.SendDataAsync(1001, new byte[50_000], endStream: true);
        Assert.Equal(50_000, (await last.ReadToEndAsync()).Length);
    }

    [Fact]
    public async Task Receive_StreamResetByThePeer_ReturnsItsCreditAtOnce()
    {
        // Nothing else is sent from here: another stream may be waiting for just this update, and the peer for nothing.
        await using var harness = await ConnectionHarness.ServerAsync(s_wide);
        await harness.AcceptAsync(1);
        await harness.Peer.SendDataAsync(1, new byte[60_000]);
        await harness.Peer.SendResetAsync(1, Http2ErrorCode.Cancel);
        Assert.Equal(RudePeer.Number(60_000), (await harness.Peer.ExpectAsync(FrameType.WindowUpdate, 0)).Payload);
    }

    [Fact]
    public async Task Receive_StreamTheGoAwayDoesNotCover_ReturnsItsCreditAtOnce()
    {
        await using var harness = await ConnectionHarness.ClientAsync(s_wide);
        await harness.OpenAsync(1);
        await harness.OpenAsync(3);
        await harness.Peer.SendDataAsync(3, new byte[60_000]);
        await harness.Peer.SendGoAwayAsync(1, Http2ErrorCode.NoError);
        Assert.Equal(RudePeer.Number(60_000), (await harness.Peer.ExpectAsync(FrameType.WindowUpdate, 0)).Payload);
    }

    [Fact]
    public async Task Receive_TunnelThatWasNeverRead_ReturnsItsCreditWhenReleased()
    {
        await using var harness = await ConnectionHarness.ServerAsync(s_wide);
        var tunnel = await harness.AcceptAsync(1);
        await harness.Peer.SendDataAsync(1, new byte[60_000], endStream: true);
        await harness.Peer.SettleAsync();
        await tunnel.Output.CompleteAsync();
        await harness.Peer.ExpectAsync(FrameType.Data, 1);
        Assert.Equal(0, harness.Connection.OpenStreams);
        await tunnel.DisposeAsync();
        Assert.Equal(RudePeer.Number(60_000), (await harness.Peer.ExpectAsync(FrameType.WindowUpdate, 0)).Payload);
    }

    [Fact]
    public async Task Receive_ReleasedAndResetInTheMiddleOfAFrame_ReturnsTheCreditOfTheWholeFrame()
    {
        await using var harness = await ConnectionHarness.ServerAsync(s_wide, (SettingId.InitialWindowSize, 0));
        var tunnel = await harness.AcceptAsync(1);
        await tunnel.WriteAsync(new byte[10]);
        await tunnel.Output.CompleteAsync();
        await tunnel.DisposeAsync();

        // The window that lets its last bytes go, and with the same read half of a frame that nobody wants any more.
        var data = RudePeer.Frame(FrameType.Data, FrameFlags.None, 1, new byte[60_000]);
        await harness.Peer.SendRawAsync((byte[])[.. RudePeer.Frame(FrameType.WindowUpdate, FrameFlags.None, 1, RudePeer.Number(10)), .. data[..30_000]]);
        await harness.Peer.ExpectDataAsync(1, 10);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.NoError);
        await harness.Peer.SendRawAsync(data.AsMemory(30_000));
        Assert.Equal(RudePeer.Number(60_000), (await harness.Peer.ExpectAsync(FrameType.WindowUpdate, 0)).Payload);
    }

    [Fact]
    public async Task Receive_ReleasedAndEndedBeforeOurEndLeft_ReturnsTheCredit()
    {
        await using var harness = await ConnectionHarness.ServerAsync(s_wide, (SettingId.InitialWindowSize, 0));
        var tunnel = await harness.AcceptAsync(1);
        await tunnel.WriteAsync(new byte[10]);
        await tunnel.Output.CompleteAsync();
        await tunnel.DisposeAsync();

        await harness.Peer.SendDataAsync(1, new byte[60_000], endStream: true);
        await harness.Peer.SendWindowUpdateAsync(1, 10);
        await harness.Peer.ExpectDataAsync(1, 10);
        Assert.Equal(RudePeer.Number(60_000), (await harness.Peer.ExpectAsync(FrameType.WindowUpdate, 0)).Payload);
    }

    [Fact]
    public async Task Send_StreamsResetWhileTheConnectionHasNoWindow_AreForgotten()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await (await harness.AcceptAsync(1)).WriteAsync(new byte[70_000]);
        await harness.Peer.ExpectDataAsync(1, 65535);
        var streams = new List<WeakReference>();
        for (var id = 3; id < 1000; id += 2)
        {
            streams.Add(await WriteAndResetAsync(id));
        }

        await harness.Peer.SettleAsync();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.InRange(streams.Count(stream => stream.IsAlive), 0, 200);

        // Those that are left wait as before.
        await harness.Peer.SendWindowUpdateAsync(0, 10_000);
        await harness.Peer.SendWindowUpdateAsync(1, 10_000);
        await harness.Peer.ExpectDataAsync(1, 70_000 - 65535);

        async Task<WeakReference> WriteAndResetAsync(int id)
        {
            var tunnel = (StreamTunnel)await harness.AcceptAsync(id);
            await tunnel.WriteAsync(new byte[10]);
            await harness.Peer.SendResetAsync(id, Http2ErrorCode.Cancel);
            return new WeakReference(tunnel.Stream);
        }
    }

    private static int DataBytes(IEnumerable<ReceivedFrame> frames) => frames.Where(frame => frame.Type == FrameType.Data).Sum(frame => frame.Payload.Length);
}
