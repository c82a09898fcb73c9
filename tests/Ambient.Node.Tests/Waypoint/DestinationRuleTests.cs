using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Tests.Requests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Waypoint;

/// <summary>What a DestinationRule asks, seen by clients of a waypoint.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class DestinationRuleTests : IAsyncLifetime
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly TestMesh _mesh = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _mesh.DisposeAsync();

    [Fact]
    public async Task Subset_HasItsPodsAlone_AndAnUnknownOneNobody()
    {
        var service = _mesh.AddService("a");
        var (one, two) = (await PodAsync("a-0"), await PodAsync("a-1"));
        await _mesh.StartWaypointAsync();
        SetLabels((one, "v1"), (two, "v2"));
        SetRule(TrafficPolicy.None, Subset("v1"), Subset("v2"), Subset("v3"));
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        foreach (var (subset, pod) in new[] { ("v1", "a-0"), ("v2", "a-1") })
        {
            SetRoute(new ForwardAction { Backends = [Backend(subset)] });
            for (var i = 0; i < 8; i++)
            {
                Assert.Equal(pod, await PodOfAsync(client));
            }
        }

        // A label that nobody has, and a name that no rule has.
        foreach (var (subset, body, flag) in new[] { ("v3", "no healthy upstream", "UH"), ("v4", "", "NC") })
        {
            SetRoute(new ForwardAction { Backends = [Backend(subset)] });
            using var response = await client.GetAsync(new Uri($"/{subset}", UriKind.Relative));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
            Assert.Equal(body, await response.Content.ReadAsStringAsync());
            await _mesh.LoggedAsync($"flags=\"{flag}\"");
        }
    }

    [Fact]
    public async Task FailingPod_IsLeftOut_AndComesBackWhenItsTimeIsOver()
    {
        var service = _mesh.AddService("a");
        var isBroken = true;
        await PodAsync("a-0");
        var failing = await PodAsync("a-1", app => app.Use(async (http, next) =>
        {
            if (Volatile.Read(ref isBroken))
            {
                http.Response.StatusCode = 500;
                return;
            }

            await next(http);
        }));
        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy
        {
            OutlierDetection = new OutlierDetection
            {
                Consecutive5xxErrors = 3,
                MaxEjectionPercent = 50,
                Interval = TimeSpan.FromMilliseconds(100),
                BaseEjectionTime = TimeSpan.FromSeconds(2),
            },
        });
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        var failures = 0;
        for (var i = 0; i < 1000 && failures < 3; i++)
        {
            using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
            failures += response.StatusCode == HttpStatusCode.InternalServerError ? 1 : 0;
        }

        // One after the other, so exactly as many as the rule admits.
        Assert.Equal(3, failing.Requests.Count);
        await _mesh.LoggedAsync("app/a-1 at");
        await _mesh.LoggedAsync("is left out of app/a.app.svc.cluster.local:80: consecutive errors; for 2 s");
        Assert.Contains("ambient_outlier_ejections_total 1", _mesh.Scrape, StringComparison.Ordinal);
        var dump = System.Text.Encoding.UTF8.GetString(new Ambient.Node.Hosting.Waypoint.WaypointDump(_mesh.Node!, _mesh.Store, _mesh.Svids).Write().Span);
        Assert.Contains("\"timesLeftOut\": 1,", dump, StringComparison.Ordinal);
        Volatile.Write(ref isBroken, false);
        await _mesh.LoggedAsync("is back in app/a.app.svc.cluster.local:80");
        await UntilAsync(async () => await PodOfAsync(client) == "a-1");
    }

    [Fact]
    public async Task PodThatIsKilledUnderLoad_LosesNoRequest()
    {
        var service = _mesh.AddService("a");
        await PodAsync("a-0");
        var killed = await PodAsync("a-1");
        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy
        {
            OutlierDetection = new OutlierDetection { Consecutive5xxErrors = 5, MaxEjectionPercent = 50, BaseEjectionTime = TimeSpan.FromHours(1) },
        });

        // By default a request whose endpoint breaks off before it answers is not sent again, as it may have been acted on.
        SetRoute(new ForwardAction { Backends = [Backend(null)], Retry = RetryRule.Default with { Conditions = RetryRule.Default.Conditions | RetryConditions.Reset } });
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var answered = 0;

        // Three at a time: as many as may be sent again at a time in any case.
        var load = Enumerable.Range(0, 3).Select(async _ =>
        {
            using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
            while (!done.Task.IsCompleted)
            {
                using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
                Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}\n{_mesh.Log}");
                Interlocked.Increment(ref answered);
            }
        }).ToArray();
        await UntilAsync(() => Task.FromResult(Volatile.Read(ref answered) > 50 && !killed.Requests.IsEmpty));
        await killed.DisposeAsync();
        await _mesh.LoggedAsync("is left out of app/a.app.svc.cluster.local:80");
        var before = Volatile.Read(ref answered);
        await UntilAsync(() => Task.FromResult(Volatile.Read(ref answered) > before + 50));
        done.SetResult();
        await Task.WhenAll(load).WaitAsync(s_patience);
    }

    [Fact]
    public async Task MoreRequestsThanAdmitted_AreRefused_AndAdmittedAgain()
    {
        var service = _mesh.AddService("a");
        var (entered, leave) = (new TaskCompletionSource(), new TaskCompletionSource());
        await PodAsync("a-0", app => app.MapGet("/slow", async () =>
        {
            entered.TrySetResult();
            await leave.Task;
            return "slow";
        }));
        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy { ConnectionPool = new ConnectionPoolSettings { MaxRequests = 1 } });
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        var slow = client.GetAsync(new Uri("/slow", UriKind.Relative));
        await entered.Task.WaitAsync(s_patience);
        using (var refused = await client.GetAsync(new Uri("/", UriKind.Relative)))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Equal("true", Assert.Single(refused.Headers.GetValues("x-envoy-overloaded")));
            Assert.EndsWith("reset reason: overflow", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        await _mesh.LoggedAsync("flags=\"UO\"");
        Assert.Contains("ambient_upstream_overflow_total 1", _mesh.Scrape, StringComparison.Ordinal);
        leave.SetResult();
        using (var answer = await slow.WaitAsync(s_patience))
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        await UntilAsync(async () =>
        {
            using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
            return response.IsSuccessStatusCode;
        });
    }

    [Theory]
    [InlineData(null, 3)]
    [InlineData(0, 1)]
    [InlineData(1, 3)]
    public async Task RetryBudget_SaysWhetherThereIsASecondTry(int? budget, int tries)
    {
        var service = _mesh.AddService("a");
        var pod = await PodAsync("a-0", app => app.Run(http =>
        {
            http.Response.StatusCode = 503;
            return Task.CompletedTask;
        }));
        await _mesh.StartWaypointAsync();
        SetRoute(new ForwardAction { Backends = [Backend(null)], Retry = RetryRule.Default with { StatusCodes = [503] } });
        if (budget is { } concurrency)
        {
            SetRule(new TrafficPolicy { RetryBudget = new RetryBudget(0, concurrency) });
        }

        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        for (var i = 1; i <= 3; i++)
        {
            using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
            Assert.Equal(i * tries, pod.Requests.Count);
        }

        Assert.Equal(budget == 0, _mesh.Scrape.Contains("ambient_upstream_retry_overflow_total 3", StringComparison.Ordinal));
    }

    [Fact]
    public async Task MaxRetries_HoldWhereThereIsNoBudget()
    {
        var service = _mesh.AddService("a");
        var pod = await PodAsync("a-0", app => app.Run(http =>
        {
            http.Response.StatusCode = 503;
            return Task.CompletedTask;
        }));
        await _mesh.StartWaypointAsync();
        SetRoute(new ForwardAction { Backends = [Backend(null)], Retry = RetryRule.Default with { StatusCodes = [503] } });
        SetRule(new TrafficPolicy { ConnectionPool = new ConnectionPoolSettings { MaxRetries = 1 } });
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(3, pod.Requests.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Session_ByCookie_StaysWithItsPod_UntilThatIsGone(bool byRoute)
    {
        var service = _mesh.AddService("a");
        for (var i = 0; i < 4; i++)
        {
            await PodAsync($"a-{i}");
        }

        await _mesh.StartWaypointAsync();
        SetSession(service, new SessionPersistence(true, "sess") { Path = "/", Lifetime = TimeSpan.FromHours(1) }, byRoute);
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var first = await client.GetAsync(new Uri("/", UriKind.Relative));
        var pod = Assert.Single(first.Headers.GetValues("x-pod"));
        var cookie = Assert.Single(first.Headers.GetValues("set-cookie"));
        Assert.StartsWith("sess=\"", cookie, StringComparison.Ordinal);
        Assert.EndsWith("\"; Max-Age=3600; Path=/; HttpOnly", cookie, StringComparison.Ordinal);
        for (var i = 0; i < 20; i++)
        {
            // The client keeps cookies as a browser does.
            using var again = await client.GetAsync(new Uri("/", UriKind.Relative));
            Assert.Equal(pod, Assert.Single(again.Headers.GetValues("x-pod")));
            Assert.False(again.Headers.Contains("set-cookie"));
        }

        _mesh.Publish(builder => builder.RemoveWorkload($"Kubernetes//Pod/app/{pod}"));
        using var elsewhere = await client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.OK, elsewhere.StatusCode);
        Assert.NotEqual(pod, Assert.Single(elsewhere.Headers.GetValues("x-pod")));
        Assert.NotEqual(cookie, Assert.Single(elsewhere.Headers.GetValues("set-cookie")));
    }

    [Fact]
    public async Task Session_ByHeader_StaysWithItsPod_AndLeadsNowhereElse()
    {
        var service = _mesh.AddService("a");
        for (var i = 0; i < 4; i++)
        {
            await PodAsync($"a-{i}");
        }

        await _mesh.AddPodAsync("other-0", "other", "other", TunnelProtocol.Tcp);
        var other = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/other-0"];
        await _mesh.StartWaypointAsync();
        SetSession(service, new SessionPersistence(false, "x-sess"), byRoute: false);
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var first = await client.GetAsync(new Uri("/", UriKind.Relative));
        var pod = Assert.Single(first.Headers.GetValues("x-pod"));
        client.DefaultRequestHeaders.Add("x-sess", Assert.Single(first.Headers.GetValues("x-sess")));
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(pod, await PodOfAsync(client));
        }

        foreach (var forged in new[] { $"{other.Addresses[0]}:8080", "127.0.0.1:1", "x", "" })
        {
            client.DefaultRequestHeaders.Remove("x-sess");
            client.DefaultRequestHeaders.Add("x-sess", forged.Length == 0 ? "%%%" : Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(forged)));
            Assert.StartsWith("a-", await PodOfAsync(client), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task ConsistentHash_ByHeader_IsTheSamePodForTheSameValue()
    {
        var service = _mesh.AddService("a");
        for (var i = 0; i < 3; i++)
        {
            await PodAsync($"a-{i}");
        }

        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy { Balancer = new BalancerSettings { ConsistentHash = new ConsistentHash(HashSource.Header, "x-user") } });
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        var pods = new HashSet<string>();
        for (var user = 0; user < 24; user++)
        {
            client.DefaultRequestHeaders.Remove("x-user");
            client.DefaultRequestHeaders.Add("x-user", $"user-{user}");
            var pod = await PodOfAsync(client);
            pods.Add(pod);
            Assert.Equal(pod, await PodOfAsync(client));
            Assert.Equal(pod, await PodOfAsync(client));
        }

        Assert.Equal(3, pods.Count);
    }

    [Fact]
    public async Task ConsistentHash_ByCookie_GivesOneToAClientWithout()
    {
        var service = _mesh.AddService("a");
        for (var i = 0; i < 4; i++)
        {
            await PodAsync($"a-{i}");
        }

        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy
        {
            Balancer = new BalancerSettings
            {
                ConsistentHash = new ConsistentHash(HashSource.Cookie, "user")
                {
                    CookieLifetime = TimeSpan.FromSeconds(90),
                    CookiePath = "/",
                    CookieAttributes = [new NamedValue("SameSite", "Strict")],
                },
            },
        });
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var first = await client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Matches("^user=\"[0-9a-f]{16}\"; Max-Age=90; Path=/; SameSite=Strict; HttpOnly$", Assert.Single(first.Headers.GetValues("set-cookie")));
        for (var i = 0; i < 20; i++)
        {
            using var again = await client.GetAsync(new Uri("/", UriKind.Relative));
            Assert.Equal(first.Headers.GetValues("x-pod"), again.Headers.GetValues("x-pod"));
            Assert.False(again.Headers.Contains("set-cookie"));
        }
    }

    [Theory]
    [InlineData(90, true, false, false)]
    [InlineData(92, false, true, true)]
    [InlineData(92, false, false, false)]
    public async Task Http2_IsSpokenWhereTheRuleSaysSo(int port, bool asClient, bool upgrades, bool reaches)
    {
        // What listens there speaks HTTP/2 alone, and the client HTTP/1.1 alone.
        var service = _mesh.AddService("a");
        await PodAsync("a-0");
        await _mesh.StartWaypointAsync();
        SetRule(new TrafficPolicy { ConnectionPool = new ConnectionPoolSettings { UsesClientProtocol = asClient, UpgradesToHttp2 = upgrades } });
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, port);
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(reaches, response.IsSuccessStatusCode);
    }

    [Fact]
    public async Task RuleThatChanges_HoldsFromTheNextRequestOn()
    {
        var service = _mesh.AddService("a");
        await PodAsync("a-0");
        await _mesh.StartWaypointAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        for (var round = 0; round < 3; round++)
        {
            SetRule(new TrafficPolicy { ConnectionPool = new ConnectionPoolSettings { MaxRequests = 0 } });
            using (var refused = await client.GetAsync(new Uri("/", UriKind.Relative)))
            {
                Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            }

            SetRule(new TrafficPolicy { ConnectionPool = new ConnectionPoolSettings { MaxRequests = 5, MaxConnections = 1 + round } });
            Assert.Equal("a-0", await PodOfAsync(client));
            _mesh.Configure(requests => requests with { DestinationRules = requests.DestinationRules.Clear() });
            Assert.Equal("a-0", await PodOfAsync(client));
        }
    }

    private Task<TestPod> PodAsync(string name, Action<WebApplication>? map = null) => _mesh.AddPodAsync(name, "a", "a", TunnelProtocol.Tcp, map);

    private static DestinationSubset Subset(string name) => new(name) { Labels = ImmutableDictionary<string, string>.Empty.Add("version", name) };

    private static TrafficBackend Backend(string? subset) => new(new ObjectReference("", "Service", "app", "a", Port: 80), 1) { Subset = subset };

    private void SetRule(TrafficPolicy policy, params DestinationSubset[] subsets) => _mesh.Configure(requests => requests with
    {
        DestinationRules = requests.DestinationRules.SetItem("app/a", new DestinationRule { Name = "a", Namespace = "app", Host = "a.app.svc.cluster.local", Policy = policy, Subsets = [.. subsets] }),
    });

    private void SetLabels(params (TestPod Pod, string Version)[] labels) => _mesh.Configure(requests => requests with
    {
        WorkloadLabels = labels.ToImmutableDictionary(label => label.Pod.Workload.Uid, label => ImmutableDictionary<string, string>.Empty.Add("version", label.Version)),
    });

    private void SetRoute(ForwardAction forward) => _mesh.Configure(requests => requests with
    {
        HttpRoutes = requests.HttpRoutes.SetItem("app/a", new HttpRoute
        {
            Name = "a",
            Namespace = "app",
            ParentRefs = [new ObjectReference("", "Service", "app", "a")],
            Rules = [new TrafficRule { Matches = [new TrafficMatch()], Action = forward }],
        }),
    });

    private void SetSession(MeshService service, SessionPersistence session, bool byRoute)
    {
        if (byRoute)
        {
            SetRoute(new ForwardAction { Backends = [Backend(null)], Session = session });
        }
        else
        {
            _mesh.Configure(requests => requests with { Sessions = requests.Sessions.SetItem(service.Key, session) });
        }
    }

    private static async Task<string> PodOfAsync(HttpClient client)
    {
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return Assert.Single(response.Headers.GetValues("x-pod"));
    }

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var deadline = new CancellationTokenSource(s_patience);
        while (!await holds())
        {
            deadline.Token.ThrowIfCancellationRequested();
            await Task.Delay(5, CancellationToken.None);
        }
    }
}
