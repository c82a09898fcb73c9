using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>Messages through tunnels, which end and break in other ways than sockets do.</summary>
public sealed class MessagesOverTunnelTests
{
    [Fact]
    public async Task Bodies_OfManyWindows_PassBothWays_AtOnce()
    {
        const int size = 8 * 1024 * 1024;
        await using var server = Server(static async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            while (await exchange.ReadAsync() is { IsEmpty: false } piece)
            {
                await exchange.WriteAsync(piece);
            }

            await exchange.EndAsync();
        });
        await using var pair = Pair(server);
        await using var connection = await OpenAsync(pair);
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "POST", Authority = "a", Target = "/", HasBody = true, ContentLength = size }, end: false);
            var sent = new byte[size];
            new Random(1).NextBytes(sent);
            var sending = Task.Run(async () =>
            {
                for (var i = 0; i < size; i += 100_000)
                {
                    await exchange.WriteAsync(sent.AsMemory(i, Math.Min(100_000, size - i)));
                }

                await exchange.EndAsync();
            });

            Assert.Equal(200, (await exchange.ReceiveHeadAsync()).Status);
            var received = new MemoryStream();
            while (await exchange.ReadAsync() is { IsEmpty: false } piece)
            {
                received.Write(piece.Span);
            }

            await sending;
            var all = received.ToArray();
            Assert.Equal((size, size), (all.Length, all.AsSpan().CommonPrefixLength(sent)));
        }

        Assert.True(connection.IsUsable);
    }

    [Fact]
    public async Task TunnelThatEnds_WhileTheHandlerWaits_IsNoticed()
    {
        var (waits, gone) = (new TaskCompletionSource(), new TaskCompletionSource<MessageFault>());
        await using var server = Server(async exchange =>
        {
            exchange.OnGone = e => gone.TrySetResult(e.Fault);
            waits.SetResult();
            await gone.Task;
        });
        await using var pair = Pair(server);
        var tunnel = await pair.Client.ConnectAsync(pair.Request(), CancellationToken.None);
        await tunnel.Output.WriteAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        await waits.Task.WaitAsync(MessageKit.Patience);

        await tunnel.Output.CompleteAsync();

        Assert.Equal(MessageFault.ClientGone, await gone.Task.WaitAsync(MessageKit.Patience));
        await tunnel.DisposeAsync();
    }

    [Fact]
    public async Task ResponseThatIsBrokenOff_IsBrokenForTheClient_NotShort()
    {
        await using var server = Server(static async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync("half"u8.ToArray());
            await exchange.FlushAsync();
            exchange.Abort(MessageFault.Aborted);
        });
        await using var pair = Pair(server);
        await using var connection = await OpenAsync(pair);
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "GET", Authority = "a", Target = "/" }, end: true);
            await Assert.ThrowsAsync<MessageException>(async () =>
            {
                await exchange.ReceiveHeadAsync();
                await MessageKit.ReadAllAsync(exchange);
            });
        }

        Assert.False(connection.IsUsable);
    }

    private static MessageServer Server(Func<ServerExchange, ValueTask> handle) =>
        new(new MessageKit.DelegateHandler(handle), new MessageServerOptions(), TimeProvider.System);

    private static HbonePair Pair(MessageServer server) => new HbonePair().Start(async (connect, stop) =>
        await server.ServeAsync(MessageChannel.Over(connect.Accept()), null, null, stop));

    private static async Task<MessageClientConnection> OpenAsync(HbonePair pair) => MessageClient.Open(
        MessageChannel.Over(await pair.Client.ConnectAsync(pair.Request(), CancellationToken.None)), HttpProtocolVersion.Http11, new MessageClientOptions(), TimeProvider.System);
}
