using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>HTTP/1.1 as a client speaks it, to a server of ours and to one that says what a test wants.</summary>
public sealed class Http1ClientTests
{
    [Fact]
    public async Task Requests_FollowEachOther_OnOneConnection()
    {
        await using var kit = new MessageKit(static async exchange => await MessageKit.AnswerAsync(exchange, 200, $"{exchange.Request.Target} {await MessageKit.ReadAllAsync(exchange)}"));
        await using var connection = await kit.OpenAsync();

        for (var i = 0; i < 3; i++)
        {
            Assert.True(connection.TryBegin(out var exchange));
            await using (exchange)
            {
                var head = new RequestHead { Method = "POST", Authority = "a", Target = $"/{i}", HasBody = true, ContentLength = i == 1 ? null : 3 };
                await exchange.SendHeadAsync(head, end: false);
                await exchange.WriteAsync("abc"u8.ToArray());
                await exchange.EndAsync();
                Assert.Equal(200, (await exchange.ReceiveHeadAsync()).Status);
                Assert.Equal($"/{i} abc", await MessageKit.ReadAllAsync(exchange));
                Assert.False(connection.TryBegin(out _));
            }
        }

        Assert.True(connection.IsUsable);
    }

    [Fact]
    public async Task ServerThatCloses_WhileTheConnectionIdles_IsNoticed()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, ""), new MessageServerOptions { IdleTimeout = TimeSpan.FromMilliseconds(200) });
        await using var connection = await kit.OpenAsync();
        var changed = new TaskCompletionSource();
        connection.OnChanged = c =>
        {
            if (!c.IsUsable)
            {
                changed.TrySetResult();
            }
        };

        // It may have been closed before anybody listened.
        if (connection.IsUsable)
        {
            await changed.Task.WaitAsync(MessageKit.Patience);
        }

        Assert.False(connection.TryBegin(out _));
    }

    [Fact]
    public async Task InterimHeads_ComeBeforeTheFinalOne()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            var interim = new ResponseHead { Status = 103 };
            interim.Fields.Add("link", "</a.css>; rel=preload");
            await exchange.SendInterimAsync(interim);
            await MessageKit.AnswerAsync(exchange, 200, "final");
        });
        await using var connection = await kit.OpenAsync();
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "GET", Authority = "a", Target = "/" }, end: true);

            var first = await exchange.ReceiveHeadAsync();
            Assert.Equal((103, "</a.css>; rel=preload"), (first.Status, first.Fields.Get("link")));
            Assert.Equal(200, (await exchange.ReceiveHeadAsync()).Status);
            Assert.Equal("final", await MessageKit.ReadAllAsync(exchange));
        }
    }

    [Fact]
    public async Task Upgrade_BecomesBytesBothWays_AndEachEndIsHandedOn()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            exchange.Response.Status = 101;
            exchange.Response.Upgrade = exchange.Request.Upgrade;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.FlushAsync();
            await exchange.WriteAsync(Encoding.ASCII.GetBytes($"echo {await MessageKit.ReadAllAsync(exchange)}"));
            await exchange.EndAsync();
        });
        await using var connection = await kit.OpenAsync();
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "GET", Authority = "a", Target = "/", Upgrade = "websocket" }, end: false);
            await exchange.FlushAsync();
            var head = await exchange.ReceiveHeadAsync();
            Assert.Equal((101, "websocket"), (head.Status, head.Upgrade));

            await exchange.WriteAsync("hello"u8.ToArray());
            await exchange.EndAsync();

            Assert.Equal("echo hello", await MessageKit.ReadAllAsync(exchange));
        }

        Assert.False(connection.IsUsable);
    }

    [Fact]
    public async Task AbortedExchange_IsSeenByBothSides()
    {
        var fault = new TaskCompletionSource<MessageFault>();
        await using var kit = new MessageKit(async exchange =>
        {
            exchange.OnGone = e => fault.TrySetResult(e.Fault);
            await fault.Task;
        });
        await using var connection = await kit.OpenAsync();
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "GET", Authority = "a", Target = "/" }, end: true);
            var waiting = exchange.ReceiveHeadAsync().AsTask();

            exchange.Abort(MessageFault.TimedOut);

            Assert.Equal(MessageFault.TimedOut, (await Assert.ThrowsAsync<MessageException>(() => waiting)).Fault);
        }

        Assert.Equal(MessageFault.ClientGone, await fault.Task.WaitAsync(MessageKit.Patience));
        Assert.False(connection.IsUsable);
    }

    [Fact]
    public async Task CancelledWait_LeavesTheExchangeAsItIs()
    {
        var release = new TaskCompletionSource();
        await using var kit = new MessageKit(async exchange =>
        {
            await release.Task;
            await MessageKit.AnswerAsync(exchange, 200, "late");
        });
        await using var connection = await kit.OpenAsync();
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "GET", Authority = "a", Target = "/" }, end: true);
            using var impatience = new CancellationTokenSource(50);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await exchange.ReceiveHeadAsync(impatience.Token));

            release.SetResult();

            Assert.Equal(200, (await exchange.ReceiveHeadAsync()).Status);
            Assert.Equal("late", await MessageKit.ReadAllAsync(exchange));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ExchangeOfAClientThatWent_EndsInOrder_OnceTheRequestIsWhole(bool isWhole)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.LocalEndPoint!);
        using var endpoint = await listener.AcceptAsync();
        await using var connection = MessageClient.Open(MessageChannel.Over(socket, HboneIo.Default), HttpProtocolVersion.Http11, new MessageClientOptions(), TimeProvider.System);
        Assert.True(connection.TryBegin(out var exchange));
        var head = new RequestHead { Method = "POST", Authority = "a", Target = "/", HasBody = true, ContentLength = 6 };
        await exchange.SendHeadAsync(head, end: false);
        await exchange.WriteAsync("half"u8.ToArray());
        await exchange.FlushAsync();
        if (isWhole)
        {
            await exchange.WriteAsync("+2"u8.ToArray());
            await exchange.EndAsync();
        }

        var waiting = exchange.ReceiveHeadAsync().AsTask();
        await MessageKit.ReadUntilAsync(endpoint, isWhole ? "half+2" : "half");

        exchange.Abort(MessageFault.ClientGone);

        Assert.Equal(MessageFault.ClientGone, (await Assert.ThrowsAsync<MessageException>(() => waiting)).Fault);
        await exchange.DisposeAsync();
        Assert.False(connection.IsUsable);
        if (isWhole)
        {
            Assert.Equal("", await MessageKit.ReadToEndAsync(endpoint));
        }
        else
        {
            await Assert.ThrowsAsync<SocketException>(() => MessageKit.ReadToEndAsync(endpoint));
        }
    }
}
