using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Tests.Messages;
using Ambient.Http;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Http1;

/// <summary>What a server's connection makes of clients that are odd, over real sockets.</summary>
public sealed class Http1ServerConnectionTests
{
    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n", 400)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", 400)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501)]
    [InlineData("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505)]
    public async Task A_head_that_is_refused_is_answered_and_nothing_after_it_is_looked_at(string text, int status)
    {
        await using var kit = new MessageKit(static _ => throw new InvalidOperationException("no request came of it"));
        var answer = await kit.SayAsync(text);
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.EndsWith("content-length: 0\r\nconnection: close\r\n\r\n", answer, StringComparison.Ordinal);
        Assert.Equal(status, Assert.Single(kit.Handler.Refusals).Status);
        Assert.Empty(kit.Handler.Failures);
    }

    [Fact]
    public async Task A_head_bomb_is_answered_431_before_it_has_come_whole()
    {
        await using var kit = new MessageKit(static _ => default);
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n"u8.ToArray());
        await socket.SendAsync(Encoding.ASCII.GetBytes($"X: {new string('a', 61_440)}"));
        Assert.StartsWith("HTTP/1.1 431 ", await MessageKit.ReadToEndAsync(socket), StringComparison.Ordinal);

        var many = "GET / HTTP/1.1\r\nHost: a\r\n" + string.Concat(Enumerable.Repeat("X: y\r\n", 100));
        Assert.StartsWith("HTTP/1.1 431 ", await kit.SayAsync(many), StringComparison.Ordinal);
    }

    // The request was one, and its handler runs; what breaks the protocol comes later.
    [Theory]
    [InlineData("5\r\nhello!\r\n", 400)]
    [InlineData("+5\r\nhello\r\n", 400)]
    [InlineData("0\r\nContent-Length: 5\r\n\r\n", 400)]
    [InlineData("0\r\nX : y\r\n\r\n", 400)]
    public async Task A_body_that_breaks_the_protocol_is_answered_400(string body, int status)
    {
        var fault = MessageFault.None;
        await using var kit = new MessageKit(async exchange =>
        {
            fault = (await Assert.ThrowsAsync<MessageException>(async () => await MessageKit.ReadAllAsync(exchange))).Fault;
            await Assert.ThrowsAsync<MessageException>(async () => await MessageKit.AnswerAsync(exchange, 200, "not this"));
        });
        var answer = await kit.SayAsync($"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.EndsWith("connection: close\r\n\r\n", answer, StringComparison.Ordinal);
        Assert.Equal((MessageFault.Malformed, status), (fault, Assert.Single(kit.Handler.Refusals).Status));
    }

    [Fact]
    public async Task A_body_that_breaks_the_protocol_under_its_response_breaks_the_response()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.FlushAsync();
            await MessageKit.ReadAllAsync(exchange);
        });
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"u8.ToArray());
        Assert.StartsWith("HTTP/1.1 200 ", await MessageKit.ReadUntilAsync(socket, "\r\n\r\n"), StringComparison.Ordinal);
        await socket.SendAsync("x\r\n"u8.ToArray());
        Assert.Equal(SocketError.ConnectionReset, (await Assert.ThrowsAsync<SocketException>(() => MessageKit.ReadToEndAsync(socket))).SocketErrorCode);
    }

    [Fact]
    public async Task A_body_that_ends_with_its_client_is_not_taken_for_whole()
    {
        var fault = new TaskCompletionSource<MessageFault>();
        await using var kit = new MessageKit(async exchange =>
            fault.SetResult((await Assert.ThrowsAsync<MessageException>(async () => await MessageKit.ReadAllAsync(exchange))).Fault));
        using (var socket = await kit.ConnectAsync())
        {
            await socket.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"u8.ToArray());
        }

        Assert.Equal(MessageFault.ClientGone, await fault.Task.WaitAsync(MessageKit.Patience));
    }

    [Fact]
    public async Task Heads_without_a_body_say_how_long_it_would_be_and_the_connection_goes_on()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            exchange.Response.Status = exchange.Request.Target == "/304" ? 304 : exchange.Request.Target == "/204" ? 204 : 200;
            exchange.Response.ContentLength = exchange.Request.Target == "/unknown" ? null : 7;
            await exchange.SendHeadAsync(exchange.Response, end: exchange.Request.Method == "HEAD" || exchange.Response.Status != 200);
            if (exchange.Request.Method != "HEAD" && exchange.Response.Status == 200)
            {
                await exchange.WriteAsync("the end"u8.ToArray());
                await exchange.EndAsync();
            }
        });
        var answers = await kit.SayAsync("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /unknown HTTP/1.1\r\nHost: a\r\n\r\nGET /304 HTTP/1.1\r\nHost: a\r\n\r\n"
            + "GET /204 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        Assert.Equal(
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nHTTP/1.1 200 OK\r\n\r\nHTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n"
            + "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nthe end",
            answers);
    }

    [Fact]
    public async Task A_client_that_waits_for_100_gets_it_sends_its_body_and_keeps_its_connection()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            Assert.True(exchange.Request.ExpectsContinue);
            await exchange.SendInterimAsync(new ResponseHead { Status = 100 });
            await MessageKit.AnswerAsync(exchange, 200, await MessageKit.ReadAllAsync(exchange));
        });
        using var socket = await kit.ConnectAsync();
        for (var i = 0; i < 2; i++)
        {
            await socket.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"u8.ToArray());
            Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", await MessageKit.ReadUntilAsync(socket, "\r\n\r\n"));
            await socket.SendAsync("hello"u8.ToArray());
            Assert.Equal("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", await MessageKit.ReadUntilAsync(socket, "hello"));
        }
    }

    // RFC 9110 section 10.1.1: nobody knows whether the body still comes, so what follows cannot be told from it.
    [Fact]
    public async Task A_client_that_waits_for_100_and_gets_a_final_answer_is_told_that_the_connection_ends()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 417, "no"));
        var answer = await kit.SayAsync("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        Assert.Equal("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno", answer);
    }

    [Fact]
    public async Task Interim_heads_are_sent_at_once_and_spared_a_client_of_http10()
    {
        var final = new SemaphoreSlim(0);
        await using var kit = new MessageKit(async exchange =>
        {
            var hints = new ResponseHead { Status = 103 };
            hints.Fields.Add("link", "</a>");
            await exchange.SendInterimAsync(hints);
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await exchange.SendInterimAsync(new ResponseHead { Status = 101 }));
            await final.WaitAsync();
            await MessageKit.AnswerAsync(exchange, 200, "x");
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await exchange.SendInterimAsync(hints));
        }, new MessageServerOptions { AcceptHttp10 = true });
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        Assert.Equal("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", await MessageKit.ReadUntilAsync(socket, "\r\n\r\n"));
        final.Release(2);
        await MessageKit.ReadUntilAsync(socket, "\r\n\r\nx");
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await kit.SayAsync("GET / HTTP/1.0\r\n\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n")]
    public async Task The_protocol_is_not_changed_for_a_client_that_has_not_asked_or_still_sends_a_body(string text)
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            var head = new ResponseHead { Status = 101, Upgrade = "websocket" };
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await exchange.SendHeadAsync(head, end: false));
            await MessageKit.AnswerAsync(exchange, 200, "as before");
        });
        Assert.EndsWith("\r\n\r\nas before", await kit.SayAsync(text), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n", 101, "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")]
    [InlineData("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 200, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")]
    public async Task After_an_upgrade_or_connect_bytes_go_both_ways_until_each_side_ends(string text, int status, string head)
    {
        await using var kit = new MessageKit(exchange => MessageKit.EchoUpgradedAsync(exchange, status));
        using var socket = await kit.ConnectAsync();

        // What a client sends too early belongs to the other protocol, whatever it looks like.
        await socket.SendAsync(Encoding.ASCII.GetBytes(text + "GET /smuggled HTTP/1.1\r\n\r\n"));
        Assert.Equal(head + "GET /smuggled HTTP/1.1\r\n\r\n", await MessageKit.ReadUntilAsync(socket, "smuggled HTTP/1.1\r\n\r\n"));
        await socket.SendAsync("more"u8.ToArray());
        Assert.Equal("more", await MessageKit.ReadUntilAsync(socket, "more"));
        socket.Shutdown(SocketShutdown.Send);
        Assert.Equal("bye", await MessageKit.ReadToEndAsync(socket));
        Assert.Empty(kit.Handler.Refusals);
    }

    [Fact]
    public async Task A_head_that_comes_byte_by_byte_is_read_and_its_time_counts_from_the_first_one()
    {
        var options = new MessageServerOptions { HeadTimeout = TimeSpan.FromSeconds(3), IdleTimeout = TimeSpan.FromSeconds(30) };
        var time = new FakeTimeProvider();
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, "read"), options, time);
        using var socket = await kit.ConnectAsync();
        foreach (var b in "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray())
        {
            await socket.SendAsync(new[] { b });
            await Task.Yield();
        }

        await MessageKit.ReadUntilAsync(socket, "read");

        // Each byte is in time, all together are not.
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var answer = MessageKit.ReadToEndAsync(socket);
        for (var i = 0; !answer.IsCompleted && watch.Elapsed < MessageKit.Patience; i++)
        {
            await socket.SendAsync(i == 0 ? "GET / HTTP/1.1\r\nX: "u8.ToArray() : "a"u8.ToArray()).ContinueWith(static _ => { }, TaskScheduler.Default);
            await Task.Delay(20);
            time.Advance(TimeSpan.FromSeconds(0.5));
        }

        Assert.StartsWith("HTTP/1.1 408 ", await answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_requests_of_which_the_second_is_none_get_an_answer_and_a_refusal_in_order()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, "one"));
        var answers = await kit.SayAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\noneHTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", answers);
    }
}
