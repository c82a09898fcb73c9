using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Our client, answered by servers that others wrote.</summary>
public class OtherServersTests
{
    [Fact]
    public async Task Kestrel_PostWithTrailers_EchoesBoth()
    {
        await using var kestrel = await StartKestrelAsync(static async context =>
        {
            context.Response.Headers["x-request"] = $"{context.Request.Method} {context.Request.Scheme} {context.Request.Host} {context.Request.Path}{context.Request.QueryString}";
            context.Response.Headers["x-cookie"] = context.Request.Headers.Cookie.ToString();
            context.Response.DeclareTrailer("x-sum");
            await context.Response.StartAsync();
            await context.Request.Body.CopyToAsync(context.Response.Body);
            context.Response.AppendTrailer("x-sum", context.Request.GetTrailer("x-sum").ToString());
        });
        using var io = new HboneIo(1);
        await using var client = await ConnectAsync(kestrel.Urls.First(), io);
        Assert.True(client.TryBegin(out var exchange));
        await using (exchange)
        {
            var head = MessageText.Post(null, "/a?b=c");
            head.Fields.Add("cookie", "a=b; c=d");
            await exchange.SendHeadAsync(head, end: false);
            var sending = SendAsync(exchange);
            var response = await exchange.HeadAsync();
            Assert.Equal("POST http server.test /a?b=c", response.Fields.Get("x-request"));
            Assert.Equal("a=b; c=d", response.Fields.Get("x-cookie"));
            Assert.Equal(3_000_000, (await exchange.ReadToEndAsync()).Length);
            Assert.Equal("7", exchange.Trailers.Get("x-sum"));
            await sending;
        }

        static async Task SendAsync(ClientExchange exchange)
        {
            for (var i = 0; i < 30; i++)
            {
                await exchange.WriteAsync(new byte[100_000]);
                await exchange.FlushAsync();
            }

            var trailers = new HttpFields();
            trailers.Add("x-sum", "7");
            await exchange.EndAsync(trailers);
        }
    }

    [Fact]
    public async Task Kestrel_ExpectContinue_SendsTheInterimHead()
    {
        await using var kestrel = await StartKestrelAsync(static async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            await context.Response.WriteAsync(await reader.ReadToEndAsync());
        });
        using var io = new HboneIo(1);
        await using var client = await ConnectAsync(kestrel.Urls.First(), io);
        Assert.True(client.TryBegin(out var exchange));
        await using (exchange)
        {
            var head = MessageText.Post(5);
            head.Fields.Add("expect", "100-continue");
            await exchange.SendHeadAsync(head, end: false);
            Assert.Equal(100, (await exchange.HeadAsync()).Status);
            await exchange.WriteAsync("hello"u8.ToArray());
            await exchange.EndAsync();
            Assert.Equal(200, (await exchange.HeadAsync()).Status);
            Assert.Equal("hello", await exchange.ReadTextAsync());
        }
    }

    [Fact]
    public async Task Kestrel_EarlyAnswer_EndsInOrder()
    {
        await using var kestrel = await StartKestrelAsync(static context =>
        {
            context.Response.StatusCode = 413;
            return Task.CompletedTask;
        });
        using var io = new HboneIo(1);
        await using var client = await ConnectAsync(kestrel.Urls.First(), io);
        for (var i = 0; i < 5; i++)
        {
            Assert.True(client.TryBegin(out var exchange));
            await using (exchange)
            {
                await exchange.SendHeadAsync(MessageText.Post(), end: false);
                await exchange.FlushAsync();
                Assert.Equal(413, (await exchange.HeadAsync()).Status);
                Assert.Equal("", await exchange.ReadTextAsync());
                Assert.Equal(MessageFault.None, exchange.Fault);
            }
        }
    }

    // RFC 8441: Kestrel takes WebSockets over HTTP/2.
    [Fact]
    public async Task Kestrel_WebSocket_OverExtendedConnect()
    {
        await using var kestrel = await StartKestrelAsync(static async context =>
        {
            var socket = await context.WebSockets.AcceptWebSocketAsync();
            var buffer = new byte[100];
            var received = await socket.ReceiveAsync(buffer, CancellationToken.None);
            await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, true, CancellationToken.None);
            await socket.CloseAsync(System.Net.WebSockets.WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
        });
        using var io = new HboneIo(1);
        await using var client = await ConnectAsync(kestrel.Urls.First(), io);
        Assert.True(client.TryBegin(out var exchange));
        await using (exchange)
        {
            var head = MessageText.Get("/chat");
            head.Upgrade = "websocket";
            head.Fields.Add("sec-websocket-version", "13");
            await exchange.SendHeadAsync(head, end: false);
            var response = await exchange.HeadAsync();
            Assert.Equal((200, "websocket"), (response.Status, response.Upgrade));

            // A text frame, masked with zeros.
            await exchange.WriteAsync(new byte[] { 0x81, 0x82, 0, 0, 0, 0, (byte)'h', (byte)'i' });
            await exchange.FlushAsync();
            Assert.Equal(new byte[] { 0x81, 0x02, (byte)'h', (byte)'i' }, (await exchange.ReadAsync().AsTask().WaitAsync(MessageText.Patience)).ToArray()[..4]);
            await exchange.WriteAsync(new byte[] { 0x88, 0x80, 0, 0, 0, 0 });
            await exchange.EndAsync();
            await exchange.ReadToEndAsync();
        }
    }

    [Fact]
    public async Task Node_Server_AnswersWithInterimHeadsAndTrailers()
    {
        const string Script = """
            const http2 = require('http2');
            const server = http2.createServer();
            server.on('stream', (s, h) => {
              s.additionalHeaders({':status': 103, 'link': '</a>'});
              s.respond({':status': 200, 'x-path': h[':path']}, {waitForTrailers: true});
              s.on('wantTrailers', () => s.sendTrailers({'x-sum': '42'}));
              s.pipe(s);
            });
            server.listen(0, '127.0.0.1', () => console.log(server.address().port));
            process.stdin.on('end', () => process.exit(0)); process.stdin.resume();
            """;
        var start = new ProcessStartInfo("node") { RedirectStandardOutput = true, RedirectStandardInput = true };
        start.ArgumentList.Add("-e");
        start.ArgumentList.Add(Script);
        using var node = Process.Start(start)!;
        try
        {
            var port = await node.StandardOutput.ReadLineAsync().WaitAsync(MessageText.Patience);
            using var io = new HboneIo(1);
            await using var client = await ConnectAsync($"http://127.0.0.1:{port}", io);
            Assert.True(client.TryBegin(out var exchange));
            await using (exchange)
            {
                await exchange.SendHeadAsync(MessageText.Post(100_000, "/node"), end: false);
                await exchange.WriteAsync(Encoding.ASCII.GetBytes(new string('n', 100_000)));
                await exchange.EndAsync();
                Assert.Equal((103, "</a>"), (await exchange.HeadAsync() is var interim ? interim.Status : 0, exchange.Response.Fields.Get("link")));
                Assert.Equal("/node", (await exchange.HeadAsync()).Fields.Get("x-path"));
                Assert.Equal(100_000, (await exchange.ReadToEndAsync()).Length);
                Assert.Equal("42", exchange.Trailers.Get("x-sum"));
            }
        }
        finally
        {
            node.StandardInput.Close();
            await node.WaitForExitAsync().WaitAsync(MessageText.Patience);
        }
    }

    internal static async Task<WebApplication> StartKestrelAsync(RequestDelegate handle)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static options => options.Listen(IPAddress.Loopback, 0, static listen => listen.Protocols = HttpProtocols.Http2));
        var app = builder.Build();
        app.UseWebSockets();
        app.Run(handle);
        await app.StartAsync();
        return app;
    }

    internal static async Task<MessageClientConnection> ConnectAsync(string url, HboneIo io)
    {
        var uri = new Uri(url);
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Parse(uri.Host), uri.Port);
        return MessageClient.Open(MessageChannel.Over(socket, io), HttpProtocolVersion.Http2, new MessageClientOptions(), TimeProvider.System);
    }
}
