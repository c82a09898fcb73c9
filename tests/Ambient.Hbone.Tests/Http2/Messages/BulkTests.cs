using Ambient.Hbone.Messages;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Long bodies through bounded memory; alone, because it is the process's memory that is looked at.</summary>
[CollectionDefinition(nameof(BulkTests), DisableParallelization = true)]
[Collection(nameof(BulkTests))]
public class BulkTests
{
    private const long Total = 64 * 1024 * 1024;

    // A body that was buffered would be the whole of it.
    private const long Allowance = 24 * 1024 * 1024;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Transfer_OfManyMegabytes_IsWholeAndMemoryIsFlat(bool up)
    {
        await using var pair = new MessagePair(up ? TakeAsync : GiveAsync, threads: 2);
        var client = await pair.ConnectAsync();
        Assert.True(client.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(up ? MessageText.Post(Total) : MessageText.Get(), end: !up);
            var before = GC.GetTotalMemory(true);
            var most = 0L;
            if (up)
            {
                await SendAsync(exchange, () => most = Math.Max(most, GC.GetTotalMemory(false) - before));
                await exchange.HeadAsync();
                Assert.Equal($"{Total}", await exchange.ReadTextAsync());
            }
            else
            {
                Assert.Equal(Total, (await exchange.HeadAsync()).ContentLength);
                var sum = await ReceiveAsync(exchange, () => most = Math.Max(most, GC.GetTotalMemory(false) - before));
                Assert.Equal(Total, sum);
            }

            Assert.InRange(most, long.MinValue, Allowance);
        }
    }

    private static async ValueTask TakeAsync(ServerExchange exchange)
    {
        var sum = await ReceiveAsync(exchange, static () => { });
        await exchange.AnswerAsync($"{sum}");
    }

    private static async ValueTask GiveAsync(ServerExchange exchange)
    {
        exchange.Response.Status = 200;
        exchange.Response.HasBody = true;
        exchange.Response.ContentLength = Total;
        await exchange.SendHeadAsync(exchange.Response, end: false);
        await SendAsync(exchange, static () => { });
    }

    private static async Task SendAsync(MessageExchange exchange, Action look)
    {
        var piece = new byte[64 * 1024];
        for (var sent = 0L; sent < Total; sent += piece.Length)
        {
            piece.AsSpan().Fill((byte)(sent >> 16));
            await exchange.WriteAsync(piece);
            await exchange.FlushAsync();
            look();
        }

        await exchange.EndAsync();
    }

    private static async Task<long> ReceiveAsync(MessageExchange exchange, Action look)
    {
        var received = 0L;
        while (true)
        {
            var piece = await exchange.ReadAsync();
            if (piece.IsEmpty)
            {
                return received;
            }

            for (var i = 0; i < piece.Length;)
            {
                var run = (int)Math.Min(piece.Length - i, 65_536 - (received & 0xffff));
                Assert.False(piece.Span.Slice(i, run).ContainsAnyExcept((byte)(received >> 16)));
                received += run;
                i += run;
            }

            look();
        }
    }
}
