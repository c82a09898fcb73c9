using System.Diagnostics;
using System.Net;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Our server, asked by clients that others wrote.</summary>
public class OtherClientsTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(60_000)]
    public async Task HttpClient_Post_Echoed(int length)
    {
        await using var pair = new MessagePair(MessageText.EchoAsync);
        using var client = HttpClientOf();
        var bytes = new byte[length];
        new Random(3).NextBytes(bytes);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(pair.Uri, "/a?b=c")) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new ByteArrayContent(bytes) };
        request.Headers.Add("Cookie", "a=b; c=d");
        using var response = await client.SendAsync(request).WaitAsync(MessageText.Patience);
        Assert.Equal(HttpVersion.Version20, response.Version);
        Assert.Equal($"POST http {pair.EndPoint} /a?b=c", response.Headers.GetValues("x-request").Single());
        Assert.Equal("a=b; c=d", response.Headers.GetValues("x-cookie").Single());
        Assert.Equal(bytes, await response.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task HttpClient_ResponseTrailers_Arrive()
    {
        await using var pair = new MessagePair(static async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync("body"u8.ToArray());
            var trailers = new HttpFields();
            trailers.Add("grpc-status", "0");
            await exchange.EndAsync(trailers);
        });
        using var client = HttpClientOf();
        using var response = await client.GetAsync(pair.Uri).WaitAsync(MessageText.Patience);
        Assert.Equal("body", await response.Content.ReadAsStringAsync());
        Assert.Equal("0", response.TrailingHeaders.GetValues("grpc-status").Single());
    }

    [Fact]
    public async Task HttpClient_CancelledRequest_TellsTheHandler()
    {
        var gone = new TaskCompletionSource<MessageFault>(TaskCreationOptions.RunContinuationsAsynchronously);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = new MessagePair(async exchange =>
        {
            exchange.OnGone = e => gone.TrySetResult(e.Fault);
            begun.SetResult();
            await gone.Task;
        });
        using var client = HttpClientOf();
        using var cancel = new CancellationTokenSource();
        var asking = client.GetAsync(pair.Uri, cancel.Token);
        await begun.Task.WaitAsync(MessageText.Patience);
        await cancel.CancelAsync();
        Assert.Equal(MessageFault.ClientGone, await gone.Task.WaitAsync(MessageText.Patience));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
    }

    [Fact]
    public async Task Curl_PriorKnowledge_GetsAndPosts()
    {
        await using var pair = new MessagePair(MessageText.EchoAsync);
        var (exit, output) = await RunAsync("curl", "-s", "--http2-prior-knowledge", "-m", "20", "-d", "hello", "-w", " %{http_version} %{http_code}", $"{pair.Uri}x");
        Assert.Equal((0, "hello 2 200"), (exit, output));
    }

    [Fact]
    public async Task Nghttp_Get_Answered()
    {
        await using var pair = new MessagePair(static exchange => exchange.AnswerAsync("hello"));
        var (exit, output) = await RunAsync("nghttp", "-v", "-t", "10", $"{pair.Uri}x");
        Assert.Equal(0, exit);
        Assert.Contains("hello", output, StringComparison.Ordinal);
        Assert.Contains(":status: 200", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task H2load_ManyStreamsOnFewConnections_AllSucceed()
    {
        await using var pair = new MessagePair(static exchange => exchange.AnswerAsync(new string('x', 1024)), threads: 2);
        var (exit, output) = await RunAsync("h2load", "-n", "20000", "-c", "4", "-m", "64", pair.Uri.ToString());
        Assert.Equal(0, exit);
        Assert.Contains("20000 succeeded, 0 failed, 0 errored", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Node_Client_PostsWithTrailersAndReadsThem()
    {
        await using var pair = new MessagePair(MessageText.EchoAsync);
        var script = $$"""
            const http2 = require('http2');
            const c = http2.connect('{{pair.Uri}}');
            const s = c.request({':method': 'POST', ':path': '/n'}, {waitForTrailers: true});
            s.on('wantTrailers', () => s.sendTrailers({'x-sum': '42'}));
            s.on('response', h => console.log(h[':status'], h['x-request'].split(' ')[3]));
            s.on('trailers', t => console.log(t['x-sum']));
            let body = ''; s.setEncoding('utf8'); s.on('data', d => body += d);
            s.on('end', () => { console.log(body.length); c.close(); });
            s.end('y'.repeat(200000));
            """;
        var (exit, output) = await RunAsync("node", "-e", script);
        Assert.Equal((0, "200 /n\n42\n200000\n"), (exit, output));
    }

    private static HttpClient HttpClientOf() => new()
    {
        DefaultRequestVersion = HttpVersion.Version20,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private static async Task<(int Exit, string Output)> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (TimeoutException)
        {
            process.Kill();
            throw;
        }

        var text = new StringBuilder(await output);
        if (process.ExitCode != 0)
        {
            text.Append(await errors);
        }

        return (process.ExitCode, text.ToString());
    }
}
