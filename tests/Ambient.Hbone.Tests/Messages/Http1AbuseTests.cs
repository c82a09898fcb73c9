using System.Net.Sockets;
using System.Net;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Relaying;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>Peers of HTTP/1.1 that send more than anybody needs: each is bounded, by count and by bytes.</summary>
public sealed class Http1AbuseTests
{
    [Theory]
    [InlineData(101, 10)]
    [InlineData(7, 10_000)]
    [InlineData(1, 70_000)]
    public async Task Server_TrailersOfTooMuch_AreRefused(int count, int size)
    {
        await using var kit = new MessageKit(static async exchange => await MessageKit.AnswerAsync(exchange, 200, await MessageKit.ReadAllAsync(exchange)));
        var answer = await kit.SayAsync($"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{Fields(count, size)}\r\n");
        Assert.StartsWith("HTTP/1.1 431 ", answer, StringComparison.Ordinal);
        Assert.Contains("connection: close\r\n", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(101, 10)]
    [InlineData(7, 10_000)]
    [InlineData(1, 70_000)]
    public async Task Server_HeadOfTooMuch_IsRefused(int count, int size)
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, ""));
        Assert.StartsWith("HTTP/1.1 431 ", await kit.SayAsync($"GET / HTTP/1.1\r\nHost: a\r\n{Fields(count, size)}\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_Upgrades_OneAfterTheOther_HoldNothing()
    {
        // Asked for again and again, and never taken: each is a request like any other.
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, exchange.Request.Upgrade!.Length.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        var many = string.Join(", ", Enumerable.Range(0, 2000).Select(static i => $"p{i}"));
        var request = $"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: {many}\r\n\r\n";
        using var socket = await kit.ConnectAsync();
        for (var i = 0; i < 50; i++)
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes(request));
            await MessageKit.ReadUntilAsync(socket, $"\r\n\r\n{many.Length}");
        }
    }

    [Theory]
    [InlineData(21, 10)]
    [InlineData(3, 30_000)]
    public async Task Client_InterimHeadsWithoutEnd_BreakTheExchange(int count, int size)
    {
        var failure = await FailureOfAsync(string.Concat(Enumerable.Repeat($"HTTP/1.1 103 Early Hints\r\nlink: {new string('l', size)}\r\n\r\n", count)) + "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        Assert.Equal(MessageFault.TooLarge, failure.Fault);
    }

    [Theory]
    [InlineData(101, 10)]
    [InlineData(7, 10_000)]
    public async Task Client_TrailersOfTooMuch_BreakTheExchange(int count, int size)
    {
        var failure = await FailureOfAsync($"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{Fields(count, size)}\r\n");
        Assert.Equal(MessageFault.Malformed, failure.Fault);
    }

    [Theory]
    [InlineData(101, 10)]
    [InlineData(7, 10_000)]
    public async Task Client_HeadOfTooMuch_BreaksTheExchange(int count, int size)
    {
        var failure = await FailureOfAsync($"HTTP/1.1 200 OK\r\n{Fields(count, size)}content-length: 0\r\n\r\n");
        Assert.Equal(MessageFault.TooLarge, failure.Fault);
    }

    private static string Fields(int count, int size) => string.Concat(Enumerable.Range(0, count).Select(i => $"x-{i}: {new string('v', size)}\r\n"));

    /// <summary>What our client makes of an answer.</summary>
    private static async Task<MessageException> FailureOfAsync(string answer)
    {
        using var listener = TcpPeer.Listen();
        var socket = await TcpPeer.ConnectAsync(listener.EndPoint);
        using var peer = await listener.AcceptAsync();
        await using var connection = MessageClient.Open(MessageChannel.Over(socket, HboneIo.Default), HttpProtocolVersion.Http11, new MessageClientOptions(), TimeProvider.System);
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "GET", Authority = "a", Target = "/" }, end: true);
            var sending = peer.SendAsync(Encoding.ASCII.GetBytes(answer));
            var failure = await Assert.ThrowsAsync<MessageException>(async () =>
            {
                while ((await exchange.ReceiveHeadAsync()).IsInterim)
                {
                }

                await MessageKit.ReadAllAsync(exchange);
            }).WaitAsync(MessageKit.Patience);
            Assert.False(connection.IsUsable && connection.TryBegin(out _));
            await Record.ExceptionAsync(() => sending);
            return failure;
        }
    }
}
