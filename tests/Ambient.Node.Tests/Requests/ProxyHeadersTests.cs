using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Tests.Discovery;
using Microsoft.AspNetCore.Builder;

namespace Ambient.Node.Tests.Requests;

/// <summary>Headers that a ProxyConfig turns off and on, at waypoint and gateway, and where it says so.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class ProxyHeadersTests : IAsyncLifetime
{
    private static readonly ProxyHeaders s_off = new() { RequestId = false, Server = false, AttemptCount = false, Debug = false };

    private readonly TestMesh _mesh = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Headers_AreSetByDefault_AndLeftAloneWhereTheyAreOff(bool waypoint)
    {
        var (client, pod) = await StartAsync(waypoint);
        using (var answer = await client.GetAsync(new Uri("/", UriKind.Relative)))
        {
            Assert.Equal("istio-envoy", answer.Headers.Server.ToString());
            Assert.True(answer.Headers.Contains("x-envoy-upstream-service-time"));
        }

        Assert.True(pod.Requests.TryDequeue(out var seen));
        Assert.Equal("1", seen.Headers["x-envoy-attempt-count"]);
        Assert.Equal(36, seen.Headers["x-request-id"].Length);
        Assert.DoesNotContain("x-forwarded-port", seen.Headers.Keys);
        Assert.DoesNotContain("x-forwarded-host", seen.Headers.Keys);

        Set(waypoint, s_off);
        using (var answer = await client.GetAsync(new Uri("/", UriKind.Relative)))
        {
            Assert.Equal("app", answer.Headers.Server.ToString());
            Assert.False(answer.Headers.Contains("x-envoy-upstream-service-time"));
        }

        Assert.True(pod.Requests.TryDequeue(out seen));
        Assert.DoesNotContain("x-envoy-attempt-count", seen.Headers.Keys);
        Assert.DoesNotContain("x-request-id", seen.Headers.Keys);
        using var gone = await client.GetAsync(new Uri("/gone", UriKind.Relative));
        Assert.Equal((HttpStatusCode.NotFound, 0), (gone.StatusCode, gone.Headers.Server.Count));

        // Whoever says an id himself is not kept from it.
        using var own = new HttpRequestMessage(HttpMethod.Get, "/");
        own.Headers.Add("x-request-id", "mine");
        using var last = await client.SendAsync(own);
        Assert.True(pod.Requests.TryDequeue(out seen));
        Assert.Equal("mine", seen.Headers["x-request-id"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Headers_ThatAreOnlySetWhereAsked_AndAServerOfOnesOwn(bool waypoint)
    {
        var (client, pod) = await StartAsync(waypoint);
        Set(waypoint, new ProxyHeaders { ServerName = "mine", ForwardedHost = true, ForwardedPort = true });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Host = "asked.example";
        request.Headers.Add("x-forwarded-host", "earlier");
        using var answer = await client.SendAsync(request);
        Assert.Equal("mine", answer.Headers.Server.ToString());
        Assert.True(pod.Requests.TryDequeue(out var seen));
        Assert.Equal(("rewritten.example", "earlier,asked.example", waypoint ? "80" : "8080"), (seen.Headers["host"], seen.Headers["x-forwarded-host"], seen.Headers["x-forwarded-port"]));
    }

    [Fact]
    public void Settings_AreTheMeshs_AndAGatewaysAnnotationGoesBeforeThem()
    {
        var gateways = ManifestText.Translate("""
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: istio, namespace: istio-system}
            data:
              mesh: |
                defaultConfig:
                  proxyHeaders: {server: {value: mesh}, requestId: {disabled: true}, xForwardedPort: {enabled: true}}
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: plain, namespace: app}
            spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: own, namespace: app, annotations: {proxy.istio.io/config: "proxyHeaders: {server: {disabled: true}, envoyDebugHeaders: {disabled: true}, requestId: {disabled: false}}"}}
            spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
            """).Requests.Gateways;
        Assert.Equal(new ProxyHeaders { ServerName = "mesh", RequestId = false, ForwardedPort = true }, gateways["app/plain"].Headers);
        Assert.Equal(new ProxyHeaders { ServerName = "mesh", Server = false, Debug = false, RequestId = true, ForwardedPort = true }, gateways["app/own"].Headers);
    }

    [Fact]
    public void Setting_ThatIsNone_IsAnError() => Assert.Contains(
        ManifestText.Errors("""
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: own, namespace: app, annotations: {proxy.istio.io/config: "proxyHeaders: {server: {value: \"a\\nb\"}}"}}
            spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
            """),
        error => error.ToString().Contains("is not the value of a header", StringComparison.Ordinal));

    private async Task<(HttpClient Client, TestPod Pod)> StartAsync(bool waypoint)
    {
        var service = _mesh.AddService("web");
        var pod = await _mesh.AddPodAsync("web-0", "web", "web");
        _mesh.Configure(requests => requests with
        {
            HttpRoutes = requests.HttpRoutes.SetItem("app/route", new HttpRoute
            {
                Name = "route",
                Namespace = "app",
                ParentRefs = [waypoint ? new ObjectReference("", "Service", "app", "web") : new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
                Rules =
                [
                    new TrafficRule
                    {
                        Matches = [new TrafficMatch { Path = new PathMatch(PathMatchKind.Exact, "/") }],
                        Action = new ForwardAction { Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", "web", Port: 80), 1)], Rewrite = new UrlRewrite("rewritten.example", null) },
                    },
                ],
            }),
        });
        if (waypoint)
        {
            await _mesh.StartWaypointAsync();
            return (_mesh.ThroughWaypoint(TestMesh.Id("sleep"), service), pod);
        }

        await _mesh.StartGatewayAsync(new GatewayListener("http", 8080, "HTTP", null, AllowedNamespaces.Same, null));
        var address = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0];
        return (new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri($"http://{address}:8080"), Timeout = TimeSpan.FromSeconds(60) }, pod);
    }

    private void Set(bool waypoint, ProxyHeaders headers)
    {
        var key = waypoint ? "app/waypoint" : "app/gw";
        _mesh.Configure(requests => requests with { Gateways = requests.Gateways.SetItem(key, requests.Gateways[key] with { Headers = headers }) });
    }
}
