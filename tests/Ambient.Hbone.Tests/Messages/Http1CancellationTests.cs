using System.Net.Sockets;
using System.Net;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Relaying;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>Writes of HTTP/1.1 that are cancelled while the peer does not read.</summary>
public sealed class Http1CancellationTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Server_WriteOrFlush_BreaksTheExchangeOff(bool flush)
    {
        var outcome = new TaskCompletionSource<(Exception?, MessageFault)>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var kit = new MessageKit(async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            var failure = await FillAsync(exchange, flush);
            outcome.SetResult((failure, exchange.Fault));
        });
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());

        var (failure, fault) = await outcome.Task.WaitAsync(MessageKit.Patience);

        Assert.IsType<OperationCanceledException>(failure);
        Assert.Equal(MessageFault.Aborted, fault);

        // What is half of a chunk must not look like the end of a message.
        string answer;
        try
        {
            answer = await MessageKit.ReadToEndAsync(socket);
        }
        catch (SocketException)
        {
            return;
        }

        Assert.False(answer.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Client_WriteOrFlush_BreaksTheExchangeOff_AndItsConnection(bool flush)
    {
        using var listener = TcpPeer.Listen();
        var socket = await TcpPeer.ConnectAsync(listener.EndPoint);
        using var peer = await listener.AcceptAsync();
        await using var connection = MessageClient.Open(MessageChannel.Over(socket, HboneIo.Default), HttpProtocolVersion.Http11, new MessageClientOptions(), TimeProvider.System);
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "POST", Authority = "a", Target = "/", HasBody = true }, end: false);

            Assert.IsType<OperationCanceledException>(await FillAsync(exchange, flush));
            Assert.Equal(MessageFault.Aborted, exchange.Fault);
            Assert.Equal(MessageFault.Aborted, (await Assert.ThrowsAsync<MessageException>(async () => await exchange.ReceiveHeadAsync())).Fault);
        }

        Assert.False(connection.IsUsable);
    }

    [Fact]
    public async Task WriteThatWasCancelledBefore_TakesNothing_AndTheExchangeGoesOn()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            var cancelled = new CancellationToken(canceled: true);
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await exchange.SendHeadAsync(exchange.Response, end: false, cancelled));
            Assert.False(exchange.HasStarted);
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await exchange.WriteAsync("no"u8.ToArray(), cancelled));
            await exchange.WriteAsync("yes"u8.ToArray());
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await exchange.FlushAsync(cancelled));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await exchange.EndAsync(null, cancelled));
            Assert.Equal((3, MessageFault.None), (exchange.BytesSent, exchange.Fault));
            await exchange.EndAsync();
        });

        var answer = await kit.SayAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

        Assert.EndsWith("\r\n\r\n3\r\nyes\r\n0\r\n\r\n", answer, StringComparison.Ordinal);
        Assert.Empty(kit.Handler.Failures);
    }

    /// <summary>Writes until nothing goes any more, and then cancels.</summary>
    private static async Task<Exception?> FillAsync(MessageExchange exchange, bool flush)
    {
        var piece = new byte[flush ? 40_000 : 100_000];
        return await Record.ExceptionAsync(async () =>
        {
            while (true)
            {
                using var impatient = new CancellationTokenSource();
                await EndAsync(exchange.WriteAsync(piece, flush ? CancellationToken.None : impatient.Token), impatient);
                await EndAsync(exchange.FlushAsync(impatient.Token), impatient);
            }
        }).WaitAsync(MessageKit.Patience);

        // What was never begun is not cancelled: only what waits.
        static async Task EndAsync(ValueTask writing, CancellationTokenSource impatient)
        {
            var task = writing.AsTask();
            if (await Task.WhenAny(task, Task.Delay(300)) != task)
            {
                await impatient.CancelAsync();
            }

            await task;
        }
    }
}
