using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Hbone;
using Ambient.Mesh;
using Ambient.Node.Tests.Gateway;
using Ambient.Node.Tests.Requests;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Tests.Waypoint;

/// <summary>What a waypoint stands before, from manifest to answer: by its kind of traffic, in other namespaces, and beside a canary. Clients are sent there for the same.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class WaypointBindingTests : IAsyncLifetime
{
    private readonly ManifestGateway _kit = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _kit.DisposeAsync();

    [Theory]
    [InlineData(null, true, false)]
    [InlineData("service", true, false)]
    [InlineData("workload", false, true)]
    [InlineData("all", true, true)]
    [InlineData("none", false, false)]
    public async Task WaypointFor_SaysWhatMayBeSentThere(string? traffic, bool services, bool workloads)
    {
        var pod = await _kit.AddBackendAsync("a");
        await _kit.StartWaypointAsync(Namespace("app", "istio.io/use-waypoint: waypoint") + Gateway("waypoint", traffic is null ? "" : $"istio.io/waypoint-for: {traffic}"));
        Assert.Equal(services, await IsServedAsync(Vip("app/a.app.svc.cluster.local"), 80));
        Assert.Equal(workloads, await IsServedAsync(pod, 8080));
        Assert.Equal(services, IsSent(Vip("app/a.app.svc.cluster.local"), 80));
        Assert.Equal(workloads, IsSent(pod, 8080));
    }

    [Theory]
    [InlineData("all")]
    [InlineData("workload")]
    public async Task Workloads_HaveTheirWaypointsPolicies_AndNoRoutesOfServices(string traffic)
    {
        var pod = await _kit.AddBackendAsync("a");
        await _kit.StartWaypointAsync(Namespace("app", "istio.io/use-waypoint: waypoint") + Gateway("waypoint", $"istio.io/waypoint-for: {traffic}") + """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: no-secrets, namespace: app}
            spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: waypoint}], action: DENY, rules: [{to: [{operation: {paths: [/secret]}}]}]}
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata: {name: closed, namespace: app}
            spec: {parentRefs: [{group: '', kind: Service, name: a}], rules: [{matches: [{path: {value: /nothing}}]}]}
            """);
        using var client = Client(pod, 8080);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(new Uri("/open", UriKind.Relative))).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await client.GetAsync(new Uri("/secret", UriKind.Relative))).StatusCode);
    }

    [Theory]
    [InlineData("service", "istio.io/use-waypoint: none", false)]
    [InlineData("service", "istio.io/use-waypoint: waypoint", true)]
    [InlineData("service", "istio.io/use-waypoint: missing", false)]
    public async Task TheLabelOfTheService_GoesBeforeItsNamespaces(string traffic, string label, bool isServed)
    {
        await _kit.AddBackendAsync("a");
        await _kit.StartWaypointAsync(Namespace("app", "istio.io/use-waypoint: waypoint") + Gateway("waypoint", $"istio.io/waypoint-for: {traffic}") + $$"""
            apiVersion: v1
            kind: Service
            metadata: {name: labelled, namespace: app, labels: { {{label}} } }
            spec: {selector: {app: a}, ports: [{name: http, port: 80, targetPort: 8080}]}
            """);
        Assert.Equal(isServed, await IsServedAsync(Vip("app/labelled.app.svc.cluster.local"), 80));
        Assert.Equal(isServed, IsSent(Vip("app/labelled.app.svc.cluster.local"), 80));
    }

    [Theory]
    [InlineData("from: Same", false)]
    [InlineData("from: All", true)]
    [InlineData("from: Selector, selector: {matchLabels: {team: a}}", true)]
    [InlineData("from: Selector, selector: {matchLabels: {team: b}}", false)]
    public async Task ServicesOfAnotherNamespace_AreServed_WhereTheListenerLetsThemIn(string allowed, bool isServed)
    {
        await _kit.AddBackendAsync("b", ns: "other");
        await _kit.StartWaypointAsync(Namespace("other", "istio.io/use-waypoint: waypoint, istio.io/use-waypoint-namespace: app, team: a")
            + Gateway("waypoint", "istio.io/waypoint-for: all", $", allowedRoutes: {{namespaces: {{{allowed}}}}}") + """
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata: {name: marked, namespace: other}
            spec: {parentRefs: [{group: '', kind: Service, name: b}], rules: [{filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: by, value: route}]}}], backendRefs: [{name: b, port: 80}]}]}
            """);
        var vip = Vip("other/b.other.svc.cluster.local");
        Assert.Equal(isServed, await IsServedAsync(vip, 80));
        Assert.Equal(isServed, IsSent(vip, 80));
        if (isServed)
        {
            // Its own namespace's routes hold there.
            using var client = Client(vip, 80);
            using var response = await client.GetAsync(new Uri("/", UriKind.Relative));
            Assert.Equal("route", response.Headers.GetValues("by").Single());
        }
    }

    [Theory]
    [InlineData("waypoint")]
    [InlineData("canary")]
    public async Task Canary_HasItsShare_AndServesTheSame(string served)
    {
        await _kit.AddBackendAsync("a");
        await _kit.StartWaypointAsync(Gateway("waypoint", "istio.io/waypoint-for: service") + Gateway("canary", "istio.io/waypoint-for: service") + """
            apiVersion: v1
            kind: Service
            metadata:
              name: weighted
              namespace: app
              labels: {istio.io/use-waypoint: waypoint, istio.io/use-waypoint-canary: canary}
              annotations: {istio.io/use-waypoint-canary-weight: "30"}
            spec: {selector: {app: a}, ports: [{name: http, port: 80, targetPort: 8080}]}
            """, served);
        var vip = Vip("app/weighted.app.svc.cluster.local");
        Assert.True(await IsServedAsync(vip, 80, served));
        var random = new Random(4711);
        var mesh = _kit.Mesh.Store.Current;
        var shares = Enumerable.Range(0, 2000)
            .Select(_ => DestinationResolver.Resolve(mesh, mesh.Workloads["Kubernetes//Pod/app/a"], new IPEndPoint(vip, 80), random))
            .GroupBy(route => route.NextHopWorkload!.Name)
            .ToDictionary(group => group.Key, group => group.Count());
        Assert.InRange(shares["canary-0"], 500, 700);
        Assert.Equal(2000, shares["canary-0"] + shares["waypoint-0"]);
    }

    private static string Namespace(string name, string labels) => $"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n---\n";

    private static string Gateway(string name, string labels, string listener = "") =>
        $"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: app, labels: {{{labels}}}}}\n"
        + $"spec: {{gatewayClassName: istio-waypoint, listeners: [{{name: mesh, port: 15008, protocol: HBONE{listener}}}]}}\n---\n";

    private IPAddress Vip(string service) => _kit.Mesh.Store.Current.Services[service].Vips[0].Address;

    private HttpClient Client(IPAddress address, int port, string waypoint = "waypoint") => _kit.Mesh.ThroughWaypoint(
        TestMesh.Id("sleep"), new MeshService { Name = "any", Namespace = "app", Hostname = "any", Vips = [new NetworkAddress("", address)] }, port, waypoint: waypoint);

    private async Task<bool> IsServedAsync(IPAddress address, int port, string waypoint = "waypoint")
    {
        using var client = Client(address, port, waypoint);
        try
        {
            var body = await client.GetStringAsync(new Uri("/", UriKind.Relative));

            // What a waypoint has looked into says so.
            Assert.Contains(" proto=http ", body, StringComparison.Ordinal);
            return true;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <summary>Whether a ztunnel sends a client's connection to the waypoint.</summary>
    private bool IsSent(IPAddress address, int port)
    {
        var mesh = _kit.Mesh.Store.Current;
        var client = mesh.Workloads.Values.First(workload => workload.Name is "a" or "b") with { Uid = "client", Name = "client", Addresses = [IPAddress.Parse("127.0.0.9")] };
        return DestinationResolver.Resolve(mesh, client, new IPEndPoint(address, port), Random.Shared).ViaWaypoint;
    }
}
