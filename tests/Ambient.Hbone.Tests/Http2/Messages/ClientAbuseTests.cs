using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Tests.Http2.HPack;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Servers that make our client work for nothing, and what they make it hold. Interim heads are in <see cref="ClientTests"/>.</summary>
public class ClientAbuseTests
{
    [Fact]
    public async Task HeaderBomb_IsTooLarge_AndTheConnectionGoesOn()
    {
        // One field of 3,000 bytes goes into the table; then one byte each brings it back, 15,000 times: 45 MB.
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 1, ServerAbuseTests.Bomb([(":status", "200")], 15_000));
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.EnhanceYourCalm);
        Assert.Equal(MessageFault.TooLarge, (await exchange.HeadAsync().FailureAsync()).Fault);

        // Both tables are equal all the same: once it is a field like any other.
        await using var next = await harness.GetAsync(3);
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 3, [.. HPackBlocks.Plain((":status", "200")), ServerAbuseTests.Known]);
        Assert.Equal(3000, (await next.HeadAsync()).Fields.Get("x-bomb")!.Length);
    }

    [Fact]
    public async Task Continuations_WithoutEnd_EndTheConnection()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.None, 1, harness.Peer.Block((":status", "200")));
        await harness.Peer.FloodAsync(100, static _ => RudePeer.Frame(FrameType.Continuation, FrameFlags.None, 1));
        Assert.Equal(Http2ErrorCode.EnhanceYourCalm, (await harness.Peer.ExpectAsync(FrameType.GoAway)).Code);
        await exchange.HeadAsync().FailureAsync();
        Assert.False(harness.Client.IsUsable);
    }

    [Theory]
    [InlineData(1, 62_000)]
    [InlineData(101, 10)]
    public async Task Trailers_OfTooMuch_BreakTheExchangeAlone(int count, int size)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "200"));
        await exchange.HeadAsync();
        var block = HPackBlocks.Plain([.. Enumerable.Range(0, count).Select(i => ($"x-{i}", new string('t', size)))]);
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 1, block);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.EnhanceYourCalm);
        Assert.Equal(MessageFault.TooLarge, (await exchange.ReadToEndAsync().FailureAsync()).Fault);
        Assert.True(harness.Client.IsUsable);
    }

    [Fact]
    public async Task EmptyData_WithoutEnd_EndsTheConnection()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "200"));
        await exchange.HeadAsync();
        await harness.Peer.FloodAsync(600, static _ => RudePeer.Frame(FrameType.Data, FrameFlags.None, 1));
        Assert.Equal(Http2ErrorCode.EnhanceYourCalm, (await harness.Peer.ExpectAsync(FrameType.GoAway)).Code);
    }

    // Section 6.9: of an answer that nobody reads a window is held, and not a byte more.
    [Fact]
    public async Task SlowReader_HoldsAWindow()
    {
        await using var harness = await ClientHarness.StartAsync(new MessageClientOptions { StreamWindowSize = 65_535, ConnectionWindowSize = 200_000 });
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "200"));
        await exchange.HeadAsync();
        await harness.Peer.SendDataAsync(1, new byte[60_000]);
        await harness.Peer.SendDataAsync(1, new byte[5_535]);
        Assert.DoesNotContain(await harness.Peer.SettleAsync(), static frame => frame.Type == FrameType.WindowUpdate && frame.StreamId == 1);
        Assert.Equal(65_535, exchange.BytesReceived);
        await harness.Peer.SendDataAsync(1, new byte[1]);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.FlowControlError);
        Assert.True(harness.Client.IsUsable);
    }

    [Fact]
    public async Task UnreadBody_ByDefault_IsHeldTo256KiB()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.AnswerWithAWindowAsync(1);
        Assert.DoesNotContain(await harness.Peer.SettleAsync(), static frame => frame.Type is FrameType.WindowUpdate or FrameType.RstStream);
        Assert.Equal(262_144, exchange.BytesReceived);
        await harness.Peer.SendDataAsync(1, new byte[1]);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.FlowControlError);
        Assert.True(harness.Client.IsUsable);
    }

    [Fact]
    public async Task UnreadBodies_OfAConnectionByDefault_AreHeldTo1MiB()
    {
        await using var harness = await ClientHarness.StartAsync();
        var exchanges = new List<ClientExchange>();
        for (var id = 1; id < 9; id += 2)
        {
            exchanges.Add(await harness.AnswerWithAWindowAsync(id));
        }

        exchanges.Add(await harness.GetAsync(9));
        await harness.Peer.SendHeadersAsync(9, false, (":status", "200"));
        Assert.DoesNotContain(await harness.Peer.SettleAsync(), static frame => frame.Type is FrameType.WindowUpdate or FrameType.RstStream);
        Assert.Equal(1_048_576, exchanges.Sum(static exchange => exchange.BytesReceived));
        await harness.Peer.SendDataAsync(9, new byte[1]);
        Assert.Equal(Http2ErrorCode.FlowControlError, (await harness.Peer.ExpectAsync(FrameType.GoAway)).Code);
        Assert.False(harness.Client.IsUsable);
        foreach (var exchange in exchanges)
        {
            await exchange.DisposeAsync();
        }
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
        await using var harness = await ClientHarness.StartAsync(null, (SettingId.InitialWindowSize, 0));
        var exchanges = new List<ClientExchange>();
        var writing = new List<Task>();
        for (var id = 1; id < 201; id += 2)
        {
            var exchange = await harness.PostAsync(id);
            exchanges.Add(exchange);
            writing.Add(writers.WriteAsync(exchange, size, flushes));
        }

        await writers.AllWaitAsync();
        Assert.InRange(writers.MostHeld, 1, 65_536);
        Assert.InRange(writers.Held, 1, 1_048_576 + 65_536 + (100 * 4_096));
        foreach (var exchange in exchanges)
        {
            exchange.Abort(MessageFault.Aborted);
            await exchange.DisposeAsync();
        }

        await Task.WhenAll(writing).WaitAsync(MessageText.Patience);
    }

    [Fact]
    public async Task ZeroWindow_HoldsOneBufferAStream()
    {
        await using var harness = await ClientHarness.StartAsync(null, (SettingId.InitialWindowSize, 0));
        var writing = new List<Task>();
        var exchanges = new List<ClientExchange>();
        for (var id = 1; id < 41; id += 2)
        {
            var exchange = await harness.PostAsync(id);
            exchanges.Add(exchange);
            writing.Add(Task.Run(async () =>
            {
                while (true)
                {
                    await exchange.WriteAsync(new byte[16_000]);
                    await exchange.FlushAsync();
                }
            }));
        }

        await harness.Peer.SettleAsync();
        await Task.Delay(100);
        Assert.All(writing, static task => Assert.False(task.IsCompleted));
        Assert.All(exchanges, static exchange => Assert.InRange(exchange.BytesSent, 0, 65_536));
        foreach (var exchange in exchanges)
        {
            exchange.Abort(MessageFault.Aborted);
            await exchange.DisposeAsync();
        }

        foreach (var task in writing)
        {
            Assert.Equal(MessageFault.Aborted, (await task.FailureAsync()).Fault);
        }
    }
}
