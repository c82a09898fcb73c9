using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>HTTP/1.1 as a server speaks it, over real sockets (RFC 9112).</summary>
public sealed class Http1ServerTests
{
    [Fact]
    public async Task Request_IsHandled_AndItsConnectionKept()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, $"{exchange.Request.Method} {exchange.Request.Authority}{exchange.Request.Target} {exchange.Request.Fields.Get("x-one")}"));
        using var socket = await kit.ConnectAsync();

        for (var i = 0; i < 3; i++)
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes($"GET /{i} HTTP/1.1\r\nHost: a.b:80\r\nX-One: yes\r\n\r\n"));
            var answer = await MessageKit.ReadUntilAsync(socket, $"GET a.b:80/{i} yes");
            Assert.StartsWith("HTTP/1.1 200 OK\r\n", answer, StringComparison.Ordinal);
            Assert.DoesNotContain("connection:", answer, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task PipelinedRequests_AreAnsweredInOrder_EachAsSoonAsItIsReady()
    {
        var second = new TaskCompletionSource();
        await using var kit = new MessageKit(async exchange =>
        {
            if (exchange.Request.Target == "/2")
            {
                await second.Task;
            }

            await MessageKit.AnswerAsync(exchange, 200, exchange.Request.Target);
        });
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());

        await MessageKit.ReadUntilAsync(socket, "/1");
        second.SetResult();

        var rest = await MessageKit.ReadUntilAsync(socket, "/3");
        Assert.Contains("/2HTTP/1.1 200", rest, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ChunkedBody_IsReadWithItsTrailers_AndAnsweredInKind()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            var body = await MessageKit.ReadAllAsync(exchange);
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync(Encoding.ASCII.GetBytes(body));
            var trailers = new HttpFields();
            trailers.Add("x-sum", $"{exchange.Trailers.Get("x-sum")}/{exchange.BytesReceived}");
            await exchange.EndAsync(trailers);
        });

        var answer = await kit.SayAsync("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n");

        Assert.Contains("connection: close\r\n", answer, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n5\r\nabcde\r\n0\r\nx-sum: 5/5\r\n\r\n", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnswerToHttp10_OfUnknownLength_EndsWithTheConnection()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync("all of it"u8.ToArray());
            await exchange.EndAsync();
        }, new MessageServerOptions { AcceptHttp10 = true });

        var answer = await kit.SayAsync("GET / HTTP/1.0\r\n\r\n");

        Assert.DoesNotContain("transfer-encoding", answer, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\nall of it", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Http10_IsAskedToUpgrade_UnlessItIsAccepted()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, "x"));
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc"u8.ToArray());

        var answer = await MessageKit.ReadToEndAsync(socket);

        Assert.EndsWith("\r\n\r\nxHTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nupgrade: HTTP/1.1\r\nconnection: upgrade\r\nconnection: close\r\n\r\n", answer, StringComparison.Ordinal);
        Assert.Equal(426, Assert.Single(kit.Handler.Refusals).Status);
    }

    [Fact]
    public async Task EarlyAnswer_ToABodyThatIsStillComing_ArrivesWhole_AndClosesTheConnection()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 403, "no"));
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"u8.ToArray());
        await socket.SendAsync(new byte[100_000]);

        var answer = await MessageKit.ReadToEndAsync(socket);

        Assert.StartsWith("HTTP/1.1 403 Forbidden\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("connection: close\r\n", answer, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\nno", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task EarlyAnswer_ToABodyThatIsHere_KeepsTheConnection()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, exchange.Request.Target));
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());

        var answer = await MessageKit.ReadUntilAsync(socket, "/2");

        Assert.DoesNotContain("connection: close", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ClientThatGoes_WhileTheHandlerWaits_IsNoticed()
    {
        var (waits, gone) = (new TaskCompletionSource(), new TaskCompletionSource<MessageFault>());
        await using var kit = new MessageKit(async exchange =>
        {
            exchange.OnGone = e => gone.TrySetResult(e.Fault);
            waits.SetResult();
            await gone.Task;
        });
        var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        await waits.Task.WaitAsync(MessageKit.Patience);

        socket.Dispose();

        Assert.Equal(MessageFault.ClientGone, await gone.Task.WaitAsync(MessageKit.Patience));
    }

    [Fact]
    public async Task SlowHead_IsAnswered408()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, ""), new MessageServerOptions { HeadTimeout = TimeSpan.FromMilliseconds(200) });

        var answer = await kit.SayAsync("GET / HTTP/1.1\r\nHost");

        Assert.StartsWith("HTTP/1.1 408 ", answer, StringComparison.Ordinal);
        Assert.Equal(408, Assert.Single(kit.Handler.Refusals).Status);
    }

    [Fact]
    public async Task IdleConnection_IsClosedWithoutAWord()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, ""), new MessageServerOptions { IdleTimeout = TimeSpan.FromMilliseconds(200) });

        Assert.Equal("", await kit.SayAsync(""));
    }

    [Fact]
    public async Task Drain_ClosesWhatIdles_AndLetsTheRestFinish()
    {
        var (began, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var kit = new MessageKit(async exchange =>
        {
            if (exchange.Request.Target == "/slow")
            {
                began.SetResult();
                await release.Task;
            }

            await MessageKit.AnswerAsync(exchange, 200, "done");
        });
        using var idle = await kit.ConnectAsync();
        await idle.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        await MessageKit.ReadUntilAsync(idle, "done");
        using var busy = await kit.ConnectAsync();
        await busy.SendAsync("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        await began.Task.WaitAsync(MessageKit.Patience);

        var stopping = kit.Server.StopAsync(CancellationToken.None);

        Assert.Equal("", await MessageKit.ReadToEndAsync(idle));
        release.SetResult();
        Assert.Contains("connection: close", await MessageKit.ReadToEndAsync(busy), StringComparison.Ordinal);
        await stopping.WaitAsync(MessageKit.Patience);
    }

    [Fact]
    public async Task HandlerThatThrows_Is500_AndOneThatBreaksOff_LooksBroken()
    {
        await using var kit = new MessageKit(static async exchange =>
        {
            if (exchange.Request.Target == "/late")
            {
                exchange.Response.Status = 200;
                exchange.Response.ContentLength = 10;
                exchange.Response.HasBody = true;
                await exchange.SendHeadAsync(exchange.Response, end: false);
                await exchange.WriteAsync("half"u8.ToArray());
                await exchange.FlushAsync();
                await Task.Delay(50);
            }

            throw new InvalidOperationException("a fault of the handler");
        });

        Assert.StartsWith("HTTP/1.1 500 ", await kit.SayAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        using var socket = await kit.ConnectAsync();
        await socket.SendAsync("GET /late HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        await MessageKit.ReadUntilAsync(socket, "half");
        Assert.Equal(SocketError.ConnectionReset, (await Assert.ThrowsAsync<SocketException>(() => MessageKit.ReadToEndAsync(socket))).SocketErrorCode);
        Assert.Equal(2, kit.Handler.Failures.Count);
    }
}
