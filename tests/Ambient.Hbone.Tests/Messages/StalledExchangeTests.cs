using System.Net.Sockets;
using Ambient.Hbone.Messages;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>Exchanges of HTTP/1.1 of which nothing moves any more: answered while they can be, broken off when they cannot.</summary>
public sealed class StalledExchangeTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMilliseconds(400);
    private static readonly MessageServerOptions s_options = new() { ExchangeIdleTimeout = s_limit };

    [Theory]
    [InlineData("Content-Length: 10\r\n\r\nabc")]
    [InlineData("Content-Length: 10\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")]
    public async Task Body_ThatNeverComes_Is408_AndTheConnectionCloses(string rest)
    {
        MessageException? failure = null;
        var told = 0;
        await using var kit = new MessageKit(async exchange =>
        {
            exchange.OnStalled = _ => told++;
            failure = await Assert.ThrowsAsync<MessageException>(async () => await MessageKit.ReadAllAsync(exchange));
            throw failure;
        }, s_options);

        var answer = await kit.SayAsync($"POST / HTTP/1.1\r\nHost: a\r\n{rest}");

        Assert.Equal("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", answer);
        Assert.Equal((MessageFault.TimedOut, 1), (failure!.Fault, told));
        Assert.Empty(kit.Handler.Failures);
    }

    [Fact]
    public async Task Handler_ThatIsToldInTime_AnswersItself()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            var stalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            exchange.OnStalled = _ => stalled.SetResult();
            await stalled.Task;
            Assert.True(exchange.IsStalled && exchange.IsRequestWhole && exchange.Fault == MessageFault.None);
            await MessageKit.AnswerAsync(exchange, 504, "stream timeout");
        }, s_options);
        using var socket = await kit.ConnectAsync();

        // The request is whole, so the connection goes on.
        for (var i = 0; i < 2; i++)
        {
            await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
            var answer = await MessageKit.ReadUntilAsync(socket, "stream timeout");
            Assert.StartsWith("HTTP/1.1 504 Gateway Timeout\r\n", answer, StringComparison.Ordinal);
            Assert.DoesNotContain("connection: close", answer, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Handler_ThatLeavesWithoutAnAnswer_Is504()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            var stalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            exchange.OnStalled = _ => stalled.SetResult();
            await stalled.Task;
        }, s_options);

        var answer = await kit.SayAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 504 Gateway Timeout\r\n", answer, StringComparison.Ordinal);
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
        }, s_options);
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());

        Assert.Equal(MessageFault.TimedOut, await broken.Task.WaitAsync(MessageKit.Patience));
        await UntilAsync(() => kit.Server.Connections == 0);
    }

    [Fact]
    public async Task OtherProtocol_ThatFallsSilent_IsBrokenOff()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.EchoUpgradedAsync(exchange, 101), s_options);
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n"u8.ToArray());
        await MessageKit.ReadUntilAsync(socket, "\r\n\r\n");
        await socket.SendAsync("hello"u8.ToArray());
        await MessageKit.ReadUntilAsync(socket, "hello");

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

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(MessageKit.Patience);
        while (!condition())
        {
            await Task.Delay(5, patience.Token);
        }
    }
}
