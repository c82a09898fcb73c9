using System.Net.Sockets;
using System.Threading.Channels;
using Ambient.Hbone.Messages;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>Exchanges of HTTP/1.1 of which nothing moves any more: answered while they can be, broken off when they cannot.</summary>
public sealed class StalledExchangeTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMilliseconds(400);
    private static readonly MessageServerOptions s_options = new() { ExchangeIdleTimeout = s_limit };

    [Theory]
    [InlineData("Content-Length: 10\r\n\r\nabc", 3)]
    [InlineData("Content-Length: 10\r\n\r\n", 0)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 3)]
    public async Task Body_ThatNeverComes_Is408_AndTheConnectionCloses(string rest, int received)
    {
        MessageException? failure = null;
        var told = 0;
        var toldBefore = 0;
        var begun = new TaskCompletionSource<ServerExchange>(TaskCreationOptions.RunContinuationsAsynchronously);
        var time = new FakeTimeProvider();
        await using var kit = new MessageKit(async exchange =>
        {
            exchange.OnStalled = _ => told++;
            begun.SetResult(exchange);
            failure = await Assert.ThrowsAsync<MessageException>(async () =>
            {
                try
                {
                    await MessageKit.ReadAllAsync(exchange);
                }
                finally
                {
                    toldBefore = told;
                }
            });
            throw failure;
        }, s_options, time);

        var answer = kit.SayAsync($"POST / HTTP/1.1\r\nHost: a\r\n{rest}");
        var handled = await begun.Task.WaitAsync(MessageKit.Patience);
        await UntilAsync(() => handled.BytesReceived == received);
        Stall(time, handled);

        Assert.Equal("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", await answer);
        Assert.Equal((MessageFault.TimedOut, 1, 1), (failure!.Fault, told, toldBefore));
        Assert.Empty(kit.Handler.Failures);
    }

    [Fact]
    public async Task Handler_ThatIsToldInTime_AnswersItself()
    {
        var begun = Channel.CreateUnbounded<ServerExchange>();
        var time = new FakeTimeProvider();
        await using var kit = new MessageKit(async exchange =>
        {
            var stalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            exchange.OnStalled = _ => stalled.SetResult();
            await begun.Writer.WriteAsync(exchange);
            await stalled.Task;
            Assert.True(exchange.IsStalled && exchange.IsRequestWhole && exchange.Fault == MessageFault.None);
            await MessageKit.AnswerAsync(exchange, 504, "stream timeout");
        }, s_options, time);
        using var socket = await kit.ConnectAsync();

        // The request is whole, so the connection goes on.
        for (var i = 0; i < 2; i++)
        {
            await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
            Stall(time, await begun.Reader.ReadAsync().AsTask().WaitAsync(MessageKit.Patience));
            var answer = await MessageKit.ReadUntilAsync(socket, "stream timeout");
            Assert.StartsWith("HTTP/1.1 504 Gateway Timeout\r\n", answer, StringComparison.Ordinal);
            Assert.DoesNotContain("connection: close", answer, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Handler_ThatLeavesWithoutAnAnswer_Is504()
    {
        var begun = new TaskCompletionSource<ServerExchange>(TaskCreationOptions.RunContinuationsAsynchronously);
        var time = new FakeTimeProvider();
        await using var kit = new MessageKit(async exchange =>
        {
            var stalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            exchange.OnStalled = _ => stalled.SetResult();
            begun.SetResult(exchange);
            await stalled.Task;
        }, s_options, time);

        var answer = kit.SayAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        Stall(time, await begun.Task.WaitAsync(MessageKit.Patience));

        Assert.StartsWith("HTTP/1.1 504 Gateway Timeout\r\n", await answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_NowAndThen_KeepAnExchangeGoing()
    {
        var time = new FakeTimeProvider();
        ServerExchange? handled = null;
        await using var kit = new MessageKit(async exchange =>
        {
            handled = exchange;
            await MessageKit.AnswerAsync(exchange, 200, await MessageKit.ReadAllAsync(exchange));
        }, s_options, time);
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n"u8.ToArray());
        for (var i = 1; i <= 10; i++)
        {
            time.Advance(s_limit / 2);
            await socket.SendAsync("x"u8.ToArray());
            await UntilAsync(() => handled?.BytesReceived == i || i == 10);
        }

        Assert.EndsWith("\r\n\r\nxxxxxxxxxx", await MessageKit.ReadToEndAsync(socket), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Answer_ThatNobodyReads_IsBrokenOff(bool interim)
    {
        var broken = new TaskCompletionSource<MessageFault>(TaskCreationOptions.RunContinuationsAsynchronously);
        var piece = new byte[50_000];
        var time = new FakeTimeProvider();
        await using var kit = new MessageKit(async exchange =>
        {
            try
            {
                var hints = new Ambient.Http.ResponseHead { Status = 103 };
                hints.Fields.Add("link", new string('x', 8_000));
                exchange.Response.Status = 200;
                exchange.Response.HasBody = true;
                if (!interim)
                {
                    await exchange.SendHeadAsync(exchange.Response, end: false);
                }

                while (true)
                {
                    await (interim ? exchange.SendInterimAsync(hints) : exchange.WriteAsync(piece));
                }
            }
            catch (MessageException e)
            {
                broken.SetResult(e.Fault);
            }
        }, s_options, time);
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());

        // However much fits into the socket: at some time nothing moves any more.
        await UntilAsync(() =>
        {
            time.Advance(s_limit / 4);
            return broken.Task.IsCompleted;
        });
        Assert.Equal(MessageFault.TimedOut, await broken.Task);
        await UntilAsync(() => kit.Server.Connections == 0);
    }

    [Fact]
    public async Task OtherProtocol_ThatFallsSilent_IsBrokenOff()
    {
        ServerExchange? handled = null;
        var time = new FakeTimeProvider();
        await using var kit = new MessageKit(exchange => MessageKit.EchoUpgradedAsync(handled = exchange, 101), s_options, time);
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n"u8.ToArray());
        await MessageKit.ReadUntilAsync(socket, "\r\n\r\n");
        await socket.SendAsync("hello"u8.ToArray());
        await MessageKit.ReadUntilAsync(socket, "hello");
        Stall(time, handled!);

        // Not in order: no goodbye, and the end does not look like one.
        var failure = await Record.ExceptionAsync(async () => Assert.Equal("", await MessageKit.ReadToEndAsync(socket)));
        Assert.True(failure is null or SocketException, failure?.ToString());
    }

    [Fact]
    public async Task LongPolls_OneAfterTheOther_AreEachGivenTheirTime()
    {
        // Whoever looks now and then sees the same numbers each time: it is another request all the same.
        var time = new FakeTimeProvider();
        var told = 0;
        using var begun = new SemaphoreSlim(0);
        using var done = new SemaphoreSlim(0);
        await using var kit = new MessageKit(async exchange =>
        {
            exchange.OnStalled = _ => told++;
            begun.Release();
            await done.WaitAsync();
            await MessageKit.AnswerAsync(exchange, 200, "x");
        }, s_options, time);
        using var socket = await kit.ConnectAsync();
        for (var i = 0; i < 6; i++)
        {
            await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
            Assert.True(await begun.WaitAsync(MessageKit.Patience));
            time.Advance(s_limit * 0.6);
            done.Release();
            Assert.StartsWith("HTTP/1.1 200 ", await MessageKit.ReadUntilAsync(socket, "\r\n\r\nx"), StringComparison.Ordinal);
        }

        Assert.Equal(0, told);
    }

    /// <summary>Time passes, as the server's timer is due, until it has noticed that nothing moves, and no longer: the handler has as much again to answer.</summary>
    private static void Stall(FakeTimeProvider time, ServerExchange exchange)
    {
        for (var i = 0; i < 8 && !exchange.IsStalled; i++)
        {
            time.Advance(s_limit / 4);
        }

        Assert.True(exchange.IsStalled);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(MessageKit.Patience);
        while (!condition())
        {
            await Task.Delay(5, patience.Token);
        }
    }
}
