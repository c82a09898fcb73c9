using System.Text;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Tests.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http1;

/// <summary>The conversations of HTTP/1.1 through real tunnels: TLS, HTTP/2, CONNECT, and in it what sockets carry elsewhere.</summary>
public sealed class Http1OverTunnelTests
{
    [Fact]
    public async Task Pipelined_requests_of_every_kind_are_answered_in_order()
    {
        await using var server = Server(static async exchange =>
        {
            var body = await MessageKit.ReadAllAsync(exchange);
            exchange.Response.Status = 200;
            exchange.Response.HasBody = exchange.Request.Method != "HEAD";
            if (exchange.Request.Method == "HEAD")
            {
                exchange.Response.ContentLength = 7;
                await exchange.SendHeadAsync(exchange.Response, end: true);
                return;
            }

            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync(Encoding.ASCII.GetBytes($"{exchange.Request.Target} {body}"));
            await exchange.EndAsync(exchange.Trailers);
        });
        await using var pair = Pair(server);
        var answers = await SayAsync(
            pair,
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
            + "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nyo\r\n0\r\nX-Sum: 2\r\n\r\nHEAD /4 HTTP/1.1\r\nHost: a\r\n\r\n"
            + "GET /5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /6 HTTP/1.1\r\nHost: a\r\n\r\n");
        const string chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        Assert.Equal(
            $"{chunked}3\r\n/1 \r\n0\r\n\r\n{chunked}5\r\n/2 hi\r\n0\r\n\r\n{chunked}5\r\n/3 yo\r\n0\r\nx-sum: 2\r\n\r\n"
            + "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\n/5 \r\n0\r\n\r\n",
            answers);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n", 400)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501)]
    public async Task What_is_refused_is_answered_and_the_tunnel_ends(string text, int status)
    {
        await using var server = Server(static async exchange => await MessageKit.ReadAllAsync(exchange));
        await using var pair = Pair(server);
        Assert.Equal($"HTTP/1.1 {status}", (await SayAsync(pair, text))[..12]);
    }

    [Fact]
    public async Task Interim_heads_bodies_and_trailers_pass_on_a_connection_that_is_kept()
    {
        await using var server = Server(static async exchange =>
        {
            await exchange.SendInterimAsync(new ResponseHead { Status = exchange.Request.ExpectsContinue ? 100 : 103 });
            var body = await MessageKit.ReadAllAsync(exchange);
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync(Encoding.ASCII.GetBytes(body));
            await exchange.EndAsync(exchange.Trailers);
        });
        await using var pair = Pair(server);
        await using var connection = await OpenAsync(pair);
        for (var i = 0; i < 3; i++)
        {
            Assert.True(connection.TryBegin(out var exchange));
            await using (exchange)
            {
                var head = new RequestHead { Method = "POST", Authority = "a", Target = "/", HasBody = true };
                head.Fields.Add("expect", i == 1 ? "100-continue" : "nothing");
                await exchange.SendHeadAsync(head, end: false);
                await exchange.FlushAsync();
                Assert.Equal(i == 1 ? 100 : 103, (await exchange.ReceiveHeadAsync()).Status);
                await exchange.WriteAsync("hello"u8.ToArray());
                var trailers = new HttpFields();
                trailers.Add("x-sum", $"{i}");
                await exchange.EndAsync(trailers);
                Assert.Equal(200, (await exchange.ReceiveHeadAsync()).Status);
                Assert.Equal(("hello", $"x-sum: {i}\n"), (await MessageKit.ReadAllAsync(exchange), Heads.Lines(exchange.Trailers)));
            }
        }

        Assert.True(connection.IsUsable);
    }

    [Fact]
    public async Task After_an_upgrade_bytes_go_both_ways_and_each_end_is_handed_on()
    {
        await using var server = Server(static exchange => MessageKit.EchoUpgradedAsync(exchange, 101));
        await using var pair = Pair(server);
        await using var connection = await OpenAsync(pair);
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "GET", Authority = "a", Target = "/", Upgrade = "websocket" }, end: false);
            await exchange.FlushAsync();
            Assert.Equal(101, (await exchange.ReceiveHeadAsync()).Status);
            foreach (var text in new[] { "one", "two" })
            {
                await exchange.WriteAsync(Encoding.ASCII.GetBytes(text));
                await exchange.FlushAsync();
                var echo = "";
                while (echo.Length < text.Length)
                {
                    echo += Encoding.ASCII.GetString((await exchange.ReadAsync()).Span);
                }

                Assert.Equal(text, echo);
            }

            await exchange.EndAsync();
            Assert.Equal("bye", await MessageKit.ReadAllAsync(exchange));
        }

        Assert.False(connection.IsUsable);
    }

    private static async Task<string> SayAsync(HbonePair pair, string text)
    {
        var tunnel = await pair.Client.ConnectAsync(pair.Request(), CancellationToken.None);
        await using (tunnel)
        {
            await tunnel.Output.WriteAsync(Encoding.ASCII.GetBytes(text));
            var all = new MemoryStream();
            while (true)
            {
                var read = await tunnel.Input.ReadAsync().AsTask().WaitAsync(MessageKit.Patience);
                foreach (var piece in read.Buffer)
                {
                    all.Write(piece.Span);
                }

                tunnel.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return Encoding.ASCII.GetString(all.ToArray());
                }
            }
        }
    }

    private static MessageServer Server(Func<ServerExchange, ValueTask> handle) =>
        new(new MessageKit.DelegateHandler(handle), new MessageServerOptions(), TimeProvider.System);

    private static HbonePair Pair(MessageServer server) => new HbonePair().Start(async (connect, stop) =>
        await server.ServeAsync(MessageChannel.Over(connect.Accept()), null, null, stop));

    private static async Task<MessageClientConnection> OpenAsync(HbonePair pair) => MessageClient.Open(
        MessageChannel.Over(await pair.Client.ConnectAsync(pair.Request(), CancellationToken.None)), HttpProtocolVersion.Http11, new MessageClientOptions(), TimeProvider.System);
}
