using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>Every limit of <see cref="Http2AbuseLimits"/> is wired to the frames that it is about.</summary>
public class Http2ConnectionAbuseTests
{
    private static readonly Http2ConnectionOptions s_options = new()
    {
        AbuseLimits = new Http2AbuseLimits
        {
            ResetsBeforeAnswer = 10,
            Resets = 30,
            StreamErrors = 10,
            ContinuationsPerBlock = 5,
            Settings = 10,
            Pings = 10,
            EmptyFrames = 10,
            IgnoredFrames = 10,
            TinyWindowUpdates = 10,
            Splinters = 50,
            LateFrames = 50,
            InterimResponses = 10,
        },
    };

    [Fact]
    public Task RapidReset_StreamsResetBeforeTheirAnswer_EndTheConnection() => BreachAsync(
        Http2Abuse.RapidReset,
        async peer =>
        {
            for (var id = 3; id < 100; id += 2)
            {
                await peer.SendConnectAsync(id);
                await peer.SendResetAsync(id, Http2ErrorCode.Cancel);
            }
        });

    [Fact]
    public async Task ControlQueue_AcceptedAndResetStreamsOfAPeerThatReadsNothing_EndTheConnection()
    {
        await using var harness = ConnectionHarness.StartServer(s_options with { AbuseLimits = new Http2AbuseLimits { QueuedControlFrames = 100 } }, capacity: 1024);
        await harness.Peer.HandshakeAsync();
        for (var id = 1; id < 2000 && harness.Connection.Error is null; id += 2)
        {
            await harness.Peer.SendConnectAsync(id);
            var connecting = harness.NextConnectAsync();
            while (!connecting.IsCompleted && harness.Connection.Error is null)
            {
                await Task.Yield();
            }

            if (connecting.IsCompleted)
            {
                (await connecting).Accept(new string('x', 100));
                await harness.Peer.SendResetAsync(id, Http2ErrorCode.Cancel);
            }
        }

        Assert.Equal(Http2Abuse.ControlQueueFull, Assert.IsType<Http2ConnectionException>(harness.Connection.Error).Abuse);
    }

    [Fact]
    public Task SplinterFlood_BytesInFramesOfTheirOwn_EndTheConnection() => BreachAsync(
        Http2Abuse.SplinterFlood, peer => peer.FloodAsync(1000, _ => RudePeer.Frame(FrameType.Data, 0, 1, 7)));

    [Fact]
    public Task LateFrameFlood_DataOnAStreamThatIsOver_EndsTheConnection() => BreachAsync(
        Http2Abuse.LateFrameFlood, peer => FloodResetStreamAsync(peer, () => RudePeer.Frame(FrameType.Data, 0, 3, 7)));

    [Fact]
    public Task LateFrameFlood_WindowUpdatesOnAStreamThatIsOver_EndTheConnection() => BreachAsync(
        Http2Abuse.LateFrameFlood, peer => FloodResetStreamAsync(peer, () => RudePeer.Frame(FrameType.WindowUpdate, 0, 3, RudePeer.Number(1000))));

    [Fact]
    public async Task InterimResponseFlood_EndsTheConnection()
    {
        await using var harness = await ConnectionHarness.ClientAsync(s_options);
        harness.Open();
        await harness.Peer.ExpectHeadersAsync(1);
        for (var i = 0; i < 20 && harness.Connection.Error is null; i++)
        {
            await harness.Peer.SendHeadersAsync(1, false, (":status", "103"));
        }

        Assert.Contains(nameof(Http2Abuse.InterimResponseFlood), (await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.EnhanceYourCalm)).Debug, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keystrokes_OneByOneForAsLongAsOneLikes_AreHonest()
    {
        await using var harness = await ConnectionHarness.ServerAsync(s_options);
        var tunnel = await harness.AcceptAsync(1);
        for (var i = 0; i < 500; i++)
        {
            await harness.Peer.SendDataAsync(1, "k"u8.ToArray());
            await tunnel.ReadAsync(1);
        }

        await harness.Peer.SettleAsync();
    }

    [Fact]
    public Task ResetFlood_ResetsOfAStreamThatIsOver_EndTheConnection() => BreachAsync(
        Http2Abuse.ResetFlood, peer => peer.FloodAsync(100, _ => RudePeer.Frame(FrameType.RstStream, 0, 1, 0, 0, 0, 8)));

    [Fact]
    public Task StreamErrorFlood_MalformedRequests_EndTheConnection() => BreachAsync(
        Http2Abuse.StreamErrorFlood,
        async peer =>
        {
            for (var id = 3; id < 100; id += 2)
            {
                await peer.SendHeadersAsync(id, true, (":method", "CONNECT"), (":authority", "%"));
            }
        });

    [Fact]
    public Task StreamErrorFlood_RequestsToProvokeResets_EndTheConnection() => BreachAsync(
        Http2Abuse.StreamErrorFlood,
        async peer =>
        {
            // CVE-2025-8671: a request that is in order, then a frame that makes the server reset it.
            for (var id = 3; id < 100; id += 2)
            {
                await peer.SendConnectAsync(id);
                await peer.SendWindowUpdateAsync(id, 0);
            }
        });

    [Fact]
    public Task ContinuationFlood_FramesWithoutEnd_EndTheConnection() => BreachAsync(
        Http2Abuse.ContinuationFlood,
        async peer =>
        {
            await peer.SendAsync(FrameType.Headers, 0, 3, 0x83);
            await peer.FloodAsync(100, _ => RudePeer.Frame(FrameType.Continuation, 0, 3));
        });

    [Fact]
    public Task HeaderBlockTooLarge_ContinuationsOfManyBytes_EndTheConnection() => BreachAsync(
        Http2Abuse.HeaderBlockTooLarge,
        async peer =>
        {
            await peer.SendAsync(FrameType.Headers, 0, 3, new byte[40_000]);
            await peer.FloodAsync(4, _ => RudePeer.Frame(FrameType.Continuation, 0, 3, new byte[40_000]));
        });

    [Fact]
    public Task HeaderBlockTooLarge_OneFrame_EndsTheConnection() => BreachAsync(
        Http2Abuse.HeaderBlockTooLarge, peer => peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders, 3, new byte[200_000]));

    [Fact]
    public Task SettingsFlood_EmptySettings_EndTheConnection() => BreachAsync(
        Http2Abuse.SettingsFlood, peer => peer.FloodAsync(100, _ => RudePeer.Frame(FrameType.Settings, 0, 0)));

    [Fact]
    public Task SettingsFlood_ManyEntries_EndsTheConnection() => BreachAsync(
        Http2Abuse.SettingsFlood, peer => peer.SendSettingsAsync([.. Enumerable.Repeat((SettingId.InitialWindowSize, 1u), 1000)]));

    [Fact]
    public Task PingFlood_Pings_EndTheConnection() => BreachAsync(
        Http2Abuse.PingFlood, peer => peer.FloodAsync(100, _ => RudePeer.Frame(FrameType.Ping, 0, 0, new byte[8])));

    [Fact]
    public Task EmptyFrameFlood_Data_EndsTheConnection() => BreachAsync(
        Http2Abuse.EmptyFrameFlood, peer => peer.FloodAsync(100, _ => RudePeer.Frame(FrameType.Data, 0, 1)));

    [Fact]
    public Task EmptyFrameFlood_PaddingWithoutData_EndsTheConnection() => BreachAsync(
        Http2Abuse.EmptyFrameFlood, peer => peer.FloodAsync(100, _ => RudePeer.Frame(FrameType.Data, FrameFlags.Padded, 1, 0)));

    [Fact]
    public Task EmptyFrameFlood_OnAStreamThatIsOver_EndsTheConnection() => BreachAsync(
        Http2Abuse.EmptyFrameFlood,
        async peer =>
        {
            await peer.SendResetAsync(1, Http2ErrorCode.Cancel);
            await peer.FloodAsync(100, _ => RudePeer.Frame(FrameType.Data, 0, 1));
        });

    [Fact]
    public Task IgnoredFrameFlood_Priority_EndsTheConnection() => BreachAsync(
        Http2Abuse.IgnoredFrameFlood, peer => peer.FloodAsync(100, _ => RudePeer.Frame(FrameType.Priority, 0, 1, 0, 0, 0, 0, 1)));

    [Fact]
    public Task IgnoredFrameFlood_Unknown_EndsTheConnection() => BreachAsync(
        Http2Abuse.IgnoredFrameFlood, peer => peer.FloodAsync(100, _ => RudePeer.Frame((FrameType)0xcc, 0, 0, 1)));

    [Fact]
    public Task IgnoredFrameFlood_PingAcks_EndTheConnection() => BreachAsync(
        Http2Abuse.IgnoredFrameFlood, peer => peer.FloodAsync(100, _ => RudePeer.Frame(FrameType.Ping, FrameFlags.Ack, 0, new byte[8])));

    [Fact]
    public Task IgnoredFrameFlood_SettingsAcks_EndTheConnection() => BreachAsync(
        Http2Abuse.IgnoredFrameFlood, peer => peer.FloodAsync(100, _ => RudePeer.Frame(FrameType.Settings, FrameFlags.Ack, 0)));

    [Fact]
    public Task WindowUpdateFlood_OfOneByte_EndsTheConnection() => BreachAsync(
        Http2Abuse.WindowUpdateFlood, peer => peer.FloodAsync(100, i => RudePeer.Frame(FrameType.WindowUpdate, 0, i % 2, 0, 0, 0, 1)));

    [Fact]
    public async Task ControlQueueFull_PeerDoesNotReadItsAnswers_EndsTheConnection()
    {
        // The transport takes 4 KB and then nothing; each PING wants 17 bytes of answer.
        var options = new Http2ConnectionOptions { AbuseLimits = new Http2AbuseLimits { Pings = int.MaxValue, QueuedControlFrames = 500 } };
        await using var harness = ConnectionHarness.StartServer(options, capacity: 4096);
        await harness.Peer.HandshakeAsync();
        harness.Peer.Patience = TimeSpan.FromSeconds(10); // the flood itself will be stuck
        var flood = harness.Peer.FloodAsync(5000, _ => RudePeer.Frame(FrameType.Ping, 0, 0, new byte[8]));
        await WaitUntilAsync(() => harness.Connection.Error is not null);
        Assert.Equal(Http2Abuse.ControlQueueFull, Assert.IsType<Http2ConnectionException>(harness.Connection.Error).Abuse);
        harness.Connection.Abort(null);
        await harness.Peer.ExpectEndAsync();
        await flood.ContinueWith(static _ => { }, TaskScheduler.Default).WaitAsync(ConnectionHarness.Patience);
    }

    [Fact]
    public async Task HonestTraffic_AtEveryLimit_GoesOn()
    {
        await using var harness = await ConnectionHarness.ServerAsync(s_options);
        var tunnel = await harness.AcceptAsync(1);
        for (var window = 0; window < 3; window++)
        {
            for (var i = 0; i < 8; i++)
            {
                await harness.Peer.SendPingAsync();
                await harness.Peer.SendSettingsAsync();
                await harness.Peer.SendDataAsync(1, default);
                await harness.Peer.SendAsync((FrameType)0xcc, 0, 0);
            }

            await harness.Peer.SettleAsync();
            harness.Time.Advance(TimeSpan.FromSeconds(10));
        }

        await harness.Peer.SendDataAsync(1, "x"u8.ToArray());
        await tunnel.ReadAsync(1);
    }

    private static async Task FloodResetStreamAsync(RudePeer peer, Func<byte[]> frame)
    {
        await peer.SendConnectAsync(3);
        await peer.SendResetAsync(3, Http2ErrorCode.Cancel);
        await peer.FloodAsync(1000, _ => frame());
    }

    private static async Task BreachAsync(Http2Abuse abuse, Func<RudePeer, Task> attack)
    {
        await using var harness = await ConnectionHarness.ServerAsync(s_options);
        var tunnel = await harness.AcceptAsync(1);
        await attack(harness.Peer);
        var goAway = await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.EnhanceYourCalm);
        Assert.Contains(abuse.ToString(), goAway.Debug, StringComparison.Ordinal);
        Assert.Equal(abuse, Assert.IsType<Http2ConnectionException>(harness.Connection.Error).Abuse);
        await tunnel.WaitUntilClosedAsync();
    }

    private static async Task WaitUntilAsync(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(ConnectionHarness.Patience);
        while (!condition())
        {
            await Task.Delay(5, patience.Token);
        }
    }
}
