using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Node.Tests.Requests.Conversations;

namespace Ambient.Node.Tests.Requests;

/// <summary>What a client sends reaches the endpoint, and what the endpoint answers reaches the client, as it was written: at a waypoint and at a gateway.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class RequestFidelityTests : IAsyncLifetime
{
    private const string Ok = "HTTP/1.1 200 OK\ncontent-length: 2\n\nok";

    private readonly TestMesh _mesh = new();
    private readonly ConcurrentQueue<string> _seen = new();
    private readonly List<IAsyncDisposable> _owned = [];
    private string _answer = Ok;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            await _owned[i].DisposeAsync();
        }

        await _mesh.DisposeAsync();
    }

    [Theory]
    [InlineData(true, "POST /b HTTP/1.1\nhost: a\ncontent-length: 0\n\n", "content-length: 0")]
    [InlineData(false, "POST /b HTTP/1.1\nhost: a\ncontent-length: 0\n\n", "content-length: 0")]
    [InlineData(true, "GET /b HTTP/1.1\nhost: a\ncontent-type: application/json\n\n", "content-type: application/json")]
    [InlineData(false, "GET /b HTTP/1.1\nhost: a\ncontent-type: application/json\n\n", "content-type: application/json")]
    [InlineData(true, "GET /b HTTP/1.1\nhost: a\nallow: GET\ncontent-language: de\nexpires: 0\nlast-modified: x\n\n", "expires: 0")]
    public async Task Request_WithoutBody_KeepsHeadersOfContent(bool waypoint, string request, string header)
    {
        await using var stream = await OpenAsync(waypoint);
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await RawExchange.AskAsync(stream, request), StringComparison.Ordinal);
        Assert.Contains($"\r\n{header}\r\n", Assert.Single(_seen), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Entrance.Waypoint, "1.1", 90)]
    [InlineData(Entrance.Waypoint, "2.0", 80)]
    [InlineData(Entrance.Waypoint, "2.0", 90)]
    [InlineData(Entrance.Gateway, "1.1", 90)]
    [InlineData(Entrance.Gateway, "2.0", 80)]
    [InlineData(Entrance.Gateway, "2.0", 90)]
    public async Task Request_WithoutBody_OverHttp2_KeepsHeadersOfContent(Entrance entrance, string version, int port)
    {
        var way = await Way.OpenAsync(_mesh, entrance, port, static _ => { });
        using var client = way.Client("sleep", Version.Parse(version));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/b") { Version = client.DefaultRequestVersion, VersionPolicy = client.DefaultVersionPolicy };
        request.Content = new ByteArrayContent([]);
        request.Content.Headers.ContentLength = 0;
        request.Content.Headers.TryAddWithoutValidation("content-type", "application/json");
        using var response = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var seen = Assert.Single(way.Pod.Requests);
        Assert.Equal(port == 90 ? "HTTP/2" : "HTTP/1.1", seen.Protocol);
        Assert.Equal("application/json", seen.Headers["content-type"]);
        Assert.Equal("0", seen.Headers["content-length"]);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Route_EditsHeadersOfContent_WithAndWithoutBody(bool waypoint, bool body)
    {
        await using var stream = await OpenAsync(waypoint, new HeaderModification
        {
            Set = [new NamedValue("Content-Type", "text/special")],
            Add = [new NamedValue("Content-Language", "de")],
            Remove = ["Content-Encoding"],
        });
        var request = body
            ? "POST /b HTTP/1.1\nhost: a\ncontent-type: text/plain\ncontent-encoding: br\ncontent-length: 2\n\nhi"
            : "GET /b HTTP/1.1\nhost: a\ncontent-encoding: br\n\n";
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await RawExchange.AskAsync(stream, request), StringComparison.Ordinal);
        var seen = Assert.Single(_seen);
        Assert.Contains("\r\ncontent-type: text/special\r\n", seen, StringComparison.Ordinal);
        Assert.Contains("\r\ncontent-language: de\r\n", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("content-encoding", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("text/plain", seen, StringComparison.Ordinal);
        Assert.EndsWith(body ? "\r\n\r\nhi" : "\r\n\r\n", seen, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Answer_204WithALength_ArrivesWithout_AndTheConnectionGoesOn(bool waypoint)
    {
        await using var stream = await OpenAsync(waypoint);
        _answer = "HTTP/1.1 204 No Content\ncontent-length: 11\n\n";
        var answer = await RawExchange.AskAsync(stream, "GET /x HTTP/1.1\nhost: a\n\n");
        Assert.StartsWith("HTTP/1.1 204 No Content\r\n", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("content-length", answer, StringComparison.Ordinal);
        await _mesh.LoggedAsync("status=204");
        _answer = Ok;
        Assert.EndsWith("ok", await RawExchange.AskAsync(stream, "GET /y HTTP/1.1\nhost: a\n\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Request_WithLengthAndChunks_Is400AndClosed(bool waypoint)
    {
        await using var stream = await OpenAsync(waypoint);
        var answer = await RawExchange.AskAsync(stream, "POST /x HTTP/1.1\nhost: a\ncontent-length: 3\ntransfer-encoding: chunked\n\n0\n\n");
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Equal("", await RawExchange.ReadAsync(stream, hasBody: true));
        Assert.Empty(_seen);
        await _mesh.LoggedAsync("flags=\"DPE\"");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Header_ThatIsRepeated_StaysTwoLinesInTheirOrder(bool waypoint)
    {
        await using var stream = await OpenAsync(waypoint);
        _answer = "HTTP/1.1 200 OK\nset-cookie: a=1\nx-part: one\nset-cookie: b=2\nx-part: two, three\ncontent-length: 2\n\nok";
        var answer = await RawExchange.AskAsync(stream, "GET /x HTTP/1.1\nhost: a\nx-part: one\nx-part: two, three\n\n");
        Assert.Contains("\r\nx-part: one\r\nx-part: two, three\r\n", Assert.Single(_seen), StringComparison.Ordinal);
        Assert.Contains("\r\nset-cookie: a=1\r\nx-part: one\r\nset-cookie: b=2\r\nx-part: two, three\r\n", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Trailers_PassBothWays(bool waypoint)
    {
        await using var stream = await OpenAsync(waypoint);
        _answer = "HTTP/1.1 200 OK\ntransfer-encoding: chunked\ntrailer: x-sum\n\n2\nhi\n0\nx-sum: 43\n\n";
        var answer = await RawExchange.AskAsync(stream, "POST /x HTTP/1.1\nhost: a\nte: trailers\nconnection: te\ntransfer-encoding: chunked\ntrailer: x-sum\n\n2\nhi\n0\nx-sum: 42\n\n");
        var seen = Assert.Single(_seen);
        Assert.Contains("\r\ntrailer: x-sum\r\n", seen, StringComparison.Ordinal);
        Assert.Contains("\r\nte: trailers\r\n", seen, StringComparison.Ordinal);
        Assert.EndsWith("2\r\nhi\r\n0\r\nx-sum: 42\r\n\r\n", seen, StringComparison.Ordinal);
        Assert.EndsWith("2\r\nhi\r\n0\r\nx-sum: 43\r\n\r\n", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(TunnelProtocol.Hbone)]
    [InlineData(TunnelProtocol.Tcp)]
    public async Task Client_ThatLeavesWhileTheEndpointThinks_EndsItThere(TunnelProtocol protocol)
    {
        var service = _mesh.AddService("a");
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pod = await RawPod.StartAsync(_mesh, protocol, async socket =>
        {
            using var stream = new NetworkStream(socket, ownsSocket: false);
            await RawExchange.ReadAsync(stream, hasBody: null);
            asked.SetResult();
            await RawExchange.ReadAsync(stream, hasBody: null);
            gone.SetResult();
        });
        await _mesh.StartWaypointAsync();
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        var tunnel = await TunnelAsync(client, service);
        await tunnel.Output.WriteAsync(RawExchange.Bytes("GET /x HTTP/1.1\nhost: a\n\n"));
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(60));
        await tunnel.DisposeAsync();
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await _mesh.LoggedAsync("flags=\"DC\"");
    }

    [Fact]
    public async Task Client_ThatLeavesAGatewayWhileTheEndpointThinks_EndsItThere()
    {
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var stream = await OpenAsync(waypoint: false, serve: async socket =>
        {
            using var inner = new NetworkStream(socket, ownsSocket: false);
            await RawExchange.ReadAsync(inner, hasBody: null);
            asked.SetResult();
            await RawExchange.ReadAsync(inner, hasBody: null);
            gone.SetResult();
        });
        await stream.WriteAsync(RawExchange.Bytes("GET /x HTTP/1.1\nhost: a\n\n"));
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(60));
        await stream.DisposeAsync();
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Gateway_SpeaksHttp2WithPriorKnowledge_AndHttp1()
    {
        _mesh.AddService("web", waypoint: null);
        var pod = await _mesh.AddPodAsync("web-0", "web", "web");
        _mesh.SetGatewayRoute();
        await _mesh.StartGatewayAsync(new GatewayListener("http", 8080, "HTTP", null, AllowedNamespaces.Same, null));
        var address = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0];
        using var client = new HttpClient { BaseAddress = new Uri($"http://{address}:8080"), Timeout = TimeSpan.FromSeconds(60) };
        foreach (var version in new[] { HttpVersion.Version20, HttpVersion.Version11 })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/x") { Version = version, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            using var response = await client.SendAsync(request);
            Assert.Equal("hello from web-0", await response.Content.ReadAsStringAsync());
            Assert.Equal(version, response.Version);
        }

        Assert.Equal(2, pod.Requests.Count);
    }

    [Theory]
    [InlineData("GET /x HTTP/1.1\nhost: a\n\n", true)]
    [InlineData("PUT /x HTTP/1.1\nhost: a\ncontent-length: 0\n\n", true)]
    [InlineData("POST /x HTTP/1.1\nhost: a\ncontent-length: 0\n\n", false)]
    [InlineData("PUT /x HTTP/1.1\nhost: a\ncontent-length: 2\n\nhi", false)]
    public async Task Request_ThatMeetsAConnectionWhichIsClosedUnanswered_IsRepeatedWhereItMayBe(string request, bool repeated)
    {
        // Each connection answers once, and closes when it is asked a second time.
        await using var stream = await OpenAsync(waypoint: true, serve: async socket =>
        {
            using var inner = new NetworkStream(socket, ownsSocket: false);
            _seen.Enqueue(await RawExchange.ReadAsync(inner, hasBody: null));
            await inner.WriteAsync(RawExchange.Bytes(Ok));
            _seen.Enqueue(await RawExchange.ReadAsync(inner, hasBody: null));
        });
        Assert.EndsWith("ok", await RawExchange.AskAsync(stream, "GET /first HTTP/1.1\nhost: a\n\n"), StringComparison.Ordinal);
        var answer = await RawExchange.AskAsync(stream, request);
        Assert.StartsWith(repeated ? "HTTP/1.1 200 " : "HTTP/1.1 503 ", answer, StringComparison.Ordinal);
        Assert.Equal(repeated ? 2 : 1, _seen.Count(seen => seen.Contains("/x ", StringComparison.Ordinal)));
        await _mesh.LoggedAsync(repeated ? "attempts=2" : "flags=\"UC\"");
    }

    /// <summary>Nothing of it went to the connection that is gone: it is sent whatever its method is.</summary>
    [Theory]
    [InlineData(true, TunnelProtocol.Hbone)]
    [InlineData(true, TunnelProtocol.Tcp)]
    [InlineData(false, TunnelProtocol.Hbone)]
    [InlineData(false, TunnelProtocol.Tcp)]
    public async Task Post_AfterTheEndpointClosedItsIdleConnection_IsAnsweredOnANewOne_AndArrivesOnce(bool waypoint, TunnelProtocol protocol)
    {
        var connections = 0;
        var idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var stream = await OpenAsync(waypoint, protocol: protocol, serve: async socket =>
        {
            var connection = Interlocked.Increment(ref connections);
            using var inner = new NetworkStream(socket, ownsSocket: false);
            _seen.Enqueue($"{connection}: {await RawExchange.ReadAsync(inner, hasBody: null)}");
            await inner.WriteAsync(RawExchange.Bytes(Ok));
            if (connection == 1)
            {
                await idle.Task;
                socket.Shutdown(SocketShutdown.Send);
            }

            // The proxy's own end says that it has seen ours.
            await Record.ExceptionAsync(async () => await inner.CopyToAsync(Stream.Null));
            gone.TrySetResult();
        });
        Assert.EndsWith("ok", await RawExchange.AskAsync(stream, "GET /first HTTP/1.1\nhost: a\n\n"), StringComparison.Ordinal);
        await _mesh.LoggedAsync("request complete");
        idle.SetResult();
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.EndsWith("ok", await RawExchange.AskAsync(stream, "POST /x HTTP/1.1\nhost: a\ncontent-length: 2\n\nhi"), StringComparison.Ordinal);
        Assert.Equal(["1: GET /first HTTP/1.1", "2: POST /x HTTP/1.1"], _seen.Select(seen => seen.Split("\r\n")[0]));
        Assert.EndsWith("\r\n\r\nhi", _seen.Last(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_ThatBreaksTheProtocol_Is502AndSaidSo()
    {
        await using var stream = await OpenAsync(waypoint: true);
        _answer = "HTTP/1.1 200 OK\nbad header: x\ncontent-length: 2\n\nok";
        Assert.StartsWith("HTTP/1.1 502 ", await RawExchange.AskAsync(stream, "GET /x HTTP/1.1\nhost: a\n\n"), StringComparison.Ordinal);
        await _mesh.LoggedAsync("flags=\"UPE\"");
    }

    [Fact]
    public async Task Answer_ThatIsCutOff_DoesNotLookComplete()
    {
        await using var stream = await OpenAsync(waypoint: true, serve: async socket =>
        {
            using var inner = new NetworkStream(socket, ownsSocket: false);
            await RawExchange.ReadAsync(inner, hasBody: null);
            await inner.WriteAsync(RawExchange.Bytes("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2\nhi\n"));
        });
        await stream.WriteAsync(RawExchange.Bytes("GET /x HTTP/1.1\nhost: a\n\n"));
        using var received = new MemoryStream();
        try
        {
            await stream.CopyToAsync(received).WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (IOException)
        {
            // Reset, or closed without the last chunk.
        }

        Assert.DoesNotContain("0\r\n\r\n", System.Text.Encoding.Latin1.GetString(received.ToArray()), StringComparison.Ordinal);
        await _mesh.LoggedAsync("flags=\"UC\"");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Client_ThatNeverSendsItsBody_Is408(bool waypoint)
    {
        _mesh.StreamIdleTimeout = TimeSpan.FromSeconds(1);
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var stream = await OpenAsync(waypoint, serve: async socket =>
        {
            // The endpoint is not left waiting for the rest either.
            using var inner = new NetworkStream(socket, ownsSocket: false);
            await RawExchange.ReadAsync(inner, hasBody: false);
            await Record.ExceptionAsync(async () => await inner.CopyToAsync(Stream.Null));
            over.SetResult();
        });
        var answer = await RawExchange.AskAsync(stream, "POST /x HTTP/1.1\nhost: a\ncontent-length: 10\n\nabc");
        Assert.StartsWith("HTTP/1.1 408 Request Timeout\r\n", answer, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\nstream timeout", answer, StringComparison.Ordinal);
        Assert.Equal(0, await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(TimeSpan.FromSeconds(60)));
        await over.Task.WaitAsync(TimeSpan.FromSeconds(60));
        await _mesh.LoggedAsync("flags=\"SI\"");
    }

    [Theory]
    [InlineData("GET /x HTTP/1.1\nhost: a\n\n", "HTTP/1.1 504 Gateway Timeout\r\n", "stream timeout")]
    [InlineData("POST /x HTTP/1.1\nhost: a\ncontent-length: 3\n\nabc", "HTTP/1.1 504 Gateway Timeout\r\n", "stream timeout")]
    [InlineData("POST /x HTTP/1.1\nhost: a\ncontent-length: 0\ncontent-type: application/grpc\n\n", "HTTP/1.1 200 OK\r\n", "grpc-status: 14\r\n")]
    public async Task Endpoint_ThatNeverAnswers_Is504(string request, string status, string text)
    {
        _mesh.StreamIdleTimeout = TimeSpan.FromSeconds(1);
        await using var stream = await OpenAsync(waypoint: true, serve: static async socket =>
        {
            using var inner = new NetworkStream(socket, ownsSocket: false);
            await Record.ExceptionAsync(async () => await inner.CopyToAsync(Stream.Null));
        });

        // The client has done its part: its connection goes on.
        for (var i = 0; i < 2; i++)
        {
            var answer = await RawExchange.AskAsync(stream, request);
            Assert.StartsWith(status, answer, StringComparison.Ordinal);
            Assert.Contains(text, answer, StringComparison.Ordinal);
        }

        await _mesh.LoggedAsync("flags=\"SI\"");
    }

    [Fact]
    public async Task Endpoint_ThatFallsSilentInItsAnswer_DoesNotLeaveItLookComplete()
    {
        _mesh.StreamIdleTimeout = TimeSpan.FromSeconds(1);
        await using var stream = await OpenAsync(waypoint: true, serve: static async socket =>
        {
            using var inner = new NetworkStream(socket, ownsSocket: false);
            await RawExchange.ReadAsync(inner, hasBody: null);
            await inner.WriteAsync(RawExchange.Bytes("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2\nhi\n"));
            await Record.ExceptionAsync(async () => await inner.CopyToAsync(Stream.Null));
        });
        await stream.WriteAsync(RawExchange.Bytes("GET /x HTTP/1.1\nhost: a\n\n"));
        using var received = new MemoryStream();
        await Record.ExceptionAsync(async () => await stream.CopyToAsync(received).WaitAsync(TimeSpan.FromSeconds(60)));
        var text = System.Text.Encoding.Latin1.GetString(received.ToArray());
        Assert.Contains("hi", text, StringComparison.Ordinal);
        Assert.DoesNotContain("0\r\n\r\n", text, StringComparison.Ordinal);
        await _mesh.LoggedAsync("flags=\"SI\"");
    }

    [Fact]
    public async Task Gateway_ThatIsFull_AdmitsNoFurtherConnection()
    {
        _mesh.MaxConnectionsPerPeer = 2;
        var first = await OpenAsync(waypoint: false);
        Assert.EndsWith("ok", await RawExchange.AskAsync(first, "GET /x HTTP/1.1\nhost: a\n\n"), StringComparison.Ordinal);
        var address = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0];
        using var second = new TcpClient(address.ToString(), 8080);
        using var third = new TcpClient(address.ToString(), 8080);
        await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            var read = await third.GetStream().ReadAsync(new byte[1]).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
            throw new IOException($"ended with {read}");
        });
        await _mesh.LoggedAsync("HTTP connections are refused");
        await first.DisposeAsync();
    }

    [Fact]
    public async Task InterimAnswers_AndContinue_GoEndToEnd()
    {
        await using var stream = await OpenAsync(waypoint: true, serve: async socket =>
        {
            using var inner = new NetworkStream(socket, ownsSocket: false);
            _seen.Enqueue(await RawExchange.ReadAsync(inner, hasBody: false));
            await inner.WriteAsync(RawExchange.Bytes("HTTP/1.1 103 Early Hints\nlink: </x>\n\nHTTP/1.1 100 Continue\n\n"));
            var body = new byte[2];
            await inner.ReadExactlyAsync(body);
            _seen.Enqueue(System.Text.Encoding.ASCII.GetString(body));
            await inner.WriteAsync(RawExchange.Bytes(Ok));
            await RawExchange.ReadAsync(inner, hasBody: false);
        });
        await stream.WriteAsync(RawExchange.Bytes("POST /x HTTP/1.1\nhost: a\nexpect: 100-continue\ncontent-length: 2\n\n"));
        var hints = await RawExchange.ReadAsync(stream, hasBody: false).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.StartsWith("HTTP/1.1 103 ", hints, StringComparison.Ordinal);
        Assert.Contains("link: </x>", hints, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 100 ", await RawExchange.ReadAsync(stream, hasBody: false).WaitAsync(TimeSpan.FromSeconds(60)), StringComparison.Ordinal);
        Assert.EndsWith("ok", await RawExchange.AskAsync(stream, "hi"), StringComparison.Ordinal);
        Assert.Contains("expect: 100-continue", _seen.First(), StringComparison.Ordinal);
        Assert.Equal("hi", _seen.Last());
    }

    /// <summary>Whatever the protocol is called: it is for the endpoint to take it or not (RFC 9110 section 7.8).</summary>
    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Upgrade_ToAnotherProtocolThanWebSocket_IsTheEndpointsToTake(bool waypoint, bool taken)
    {
        await using var stream = await OpenAsync(waypoint, serve: async socket =>
        {
            using var inner = new NetworkStream(socket, ownsSocket: false);
            _seen.Enqueue(await RawExchange.ReadAsync(inner, hasBody: false));
            if (!taken)
            {
                await inner.WriteAsync(RawExchange.Bytes(Ok));
                _seen.Enqueue(await RawExchange.ReadAsync(inner, hasBody: false));
                await inner.WriteAsync(RawExchange.Bytes(Ok));
                return;
            }

            await inner.WriteAsync(RawExchange.Bytes("HTTP/1.1 101 Switching Protocols\nconnection: upgrade\nupgrade: echo/1\n\n"));
            await inner.CopyToAsync(inner);
        });
        const string Request = "GET /x HTTP/1.1\nhost: a\nconnection: upgrade\nupgrade: echo/1\n\n";
        if (!taken)
        {
            // It answers as if nobody had asked for it, and the connection goes on.
            Assert.EndsWith("ok", await RawExchange.AskAsync(stream, Request), StringComparison.Ordinal);
            Assert.EndsWith("ok", await RawExchange.AskAsync(stream, "GET /y HTTP/1.1\nhost: a\n\n"), StringComparison.Ordinal);
            return;
        }

        await stream.WriteAsync(RawExchange.Bytes(Request));
        var head = await RawExchange.ReadAsync(stream, hasBody: false).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.StartsWith("HTTP/1.1 101 ", head, StringComparison.Ordinal);
        Assert.Contains("\r\nupgrade: echo/1\r\n", head, StringComparison.Ordinal);
        Assert.Contains("\r\nupgrade: echo/1\r\n", Assert.Single(_seen), StringComparison.Ordinal);
        var bytes = new byte[] { 0, 255, 13, 10, 7 };
        await stream.WriteAsync(bytes);
        await stream.FlushAsync();
        var echoed = new byte[bytes.Length];
        await stream.ReadExactlyAsync(echoed).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(bytes, echoed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Answer_ThatComesBeforeTheRequestIsWhole_EndsIt_ThoughTheEndpointTakesNoMore(bool waypoint)
    {
        var over = new TaskCompletionSource();
        await using var stream = await OpenAsync(waypoint, serve: async socket =>
        {
            var buffer = new byte[4096];
            await socket.ReceiveAsync(buffer);
            await socket.SendAsync(RawExchange.Bytes(Ok));

            // Reads nothing more, until it is told that nobody sends any more.
            while (!socket.Poll(0, SelectMode.SelectError) && !over.Task.IsCompleted)
            {
                await Task.Delay(20);
            }
        });
        await stream.WriteAsync(RawExchange.Bytes("POST /b HTTP/1.1\nhost: a\ncontent-length: 100000000\n\n"));
        var uploading = Task.Run(async () =>
        {
            try
            {
                for (var i = 0; i < 1000; i++)
                {
                    await stream.WriteAsync(new byte[100_000]);
                }
            }
            catch (IOException)
            {
                // It was answered, and nobody listens any more.
            }
        });

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await RawExchange.ReadAsync(stream, hasBody: true), StringComparison.Ordinal);

        await _mesh.LoggedAsync("request complete");
        over.SetResult();
        await uploading.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Request_TakenBackWithItsHead_ReachesNobody(bool waypoint)
    {
        var connections = 0;
        var endpoint = RawExchange.Endpoint(_seen, _ => _answer);
        await using var stream = await OpenAsync(waypoint, serve: socket =>
        {
            Interlocked.Increment(ref connections);
            return endpoint(socket);
        });
        Assert.True(await RawHttp2.IsServedBehindAsync(stream, 20, (":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/b")));
        Assert.StartsWith("GET /b ", Assert.Single(_seen), StringComparison.Ordinal);
        Assert.Equal(1, connections);
        await _mesh.LoggedAsync("took the request back before it was looked at");
    }

    private async Task<Stream> OpenAsync(bool waypoint, HeaderModification? edits = null, Func<Socket, Task>? serve = null, TunnelProtocol protocol = TunnelProtocol.Hbone)
    {
        serve ??= RawExchange.Endpoint(_seen, _ => _answer);
        if (waypoint)
        {
            var service = _mesh.AddService("a");
            _owned.Add(await RawPod.StartAsync(_mesh, protocol, serve));
            if (edits is not null)
            {
                _mesh.SetRoute("a", ("a", 1));
                _mesh.Configure(requests => requests with
                {
                    HttpRoutes = requests.HttpRoutes.SetItem("app/a", requests.HttpRoutes["app/a"] with
                    {
                        Rules = [requests.HttpRoutes["app/a"].Rules[0] with { RequestHeaders = edits }],
                    }),
                });
            }

            await _mesh.StartWaypointAsync();
            var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
            _owned.Add(client);
            return (await TunnelAsync(client, service)).AsStream();
        }

        _mesh.AddService("web", waypoint: null);
        _owned.Add(await RawPod.StartAsync(_mesh, protocol, serve, "web"));
        _mesh.SetGatewayRoute(edits);
        await _mesh.StartGatewayAsync(new GatewayListener("http", 8080, "HTTP", null, AllowedNamespaces.Same, null));
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(_mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0], 8080);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private ValueTask<HboneTunnel> TunnelAsync(HboneClient client, MeshService service)
    {
        var waypoint = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"];
        return client.ConnectAsync(new HboneConnectRequest
        {
            NextHop = new IPEndPoint(waypoint.Addresses[0], 15008),
            Authority = $"{service.Vips[0].Address}:80",
            Source = TestMesh.Id("sleep"),
            AcceptedIdentities = [waypoint.Identity],
        });
    }
}
