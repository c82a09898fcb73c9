using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>How exchanges and connections of our server end, in order and not.</summary>
public class ServerEndingTests
{
    [Fact]
    public async Task Handler_WithoutAnAnswer_Is500()
    {
        await using var harness = await ServerHarness.StartAsync(handle: static _ => default);
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        var (headers, end) = await harness.Peer.ExpectHeadersAsync(1);
        Assert.Equal([(":status", "500")], headers);
        Assert.True(end);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Handler_Throws_ResetsAndTells(bool started)
    {
        await using var harness = await ServerHarness.StartAsync(handle: async exchange =>
        {
            if (started)
            {
                exchange.Response.Status = 200;
                exchange.Response.HasBody = true;
                await exchange.SendHeadAsync(exchange.Response, end: false);
            }

            throw new FormatException("no");
        });
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.InternalError);
        Assert.IsType<FormatException>(Assert.Single(harness.Handler.Failures));
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task Handler_LeavesTheResponseOpen_Resets()
    {
        await using var harness = await ServerHarness.StartAsync(handle: static async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync("half"u8.ToArray());
            await exchange.FlushAsync();
        });
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.InternalError);
    }

    [Theory]
    [InlineData(MessageFault.Refused, Http2ErrorCode.RefusedStream)]
    [InlineData(MessageFault.Malformed, Http2ErrorCode.ProtocolError)]
    [InlineData(MessageFault.Closed, Http2ErrorCode.InternalError)]
    [InlineData(MessageFault.Reset, Http2ErrorCode.InternalError)]
    [InlineData(MessageFault.TimedOut, Http2ErrorCode.InternalError)]
    [InlineData(MessageFault.Aborted, Http2ErrorCode.InternalError)]
    internal async Task Abort_ByUs_ResetsByWhatItWas(MessageFault fault, Http2ErrorCode code)
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        var call = await harness.NextAsync();
        var gone = false;
        call.Exchange.OnGone = _ => gone = true;
        var reading = call.Exchange.ReadToEndAsync();
        call.Exchange.Abort(fault);
        await harness.Peer.ExpectResetAsync(1, code);
        Assert.Equal(fault, (await reading.FailureAsync()).Fault);
        Assert.Equal(fault, (await WriteAsync(call.Exchange).FailureAsync()).Fault);
        Assert.Equal(fault, call.Exchange.Fault);
        Assert.False(gone);
        call.Done();
    }

    [Theory]
    [InlineData(Http2ErrorCode.Cancel)]
    [InlineData(Http2ErrorCode.NoError)]
    [InlineData(Http2ErrorCode.InternalError)]
    internal async Task Client_ResetsTheRequest_TellsWhoeverReadsWritesOrNeither(Http2ErrorCode code)
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        await harness.Peer.SendHeadersAsync(3, false, ServerHarness.Post());
        var idle = await harness.NextAsync();
        var reader = await harness.NextAsync();
        var gone = new TaskCompletionSource<MessageFault>(TaskCreationOptions.RunContinuationsAsynchronously);
        idle.Exchange.OnGone = exchange => gone.TrySetResult(exchange.Fault);
        var reading = reader.Exchange.ReadToEndAsync();
        await harness.Peer.SendResetAsync(1, code);
        await harness.Peer.SendResetAsync(3, code);
        Assert.Equal(MessageFault.ClientGone, await gone.Task.WaitAsync(MessageText.Patience));
        Assert.Equal(MessageFault.ClientGone, (await reading.FailureAsync()).Fault);
        Assert.Equal(MessageFault.ClientGone, (await WriteAsync(idle.Exchange).FailureAsync()).Fault);
        idle.Done();
        reader.Done();
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task Client_Disappears_TellsEveryRequest()
    {
        await using var harness = await ServerHarness.StartAsync();
        var gone = new CountdownEvent(3);
        for (var id = 1; id < 7; id += 2)
        {
            await harness.Peer.SendHeadersAsync(id, id == 1, ServerHarness.Post());
            (await harness.NextAsync()).Exchange.OnGone = _ => gone.Signal();
        }

        harness.Wire.Break();
        Assert.True(await Task.Run(() => gone.Wait(MessageText.Patience)));
    }

    [Fact]
    public async Task Client_GoneAfterTheResponse_IsNoMatter()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        var call = await harness.NextAsync();
        var gone = false;
        call.Exchange.OnGone = _ => gone = true;
        await call.Exchange.AnswerAsync("all");
        await harness.Peer.ExpectDataAsync(1, 3);
        await harness.Peer.SendResetAsync(1, Http2ErrorCode.Cancel);
        await harness.Peer.SettleAsync();
        Assert.False(gone);
        call.Done();
    }

    // Section 6.8: in two steps, so that what is on its way is served.
    [Fact]
    public async Task Drain_WithRequestsOnTheirWay_ServesThem()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        var first = await harness.NextAsync();
        using var deadline = new CancellationTokenSource();
        var stopping = harness.Server.StopAsync(deadline.Token);
        Assert.Equal(int.MaxValue, (await harness.Peer.ExpectAsync(FrameType.GoAway)).LastStreamId);
        var ping = await harness.Peer.ExpectAsync(FrameType.Ping);
        await harness.Peer.SendHeadersAsync(3, true, ServerHarness.Get("/late"));
        var second = await harness.NextAsync();
        await harness.Peer.SendAsync(FrameType.Ping, FrameFlags.Ack, 0, ping.Payload);
        Assert.Equal(3, (await harness.Peer.ExpectAsync(FrameType.GoAway)).LastStreamId);
        await harness.Peer.SendHeadersAsync(5, true, ServerHarness.Get("/too-late"));
        await harness.Peer.ExpectResetAsync(5, Http2ErrorCode.RefusedStream);
        await first.Exchange.AnswerAsync("first");
        first.Done();
        await second.Exchange.AnswerAsync("second");
        second.Done();
        await harness.EndAsync();
        harness.Time.Advance(TimeSpan.FromSeconds(1));
        await stopping.WaitAsync(MessageText.Patience);
        Assert.Equal(0, harness.Server.Connections);
    }

    [Fact]
    public async Task Idle_TooLong_EndsInOrder()
    {
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { IdleTimeout = TimeSpan.FromSeconds(8) });
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        var call = await harness.NextAsync();
        await AdvanceAsync(harness, 20);
        await call.Exchange.AnswerAsync("slow");
        call.Done();
        await harness.Peer.ExpectDataAsync(1, 4);
        var goAway = harness.Peer.ExpectAsync(FrameType.GoAway);
        while (!goAway.IsCompleted)
        {
            await AdvanceAsync(harness, 1);
        }

        Assert.Equal(Http2ErrorCode.NoError, (await goAway).Code);
    }

    [Fact]
    public async Task Idle_WithRequestsNowAndThen_GoesOn()
    {
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { IdleTimeout = TimeSpan.FromSeconds(8) }, static exchange => exchange.AnswerAsync("ok"));
        for (var id = 1; id < 10; id += 2)
        {
            await AdvanceAsync(harness, 5);
            await harness.Peer.SendHeadersAsync(id, true, ServerHarness.Get());
            await harness.Peer.ExpectDataAsync(id, 2);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Head_NeverFinished_EndsTheConnection(int how)
    {
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { HeadTimeout = TimeSpan.FromSeconds(8) });
        await AdvanceAsync(harness, 12);
        var block = harness.Peer.Block(ServerHarness.Get());
        var frame = Ambient.Testing.Http2.RudePeer.Frame(FrameType.Headers, how == 0 ? FrameFlags.EndHeaders : FrameFlags.None, 1, block);
        await harness.Peer.SendRawAsync(how == 0 ? frame.AsMemory(0, 12) : frame);

        // However late the server reads what its time begins with.
        for (var second = 0; second < 3000 && !harness.Serving.IsCompleted; second++)
        {
            if (how == 2)
            {
                await harness.Peer.FloodAsync(1, _ => Ambient.Testing.Http2.RudePeer.Frame(FrameType.Continuation, FrameFlags.None, 1, 0x40));
            }

            await AdvanceAsync(harness, 1);
        }

        await harness.Serving.WaitAsync(MessageText.Patience);
        Assert.False(harness.HasCall);
    }

    [Fact]
    public async Task Preface_NeverSent_EndsTheConnection()
    {
        await using var harness = ServerHarness.Start(new MessageServerOptions { HeadTimeout = TimeSpan.FromSeconds(8) });
        await AdvanceAsync(harness, 12);
        await harness.Serving.WaitAsync(MessageText.Patience);
    }

    // A head may take its time in pieces as long as whole frames of bodies go on, and a body may pause for ever.
    [Fact]
    public async Task Body_ThatPauses_GoesOn()
    {
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { HeadTimeout = TimeSpan.FromSeconds(8) });
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        var call = await harness.NextAsync();
        await harness.Peer.SendRawAsync(Ambient.Testing.Http2.RudePeer.Frame(FrameType.Data, FrameFlags.None, 1, new byte[10]).AsMemory(0, 14));
        await AdvanceAsync(harness, 19);
        await harness.Peer.SendRawAsync(new byte[5]);
        await harness.Peer.SendDataAsync(1, default, endStream: true);
        Assert.Equal(10, (await call.Exchange.ReadToEndAsync()).Length);
    }

    private static async Task AdvanceAsync(ServerHarness harness, int seconds)
    {
        // What was sent is read first; then time passes in steps, as timers are due.
        for (var i = 0; i < seconds; i++)
        {
            await Task.Delay(5);
            harness.Time.Advance(TimeSpan.FromSeconds(1));
        }
    }

    private static async Task WriteAsync(ServerExchange exchange)
    {
        exchange.Response.Status = 200;
        exchange.Response.HasBody = true;
        await exchange.SendHeadAsync(exchange.Response, end: false);
        await exchange.WriteAsync("x"u8.ToArray());
        await exchange.FlushAsync();
    }
}
