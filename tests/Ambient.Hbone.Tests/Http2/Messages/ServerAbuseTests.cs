using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Tests.Http2.HPack;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Clients that make a server of messages work for nothing, and what they make it hold.</summary>
public class ServerAbuseTests
{
    [Fact]
    public async Task RapidReset_WithBodies_EndsTheConnection()
    {
        await using var harness = await ServerHarness.StartAsync(handle: static async exchange =>
        {
            await exchange.ReadToEndAsync();
            await exchange.AnswerAsync("never");
        });
        await harness.Peer.FloodAsync(3000, i =>
        [
            .. RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders, (2 * i) + 1, harness.Peer.Block(ServerHarness.Post())),
            .. RudePeer.Frame(FrameType.Data, FrameFlags.None, (2 * i) + 1, new byte[100]),
            .. RudePeer.Frame(FrameType.RstStream, FrameFlags.None, (2 * i) + 1, RudePeer.Number(8)),
        ]);
        await harness.ExpectGoAwayAsync(Http2ErrorCode.EnhanceYourCalm);
    }

    [Fact]
    public async Task Continuations_WithoutEnd_EndTheConnection()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.None, 1, harness.Peer.Block(ServerHarness.Get()));
        await harness.Peer.FloodAsync(100, static _ => RudePeer.Frame(FrameType.Continuation, FrameFlags.None, 1));
        await harness.ExpectGoAwayAsync(Http2ErrorCode.EnhanceYourCalm);
    }

    [Fact]
    public async Task Trailers_AgainAndAgain_EndTheConnection()
    {
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { MaxConcurrentStreams = 10_000 });
        await harness.Peer.FloodAsync(1500, i =>
        [
            .. RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders, (2 * i) + 1, harness.Peer.Block(ServerHarness.Post())),
            .. RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders, (2 * i) + 1, harness.Peer.Block(("x-trailer", "1"))),
        ]);
        await harness.ExpectGoAwayAsync(Http2ErrorCode.EnhanceYourCalm);
    }

    [Fact]
    public async Task HeaderBomb_Is431_AndTheConnectionGoesOn()
    {
        // One field of 3,000 bytes goes into the table; then one byte each brings it back, 15,000 times: 45 MB.
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 1, Bomb(ServerHarness.Get(), 15_000));
        Assert.Contains((":status", "431"), (await harness.Peer.ExpectHeadersAsync(1)).Headers);

        // Both tables are equal all the same: once it is a field like any other.
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 3, [.. HPackBlocks.Plain(ServerHarness.Get("/next")), Known]);
        var call = await harness.NextAsync();
        Assert.Equal(("/next", 3000), (call.Request.Target, call.Request.Fields.Get("x-bomb")!.Length));
        call.Done();
    }

    /// <summary>The field that came into the table last.</summary>
    internal const byte Known = 0x80 | 62;

    /// <summary>A block in which one large field is said once in full, and then again by a byte each.</summary>
    internal static byte[] Bomb((string Name, string Value)[] head, int times)
    {
        // A literal that goes into the table (RFC 7541 section 6.2.1), where a plain one says that it does not.
        var field = HPackBlocks.Plain(("x-bomb", new string('b', 3000)));
        field[0] = 0x40;
        return [.. HPackBlocks.Plain(head), .. field, .. Enumerable.Repeat(Known, times)];
    }

    [Fact]
    public async Task EmptyData_InMessagesThatEnd_EndsTheConnection()
    {
        // Each message is whole and small; the frames that say nothing are counted over all of them.
        await using var harness = await ServerHarness.StartAsync(handle: static async exchange =>
        {
            await exchange.ReadToEndAsync();
            await exchange.AnswerAsync("ok");
        });
        await harness.Peer.FloodAsync(60, i =>
        [
            .. RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders, (2 * i) + 1, harness.Peer.Block(ServerHarness.Post())),
            .. Enumerable.Range(0, 10).SelectMany(_ => RudePeer.Frame(FrameType.Data, FrameFlags.None, (2 * i) + 1)),
            .. RudePeer.Frame(FrameType.Data, FrameFlags.EndStream, (2 * i) + 1, new byte[1]),
        ]);
        await harness.ExpectGoAwayAsync(Http2ErrorCode.EnhanceYourCalm);
    }

    [Fact]
    public async Task Upgrades_OverTheLimitOfStreams_AreRefused()
    {
        // A WebSocket holds its stream for as long as it lasts, and so counts like any request.
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { MaxConcurrentStreams = 20 }, static exchange => Ambient.Hbone.Tests.Messages.MessageKit.EchoUpgradedAsync(exchange, 200));
        for (var id = 1; id < 41; id += 2)
        {
            await harness.Peer.SendHeadersAsync(id, false, Chat());
            Assert.Contains((":status", "200"), (await harness.Peer.ExpectHeadersAsync(id)).Headers);
        }

        await harness.Peer.SendHeadersAsync(41, false, Chat());
        await harness.Peer.ExpectResetAsync(41, Http2ErrorCode.RefusedStream);
        await harness.Peer.SendDataAsync(1, "x"u8.ToArray());
        Assert.Equal("x"u8.ToArray(), await harness.Peer.ExpectDataAsync(1, 1));

        static (string, string)[] Chat() => [(":method", "CONNECT"), (":scheme", "http"), (":authority", "a"), (":path", "/"), (":protocol", "websocket")];
    }

    [Fact]
    public async Task EmptyData_WithoutEnd_EndsTheConnection()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        await harness.Peer.FloodAsync(600, static _ => RudePeer.Frame(FrameType.Data, FrameFlags.None, 1));
        await harness.ExpectGoAwayAsync(Http2ErrorCode.EnhanceYourCalm);
    }

    [Fact]
    public async Task Requests_OfWhichNoAnswerIsRead_EndTheConnection()
    {
        var answered = 0;
        await using var harness = ServerHarness.Start(
            handle: exchange =>
            {
                Interlocked.Increment(ref answered);
                exchange.Response.Status = 200;
                exchange.Response.Fields.Add("x-large", new string('a', 30_000));
                return exchange.SendHeadAsync(exchange.Response, end: true);
            },
            capacity: 64 * 1024);
        await harness.Peer.HandshakeAsync();
        await harness.Peer.FloodAsync(1000, i => RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, (2 * i) + 1, harness.Peer.Block(ServerHarness.Get())));

        // 30 MB of heads were asked for and none is read: no more than 4 MB and a turn's worth are held, and then the client is done with.
        // The clock stands still until so much was answered: a machine that takes long for it must not make the peer look silent.
        using (var patience = new CancellationTokenSource(MessageText.Patience))
        {
            while (Volatile.Read(ref answered) < 120)
            {
                await Task.Delay(5, patience.Token);
            }
        }

        await harness.EndAsync();
        Assert.InRange(answered, 120, 200);
    }

    [Fact]
    public async Task Streams_OverTheLimit_AreRefused()
    {
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { MaxConcurrentStreams = 2 });
        for (var id = 1; id < 7; id += 2)
        {
            await harness.Peer.SendHeadersAsync(id, false, ServerHarness.Post());
        }

        await harness.Peer.ExpectResetAsync(5, Http2ErrorCode.RefusedStream);
        var first = await harness.NextAsync();
        await harness.NextAsync();
        Assert.False(harness.HasCall);
        await first.Exchange.AnswerAsync("done");
        first.Done();
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.NoError);
        await harness.Peer.SendHeadersAsync(7, true, ServerHarness.Get());
        await harness.NextAsync();
    }

    // Section 6.9: a reader that does not read holds a window, and not a byte more.
    [Fact]
    public async Task SlowReader_HoldsAWindow()
    {
        var options = new MessageServerOptions { StreamWindowSize = 65_535, ConnectionWindowSize = 200_000 };
        await using var harness = await ServerHarness.StartAsync(options);
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        var call = await harness.NextAsync();
        await harness.Peer.SendDataAsync(1, new byte[60_000]);
        Assert.DoesNotContain(await harness.Peer.SettleAsync(), static frame => frame.Type == FrameType.WindowUpdate);
        await harness.Peer.SendDataAsync(1, new byte[5_535]);
        var read = 0;
        while (read < 65_535)
        {
            read += (await call.Exchange.ReadAsync()).Length;
        }

        // The piece that is lent last is given back by the next read.
        Assert.False(call.Exchange.TryRead(out _));
        var update = await harness.Peer.ExpectAsync(FrameType.WindowUpdate, 1);
        Assert.InRange(update.Increment, 32_767, 65_535);
        await harness.Peer.SendDataAsync(1, new byte[update.Increment]);
        await harness.Peer.SendDataAsync(1, new byte[65_536]);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.FlowControlError);
    }

    [Fact]
    public async Task UnreadBody_ByDefault_IsHeldTo256KiB()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        var call = await harness.NextAsync();
        await harness.SendWindowAsync(1);
        Assert.DoesNotContain(await harness.Peer.SettleAsync(), static frame => frame.Type is FrameType.WindowUpdate or FrameType.RstStream);
        Assert.Equal(262_144, call.Exchange.BytesReceived);
        await harness.Peer.SendDataAsync(1, new byte[1]);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.FlowControlError);
    }

    [Fact]
    public async Task UnreadBodies_OfAConnectionByDefault_AreHeldTo1MiB()
    {
        await using var harness = await ServerHarness.StartAsync();
        var calls = new List<ServerHarness.Call>();
        for (var id = 1; id < 9; id += 2)
        {
            await harness.Peer.SendHeadersAsync(id, false, ServerHarness.Post());
            calls.Add(await harness.NextAsync());
            await harness.SendWindowAsync(id);
        }

        await harness.Peer.SendHeadersAsync(9, false, ServerHarness.Post());
        Assert.DoesNotContain(await harness.Peer.SettleAsync(), static frame => frame.Type is FrameType.WindowUpdate or FrameType.RstStream);
        Assert.Equal(1_048_576, calls.Sum(static call => call.Exchange.BytesReceived));
        await harness.Peer.SendDataAsync(9, new byte[1]);
        await harness.ExpectGoAwayAsync(Http2ErrorCode.FlowControlError);
    }

    // What nobody reads gives its credit back, or the connection's window would be used up by requests that were answered early.
    [Fact]
    public async Task UnreadBodies_GiveTheConnectionsCreditBack()
    {
        var options = new MessageServerOptions { StreamWindowSize = 65_535, ConnectionWindowSize = 65_535 };
        await using var harness = await ServerHarness.StartAsync(options, static exchange => exchange.AnswerAsync("no"));
        var credit = 65_535;
        for (var id = 1; id < 41; id += 2)
        {
            await harness.Peer.SendHeadersAsync(id, false, ServerHarness.Post());
            while (credit < 20_000)
            {
                credit += (await harness.Peer.ExpectAsync(FrameType.WindowUpdate, 0)).Increment;
            }

            await harness.Peer.SendDataAsync(id, new byte[20_000], endStream: true);
            credit -= 20_000;
        }
    }

    // A client that opens no window: one buffer for each stream waits, and the writer with it.
    [Fact]
    public async Task ZeroWindow_HoldsOneBufferAStream()
    {
        var written = 0L;
        await using var harness = await ServerHarness.StartAsync(
            handle: async exchange =>
            {
                exchange.Response.Status = 200;
                exchange.Response.HasBody = true;
                await exchange.SendHeadAsync(exchange.Response, end: false);
                try
                {
                    while (true)
                    {
                        await exchange.WriteAsync(new byte[16_000]);
                        await exchange.FlushAsync();
                        Interlocked.Add(ref written, 16_000);
                    }
                }
                catch (MessageException e)
                {
                    Assert.Equal(MessageFault.ClientGone, e.Fault);
                }
            },
            settings: (SettingId.InitialWindowSize, 0));
        for (var id = 1; id < 101; id += 2)
        {
            await harness.Peer.SendHeadersAsync(id, true, ServerHarness.Get());
            await harness.Peer.ExpectHeadersAsync(id);
        }

        await harness.Peer.SettleAsync();
        Assert.Equal(0, Interlocked.Read(ref written));
        await harness.Peer.SendWindowUpdateAsync(1, 100_000);
        await harness.Peer.ExpectDataAsync(1, 65_535 - 16_000);
        Assert.InRange(Interlocked.Read(ref written), 48_000, 400_000);
    }

    [Theory]
    [InlineData(1_000, false)]
    [InlineData(16_000, true)]
    [InlineData(63_000, true)]
    [InlineData(63_000, false)]
    [InlineData(200_000, false)]
    public async Task ZeroWindow_WhoWritesUntilItWaits_HoldsOneBufferAStreamAndTheConnectionsBudget(int size, bool flushes)
    {
        var writers = new StuckWriters(100);
        await using var harness = await ServerHarness.StartAsync(
            handle: async exchange =>
            {
                exchange.Response.Status = 200;
                exchange.Response.HasBody = true;
                await exchange.SendHeadAsync(exchange.Response, end: false);
                await writers.WriteAsync(exchange, size, flushes);
            },
            settings: (SettingId.InitialWindowSize, 0));
        for (var id = 1; id < 201; id += 2)
        {
            await harness.Peer.SendHeadersAsync(id, true, ServerHarness.Get());
        }

        await writers.AllWaitAsync();
        Assert.InRange(writers.MostHeld, 1, 65_536);
        Assert.InRange(writers.Held, 1, 1_048_576 + 65_536 + (100 * 4_096));
    }
}
