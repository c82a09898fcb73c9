using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Our client and our server over a wire that cuts bytes anywhere, with narrow windows: what goes in comes out.</summary>
public class MessageDribbleTests
{
    [Theory]
    [InlineData(1, 65_535, 65_535, 1)]
    [InlineData(2, 65_535, 65_535, 7)]
    [InlineData(3, 65_535, 200_000, 3000)]
    [InlineData(4, 262_144, 1_048_576, 20_000)]
    public async Task Exchanges_RandomBytesBothWays_ArriveWhole(int seed, int streamWindow, int connectionWindow, int longestPiece)
    {
        var (left, right) = MemoryDuplexStream.Create(64 * 1024);
        var handler = new ScriptedHandler(MessageText.EchoAsync);
        await using var server = new MessageServer(handler, new MessageServerOptions { StreamWindowSize = streamWindow, ConnectionWindowSize = connectionWindow }, TimeProvider.System);
        var serving = server.ServeAsync(MessageChannel.Over(DribblingStream.RandomPieces(right, seed, longestPiece)), null, null, CancellationToken.None);
        await using (var client = MessageClient.Open(
            MessageChannel.Over(DribblingStream.RandomPieces(left, seed + 100, longestPiece)),
            HttpProtocolVersion.Http2,
            new MessageClientOptions { StreamWindowSize = streamWindow, ConnectionWindowSize = connectionWindow },
            TimeProvider.System))
        {
            var longest = longestPiece == 1 ? 2000 : 60_000;
            await Task.WhenAll(Enumerable.Range(0, 40).Select(i => ExchangeAsync(client, new Random((seed * 1000) + i), longest, aborts: true)));
            Assert.Equal(0, client.Active);

            // Whatever was read, left unread or reset: all credit is back, so that a body can still be longer than the windows.
            await ExchangeAsync(client, new Random(seed), longest * 5, aborts: false);
        }

        await serving.WaitAsync(MessageText.Patience);
        Assert.Empty(handler.Refusals);
        Assert.All(handler.Failures, static failure => Assert.IsType<MessageException>(failure));
    }

    private static async Task ExchangeAsync(MessageClientConnection client, Random random, int longest, bool aborts)
    {
        Assert.True(client.TryBegin(out var exchange));
        await using (exchange)
        {
            var bytes = new byte[random.Next(longest)];
            random.NextBytes(bytes);
            var head = MessageText.Post(random.Next(2) == 0 ? bytes.Length : null, $"/{random.Next(100)}");
            head.Fields.Add("random", new string('r', random.Next(300)));
            await exchange.SendHeadAsync(head, end: false);
            var leaveAt = aborts && random.Next(4) == 0 ? random.Next(bytes.Length + 1) : int.MaxValue;
            var sending = SendAsync(exchange, bytes, random.Next(1, 20_000), leaveAt);
            var response = await exchange.HeadAsync();
            Assert.Equal($"POST http server.test {head.Target}", response.Fields.Get("x-request"));
            Assert.Equal(head.Fields.Get("random"), response.Fields.Get("x-random"));
            if (leaveAt != int.MaxValue)
            {
                // Leaves in the middle, with whatever is on its way in both directions.
                return;
            }

            Assert.Equal(bytes, await exchange.ReadToEndAsync());
            Assert.Equal("1", exchange.Trailers.Get("x-end"));
            await sending;
        }
    }

    private static async Task SendAsync(ClientExchange exchange, byte[] bytes, int piece, int leaveAt)
    {
        try
        {
            for (var at = 0; at < bytes.Length && at < leaveAt; at += piece)
            {
                await exchange.WriteAsync(bytes.AsMemory(at, Math.Min(piece, bytes.Length - at)));
                await exchange.FlushAsync();
            }

            if (leaveAt == int.MaxValue)
            {
                var trailers = new HttpFields();
                trailers.Add("x-end", "1");
                await exchange.EndAsync(trailers);
            }
        }
        catch (MessageException) when (leaveAt != int.MaxValue)
        {
            // The exchange was disposed of meanwhile.
        }
    }
}
