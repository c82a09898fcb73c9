using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Tests.Requests;
using Ambient.Node.Tests.Requests.Tokens;

namespace Ambient.Node.Tests.Gateway;

/// <summary>An ingress gateway over real sockets: plain HTTP in, tunnels out.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class GatewayServerTests : IAsyncLifetime
{
    private static readonly GatewayListener s_http = Listener("http", 8080);

    private readonly TestMesh _mesh = new();

    /// <summary>The system's, but waits of two seconds end when the test says so.</summary>
    private sealed class CountingClock : TimeProvider
    {
        private readonly System.Collections.Concurrent.ConcurrentQueue<Action> _waits = new();

        public int Waits => _waits.Count;

        public void Fire()
        {
            while (_waits.TryDequeue(out var wait))
            {
                wait();
            }
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime != TimeSpan.FromSeconds(2) || period != Timeout.InfiniteTimeSpan)
            {
                return base.CreateTimer(callback, state, dueTime, period);
            }

            _waits.Enqueue(() => callback(state));
            return base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task Get_MatchedPath_ReachesThePodAsTheGatewayAndPastItsWaypoint()
    {
        _mesh.AddService("web", waypoint: "waypoint");
        var pod = await _mesh.AddPodAsync("web-0", "web", "web");
        Route("/page", "web");
        var client = await StartAsync(s_http);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/page/1");
        request.Headers.TryAddWithoutValidation("x-forwarded-client-cert", "URI=spiffe://cluster.local/ns/app/sa/admin");
        request.Headers.TryAddWithoutValidation("x-forwarded-proto", "https");
        request.Headers.TryAddWithoutValidation("x-forwarded-for", "9.9.9.9");
        using var response = await client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("istio-envoy", response.Headers.Server.ToString());
        Assert.Equal(TestMesh.Id("gw-istio"), Assert.Single(pod.Tunnels).Identity);
        var seen = Assert.Single(pod.Requests).Headers;
        Assert.Equal("9.9.9.9,127.0.0.1", seen["x-forwarded-for"]);
        Assert.Equal("http", seen["x-forwarded-proto"]);
        Assert.DoesNotContain("x-forwarded-client-cert", seen.Keys);
        Assert.True(Guid.TryParse(seen["x-request-id"], out _));
        await _mesh.LoggedAsync("route=\"app/route");
        Assert.Contains("istio_requests_total{reporter=\"source\",source_workload=\"unknown\"", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_WhoseTokenIsVerified_GoesOnOnTheThreadThatItCameOn()
    {
        await using var issuer = new TestIssuer().WithRsa("k1");
        var threads = new List<int>();
        _mesh.Filters.Add(new ThreadFilter(threads));
        _mesh.AddService("web", waypoint: null);
        await _mesh.AddPodAsync("web-0", "web", "web");
        Route("/", "web");
        _mesh.Configure(requests => requests with
        {
            RequestAuthentications = requests.RequestAuthentications.SetItem("app/jwt", new RequestAuthentication
            {
                Name = "jwt",
                Namespace = "app",
                Targets = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
                Rules = [new JwtRule { Issuer = "https://issuer.example", Jwks = issuer.Keys() }],
            }),
        });
        var client = await StartAsync(s_http);
        for (var i = 0; i < 6; i++)
        {
            // Each token is a new one, so that each is verified, away from the threads that carry requests. The first request of a connection may
            // be read by whoever accepted it.
            using var request = new HttpRequestMessage(HttpMethod.Get, "/");
            request.Headers.Add("authorization", $"Bearer {issuer.Sign("k1", "RS256", $$"""{"iss":"https://issuer.example","sub":"{{i}}"}""")}");
            using var response = await client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal(6, threads.Count);
        threads.RemoveAt(0);
        Assert.All(threads, static thread => Assert.True(thread >= 0));
        Assert.Single(threads.Distinct());
    }

    private sealed class ThreadFilter(List<int> threads) : Ambient.Node.Requests.MeshRequestFilter
    {
        public override ValueTask OnRequestAsync(Ambient.Node.Requests.MeshRequestContext context)
        {
            threads.Add(Ambient.Hbone.Sockets.HboneIo.CurrentThread);
            return default;
        }
    }

    [Fact]
    public async Task Port_ThatStaysClosed_IsTriedAgainByOneTimer_HoweverOftenTheMeshChanges()
    {
        var clock = new CountingClock();
        _mesh.Time = clock;
        await StartAsync(s_http);
        var address = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0];
        using var taken = new System.Net.Sockets.TcpListener(address, 8081);
        taken.Start();
        for (var port = 9000; port < 9020; port++)
        {
            // Each change opens one more port, so that it is known when it was looked at.
            _mesh.SetGateway(s_http, Listener("taken", 8081), Listener("next", port));
            await _mesh.LoggedAsync($"listener port {port} is open");
        }

        Assert.Equal(1, clock.Waits);
        taken.Stop();
        clock.Fire();
        await _mesh.LoggedAsync("listener port 8081 is open");
    }

    [Fact]
    public async Task TrustedProxies_SayWhoTheClientIs_ForPoliciesAndEndpoint()
    {
        _mesh.AddService("web", waypoint: null);
        var pod = await _mesh.AddPodAsync("web-0", "web", "web");
        Route("/", "web");
        var client = await StartAsync(s_http);
        _mesh.Configure(requests => requests with
        {
            Gateways = requests.Gateways.SetItem("app/gw", requests.Gateways["app/gw"] with { NumTrustedProxies = 1 }),
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/office", new RequestAuthorizationPolicy
            {
                Name = "office",
                Namespace = "app",
                Targets = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
                Rules = [new RequestRule { From = [new RequestSource { RemoteIpBlocks = new ValueMatch(["203.0.113.0/24"], []) }] }],
            }),
        });
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync("203.0.113.7, 198.51.100.1"));
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync(null));
        Assert.Equal(HttpStatusCode.OK, await AskAsync("198.51.100.1, 203.0.113.7"));
        var seen = Assert.Single(pod.Requests).Headers;
        Assert.Equal("198.51.100.1, 203.0.113.7,127.0.0.1", seen["x-forwarded-for"]);
        Assert.Equal(("https", "203.0.113.7"), (seen["x-forwarded-proto"], seen["x-envoy-external-address"]));

        async Task<HttpStatusCode> AskAsync(string? forwarded)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/");
            request.Headers.TryAddWithoutValidation("x-forwarded-proto", "https");
            if (forwarded is not null)
            {
                request.Headers.TryAddWithoutValidation("x-forwarded-for", forwarded);
            }

            using var response = await client.SendAsync(request);
            return response.StatusCode;
        }
    }

    [Fact]
    public async Task Token_ThatIsNone_WhereARequestAuthenticationLooksForOne_Is401()
    {
        _mesh.AddService("web", waypoint: null);
        var pod = await _mesh.AddPodAsync("web-0", "web", "web");
        Route("/", "web");
        _mesh.Configure(requests => requests with
        {
            RequestAuthentications = requests.RequestAuthentications.Add("app/jwt", new RequestAuthentication
            {
                Name = "jwt",
                Namespace = "app",
                Targets = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
                Rules = [new JwtRule { Issuer = "https://issuer.example", Jwks = "{}" }],
            }),
        });
        var client = await StartAsync(s_http);
        Assert.Equal("hello from web-0", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
        client.DefaultRequestHeaders.TryAddWithoutValidation("authorization", "Bearer a.b.c");
        using var refused = await client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Single(pod.Requests);
        await _mesh.LoggedAsync("RequestAuthentication app/jwt");
    }

    /// <summary>What the endpoint would see otherwise than policies and routes: refused here as at a waypoint.</summary>
    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: web\r\nConnection: host\r\n", "Connection names host")]
    [InlineData("GET / HTTP/1.1\r\nHost: web\r\nConnection: x-forwarded-for\r\n", "Connection names x-forwarded-for")]
    [InlineData("GET / HTTP/1.1\r\nHost:\r\n", "Host is empty")]
    [InlineData("GET / HTTP/1.0\r\n", "HTTP/1.0 is not served here", 426)]
    [InlineData("GET / HTTP/1.0\r\nHost: web\r\n", "HTTP/1.0 is not served here", 426)]
    public async Task Request_ThatWouldBeSentOnOtherwiseThanItWasJudged_IsRefused(string head, string reason, int status = 400)
    {
        _mesh.AddService("web", waypoint: null);
        var pod = await _mesh.AddPodAsync("web-0", "web", "web");
        Route("/", "web");
        var client = await StartAsync(s_http);
        using var socket = new System.Net.Sockets.TcpClient(client.BaseAddress!.Host, client.BaseAddress.Port);
        await using var stream = socket.GetStream();
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"{head}\r\n"));
        using var reader = new StreamReader(stream);
        Assert.StartsWith($"HTTP/1.1 {status} ", await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)), StringComparison.Ordinal);
        await _mesh.LoggedAsync(reason);
        Assert.Empty(pod.Requests);
    }

    [Fact]
    public async Task Method_ThatDiffersFromAKnownOneInItsCase_ArrivesLetterForLetter()
    {
        _mesh.AddService("web", waypoint: null);
        var pod = await _mesh.AddPodAsync("web-0", "web", "web");
        Route("/", "web");
        var client = await StartAsync(s_http);
        using var socket = new System.Net.Sockets.TcpClient(client.BaseAddress!.Host, client.BaseAddress.Port);
        await using var stream = socket.GetStream();
        Assert.StartsWith("HTTP/1.1 200 ", await RawExchange.AskAsync(stream, "dElete / HTTP/1.1\nhost: web\n\n"), StringComparison.Ordinal);
        Assert.Equal("dElete", Assert.Single(pod.Requests).Method);
    }

    [Fact]
    public async Task MeshConfig_SaysHowPathsAreReadAndWhetherRequestsAreLogged()
    {
        _mesh.AddService("web", waypoint: null);
        var pod = await _mesh.AddPodAsync("web-0", "web", "web");
        Route("/page", "web");
        _mesh.Configure(requests => requests with { PathNormalization = PathNormalization.DecodeAndMergeSlashes, LogsAccess = false });
        var client = await StartAsync(s_http);
        Assert.Equal("hello from web-0", await client.GetStringAsync(new Uri($"{client.BaseAddress!.GetLeftPart(UriPartial.Authority)}//page%2fx")));
        Assert.Equal("/page/x", Assert.Single(pod.Requests).Target);
        _mesh.Configure(requests => requests with { LogsAccess = true });
        await client.GetStringAsync(new Uri("/page/y", UriKind.Relative));
        await _mesh.LoggedAsync("/page/y");
        Assert.DoesNotContain("/page/x", _mesh.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_UnmatchedPath_Is404WithoutABody()
    {
        _mesh.AddService("web", waypoint: null);
        Route("/page", "web");
        var client = await StartAsync(s_http);
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
        await _mesh.LoggedAsync("flags=\"NR\"");
    }

    [Fact]
    public async Task Backend_NotEnrolled_IsReachedInPlainText()
    {
        _mesh.AddService("web", waypoint: null);
        var pod = await _mesh.AddPodAsync("web-0", "web", "web", TunnelProtocol.Tcp);
        Route("/", "web");
        var client = await StartAsync(s_http);

        Assert.Equal("hello from web-0", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
        Assert.Empty(pod.Tunnels);
    }

    [Fact]
    public async Task Listeners_ChangeWithTheGateway_AndUnsupportedOnesAreNamedOnce()
    {
        _mesh.AddService("web", waypoint: null);
        await _mesh.AddPodAsync("web-0", "web", "web");
        Route("/", "web");
        var client = await StartAsync(s_http, new GatewayListener("tls", 8443, "HTTPS", null, AllowedNamespaces.Same, null));
        await _mesh.LoggedAsync("listener tls of Gateway app/gw is not served: an HTTPS listener ends TLS itself");
        Assert.Equal("hello from web-0", await client.GetStringAsync(new Uri("/", UriKind.Relative)));

        _mesh.SetGateway(Listener("other", 8181));
        await _mesh.LoggedAsync("listener port 8181 is open");
        await _mesh.LoggedAsync("listener port 8080 is closed");
        using var other = new HttpClient { BaseAddress = new UriBuilder(client.BaseAddress!) { Port = 8181 }.Uri };
        Assert.Equal("hello from web-0", await other.GetStringAsync(new Uri("/", UriKind.Relative)));
    }

    [Fact]
    public async Task Gateway_ThatServesNoneOfItsListeners_IsNotReady_AndNamesThem()
    {
        var starting = _mesh.StartGatewayAsync(new GatewayListener("secure", 8443, "UDP", null, AllowedNamespaces.Same, null));
        await _mesh.LoggedAsync("listener secure of Gateway app/gw is not served: protocol UDP is not supported");
        while (!_mesh.Node!.Readiness.Pending().Contains("listener secure (protocol UDP is not supported)"))
        {
            await Task.Delay(10);
        }

        Assert.False(starting.IsCompleted);
        _mesh.SetGateway(s_http);
        await starting.WaitAsync(TimeSpan.FromSeconds(60));
        _mesh.SetGateway(new GatewayListener("secure", 8443, "UDP", null, AllowedNamespaces.Same, null));
        while (_mesh.Node.Readiness.IsReady)
        {
            await Task.Delay(10);
        }

        Assert.Equal(["listener secure (protocol UDP is not supported)"], _mesh.Node.Readiness.Pending());
    }

    [Fact]
    public async Task Service_ThatWantsItsWaypoint_IsEnteredThroughItOnly()
    {
        var service = _mesh.AddService("web");
        _mesh.Publish(builder => builder.Set(service with { IngressUseWaypoint = true }));
        var pod = await _mesh.AddPodAsync("web-0", "web", "web");
        Route("/", "web");
        var client = await StartAsync(s_http);
        using (var without = await client.GetAsync(new Uri("/", UriKind.Relative)))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, without.StatusCode);
            Assert.Empty(pod.Tunnels);
        }

        _mesh.SetPolicy("gateway-only", "web", ["cluster.local/ns/app/sa/gw-istio"], ["GET"]);
        await _mesh.StartWaypointAsync();
        Assert.Equal("hello from web-0", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
        Assert.Equal(TestMesh.Id("waypoint"), Assert.Single(pod.Tunnels).Identity);
        using var denied = await client.DeleteAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
    }

    [Fact]
    public async Task MirrorsAndAuthorizers_ThatWantTheirWaypoint_AreReachedThroughItOnly()
    {
        _mesh.AddService("web");
        await _mesh.AddPodAsync("web-0", "web", "web");
        var pods = new List<TestPod>();
        foreach (var name in new[] { "shadow", "authz" })
        {
            var service = _mesh.AddService(name) with { IngressUseWaypoint = true };
            _mesh.Publish(builder => builder.Set(service));
            pods.Add(await _mesh.AddPodAsync($"{name}-0", name, name));
        }

        Route("/", "web");
        _mesh.Configure(requests => requests with
        {
            HttpRoutes = requests.HttpRoutes.SetItem("app/route", requests.HttpRoutes["app/route"] with
            {
                Rules = [.. requests.HttpRoutes["app/route"].Rules.Select(rule => rule with
                {
                    Action = ((ForwardAction)rule.Action) with { Mirrors = [new TrafficMirror(new ObjectReference("", "Service", "app", "shadow", Port: 80))] },
                })],
            }),
            ExternalAuthorizers = requests.ExternalAuthorizers.SetItem("authz", new ExternalAuthorizer
            {
                Name = "authz", Protocol = ExternalAuthorizerProtocol.Http, Hostname = "authz.app.svc.cluster.local", Port = 80, Timeout = TimeSpan.FromSeconds(60),
            }),
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/ask", new RequestAuthorizationPolicy
            {
                Name = "ask",
                Namespace = "app",
                Action = PolicyAction.Custom,
                Provider = "authz",
                Targets = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
                Rules = [new RequestRule()],
            }),
        });
        var client = await StartAsync(s_http);
        using (var without = await client.GetAsync(new Uri("/", UriKind.Relative)))
        {
            Assert.Equal(HttpStatusCode.Forbidden, without.StatusCode);
            Assert.All(pods, static pod => Assert.Empty(pod.Tunnels));
        }

        await _mesh.StartWaypointAsync();
        Assert.Equal("hello from web-0", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (pods.Any(static pod => pod.Requests.IsEmpty))
        {
            await Task.Delay(10, deadline.Token);
        }

        Assert.All(pods, static pod => Assert.Equal(TestMesh.Id("waypoint"), Assert.Single(pod.Tunnels).Identity));
    }

    private static GatewayListener Listener(string name, int port) => new(name, port, "HTTP", null, AllowedNamespaces.Same, null);

    private async Task<HttpClient> StartAsync(params GatewayListener[] listeners)
    {
        await _mesh.StartGatewayAsync(listeners);
        var address = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0];
        return new HttpClient(new SocketsHttpHandler { UseProxy = false, ConnectCallback = null, AllowAutoRedirect = false })
        {
            BaseAddress = new Uri($"http://{address}:8080"),
            Timeout = TimeSpan.FromSeconds(60),
        };
    }

    private void Route(string prefix, string service) => _mesh.Configure(requests => requests with
    {
        HttpRoutes = requests.HttpRoutes.SetItem(
            "app/route",
            new HttpRoute
            {
                Name = "route",
                Namespace = "app",
                ParentRefs = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
                Rules =
                [
                    new TrafficRule
                    {
                        Matches = [new TrafficMatch { Path = new PathMatch(PathMatchKind.Prefix, prefix) }],
                        Action = new ForwardAction { Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", service, Port: 80), 1)] },
                    },
                ],
            }),
    });
}
