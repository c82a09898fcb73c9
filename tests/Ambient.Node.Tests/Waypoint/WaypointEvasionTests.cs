using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Hbone;
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
        using var after = await client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, after.StatusCode);
        Assert.Single(pod.Requests);
    }

    private static ValueMatch Values(params string[] values) => new([.. values], []);

    private void Deny(RequestRule rule) => _mesh.Configure(requests => requests with
    {
        AuthorizationPolicies = requests.AuthorizationPolicies.SetItem(
            "app/deny",
            new RequestAuthorizationPolicy
            {
                Name = "deny",
                Namespace = "app",
                Action = PolicyAction.Deny,
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
