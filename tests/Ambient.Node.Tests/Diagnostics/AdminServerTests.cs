using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Admin.Server;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Testing.Fuzzing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Diagnostics;

public sealed class AdminServerTests
{
    private readonly DiagnosticsKit _kit = new();

    [Fact]
    public async Task Request_IsAnswered()
    {
        await using var server = Start((request, _) => ValueTask.FromResult(AdminResponse.Text(200, $"{request.Method} {request.Path} {request.Parameter("a b")}\n")));
        using var http = new HttpClient();

        Assert.Equal("GET /x 1 2\n", await http.GetStringAsync(new Uri($"http://{server.LocalEndPoint}/x?c&a%20b=1+2")));
        using var posted = await http.PostAsync(new Uri($"http://{server.LocalEndPoint}/y"), new ByteArrayContent(new byte[5000]));
        Assert.Equal("POST /y \n", await posted.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("GARBAGE\r\n\r\n", 400)]
    [InlineData("GET / HTTP/2.0\r\n\r\n", 400)]
    [InlineData("GET nowhere HTTP/1.1\r\n\r\n", 400)]
    [InlineData("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400)]
    [InlineData("GET http://x/abs HTTP/1.1\r\nHost: x\r\n\r\n", 200)]
    [InlineData("GET / HTTP/1.0\r\n\r\n", 200)]
    public async Task Request_ThatIsWrong_IsRefused(string request, int status)
    {
        await using var server = Start((_, _) => ValueTask.FromResult(AdminResponse.Text(200, "ok\n")));

        Assert.StartsWith($"HTTP/1.1 {status} ", await SendAsync(server, Encoding.ASCII.GetBytes(request)), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public async Task Request_Damaged_IsAnsweredAndTheServerGoesOn()
    {
        await using var server = Start((request, _) => ValueTask.FromResult(AdminResponse.Text(200, $"{request.Path} {request.Parameter("src")}\n")));
        await FuzzBudget.RunAsync(300, async random =>
        {
            var request = Damage.Of("GET /explain?src=a%20b&dst=c:80 HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\nAccept-Encoding: gzip\r\n\r\n"u8, random);

            Assert.Matches("^HTTP/1\\.1 (200|400) ", await SendAsync(server, request, ends: true));
        });
        Assert.StartsWith("HTTP/1.1 200 ", await SendAsync(server, "GET / HTTP/1.1\r\n\r\n"u8.ToArray()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Head_ThatNeverEnds_IsCutOff()
    {
        await using var server = Start((_, _) => ValueTask.FromResult(AdminResponse.Text(200, "ok\n")));

        Assert.StartsWith("HTTP/1.1 400 ", await SendAsync(server, Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nx: " + new string('y', 20_000))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_ThatSaysNothing_IsLeftAfterTwoSeconds()
    {
        await using var server = Start((_, _) => ValueTask.FromResult(AdminResponse.Text(200, "ok\n")));
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server.LocalEndPoint);
        using (var http = new HttpClient())
        {
            // By the time a later request is answered, the silent one has been accepted and its deadline runs.
            await http.GetStringAsync(new Uri($"http://{server.LocalEndPoint}/"));
        }

        for (var tries = 0; !socket.Poll(0, SelectMode.SelectRead); tries++)
        {
            Assert.True(tries < 1500, "it is still open");
            _kit.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(20);
        }

        Assert.Equal(0, await socket.ReceiveAsync(new byte[1]));
    }

    [Fact]
    public async Task Handler_ThatThrows_IsAnInternalErrorAndTheServerGoesOn()
    {
        var calls = 0;
        await using var server = Start((_, _) => ++calls == 1 ? throw new InvalidOperationException("secret") : ValueTask.FromResult(AdminResponse.Text(200, "ok\n")));

        var first = await SendAsync(server, "GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        Assert.StartsWith("HTTP/1.1 500 ", first, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", first, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200 ", await SendAsync(server, "GET / HTTP/1.1\r\n\r\n"u8.ToArray()), StringComparison.Ordinal);
    }

    [Fact]
    public void Start_OnATakenPort_SaysWhichServerAndPort()
    {
        using var squatter = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        squatter.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        squatter.Listen();

        var e = Assert.Throws<IOException>(() => AdminServer.Start("admin", (IPEndPoint)squatter.LocalEndPoint!, (_, _) => default, TimeProvider.System, NullLogger.Instance));

        Assert.Contains($"admin: cannot listen on {squatter.LocalEndPoint}", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [Trait("Reference", "test_content_type")]
    [InlineData("", "text/plain; charset=utf-8")]
    [InlineData("text/html, application/openmetrics-text; version=1.0.0", "application/openmetrics-text;charset=utf-8;version=1.0.0")]
    [InlineData("text/plain", "text/plain; charset=utf-8")]
    public async Task Metrics_ContentType_FollowsAccept(string accept, string type)
    {
        var answer = await CommonEndpoints.Metrics(new MetricRegistry())(new AdminRequest("GET", "/stats/prometheus", "", accept), default);

        Assert.Equal((200, type), (answer.Status, answer.ContentType));
        using var body = new MemoryStream();
        await answer.Writer!(body, default);
        Assert.Equal("# EOF\n", Encoding.UTF8.GetString(body.ToArray()));
    }

    [Theory]
    [InlineData("gzip", true)]
    [InlineData("br, GZIP;q=0.5", true)]
    [InlineData("gzip;q=0", false)]
    [InlineData("gzip; q=0.00", false)]
    [InlineData("zstd, br", false)]
    [InlineData("", false)]
    public async Task Metrics_AreCompressed_ForWhoTakesIt(string accepted, bool compressed)
    {
        var registry = new MetricRegistry();
        var family = registry.Add(new CounterFamily("some", "Some."));
        for (var i = 0; i < 100; i++)
        {
            family.Series(MetricLabels.Of(("label", $"value {i}"))).Increment();
        }

        await using var server = Start(CommonEndpoints.Metrics(registry));
        var answer = await SendAsync(server, Encoding.ASCII.GetBytes($"GET /metrics HTTP/1.1\r\nAccept-Encoding: {accepted}\r\n\r\n"));
        Assert.Equal(compressed, answer.Contains("content-encoding: gzip\r\n", StringComparison.Ordinal));

        using var handler = new HttpClientHandler { AutomaticDecompression = compressed ? DecompressionMethods.GZip : DecompressionMethods.None };
        using var http = new HttpClient(handler);
        Assert.Equal(registry.Text(), await http.GetStringAsync(new Uri($"http://{server.LocalEndPoint}/metrics")));
    }

    [Fact]
    public async Task Readiness_NamesWhatIsPending()
    {
        var readiness = new Readiness();
        var first = readiness.Require("state manager");
        var second = readiness.Require("proxy");
        var ready = CommonEndpoints.Ready(readiness);
        var get = new AdminRequest("GET", "/healthz/ready", "", "");

        Assert.Equal((500, "not ready, pending: proxy, state manager\n"), Show(await ready(get, default)));
        first();
        second();
        Assert.Equal((200, "ready\n"), Show(await ready(get, default)));
        Assert.Equal(405, (await ready(get with { Method = "POST" }, default)).Status);
        Assert.Equal(404, (await ready(get with { Path = "/" }, default)).Status);
    }

    [Fact]
    public async Task Status_IsDrainedAndEndedByItsOwnPodAlone()
    {
        var readiness = new Readiness();
        using var shutdown = new Shutdown(TimeSpan.FromSeconds(1), TimeProvider.System, NullLogger.Instance);
        var drains = 0;
        var status = CommonEndpoints.Status(new MetricRegistry(), readiness, shutdown, () => drains++);
        var drain = new AdminRequest("POST", "/drain", "", "") { Host = "127.0.0.1:15020", IsLocal = true };
        var quit = drain with { Path = "/quitquitquit" };

        Assert.Equal((200, "ready\n"), Show(await status(new AdminRequest("GET", "/healthz/ready", "", ""), default)));
        Assert.Equal(200, (await status(new AdminRequest("GET", "/stats/prometheus", "", ""), default)).Status);
        foreach (var refused in new[] { drain with { IsLocal = false }, quit with { IsLocal = false }, drain with { Origin = "http://evil.example" }, quit with { Host = "evil.example" } })
        {
            Assert.Equal(403, (await status(refused, default)).Status);
        }

        Assert.Equal(405, (await status(drain with { Method = "GET" }, default)).Status);
        Assert.Equal(0, drains);
        Assert.False(shutdown.Draining.IsCancellationRequested);

        Assert.Equal((200, "OK\n"), Show(await status(drain, default)));
        Assert.Equal(1, drains);
        Assert.Equal(200, (await status(quit, default)).Status);
        await shutdown.WaitForDrainAsync().WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Request_SaysWhetherItIsFromThisMachine()
    {
        await using var server = Start((request, _) => ValueTask.FromResult(AdminResponse.Text(200, $"{request.IsLocal}\n")));
        using var http = new HttpClient();
        Assert.Equal("True\n", await http.GetStringAsync(new Uri($"http://{server.LocalEndPoint}/")));
    }

    [Fact]
    [Trait("Reference", "test_change_log_level")]
    public void Logging_ShowsChangesResetsAndRefuses()
    {
        var post = new AdminRequest("POST", "/logging", "", "");

        Assert.Equal((200, "current log level is info\n"), Show(CommonEndpoints.Logging(post, _kit.Loggers)));
        Assert.Equal((200, "current log level is access=debug,warn\n"), Show(CommonEndpoints.Logging(post with { Query = "level=warn,access=debug" }, _kit.Loggers)));
        Assert.Equal((200, "current log level is access=debug,trace\n"), Show(CommonEndpoints.Logging(post with { Query = "level=trace" }, _kit.Loggers)));
        Assert.Equal((200, "current log level is error\n"), Show(CommonEndpoints.Logging(post with { Query = "reset&level=error" }, _kit.Loggers)));
        Assert.Equal((200, "current log level is info\n"), Show(CommonEndpoints.Logging(post with { Query = "reset" }, _kit.Loggers)));
        var refused = Show(CommonEndpoints.Logging(post with { Query = "level=loud" }, _kit.Loggers));
        Assert.Equal(400, refused.Item1);
        Assert.StartsWith("Invalid level provided: loud\n", refused.Item2, StringComparison.Ordinal);

        // Refused is refused whole: nothing is reset either.
        CommonEndpoints.Logging(post with { Query = "level=trace" }, _kit.Loggers);
        Assert.Equal(400, CommonEndpoints.Logging(post with { Query = "reset&level=loud" }, _kit.Loggers).Status);
        Assert.Equal((200, "current log level is trace\n"), Show(CommonEndpoints.Logging(post, _kit.Loggers)));
        Assert.Equal(405, CommonEndpoints.Logging(post with { Method = "GET" }, _kit.Loggers).Status);
    }

    [Fact]
    public async Task SilentConnections_KeepNoProbeOut()
    {
        await using var server = Start((_, _) => ValueTask.FromResult(AdminResponse.Text(200, "ready\n")));
        var silent = new List<Socket>();
        try
        {
            for (var probe = 0; probe < 60; probe++)
            {
                // More than there are places, and more come between the probes.
                for (var more = probe == 0 ? 100 : 5; more > 0; more--)
                {
                    silent.Add(await ConnectAsync(server));
                }

                Assert.StartsWith("HTTP/1.1 200 ", await SendAsync(server, "GET /healthz/ready HTTP/1.1\r\n\r\n"u8.ToArray()), StringComparison.Ordinal);
            }
        }
        finally
        {
            silent.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public async Task RequestThatNobodyHasReadYet_KeepsItsPlace_BeforeConnectionsThatSayNothing()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var places = new AdminPlaces(TimeProvider.System);
        var sockets = new List<Socket>();
        try
        {
            // The probe came first, and a burst behind it before anybody has looked at what it says.
            var probe = await EnterAsync();
            await probe.Far.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
            while (probe.Near.Available == 0)
            {
                await Task.Delay(5);
            }

            var first = await EnterAsync();
            for (var i = 0; i < AdminPlaces.MostOfAnAddress; i++)
            {
                await EnterAsync();
            }

            Assert.Equal(0, await first.Far.ReceiveAsync(new byte[1]));
            Assert.True(probe.Near.Available > 0);
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }

        async Task<(Socket Far, Socket Near)> EnterAsync()
        {
            var far = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await far.ConnectAsync(listener.LocalEndPoint!);
            var near = await listener.AcceptAsync();
            sockets.AddRange([far, near]);
            Assert.NotNull(places.Enter(near));
            return (far, near);
        }
    }

    [Fact]
    public async Task SilentConnections_OfOneAddress_LeaveThoseOfOthersAlone()
    {
        await using var server = Start((_, _) => ValueTask.FromResult(AdminResponse.Text(200, "ok\n")));
        using var other = await ConnectAsync(server, IPAddress.Parse("127.0.0.3"));
        var silent = new List<Socket>();
        try
        {
            for (var i = 0; i < 100; i++)
            {
                silent.Add(await ConnectAsync(server, IPAddress.Parse("127.0.0.2")));
            }

            // The oldest without a request went first, and only as many as one address may not have.
            for (var tries = 0; silent.Count(IsClosed) < 100 - AdminPlaces.MostOfAnAddress; tries++)
            {
                Assert.True(tries < 1500, $"{silent.Count(IsClosed)} of 100 were closed");
                await Task.Delay(20);
            }

            Assert.Equal(AdminPlaces.MostOfAnAddress, silent.Count(socket => !IsClosed(socket)));
            Assert.All(silent[^AdminPlaces.MostOfAnAddress..], socket => Assert.False(IsClosed(socket)));
            Assert.False(IsClosed(other));
            await other.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
            Assert.True(await other.ReceiveAsync(new byte[100]).WaitAsync(TimeSpan.FromSeconds(30)) > 0);
        }
        finally
        {
            silent.ForEach(socket => socket.Dispose());
        }

        static bool IsClosed(Socket socket) => socket.Poll(0, SelectMode.SelectRead);
    }

    [Fact]
    public async Task ClientsThatDoNotRead_LoseTheirPlacesToThoseWhoCome()
    {
        var large = new byte[4 * 1024 * 1024];
        var begun = 0;
        await using var server = Start((request, _) =>
        {
            Interlocked.Increment(ref begun);
            return ValueTask.FromResult(new AdminResponse(200, "text/plain", request.Path == "/large" ? large : default));
        });
        var stuck = new List<Socket>();
        try
        {
            for (var i = 0; i < AdminPlaces.MostOfAnAddress; i++)
            {
                var socket = await ConnectAsync(server);
                stuck.Add(socket);
                await socket.SendAsync("GET /large HTTP/1.1\r\n\r\n"u8.ToArray());
            }

            for (var tries = 0; Volatile.Read(ref begun) < AdminPlaces.MostOfAnAddress; tries++)
            {
                Assert.True(tries < 1500, "not all are being answered");
                await Task.Delay(20);
            }

            // Until nothing moves any more: by then each is waited for.
            for (long before = -1, now = 0; before != now || !stuck.TrueForAll(static socket => socket.Available > 0);)
            {
                await Task.Delay(500);
                (before, now) = (now, stuck.Sum(static socket => (long)socket.Available));
            }

            _kit.Time.Advance(TimeSpan.FromSeconds(6));
            Assert.StartsWith("HTTP/1.1 200 ", await SendAsync(server, "GET / HTTP/1.1\r\n\r\n"u8.ToArray()), StringComparison.Ordinal);
        }
        finally
        {
            stuck.ForEach(socket => socket.Dispose());
        }
    }

    [Theory]
    [InlineData("GET", "Host: localhost:15000", 200)]
    [InlineData("GET", "Host: LOCALHOST", 200)]
    [InlineData("GET", "Host: ztunnel.localhost:1", 200)]
    [InlineData("GET", "Host: 127.0.0.5:43211", 200)]
    [InlineData("GET", "Host: [::1]:15000", 200)]
    [InlineData("POST", "Host: localhost:15000", 200)]
    [InlineData("POST", "Host: localhost:15000\r\nOrigin: http://localhost:15000\r\nSec-Fetch-Site: same-origin", 200)]
    [InlineData("GET", "Host: localhost:15000\r\nSec-Fetch-Site: none", 200)]
    [InlineData("POST", "Host: localhost:15000\r\nSec-Fetch-Site: none", 403)]
    [InlineData("GET", "X: y", 403)]
    [InlineData("GET", "Host: evil.example:15000", 403)]
    [InlineData("GET", "Host: localhost.evil.example", 403)]
    [InlineData("GET", "Host: 10.0.0.1:15000", 403)]
    [InlineData("GET", "Host: localhost:15000, evil", 403)]
    [InlineData("GET", "Host: localhost:15000\r\nHost: evil.example", 403)]
    [InlineData("GET", "Host: localhost:x", 403)]
    [InlineData("GET", "Host: [::1", 403)]
    [InlineData("GET", "Host: [2001:db8::1]:15000", 403)]
    [InlineData("POST", "Host: localhost:15000\r\nOrigin: http://evil.example", 403)]
    [InlineData("POST", "Host: localhost:15000\r\nOrigin: http://localhost:8080", 403)]
    [InlineData("POST", "Host: localhost:15000\r\nOrigin: https://localhost:15000", 403)]
    [InlineData("POST", "Host: localhost:15000\r\nOrigin: null", 403)]
    [InlineData("GET", "Host: localhost:15000\r\nSec-Fetch-Site: cross-site", 403)]
    [InlineData("GET", "Host: localhost:15000\r\nSec-Fetch-Site: same-site", 403)]
    public async Task Admin_IsForThisMachine_AndNotForWebPages(string method, string headers, int status)
    {
        using var shutdown = new Shutdown(TimeSpan.FromSeconds(1), _kit.Time, NullLogger.Instance);
        var endpoints = new HostEndpoints(
            "test", "", (output, token) => output.WriteAsync("{}"u8.ToArray(), token), static (_, _) => ValueTask.FromResult(AdminResponse.Text(200, "own\n")), _kit.Loggers, shutdown, new MeshStore());
        await using var server = Start(endpoints.AnswerAsync);
        foreach (var path in new[] { method == "GET" ? "/config_dump" : "/logging?level=info", "/explain", method == "GET" ? "/" : "/quitquitquit" })
        {
            Assert.StartsWith($"HTTP/1.1 {status} ", await SendAsync(server, Encoding.ASCII.GetBytes($"{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n")), StringComparison.Ordinal);
        }

        var begins = status != 403 && method == "POST";
        Assert.Equal(begins, await BegunAsync(shutdown, tries: begins ? 3000 : 10));
    }

    [Fact]
    public async Task Page_ListsWhatIsKnownAndNotSupported()
    {
        using var shutdown = new Shutdown(TimeSpan.FromSeconds(1), _kit.Time, NullLogger.Instance);
        var meshes = new MeshStore();
        var endpoints = new HostEndpoints(
            "test", "", static (_, _) => ValueTask.CompletedTask, static (_, _) => ValueTask.FromResult(AdminResponse.NotFound), _kit.Loggers, shutdown, meshes);
        await using var server = Start(endpoints.AnswerAsync);
        Assert.DoesNotContain("not supported", await PageAsync(), StringComparison.Ordinal);

        meshes.Publish(new MeshSnapshotBuilder(meshes.Current).Set(new RequestConfiguration
        {
            Unsupported = [new UnsupportedConfiguration("ListenerSet", "", 2, "app/more", "a<b.yaml:1:1"), new UnsupportedConfiguration("HTTPRoute", "spec.rules.timeouts", 1, "app/r", "r.yaml:7:1")],
        }).Build());
        var page = await PageAsync();
        Assert.Contains("<li>ListenerSet: 2, the first app/more at a&lt;b.yaml:1:1</li><li>HTTPRoute spec.rules.timeouts: 1, the first app/r at r.yaml:7:1</li>", page, StringComparison.Ordinal);

        Task<string> PageAsync() => SendAsync(server, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
    }

    [Fact]
    public async Task StreamedBody_WithoutChunks_EndsWithTheConnection()
    {
        await using var server = Start((_, _) => ValueTask.FromResult(AdminResponse.Streamed("text/plain", async (output, token) =>
        {
            await output.WriteAsync("one "u8.ToArray(), token);
            await output.WriteAsync("two"u8.ToArray(), token);
        })));

        Assert.EndsWith("\r\n\r\none two", await SendAsync(server, "GET / HTTP/1.0\r\n\r\n"u8.ToArray()), StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n", await SendAsync(server, "GET / HTTP/1.1\r\n\r\n"u8.ToArray()), StringComparison.Ordinal);
    }

    private static async Task<bool> BegunAsync(Shutdown shutdown, int tries)
    {
        for (; tries > 0 && !shutdown.Draining.IsCancellationRequested; tries--)
        {
            await Task.Delay(10);
        }

        return shutdown.Draining.IsCancellationRequested;
    }

    private static async Task<Socket> ConnectAsync(AdminServer server, IPAddress? from = null)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        if (from is not null)
        {
            socket.Bind(new IPEndPoint(from, 0));
        }

        await socket.ConnectAsync(server.LocalEndPoint);
        return socket;
    }

    private static (int, string) Show(AdminResponse response) => (response.Status, Encoding.UTF8.GetString(response.Body.Span));

    private AdminServer Start(AdminHandler handler) =>
        AdminServer.Start("test", new IPEndPoint(IPAddress.Loopback, 0), handler, _kit.Time, NullLogger.Instance);

    private static async Task<string> SendAsync(AdminServer server, byte[] request, bool ends = false)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server.LocalEndPoint);
        await socket.SendAsync(request);
        if (ends)
        {
            socket.Shutdown(SocketShutdown.Send);
        }

        var answer = new byte[4096];
        var length = 0;
        while (await socket.ReceiveAsync(answer.AsMemory(length)).AsTask().WaitAsync(TimeSpan.FromSeconds(30)) is > 0 and var read)
        {
            length += read;
        }

        return Encoding.ASCII.GetString(answer, 0, length);
    }
}
