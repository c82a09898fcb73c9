using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Our client at nghttp2's server, <c>nghttpd</c>.</summary>
public sealed class NghttpdTests : IDisposable
{
    private const int Large = 3_000_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-nghttpd-").FullName;
    private readonly HboneIo _io = new(1);
    private Process? _server;
    private int _port;

    public NghttpdTests()
    {
        File.WriteAllText(Path.Combine(_folder, "small"), "hello");
        var large = new byte[Large];
        new Random(7).NextBytes(large);
        File.WriteAllBytes(Path.Combine(_folder, "large"), large);
    }

    public void Dispose()
    {
        if (_server is not null)
        {
            _server.Kill();
            _server.WaitForExit();
            _server.Dispose();
        }

        _io.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [SkippableFact]
    public async Task ManyRequests_AtATime_WithTrailersAndPadding()
    {
        await using var client = await StartAsync("--trailer", "x-sum: 42", "-b", "200", "-m", "20");

        // Once an answer is here the server's SETTINGS are, too: before that it may refuse streams beyond a limit that we cannot know of.
        await AskAsync(0);
        await Task.WhenAll(Enumerable.Range(1, 199).Select(AskAsync)).WaitAsync(MessageText.Patience);
        Assert.True(client.IsUsable);

        async Task AskAsync(int i)
        {
            var exchange = await BeginAsync(client);
            await using (exchange)
            {
                await exchange.SendHeadAsync(MessageText.Get(i % 10 == 9 ? "/absent" : "/small"), end: true);
                Assert.Equal(i % 10 == 9 ? 404 : 200, (await exchange.HeadAsync()).Status);
                var body = await exchange.ReadTextAsync();
                Assert.True(i % 10 == 9 || body == "hello", body);
                Assert.Equal("42", exchange.Trailers.Get("x-sum"));
            }
        }
    }

    [SkippableTheory]
    [InlineData("16", "16")]
    [InlineData("20", "24")]
    public async Task LargeBodies_ComeAndGoWhole(string window, string connectionWindow)
    {
        await using var client = await StartAsync("--echo-upload", "-w", window, "-W", connectionWindow);
        var expected = await File.ReadAllBytesAsync(Path.Combine(_folder, "large"));
        var asking = Enumerable.Range(0, 4).Select(async i =>
        {
            var exchange = await BeginAsync(client);
            await using (exchange)
            {
                Task sending = Task.CompletedTask;
                if (i % 2 == 0)
                {
                    await exchange.SendHeadAsync(MessageText.Get("/large"), end: true);
                }
                else
                {
                    await exchange.SendHeadAsync(MessageText.Post(expected.Length), end: false);
                    sending = SendAsync(exchange, expected);
                }

                Assert.Equal(200, (await exchange.HeadAsync()).Status);
                var body = await exchange.ReadToEndAsync();
                Assert.True(expected.AsSpan().SequenceEqual(body), "the body is another one");
                await sending;
            }
        });
        await Task.WhenAll(asking).WaitAsync(MessageText.Patience * 2);
    }

    [SkippableFact]
    public async Task AnswerBeforeTheRequestEnded_LeavesTheConnectionUsable()
    {
        await using var client = await StartAsync("--early-response");
        for (var i = 0; i < 5; i++)
        {
            var exchange = await BeginAsync(client);
            await using (exchange)
            {
                await exchange.SendHeadAsync(MessageText.Post(target: "/small"), end: false);
                await exchange.FlushAsync();
                Assert.Equal(200, (await exchange.HeadAsync()).Status);
                Assert.Equal("hello", await exchange.ReadTextAsync());
            }
        }

        Assert.True(client.IsUsable);
    }

    [SkippableFact]
    public async Task Push_ThatWeHaveForbidden_IsNotSent()
    {
        await using var client = await StartAsync("-p/small=/large");
        var exchange = await BeginAsync(client);
        await using (exchange)
        {
            await exchange.SendHeadAsync(MessageText.Get("/small"), end: true);
            Assert.Equal(200, (await exchange.HeadAsync()).Status);
            Assert.Equal("hello", await exchange.ReadTextAsync());
        }

        Assert.True(client.IsUsable);
    }

    [SkippableFact]
    public async Task Server_ThatIsKilled_BreaksWhatIsUnderWay()
    {
        await using var client = await StartAsync("--echo-upload");
        var exchange = await BeginAsync(client);
        await using (exchange)
        {
            await exchange.SendHeadAsync(MessageText.Post(), end: false);
            await exchange.WriteAsync("begun"u8.ToArray());
            await exchange.FlushAsync();
            await Task.Delay(50);
            _server!.Kill();
            var failure = await exchange.HeadAsync().FailureAsync();
            Assert.True(failure.Fault is MessageFault.ClosedUnanswered or MessageFault.Closed, failure.ToString());
        }

        Assert.False(client.IsUsable);
    }

    private static async Task SendAsync(ClientExchange exchange, byte[] body)
    {
        for (var at = 0; at < body.Length; at += 50_000)
        {
            await exchange.WriteAsync(body.AsMemory(at, Math.Min(50_000, body.Length - at)));
            await exchange.FlushAsync();
        }

        await exchange.EndAsync();
    }

    private static async Task<ClientExchange> BeginAsync(MessageClientConnection client)
    {
        using var patience = new CancellationTokenSource(MessageText.Patience);
        ClientExchange? exchange;
        while (!client.TryBegin(out exchange))
        {
            Assert.True(client.IsUsable);
            await Task.Delay(2, patience.Token);
        }

        return exchange;
    }

    private async Task<MessageClientConnection> StartAsync(params string[] arguments)
    {
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            _port = ((IPEndPoint)free.LocalEndpoint).Port;
        }

        try
        {
            _server = Process.Start(new ProcessStartInfo("nghttpd", ["--no-tls", "-a", "127.0.0.1", "-d", _folder, .. arguments, $"{_port}"]) { RedirectStandardOutput = true, RedirectStandardError = true });
        }
        catch (System.ComponentModel.Win32Exception)
        {
        }

        Skip.If(_server is null, "nghttpd is not installed (Debian: nghttp2-server)");
        using var patience = new CancellationTokenSource(MessageText.Patience);
        while (true)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, _port);
                return MessageClient.Open(MessageChannel.Over(socket, _io), Ambient.Http.HttpProtocolVersion.Http2, new MessageClientOptions(), TimeProvider.System);
            }
            catch (SocketException) when (!_server!.HasExited)
            {
                socket.Dispose();
                await Task.Delay(20, patience.Token);
            }
        }
    }
}
