using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Tests.Requests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Waypoint;

/// <summary>A waypoint over real sockets and certificates: client tunnels in, endpoint tunnels out.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class WaypointServerTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task Get_ServiceWithoutPolicy_ReachesThePodOverHboneAsTheWaypoint()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var response = await client.GetAsync(new Uri("/x/../path?q=1", UriKind.Relative));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("hello from a-0", await response.Content.ReadAsStringAsync());
        Assert.Equal("istio-envoy", response.Headers.Server.ToString());
        Assert.True(response.Headers.Contains("x-envoy-upstream-service-time"));
        var tunnel = Assert.Single(pod.Tunnels);
        Assert.Equal(TestMesh.Id("waypoint"), tunnel.Identity);
        Assert.Equal($"{pod.Workload.Addresses[0]}:8080", tunnel.Authority);
        var waypoint = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"];
        Assert.Equal(waypoint.Addresses[0], tunnel.Source);
        var seen = Assert.Single(pod.Requests);
        Assert.Equal("/path?q=1", seen.Target);
        Assert.Equal("HTTP/1.1", seen.Protocol);
        Assert.Equal("a", seen.Headers["host"]);
        Assert.Equal("http", seen.Headers["x-forwarded-proto"]);
        Assert.Equal("1", seen.Headers["x-envoy-attempt-count"]);
        Assert.True(Guid.TryParse(seen.Headers["x-request-id"], out _));
        Assert.DoesNotContain("x-forwarded-for", seen.Headers.Keys);
    }

    [Fact]
    public async Task Get_ClientHeaders_AreKeptSaveForTheStatedIdentity()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.TryAddWithoutValidation("x-request-id", "mine");
        request.Headers.TryAddWithoutValidation("x-forwarded-for", "9.9.9.9");
        request.Headers.TryAddWithoutValidation("x-forwarded-client-cert", "URI=spiffe://cluster.local/ns/app/sa/admin");
        request.Headers.TryAddWithoutValidation("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        request.Headers.TryAddWithoutValidation("x-hop", "1");
        request.Headers.TryAddWithoutValidation("connection", "x-hop");
        request.Headers.Host = "other.example:81";
        using var response = await client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var seen = Assert.Single(pod.Requests).Headers;
        Assert.Equal("mine", seen["x-request-id"]);
        Assert.Equal("9.9.9.9", seen["x-forwarded-for"]);
        Assert.Equal("other.example:81", seen["host"]);
        Assert.StartsWith("00-0af7", seen["traceparent"], StringComparison.Ordinal);
        Assert.DoesNotContain("x-forwarded-client-cert", seen.Keys);
        Assert.DoesNotContain("x-hop", seen.Keys);
    }

    [Fact]
    public async Task Policy_MethodsOfOnePrincipal_AnswersTheOthersWithTheExactDenial()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.SetPolicy("viewer", "a", ["cluster.local/ns/app/sa/sleep"], ["GET"]);
        await _mesh.StartWaypointAsync();
        var sleep = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        var notsleep = _mesh.ThroughWaypoint(TestMesh.Id("notsleep"), service);

        using var allowed = await sleep.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.OK, allowed.StatusCode);
        using var method = await sleep.DeleteAsync(new Uri("/", UriKind.Relative));
        await AssertDeniedAsync(method);
        using var identity = await notsleep.GetAsync(new Uri("/", UriKind.Relative));
        await AssertDeniedAsync(identity);
        Assert.Single(pod.Requests);
        await _mesh.LoggedAsync("app/viewer");
        await _mesh.LoggedAsync("spiffe://cluster.local/ns/app/sa/notsleep");
        Assert.Contains("istio_requests_total{reporter=\"waypoint\"", _mesh.Scrape, StringComparison.Ordinal);
        Assert.Contains("response_code=\"403\"", _mesh.Scrape, StringComparison.Ordinal);
        Assert.Contains("destination_service=\"a.app.svc.cluster.local\"", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Token_ThatIsNone_WhereARequestAuthenticationLooksForOne_Is401_AndTheLogNamesIt()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.Configure(requests => requests with
        {
            RequestAuthentications = requests.RequestAuthentications.Add("app/jwt", new RequestAuthentication
            {
                Name = "jwt",
                Namespace = "app",
                Targets = [new ObjectReference("", "Service", "app", "a")],
                Rules = [new JwtRule { Issuer = "https://issuer.example", Jwks = "{}" }],
            }),
        });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);

        Assert.Equal("hello from a-0", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.TryAddWithoutValidation("authorization", "Bearer a.b.c");
        using var header = await client.SendAsync(request);
        using var parameter = await client.GetAsync(new Uri("/?access_token=a.b.c", UriKind.Relative));
        foreach (var (refused, target) in new[] { (header, "/"), (parameter, "/?access_token=a.b.c") })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.EndsWith($"{target}\", error=\"invalid_token\"", refused.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
            Assert.Equal("Jwt header is an invalid Base64url encoded", await refused.Content.ReadAsStringAsync());
        }

        Assert.Single(pod.Requests);
        await _mesh.LoggedAsync("RequestAuthentication app/jwt");
    }

    [Fact]
    public async Task TrustDomainAlias_IsLetIn_AndCountsInPolicies()
    {
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.SetPolicy("viewer", "a", ["cluster.local/ns/app/sa/sleep"], []);
        await _mesh.StartWaypointAsync();
        var sleep = _mesh.ThroughWaypoint(SpiffeId.ForServiceAccount("old.example", "app", "sleep"), service);
        await Assert.ThrowsAsync<HttpRequestException>(() => sleep.GetAsync(new Uri("/", UriKind.Relative)));
        await _mesh.LoggedAsync("old.example");

        _mesh.Configure(requests => requests with { TrustDomainAliases = ["old.example"] });
        Assert.Equal("hello from a-0", await sleep.GetStringAsync(new Uri("/", UriKind.Relative)));
        using var stranger = await _mesh.ThroughWaypoint(SpiffeId.ForServiceAccount("old.example", "app", "stranger"), service).GetAsync(new Uri("/", UriKind.Relative));
        await AssertDeniedAsync(stranger);
    }

    [Fact]
    public async Task AccessLog_IsWrittenWhereTheMeshConfigWantsIt()
    {
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.Configure(requests => requests with { LogsAccess = false });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        await client.GetStringAsync(new Uri("/silent", UriKind.Relative));
        _mesh.Configure(requests => requests with { LogsAccess = true });
        await client.GetStringAsync(new Uri("/spoken", UriKind.Relative));

        await _mesh.LoggedAsync("path=\"/spoken\"");
        Assert.DoesNotContain("/silent", _mesh.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(PathNormalization.Base, HttpStatusCode.OK, "//admin")]
    [InlineData(PathNormalization.MergeSlashes, HttpStatusCode.Forbidden, null)]
    public async Task Path_IsJudgedAndSentAsTheMeshConfigSays(PathNormalization normalization, HttpStatusCode status, string? sent)
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.Configure(requests => requests with
        {
            PathNormalization = normalization,
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/admin", new RequestAuthorizationPolicy
            {
                Name = "admin",
                Namespace = "app",
                Action = PolicyAction.Deny,
                Targets = [new ObjectReference("", "Service", "app", "a")],
                Rules = [new RequestRule { To = [new RequestOperation { Paths = new ValueMatch(["/admin"], []) }] }],
            }),
        });
        await _mesh.StartWaypointAsync();
        using var response = await _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service).GetAsync(new Uri($"http://a:80//admin"));
        Assert.Equal(status, response.StatusCode);
        Assert.Equal(sent, pod.Requests.SingleOrDefault()?.Target);
    }

    [Fact]
    public async Task Policies_ThatDecideNothing_AreReported()
    {
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        Trial("audit", PolicyAction.Audit, dryRun: false, "/x");
        Trial("trial", PolicyAction.Deny, dryRun: true, "/x");
        Trial("only-y", PolicyAction.Allow, dryRun: true, "/y");
        await _mesh.StartWaypointAsync();
        Assert.True(_mesh.Loggers.Filter.TryAppend("rbac=debug", out var filter, out _));
        _mesh.Loggers.Filter = filter;
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        Assert.Equal("hello from a-0", await client.GetStringAsync(new Uri("/x", UriKind.Relative)));

        await _mesh.LoggedAsync("audit policy match policy=app/audit src=");
        await _mesh.LoggedAsync("dry-run: deny policy match policy=app/trial src=");
        await _mesh.LoggedAsync("dry-run: no allow policies match src=");
        await _mesh.LoggedAsync("audit=\"app/audit\" dry_run_deny=\"app/trial\"");
        Assert.Contains("istio_audit_matched_total 1", _mesh.Scrape, StringComparison.Ordinal);
        Assert.Contains("istio_dry_run_deny_shadow_denied_total 1", _mesh.Scrape, StringComparison.Ordinal);
        Assert.Contains("istio_dry_run_allow_shadow_denied_total 1", _mesh.Scrape, StringComparison.Ordinal);
    }

    private void Trial(string name, PolicyAction action, bool dryRun, string path) => _mesh.Configure(requests => requests with
    {
        AuthorizationPolicies = requests.AuthorizationPolicies.SetItem($"app/{name}", new RequestAuthorizationPolicy
        {
            Name = name,
            Namespace = "app",
            Action = action,
            DryRun = dryRun,
            Targets = [new ObjectReference("", "Service", "app", "a")],
            Rules = [new RequestRule { To = [new RequestOperation { Paths = new ValueMatch([path], []) }] }],
        }),
    });

    [Fact]
    public async Task Policy_Denial_OfGrpcIsTrailersOnly()
    {
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.SetPolicy("nobody", "a", ["cluster.local/ns/app/sa/nobody"], []);
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, 90);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/pkg.Service/Method") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Content = new ByteArrayContent([0, 0, 0, 0, 0]);
        request.Content.Headers.TryAddWithoutValidation("content-type", "application/grpc");
        using var response = await client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("7", response.Headers.GetValues("grpc-status").Single());
        Assert.Equal("RBAC: access denied", response.Headers.GetValues("grpc-message").Single());
        Assert.Equal("application/grpc", response.Content.Headers.ContentType!.ToString());
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Route_Weights_SplitAndFlipWithoutAFailedRequest()
    {
        var service = _mesh.AddService("a");
        _mesh.AddService("a-v1");
        _mesh.AddService("a-v2");
        await _mesh.AddPodAsync("v1-0", "a", "a-v1");
        await _mesh.AddPodAsync("v2-0", "a", "a-v2");
        _mesh.SetRoute("a", ("a-v1", 90), ("a-v2", 10));
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);

        var counts = await CountPodsAsync(client, 500);
        Assert.InRange(counts.GetValueOrDefault("v2-0"), 28, 75);

        // Under load from several clients the route flips; whatever a request saw, it is answered.
        using var stop = new CancellationTokenSource();
        var load = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            var sent = 0;
            while (!stop.IsCancellationRequested)
            {
                using var response = await client.GetAsync(new Uri("/", UriKind.Relative), CancellationToken.None);
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
                sent++;
            }

            return sent;
        })).ToArray();
        for (var flip = 0; flip < 10; flip++)
        {
            await Task.Delay(20);
            _mesh.SetRoute("a", ("a-v1", flip % 2 == 0 ? 0 : 100), ("a-v2", flip % 2 == 0 ? 100 : 0));
        }

        await stop.CancelAsync();
        Assert.All(await Task.WhenAll(load), sent => Assert.True(sent > 0));
        _mesh.SetRoute("a", ("a-v1", 0), ("a-v2", 100));
        Assert.Equal(50, (await CountPodsAsync(client, 50)).GetValueOrDefault("v2-0"));
    }

    [Fact]
    public async Task Backend_WithoutEndpoints_Is503AndSaysWhich()
    {
        var service = _mesh.AddService("a");
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("no healthy upstream", await response.Content.ReadAsStringAsync());
        await _mesh.LoggedAsync("a.app.svc.cluster.local:80");
        await _mesh.LoggedAsync("flags=\"UH\"");
    }

    [Fact]
    public async Task Backend_ThatIsDown_Is503AfterTriesAndTheLogNamesIt()
    {
        var service = _mesh.AddService("a");
        _mesh.AddWorkload("down-0", "a", TunnelProtocol.Hbone, "a");
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var response = await client.PostAsync(new Uri("/", UriKind.Relative), new StringContent("body"));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        await _mesh.LoggedAsync("(attempt 3): app/down-0 at");
        await _mesh.LoggedAsync("flags=\"UF,URX\"");
    }

    [Fact]
    public async Task Backend_OneOfTwoDown_EveryRequestIsAnsweredByTheOther()
    {
        var service = _mesh.AddService("a");
        _mesh.AddWorkload("down-0", "a", TunnelProtocol.Hbone, "a");
        var up = await _mesh.AddPodAsync("up-0", "a", "a");
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        for (var i = 0; i < 20; i++)
        {
            using var response = await client.PostAsync(new Uri("/", UriKind.Relative), new StringContent("body"));
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal(20, up.Requests.Count);
        Assert.Contains(up.Requests, request => request.Headers["x-envoy-attempt-count"] == "2");
    }

    [Fact]
    public async Task Backend_WithoutHbone_IsReachedInPlainText()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a", TunnelProtocol.Tcp);
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Empty(pod.Tunnels);
        Assert.Equal(_mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"].Addresses[0], Assert.Single(pod.Requests).Source);
    }

    [Fact]
    public async Task Backend_WithAnotherIdentity_IsNotTalkedTo()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "impostor", "a");
        _mesh.Publish(builder => builder.Set(pod.Workload with { ServiceAccount = "a" }));
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Empty(pod.Requests);
    }

    [Theory]
    [InlineData(80, "HTTP/1.1")]
    [InlineData(82, "HTTP/1.1")]
    [InlineData(90, "HTTP/2")]
    public async Task Ports_UpstreamSpeaksWhatThePortDeclares(int port, string protocol)
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, port);
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(protocol, Assert.Single(pod.Requests).Protocol);
    }

    [Theory]
    [InlineData(80, "HTTP/1.1")]
    [InlineData(90, "HTTP/2")]
    [InlineData(92, "HTTP/2")]
    public async Task Http2Client_WithPriorKnowledge_IsServed(int port, string protocol)
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, port);
        client.DefaultRequestVersion = HttpVersion.Version20;
        client.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(HttpVersion.Version20, response.Version);
        Assert.Equal(protocol, Assert.Single(pod.Requests).Protocol);
    }

    [Fact]
    public async Task Grpc_StreamBothWays_ArrivesMessageByMessageWithTrailers()
    {
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a", map: app => app.MapPost("/pkg.Echo/Chat", async http =>
        {
            http.Response.ContentType = "application/grpc";
            http.Response.DeclareTrailer("grpc-status");
            await http.Response.StartAsync();
            var buffer = new byte[16];
            int read;
            while ((read = await http.Request.Body.ReadAsync(buffer)) > 0)
            {
                await http.Response.Body.WriteAsync(buffer.AsMemory(0, read));
                await http.Response.Body.FlushAsync();
            }

            http.Response.AppendTrailer("grpc-status", "0");
        }));
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, 90);
        var pipe = new System.IO.Pipelines.Pipe();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/pkg.Echo/Chat") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Content = new DuplexContent(pipe.Reader);
        request.Content.Headers.TryAddWithoutValidation("content-type", "application/grpc");
        request.Headers.TryAddWithoutValidation("te", "trailers");
        var sending = client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await pipe.Writer.WriteAsync("first"u8.ToArray());
        using var response = await sending.WaitAsync(TimeSpan.FromSeconds(60));
        var body = await response.Content.ReadAsStreamAsync();
        Assert.Equal("first", await ReadAsync(body, 5));
        await pipe.Writer.WriteAsync("second"u8.ToArray());
        Assert.Equal("second", await ReadAsync(body, 6));
        await pipe.Writer.CompleteAsync();
        Assert.Equal(0, await body.ReadAsync(new byte[1]));
        Assert.Equal("0", response.TrailingHeaders.GetValues("grpc-status").Single());
        Assert.Contains("request_protocol=\"grpc\",response_code=\"200\",grpc_response_status=\"0\"", await EventuallyAsync(() => _mesh.Scrape, scrape => scrape.Contains("grpc_response_status=\"0\"", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bodies_Large_ArriveWholeBothWays()
    {
        var service = _mesh.AddService("a");
        var body = new byte[20 * 1024 * 1024];
        new Random(5).NextBytes(body);
        await _mesh.AddPodAsync("a-0", "a", "a", map: app =>
        {
            app.MapPost("/up", async http => await http.Response.Body.WriteAsync(await System.Security.Cryptography.SHA256.HashDataAsync(http.Request.Body)));
            app.MapGet("/down", http => http.Response.Body.WriteAsync(body).AsTask());
        });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var up = await client.PostAsync(new Uri("/up", UriKind.Relative), new ByteArrayContent(body));
        var hash = await up.Content.ReadAsByteArrayAsync();
        var down = await client.GetByteArrayAsync(new Uri("/down", UriKind.Relative));

        Assert.Equal(System.Security.Cryptography.SHA256.HashData(body), hash);
        Assert.True(body.AsSpan().SequenceEqual(down));
        await _mesh.LoggedAsync("bytes_recv=20971520 bytes_sent=32");
        await _mesh.LoggedAsync("bytes_recv=0 bytes_sent=20971520");
    }

    [Fact]
    public async Task WebSocket_Upgrade_EchoesBothWays()
    {
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a", map: app =>
        {
            app.UseWebSockets();
            app.Map("/ws", async http =>
            {
                using var socket = await http.WebSockets.AcceptWebSocketAsync();
                var buffer = new byte[64];
                var received = await socket.ReceiveAsync(buffer, CancellationToken.None);
                await socket.SendAsync(buffer.AsMemory(0, received.Count), WebSocketMessageType.Text, true, CancellationToken.None);
                await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
            });
        });
        await _mesh.StartWaypointAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri("ws://a/ws"), client, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));
        await socket.SendAsync("ping"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        var buffer = new byte[64];
        var received = await socket.ReceiveAsync(buffer, CancellationToken.None);
        Assert.Equal("ping", Encoding.ASCII.GetString(buffer, 0, received.Count));
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
    }

    /// <summary>Client and endpoint may each speak either version: the handshake of one is made into that of the other.</summary>
    [Theory]
    [InlineData("1.1", 80)]
    [InlineData("1.1", 90)]
    [InlineData("2.0", 80)]
    [InlineData("2.0", 90)]
    public async Task WebSocket_BetweenAllVersions_EchoesBothWays(string version, int port)
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a", map: app =>
        {
            app.UseWebSockets();
            app.Map("/ws", async http =>
            {
                using var socket = await http.WebSockets.AcceptWebSocketAsync("chat");
                var buffer = new byte[64];
                while (await socket.ReceiveAsync(buffer, CancellationToken.None) is { MessageType: not WebSocketMessageType.Close } received)
                {
                    await socket.SendAsync(buffer.AsMemory(0, received.Count), WebSocketMessageType.Text, true, CancellationToken.None);
                }

                await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
            });
        });
        await _mesh.StartWaypointAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, port);
        using var socket = new ClientWebSocket();
        socket.Options.HttpVersion = Version.Parse(version);
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        socket.Options.AddSubProtocol("chat");
        await socket.ConnectAsync(new Uri($"ws://a:{port}/ws"), client, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal("chat", socket.SubProtocol);
        foreach (var text in new[] { "first", "second" })
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes(text), WebSocketMessageType.Text, true, CancellationToken.None);
            var buffer = new byte[64];
            var received = await socket.ReceiveAsync(buffer, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));
            Assert.Equal(text, Encoding.ASCII.GetString(buffer, 0, received.Count));
        }

        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(port == 90 ? "HTTP/2" : "HTTP/1.1", Assert.Single(pod.Requests).Protocol);
        await _mesh.LoggedAsync($"status={(version == "2.0" ? 200 : 101)}");
    }

    [Fact]
    public async Task Client_ThatWaitsForTheClose_IsClosedAtOnce()
    {
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        await using var tunnel = await OpenAsync(client, $"{service.Vips[0].Address}:80", TestMesh.Id("sleep"));
        var begun = TimeProvider.System.GetTimestamp();
        await tunnel.Output.WriteAsync("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"u8.ToArray());
        using var reader = new StreamReader(tunnel.AsStream());
        var answer = await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60));

        Assert.StartsWith("HTTP/1.1 200 OK", answer, StringComparison.Ordinal);
        Assert.Contains("hello from a-0", answer, StringComparison.Ordinal);
        Assert.True(TimeProvider.System.GetElapsedTime(begun) < TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task OpaquePort_IsRelayedWhenPolicyOfTheConnectionAllows()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.SetPolicy("viewer", "a", ["cluster.local/ns/app/sa/sleep"], []);
        await _mesh.StartWaypointAsync();
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        await using var tunnel = await OpenAsync(client, $"{service.Vips[0].Address}:81", TestMesh.Id("sleep"));
        await tunnel.Output.WriteAsync("GET /raw HTTP/1.0\r\n\r\n"u8.ToArray());

        // Not ended here: our end is handed on to the pod, and Kestrel takes a client's end for its going away.
        using var reader = new StreamReader(tunnel.AsStream());
        Assert.Contains("hello from a-0", await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60)), StringComparison.Ordinal);
        Assert.DoesNotContain("x-request-id", Assert.Single(pod.Requests).Headers.Keys);

        var refused = await Assert.ThrowsAsync<HboneException>(async () => await OpenAsync(client, $"{service.Vips[0].Address}:81", TestMesh.Id("notsleep")));
        Assert.Equal(401, refused.StatusCode);
        await _mesh.LoggedAsync("app/viewer");
    }

    [Fact]
    public async Task Connect_ForWhatIsNotBoundHere_IsRefusedWithAReason()
    {
        var elsewhere = _mesh.AddService("b", waypoint: "other");
        var unbound = _mesh.AddService("c", waypoint: null);
        var bound = _mesh.AddService("a");
        var pod = _mesh.AddWorkload("c-0", "c", TunnelProtocol.Hbone, "c");
        await _mesh.StartWaypointAsync();
        var self = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"];
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        foreach (var (authority, status) in new[]
        {
            ($"{elsewhere.Vips[0].Address}:80", 404), ($"{unbound.Vips[0].Address}:80", 404), ($"{pod.Addresses[0]}:8080", 404),
            ($"{self.Addresses[0]}:15021", 404), ("203.0.113.9:80", 404), ("nowhere.example:80", 404), ($"{bound.Vips[0].Address}:1", 404), ("nonsense", 400),
        })
        {
            var refused = await Assert.ThrowsAsync<HboneException>(async () => await OpenAsync(client, authority, TestMesh.Id("sleep")));
            Assert.Equal(status, refused.StatusCode);
        }

        await _mesh.LoggedAsync("service app/b.app.svc.cluster.local is not bound to this waypoint but to app/other.app.svc.cluster.local");
    }

    [Fact]
    public async Task Connect_ForABoundWorkload_IsServedOnItsOwnPort()
    {
        _mesh.AddService("a", waypoint: null);
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.Publish(builder => builder.Set(pod.Workload with { Waypoint = GatewayAddress.ByHostname("app", "waypoint.app.svc.cluster.local") }));
        await _mesh.StartWaypointAsync();
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        await using var tunnel = await OpenAsync(client, $"{pod.Workload.Addresses[0]}:8080", TestMesh.Id("sleep"));
        await tunnel.Output.WriteAsync("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"u8.ToArray());
        using var reader = new StreamReader(tunnel.AsStream());
        Assert.Contains("istio-envoy", await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60)), StringComparison.Ordinal);
        Assert.True(Guid.TryParse(Assert.Single(pod.Requests).Headers["x-request-id"], out _));
    }

    [Fact]
    public async Task Endpoint_ThatLeavesTheMesh_GetsNoMoreRequests()
    {
        var service = _mesh.AddService("a");
        var first = await _mesh.AddPodAsync("a-0", "a", "a");
        var node = await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        Assert.Equal(5, (await CountPodsAsync(client, 5)).GetValueOrDefault("a-0"));
        Assert.Equal(1, node.Upstreams!.Count);

        await _mesh.AddPodAsync("a-1", "a", "a");
        _mesh.Publish(builder => builder.RemoveWorkload(first.Workload.Uid));
        Assert.Equal(5, (await CountPodsAsync(client, 5)).GetValueOrDefault("a-1"));
        Assert.Equal(1, node.Upstreams.Count);
    }

    [Fact]
    public async Task Shutdown_RequestUnderWay_IsFinished()
    {
        var service = _mesh.AddService("a");
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var leave = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _mesh.AddPodAsync("a-0", "a", "a", map: app => app.MapGet("/slow", async () =>
        {
            entered.SetResult();
            await leave.Task;
            return "done";
        }));
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        var answer = client.GetStringAsync(new Uri("/slow", UriKind.Relative));
        await entered.Task.WaitAsync(TimeSpan.FromSeconds(60));
        _mesh.Shutdown.Begin("test");
        await EventuallyAsync(() => CanConnect(_mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"].Addresses[0]), open => !open);
        leave.SetResult();
        Assert.Equal("done", await answer.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    // StreamContent would have the client wait for the end of the request before it looks at the answer.
    private sealed class DuplexContent(System.IO.Pipelines.PipeReader body) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.FlushAsync();
            System.IO.Pipelines.ReadResult result;
            do
            {
                result = await body.ReadAsync();
                foreach (var segment in result.Buffer)
                {
                    await stream.WriteAsync(segment);
                    await stream.FlushAsync();
                }

                body.AdvanceTo(result.Buffer.End);
            }
            while (!result.IsCompleted);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    private static bool CanConnect(IPAddress address)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(address, 15008);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private ValueTask<HboneTunnel> OpenAsync(HboneClient client, string authority, Ambient.Identity.SpiffeId identity)
    {
        var waypoint = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"];
        return client.ConnectAsync(new HboneConnectRequest
        {
            NextHop = new IPEndPoint(waypoint.Addresses[0], 15008),
            Authority = authority,
            Source = identity,
            AcceptedIdentities = [waypoint.Identity],
        });
    }

    private static async Task<Dictionary<string, int>> CountPodsAsync(HttpClient client, int requests)
    {
        var counts = new Dictionary<string, int>();
        for (var i = 0; i < requests; i++)
        {
            using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            var pod = response.Headers.GetValues("x-pod").Single();
            counts[pod] = counts.GetValueOrDefault(pod) + 1;
        }

        return counts;
    }

    private static async Task AssertDeniedAsync(HttpResponseMessage response)
    {
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Equal("RBAC: access denied", await response.Content.ReadAsStringAsync());
        Assert.Equal("text/plain", response.Content.Headers.ContentType!.ToString());
        Assert.Equal("istio-envoy", response.Headers.Server.ToString());
    }

    private static async Task<string> ReadAsync(Stream stream, int length)
    {
        var buffer = new byte[length];
        await stream.ReadExactlyAsync(buffer).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        return Encoding.ASCII.GetString(buffer);
    }

    private static async Task<T> EventuallyAsync<T>(Func<T> look, Func<T, bool> until)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            var seen = look();
            if (until(seen) || deadline.IsCancellationRequested)
            {
                return seen;
            }

            await Task.Delay(20, CancellationToken.None);
        }
    }
}
