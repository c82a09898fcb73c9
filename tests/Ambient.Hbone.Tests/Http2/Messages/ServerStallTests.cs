using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Exchanges of HTTP/2 of which nothing moves any more, while their connection goes on.</summary>
public class ServerStallTests
{
    private static readonly MessageServerOptions s_options = new() { ExchangeIdleTimeout = TimeSpan.FromSeconds(8) };

    [Fact]
    public async Task Body_ThatNeverComes_Is408_AndTheOthersGoOn()
    {
        var told = 0;
        var begun = new TaskCompletionSource<ServerExchange>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var harness = await ServerHarness.StartAsync(s_options, async exchange =>
        {
            if (exchange.Request.Method == "POST")
            {
                exchange.OnStalled = _ => told++;
                begun.SetResult(exchange);
                await exchange.ReadToEndAsync();
            }

            await exchange.AnswerAsync("ok");
        });
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        await harness.Peer.SendDataAsync(1, new byte[3], endStream: false);
        var handled = await begun.Task.WaitAsync(MessageText.Patience);
        await harness.Peer.SettleAsync();
        Stall(harness, handled);
        var (headers, end) = await harness.Peer.ExpectHeadersAsync(1);
        Assert.Equal(1, told);
        Assert.Equal([(":status", "408")], headers);
        Assert.True(end);
        Assert.Equal(Http2ErrorCode.NoError, (await harness.Peer.ExpectAsync(FrameType.RstStream)).Code);
        Assert.Empty(harness.Handler.Failures);
        await harness.Peer.SendHeadersAsync(3, true, ServerHarness.Get());
        await harness.Peer.ExpectDataAsync(3, 2);
    }

    [Fact]
    public async Task Handler_ThatIsTold_AnswersItself()
    {
        var begun = new TaskCompletionSource<ServerExchange>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var harness = await ServerHarness.StartAsync(s_options, async exchange =>
        {
            var stalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            exchange.OnStalled = _ => stalled.SetResult();
            begun.SetResult(exchange);
            await stalled.Task;
            exchange.Response.Status = exchange.IsRequestWhole ? 504 : 408;
            await exchange.SendHeadAsync(exchange.Response, end: true);
        });
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        Stall(harness, await begun.Task.WaitAsync(MessageText.Patience));
        Assert.Equal([(":status", "504")], (await harness.Peer.ExpectHeadersAsync(1)).Headers);
    }

    [Fact]
    public async Task Bytes_NowAndThen_KeepAnExchangeGoing_EitherWay()
    {
        await using var harness = await ServerHarness.StartAsync(s_options);
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        var call = await harness.NextAsync();
        for (var i = 1; i <= 4; i++)
        {
            await PassAsync(harness, 5);
            await harness.Peer.SendDataAsync(1, new byte[1], endStream: false);
            while (call.Exchange.BytesReceived < i)
            {
                await Task.Delay(5).WaitAsync(MessageText.Patience);
            }
        }

        call.Exchange.Response.Status = 200;
        call.Exchange.Response.HasBody = true;
        await call.Exchange.SendHeadAsync(call.Exchange.Response, end: false);
        for (var i = 0; i < 4; i++)
        {
            await PassAsync(harness, 5);
            await call.Exchange.WriteAsync(new byte[1]);
            await call.Exchange.FlushAsync();
            await harness.Peer.ExpectDataAsync(1, 1);
        }

        Assert.Equal(MessageFault.None, call.Exchange.Fault);
        var reset = await PassUntilAsync(harness, harness.Peer.ExpectAsync(FrameType.RstStream, 1));
        Assert.Equal(Http2ErrorCode.InternalError, reset.Code);
        Assert.Equal(MessageFault.TimedOut, call.Exchange.Fault);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Answer_BehindAWindowThatNeverOpens_IsReset(bool handlerLeaves)
    {
        // All of it is with us, so the handler may be long gone; or it waits to write on.
        await using var harness = await ServerHarness.StartAsync(s_options, async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync(new byte[handlerLeaves ? 60_000 : 300_000]);
            await exchange.EndAsync();
        }, (SettingId.InitialWindowSize, 1000));
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        await harness.Peer.ExpectDataAsync(1, 1000);

        // Whoever opens it by a byte now and then is served.
        for (var i = 0; i < 4; i++)
        {
            await PassAsync(harness, 5);
            await harness.Peer.SendWindowUpdateAsync(1, 1);
            await harness.Peer.ExpectDataAsync(1, 1);
        }

        var reset = await PassUntilAsync(harness, harness.Peer.ExpectAsync(FrameType.RstStream, 1));
        Assert.Equal(Http2ErrorCode.InternalError, reset.Code);
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task Exchange_ThatWasKeptForTheNextRequest_BeginsItsTimeAnew()
    {
        await using var harness = await ServerHarness.StartAsync(s_options);
        for (var id = 1; id < 12; id += 2)
        {
            await harness.Peer.SendHeadersAsync(id, false, ServerHarness.Post());
            var call = await harness.NextAsync();
            await PassAsync(harness, 6);
            Assert.False(call.Exchange.IsStalled);
            await harness.Peer.SendDataAsync(id, default, endStream: true);
            await call.Exchange.ReadToEndAsync();
            await call.Exchange.AnswerAsync("ok");
            call.Done();
            await harness.Peer.ExpectDataAsync(id, 2);
        }
    }

    /// <summary>Time passes until the server has noticed that nothing moves, and no longer: the handler has as much again to answer.</summary>
    private static void Stall(ServerHarness harness, ServerExchange exchange)
    {
        for (var i = 0; i < 16 && !exchange.IsStalled; i++)
        {
            harness.Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.True(exchange.IsStalled);
    }

    /// <summary>Time passes until something has come that comes however much of it passes.</summary>
    private static async Task<T> PassUntilAsync<T>(ServerHarness harness, Task<T> something)
    {
        while (!something.IsCompleted)
        {
            await PassAsync(harness, 1);
        }

        return await something;
    }

    private static async Task PassAsync(ServerHarness harness, int seconds)
    {
        // What was sent is read first; then time passes in steps, as timers are due.
        for (var i = 0; i < seconds; i++)
        {
            await Task.Delay(10);
            harness.Time.Advance(TimeSpan.FromSeconds(1));
        }
    }
}
