using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Our client and our server, over sockets.</summary>
public class MessagePairTests
{
    [Fact]
    public async Task Get_Answered_CarriesHeadAndBody()
    {
        await using var pair = new MessagePair(static exchange => exchange.AnswerAsync($"{exchange.Request.Method} {exchange.Request.Target} {exchange.ConnectionState}"));
        var client = await pair.ConnectAsync();
        for (var i = 0; i < 3; i++)
        {
            Assert.True(client.TryBegin(out var exchange));
            await using (exchange)
            {
                await exchange.SendHeadAsync(MessageText.Get($"/{i}"), end: true);
                var head = await exchange.ReceiveHeadAsync().AsTask().WaitAsync(MessageText.Patience);
                Assert.Equal(200, head.Status);
                Assert.Equal("text/plain", head.Fields.Get("content-type"));
                Assert.Equal(12, head.ContentLength);
                Assert.True(head.HasBody);
                Assert.Equal($"GET /{i} state", await exchange.ReadTextAsync());
                Assert.Equal(0, exchange.Trailers.Count);
            }
        }

        Assert.Equal(0, client.Active);
        Assert.True(client.IsUsable);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3000)]
    [InlineData(100_000)]
    [InlineData(3_000_000)]
    public async Task Post_Echoed_CarriesBodyAndTrailersBothWays(int length)
    {
        await using var pair = new MessagePair(MessageText.EchoAsync);
        var client = await pair.ConnectAsync();
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        Assert.True(client.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(MessageText.Post(length), end: false);
            var sending = SendAsync(exchange, bytes);
            var head = await exchange.ReceiveHeadAsync().AsTask().WaitAsync(MessageText.Patience);
            Assert.Equal("POST http server.test /", head.Fields.Get("x-request"));
            var echo = await exchange.ReadToEndAsync();
            await sending;
            Assert.Equal(bytes, echo);
            Assert.Equal("yes", exchange.Trailers.Get("x-checked"));
            Assert.Equal(length, exchange.BytesReceived);
            Assert.Equal(length, exchange.BytesSent);
        }

        static async Task SendAsync(ClientExchange exchange, byte[] bytes)
        {
            for (var sent = 0; sent < bytes.Length; sent += 70_000)
            {
                await exchange.WriteAsync(bytes.AsMemory(sent, Math.Min(70_000, bytes.Length - sent)));
            }

            var trailers = new HttpFields();
            trailers.Add("x-checked", "yes");
            await exchange.EndAsync(trailers);
        }
    }

    [Fact]
    public async Task ManyRequests_OnOneConnection_AllAnswered()
    {
        await using var pair = new MessagePair(MessageText.EchoAsync);
        var client = await pair.ConnectAsync();
        await Task.WhenAll(Enumerable.Range(0, 2000).Select(async i =>
        {
            await Task.Yield();
            ClientExchange? exchange;
            while (!client.TryBegin(out exchange))
            {
                await Task.Delay(1);
            }

            await using (exchange)
            {
                var text = $"request {i}";
                await exchange.SendHeadAsync(MessageText.Post(text.Length, $"/{i}"), end: false);
                await exchange.WriteAsync(Encoding.ASCII.GetBytes(text));
                await exchange.EndAsync();
                var head = await exchange.ReceiveHeadAsync().AsTask().WaitAsync(MessageText.Patience);
                Assert.EndsWith($"/{i}", head.Fields.Get("x-request"));
                Assert.Equal(text, await exchange.ReadTextAsync());
            }
        }));
        Assert.Equal(0, client.Active);
    }
}
