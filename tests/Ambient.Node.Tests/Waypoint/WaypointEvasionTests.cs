using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Waypoint;

/// <summary>Requests that look to policy like something else than what the pod gets.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class WaypointEvasionTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Theory]
    [InlineData("/admin ")]
    [InlineData("/admin\t")]
    [InlineData("/admin\u00a0")]
    public async Task Path_WithABlankThatHttp1DoesNotHave_IsNotServed(string path)
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        Deny(new RequestRule { To = [new RequestOperation { Paths = Values("/admin") }] });
        await _mesh.StartWaypointAsync();

        Assert.False(await GetAsync(service, (":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)));
        Assert.Empty(pod.Requests);
    }

    [Fact]
    public async Task WebSocket_OverHttp2_IsTheGetThatThePodWouldSee()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        Deny(new RequestRule { To = [new RequestOperation { Methods = Values("GET") }] });
        await _mesh.StartWaypointAsync();
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        await using var tunnel = await OpenAsync(client, service);

        Assert.False(await RawHttp2.IsServedAsync(
            tunnel,
            endStream: false,
            (":method", "CONNECT"), (":protocol", "WebSocket"), (":scheme", "http"), (":authority", "a"), (":path", "/"), ("sec-websocket-version", "13")));
        await _mesh.LoggedAsync("status=403");
        Assert.Empty(pod.Requests);
    }

    [Fact]
    public async Task Header_WithBlanksAroundIt_IsComparedAsThePodReadsIt()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        Deny(new RequestRule { When = [new RequestCondition("request.headers[x-role]", Values("guest"))] });
        await _mesh.StartWaypointAsync();

        foreach (var value in new[] { "guest ", " guest", "\tguest" })
        {
            await GetAsync(service, (":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/"), ("x-role", value));
        }

        Assert.DoesNotContain(pod.Requests, seen => seen.Headers["x-role"] == "guest");
    }

    [Fact]
    public async Task AttemptCount_OfTheClient_IsReplaced()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        client.DefaultRequestHeaders.TryAddWithoutValidation("x-envoy-attempt-count", "7");
        await client.GetStringAsync(new Uri("/", UriKind.Relative));

        Assert.Equal("1", Assert.Single(pod.Requests).Headers["x-envoy-attempt-count"]);
    }

    [Fact]
    public async Task Service_ThatGoesToAnotherWaypoint_IsNotServedOnOpenTunnelsEither()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        Assert.Equal("hello from a-0", await client.GetStringAsync(new Uri("/", UriKind.Relative)));

        _mesh.Publish(builder => builder.Set(service with { Waypoint = GatewayAddress.ByHostname("app", "other.app.svc.cluster.local") }));
        try
        {
            using var after = await client.GetAsync(new Uri("/", UriKind.Relative));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, after.StatusCode);
        }
        catch (HttpRequestException e) when (e.InnerException is HboneException refused)
        {
            // The first request was still being accounted when the binding changed: its tunnel was ended, and a new one is not let in.
            Assert.Equal(404, refused.StatusCode);
        }

        Assert.Single(pod.Requests);
    }

    [Theory]
    [InlineData("delete", PolicyAction.Deny)]
    [InlineData("Delete", PolicyAction.Deny)]
    [InlineData("get", PolicyAction.Allow)]
    [InlineData("pATCH", PolicyAction.Allow)]
    [InlineData("connect", PolicyAction.Deny)]
    [InlineData("query", PolicyAction.Deny)]
    public async Task Method_ThatDiffersFromAKnownOneInItsCase_IsJudgedAndArrivesLetterForLetter(string method, PolicyAction action)
    {
        // The policy lets the request pass as it is written; in capitals it would not, and in capitals the endpoint must not get it.
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        var capitals = method.ToUpperInvariant();
        Apply(action, new RequestRule { To = [new RequestOperation { Methods = Values(action == PolicyAction.Deny ? capitals : method) }] });
        await _mesh.StartWaypointAsync();

        Assert.StartsWith("HTTP/1.1 200 ", await SendAsync(service, $"{method} /thing HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.True(await GetAsync(service, (":method", method), (":scheme", "http"), (":authority", "a"), (":path", "/")));
        Assert.Equal([method, method], pod.Requests.Select(request => request.Method));

        // The other way round it is kept out as it is written.
        Apply(action, new RequestRule { To = [new RequestOperation { Methods = Values(action == PolicyAction.Deny ? method : capitals) }] });
        Assert.StartsWith("HTTP/1.1 403 ", await SendAsync(service, $"{method} /thing HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.False(await GetAsync(service, (":method", method), (":scheme", "http"), (":authority", "a"), (":path", "/")));
        Assert.Equal(2, pod.Requests.Count);
    }

    [Theory]
    [InlineData("PURGE")]
    [InlineData("purge")]
    [InlineData("Version-Control")]
    public async Task Method_ThatNobodyKnows_ArrivesLetterForLetter(string method)
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();

        Assert.StartsWith("HTTP/1.1 200 ", await SendAsync(service, $"{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.Equal(method, Assert.Single(pod.Requests).Method);
    }

    [Theory]
    [InlineData("GET / HTTP/1.0\r\n\r\n")]
    [InlineData("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n")]
    public async Task Http10_WithAHostOrWithoutOne_IsAskedToUpgrade(string request)
    {
        // Whatever a policy would say of it: nobody has to guess the host of a request that names none.
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();

        var answer = await SendAsync(service, request);
        Assert.StartsWith("HTTP/1.1 426 Upgrade Required\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("\r\nupgrade: HTTP/1.1\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("\r\nconnection: close\r\n", answer, StringComparison.Ordinal);
        Assert.Empty(pod.Requests);
        await _mesh.LoggedAsync("status=426");
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nhost: \t \r\nconnection: close\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nconnection: close\r\n\r\n")]
    public async Task Host_ThatIsEmptyOrMissing_IsRefused(string request)
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();

        Assert.StartsWith("HTTP/1.1 400 ", await SendAsync(service, request), StringComparison.Ordinal);
        Assert.False(await GetAsync(service, (":method", "GET"), (":scheme", "http"), (":path", "/")));
        Assert.Empty(pod.Requests);
    }

    [Theory]
    [InlineData("host")]
    [InlineData("Host")]
    [InlineData("x-forwarded-for")]
    [InlineData("X-Forwarded-Proto")]
    [InlineData("x-request-id")]
    [InlineData("content-length")]
    [InlineData("authorization")]
    [InlineData("x-envoy-attempt-count")]
    [InlineData(":authority")]
    public async Task Connection_ThatNamesWhatIsForTheEndpoint_IsRefused(string names)
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        Deny(new RequestRule { To = [new RequestOperation { Hosts = Values(service.Hostname) }] });
        await _mesh.StartWaypointAsync();

        var answer = await SendAsync(service, $"GET / HTTP/1.1\r\nhost: other.example\r\nx-request-id: mine\r\nconnection: {names}\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Empty(pod.Requests);
        await _mesh.LoggedAsync(names == ":authority" ? "Connection is not a list of tokens" : $"Connection names {names}, which is for every recipient");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Connection_ThatNamesWhatPolicyOrRouteLooksFor_HidesItFromThemToo(bool byPolicy)
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        if (byPolicy)
        {
            Apply(PolicyAction.Allow, new RequestRule { When = [new RequestCondition("request.headers[x-tenant]", Values("guest"))] });
        }
        else
        {
            _mesh.SetRoute("a", ("a", 1));
            _mesh.Configure(requests => requests with
            {
                HttpRoutes = requests.HttpRoutes.SetItem("app/a", requests.HttpRoutes["app/a"] with
                {
                    Rules = [requests.HttpRoutes["app/a"].Rules[0] with { Matches = [new TrafficMatch { Headers = [new NamedValueMatch("x-tenant", TextMatch.Exact("guest"))] }] }],
                }),
            });
        }

        await _mesh.StartWaypointAsync();

        // The endpoint will not see the field, so neither do policies and routes.
        var refused = await SendAsync(service, "GET / HTTP/1.1\r\nhost: a\r\nx-tenant: guest\r\nx-mine: 1\r\nconnection: X-Tenant\r\n\r\n");
        Assert.StartsWith(byPolicy ? "HTTP/1.1 403 " : "HTTP/1.1 404 ", refused, StringComparison.Ordinal);
        refused = await SendAsync(service, "GET / HTTP/1.1\r\nhost: a\r\nx-tenant: guest\r\nconnection: X-Tenant, close\r\n\r\n");
        Assert.StartsWith(byPolicy ? "HTTP/1.1 403 " : "HTTP/1.1 404 ", refused, StringComparison.Ordinal);
        Assert.Empty(pod.Requests);

        // What nobody looked at stays behind, as RFC 9110 has it.
        var served = await SendAsync(service, "GET / HTTP/1.1\r\nhost: a\r\nx-tenant: guest\r\nx-mine: 1\r\nconnection: x-mine\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 ", served, StringComparison.Ordinal);
        var seen = Assert.Single(pod.Requests).Headers;
        Assert.Equal("guest", seen["x-tenant"]);
        Assert.DoesNotContain("x-mine", seen.Keys);
    }

    private static ValueMatch Values(params string[] values) => new([.. values], []);

    private void Deny(RequestRule rule) => Apply(PolicyAction.Deny, rule);

    private void Apply(PolicyAction action, RequestRule rule) => _mesh.Configure(requests => requests with
    {
        AuthorizationPolicies = requests.AuthorizationPolicies.SetItem(
            "app/deny",
            new RequestAuthorizationPolicy
            {
                Name = "deny",
                Namespace = "app",
                Action = action,
                Targets = [new ObjectReference("", "Service", "app", "a")],
                Rules = [rule],
            }),
    });

    private async Task<bool> GetAsync(MeshService service, params (string Name, string Value)[] headers)
    {
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        await using var tunnel = await OpenAsync(client, service);
        return await RawHttp2.IsServedAsync(tunnel, endStream: true, headers);
    }

    private async Task<string> SendAsync(MeshService service, string request)
    {
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        await using var tunnel = await OpenAsync(client, service);
        await tunnel.Output.WriteAsync(System.Text.Encoding.Latin1.GetBytes(request));
        var (stream, head, buffer) = (tunnel.AsStream(), "", new byte[4096]);
        while (!head.Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            var read = await stream.ReadAsync(buffer).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
            if (read == 0)
            {
                break;
            }

            head += System.Text.Encoding.Latin1.GetString(buffer, 0, read);
        }

        return head;
    }

    private ValueTask<HboneTunnel> OpenAsync(HboneClient client, MeshService service)
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
