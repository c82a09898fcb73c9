using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http1;

/// <summary>What a client's connection makes of servers that are odd, over real sockets.</summary>
public sealed class Http1ClientConnectionTests
{
    private static RequestHead Get => new() { Method = "GET", Authority = "a", Target = "/" };

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true)]
    [InlineData("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true)]
    [InlineData("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", true)]
    [InlineData("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n", false)]
    [InlineData("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok", false)]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok", false)]
    [InlineData("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", false)]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", false)]
    [InlineData("HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n", true)]
    public async Task A_connection_is_used_again_when_nothing_is_left_of_its_last_exchange(string answer, bool again)
    {
        await using var server = new Scripted(answer);
        await using var connection = await server.OpenAsync();
        await using (var exchange = Begin(connection))
        {
            await exchange.SendHeadAsync(Get, end: true);
            await exchange.ReceiveHeadAsync();
            await MessageKit.ReadAllAsync(exchange);
        }

        Assert.Equal((again, again), (connection.IsUsable, connection.TryBegin(out var next)));
        await (next?.DisposeAsync() ?? default);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", MessageFault.Malformed)]
    [InlineData("HTTP/1.1 200 OK\ncontent-length: 0\n\n", MessageFault.Malformed)]
    [InlineData("SSH-2.0-OpenSSH\r\n", MessageFault.Malformed)]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", MessageFault.Malformed)]
    [InlineData("", MessageFault.ClosedUnanswered)]
    [InlineData("HTTP/1.1 2", MessageFault.Closed)]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\n", MessageFault.Closed)]
    public async Task A_head_that_is_none_is_a_fault_of_its_kind(string answer, MessageFault fault)
    {
        await using var server = new Scripted(answer, closes: true);
        await using var connection = await server.OpenAsync();
        await using var exchange = Begin(connection);
        await exchange.SendHeadAsync(Get, end: true);
        var failure = await Assert.ThrowsAsync<MessageException>(async () =>
        {
            while ((await exchange.ReceiveHeadAsync()).IsInterim)
            {
            }
        });
        Assert.Equal((fault, fault), (failure.Fault, exchange.Fault));
        await exchange.DisposeAsync();
        Assert.False(connection.IsUsable);
    }

    [Fact]
    public async Task Heads_that_are_too_large_or_too_many_are_a_fault_of_their_own()
    {
        foreach (var answer in new[] { $"HTTP/1.1 200 OK\r\nx: {new string('a', 70_000)}", string.Concat(Enumerable.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 30)) })
        {
            await using var server = new Scripted(answer);
            await using var connection = await server.OpenAsync();
            await using var exchange = Begin(connection);
            await exchange.SendHeadAsync(Get, end: true);
            var failure = await Assert.ThrowsAsync<MessageException>(async () =>
            {
                while ((await exchange.ReceiveHeadAsync()).IsInterim)
                {
                }
            });
            Assert.Equal(MessageFault.TooLarge, failure.Fault);
        }
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", MessageFault.Closed)]
    [InlineData("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", MessageFault.Closed)]
    [InlineData("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf!\r\n", MessageFault.Malformed)]
    public async Task A_body_that_is_cut_or_broken_is_not_taken_for_whole(string answer, MessageFault fault)
    {
        await using var server = new Scripted(answer, closes: true);
        await using var connection = await server.OpenAsync();
        await using var exchange = Begin(connection);
        await exchange.SendHeadAsync(Get, end: true);
        await exchange.ReceiveHeadAsync();
        Assert.Equal(fault, (await Assert.ThrowsAsync<MessageException>(async () => await MessageKit.ReadAllAsync(exchange))).Fault);
    }

    [Fact]
    public async Task A_body_until_the_end_of_the_connection_is_whole_then()
    {
        await using var server = new Scripted("HTTP/1.1 200 OK\r\n\r\nall of it", closes: true);
        await using var connection = await server.OpenAsync();
        await using var exchange = Begin(connection);
        await exchange.SendHeadAsync(Get, end: true);
        Assert.Equal((true, null), ((await exchange.ReceiveHeadAsync()).HasBody, exchange.Response.ContentLength));
        Assert.Equal("all of it", await MessageKit.ReadAllAsync(exchange));
    }

    [Fact]
    public async Task Trailers_pass_both_ways()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            Assert.True(exchange.Request.TakesTrailers);
            var body = await MessageKit.ReadAllAsync(exchange);
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            exchange.Response.Fields.Add("trailer", "x-sum");
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync(Encoding.ASCII.GetBytes(body));
            var trailers = new HttpFields();
            trailers.CopyFrom(exchange.Trailers);
            trailers.Add("x-own", "1");
            await exchange.EndAsync(trailers);
        });
        await using var connection = await kit.OpenAsync();
        for (var i = 0; i < 2; i++)
        {
            await using var exchange = Begin(connection);
            var head = new RequestHead { Method = "POST", Authority = "a", Target = "/", HasBody = true, TakesTrailers = true };
            await exchange.SendHeadAsync(head, end: false);
            await exchange.WriteAsync("hello"u8.ToArray());
            var trailers = new HttpFields();
            trailers.Add("X-Sum", "42");
            await exchange.EndAsync(trailers);
            Assert.Equal("x-sum", (await exchange.ReceiveHeadAsync()).Fields.Get("trailer"));
            Assert.Equal("hello", await MessageKit.ReadAllAsync(exchange));
            Assert.Equal("x-sum: 42\nx-own: 1\n", Heads.Lines(exchange.Trailers));
        }
    }

    [Fact]
    public async Task A_wait_that_is_cancelled_within_a_head_loses_nothing_of_it()
    {
        await using var server = new Scripted("HTTP/1.1 201 Created\r\nx-one: 1\r\nx-tw");
        await using var connection = await server.OpenAsync();
        await using var exchange = Begin(connection);
        await exchange.SendHeadAsync(Get, end: true);
        using var impatience = new CancellationTokenSource();
        var receiving = exchange.ReceiveHeadAsync(impatience.Token).AsTask();
        await server.AnswerTakenAsync();
        await impatience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => receiving.WaitAsync(MessageKit.Patience));
        await server.SendAsync("o: 2\r\ncontent-length: 0\r\n\r\n");
        var head = await exchange.ReceiveHeadAsync();
        Assert.Equal((201, "x-one: 1\nx-two: 2\n"), (head.Status, Heads.Lines(head.Fields)));
    }

    [Fact]
    public async Task An_answer_that_comes_before_the_request_is_sent_whole_is_read_and_the_connection_ends()
    {
        await using var server = new Scripted("HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig");
        await using var connection = await server.OpenAsync();
        await using (var exchange = Begin(connection))
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "POST", Authority = "a", Target = "/", HasBody = true, ContentLength = 1_000_000 }, end: false);
            await exchange.WriteAsync(new byte[1000]);
            await exchange.FlushAsync();
            Assert.Equal(413, (await exchange.ReceiveHeadAsync()).Status);
            Assert.Equal("big", await MessageKit.ReadAllAsync(exchange));
        }

        Assert.False(connection.IsUsable);
    }

    [Fact]
    public async Task Bytes_that_nobody_asked_for_end_an_idle_connection()
    {
        await using var server = new Scripted("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        await using var connection = await server.OpenAsync();
        await using (var exchange = Begin(connection))
        {
            await exchange.SendHeadAsync(Get, end: true);
            await exchange.ReceiveHeadAsync();
        }

        Assert.True(connection.IsUsable);
        await server.SendAsync("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\npoisoned");
        await server.ArrivalAsync();
        Assert.False(connection.TryBegin(out _));
        Assert.False(connection.IsUsable);
    }

    private static ClientExchange Begin(MessageClientConnection connection)
    {
        Assert.True(connection.TryBegin(out var exchange));
        return exchange;
    }

    /// <summary>Says its answer when the first bytes of a request have come.</summary>
    private sealed class Scripted : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly Task _serving;
        private Socket? _socket;
        private Socket? _client;

        public Scripted(string answer, bool closes = false)
        {
            _listener.Start();
            _serving = ServeAsync(answer, closes);
        }

        public async Task<MessageClientConnection> OpenAsync()
        {
            _client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await _client.ConnectAsync(_listener.LocalEndpoint);
            return MessageClient.Open(MessageChannel.Over(_client, HboneIo.Default), HttpProtocolVersion.Http11, new MessageClientOptions(), TimeProvider.System);
        }

        public async Task SendAsync(string text) => await _socket!.SendAsync(Encoding.Latin1.GetBytes(text));

        /// <summary>All that the server had to say was sent, and read by the client.</summary>
        public async Task AnswerTakenAsync()
        {
            await _serving.WaitAsync(MessageKit.Patience);
            using var patience = new CancellationTokenSource(MessageKit.Patience);
            do
            {
                await Task.Delay(5, patience.Token);
            }
            while (_client!.Available > 0);
        }

        /// <summary>Bytes are there for the client that it has not read. Not on the client's loop, which is told of them at its next turn only.</summary>
        public async Task ArrivalAsync()
        {
            using var patience = new CancellationTokenSource(MessageKit.Patience);
            do
            {
                await Task.Delay(5, patience.Token).ConfigureAwait(false);
            }
            while (_client!.Available == 0);
        }

        public async ValueTask DisposeAsync()
        {
            await _serving;
            _socket?.Dispose();
            _listener.Dispose();
        }

        private async Task ServeAsync(string answer, bool closes)
        {
            _socket = await _listener.AcceptSocketAsync();
            await _socket.ReceiveAsync(new byte[4096]);
            if (answer.Length > 0)
            {
                await SendAsync(answer);
            }

            if (closes)
            {
                _socket.Shutdown(SocketShutdown.Send);
            }
        }
    }
}
