using System.Buffers.Binary;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Calls as gRPC makes them: framed messages, a status in trailers, and neither side waiting for the other's end.</summary>
public class GrpcCallTests
{
    [Theory]
    [InlineData("/unary", 1, 1)]
    [InlineData("/client-stream", 50, 1)]
    [InlineData("/server-stream", 1, 50)]
    [InlineData("/both", 50, 50)]
    public async Task Call_OfEachKind_CarriesMessagesAndStatus(string kind, int requests, int responses)
    {
        await using var pair = new MessagePair(AnswerAsync, threads: 2);
        var client = await pair.ConnectAsync();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            Assert.True(client.TryBegin(out var exchange));
            await using (exchange)
            {
                var head = MessageText.Post(null, kind);
                head.TakesTrailers = true;
                head.Fields.Add("content-type", "application/grpc");
                await exchange.SendHeadAsync(head, end: false);
                await exchange.FlushAsync();
                var received = new List<string>();
                if (kind == "/both")
                {
                    // Ping-pong: each message is answered before the next is sent.
                    Assert.Equal(200, (await exchange.HeadAsync()).Status);
                    var reader = new Messages(exchange);
                    for (var i = 0; i < requests; i++)
                    {
                        await SendAsync(exchange, $"message {i}");
                        received.Add((await reader.NextAsync())!);
                    }

                    await exchange.EndAsync();
                    Assert.Null(await reader.NextAsync());
                }
                else
                {
                    for (var i = 0; i < requests; i++)
                    {
                        await SendAsync(exchange, $"message {i}");
                    }

                    await exchange.EndAsync();
                    Assert.Equal(200, (await exchange.HeadAsync()).Status);
                    var reader = new Messages(exchange);
                    while (await reader.NextAsync() is { } message)
                    {
                        received.Add(message);
                    }
                }

                Assert.Equal(responses, received.Count);
                Assert.Equal("0", exchange.Trailers.Get("grpc-status"));
                Assert.Equal($"{requests} received", exchange.Trailers.Get("grpc-message"));
            }
        }));
    }

    [Fact]
    public async Task Call_ThatFailsAtOnce_IsTrailersOnly()
    {
        await using var pair = new MessagePair(static async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.Fields.Add("content-type", "application/grpc");
            exchange.Response.Fields.Add("grpc-status", "12");
            await exchange.SendHeadAsync(exchange.Response, end: true);
        });
        var client = await pair.ConnectAsync();
        Assert.True(client.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(MessageText.Post(null, "/x"), end: false);
            await SendAsync(exchange, "nobody reads this");
            var head = await exchange.HeadAsync();
            Assert.Equal("12", head.Fields.Get("grpc-status"));
            Assert.False(head.HasBody);
            Assert.Equal("", await exchange.ReadTextAsync());
        }
    }

    private static async ValueTask AnswerAsync(ServerExchange exchange)
    {
        Assert.True(exchange.Request.TakesTrailers);
        exchange.Response.Status = 200;
        exchange.Response.HasBody = true;
        exchange.Response.Fields.Add("content-type", "application/grpc");
        var kind = exchange.Request.Target;
        if (kind == "/both")
        {
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.FlushAsync();
        }

        var reader = new Messages(exchange);
        var count = 0;
        while (await reader.NextAsync() is { } message)
        {
            count++;
            if (kind == "/both")
            {
                await SendAsync(exchange, message);
            }
        }

        if (kind != "/both")
        {
            await exchange.SendHeadAsync(exchange.Response, end: false);
            for (var i = 0; i < (kind == "/server-stream" ? 50 : 1); i++)
            {
                await SendAsync(exchange, $"answer {i}");
            }
        }

        var trailers = new HttpFields();
        trailers.Add("grpc-status", "0");
        trailers.Add("grpc-message", $"{count} received");
        await exchange.EndAsync(trailers);
    }

    private static async Task SendAsync(MessageExchange exchange, string message)
    {
        var bytes = new byte[5 + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), message.Length);
        Encoding.ASCII.GetBytes(message, bytes.AsSpan(5));
        await exchange.WriteAsync(bytes);
        await exchange.FlushAsync();
    }

    /// <summary>Takes messages out of a body, however it comes in pieces.</summary>
    private sealed class Messages(MessageExchange exchange)
    {
        private readonly List<byte> _bytes = [];

        public async Task<string?> NextAsync()
        {
            while (true)
            {
                var there = _bytes.ToArray();
                if (there.Length >= 5 && there.Length >= 5 + BinaryPrimitives.ReadInt32BigEndian(there.AsSpan(1)))
                {
                    var length = BinaryPrimitives.ReadInt32BigEndian(there.AsSpan(1));
                    _bytes.RemoveRange(0, 5 + length);
                    return Encoding.ASCII.GetString(there, 5, length);
                }

                var piece = await exchange.ReadAsync().AsTask().WaitAsync(MessageText.Patience);
                if (piece.IsEmpty)
                {
                    Assert.Empty(there);
                    return null;
                }

                _bytes.AddRange(piece.Span);
            }
        }
    }
}
