using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Node.Tests.Gateway;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Waypoint;

/// <summary>Whether a pod takes a service's requests, the service's EndpointSlices say, from manifest to answer; what they say of one service holds for no other.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class SliceReadinessTests : IAsyncLifetime
{
    private readonly ManifestGateway _kit = new();
    private readonly Dictionary<string, IPAddress> _addresses = [];

    public async Task InitializeAsync()
    {
        foreach (var name in new[] { "one", "two" })
        {
            _addresses[name] = await _kit.AddBackendAsync(name);
        }
    }

    public async Task DisposeAsync() => await _kit.DisposeAsync();

    [Fact]
    public async Task PodThatASliceHasNotReady_GetsNothingOfThatService()
    {
        _kit.Write("slices.yaml", Slice("web", twoIsReady: false) + Slice("published", twoIsReady: false) + Slice("other", twoIsReady: true));
        await _kit.StartWaypointAsync(Waypoint + Service("web") + Service("other") + Service("published", ", publishNotReadyAddresses: true"));

        Assert.Equal(["one"], await AnswersAsync("web"));
        Assert.Equal(["one", "two"], await AnswersAsync("other"));
        Assert.Equal(["one", "two"], await AnswersAsync("published"));

        // It becomes ready, and the other one is no longer.
        _kit.Write("slices.yaml", Slice("web", twoIsReady: true) + Slice("other", twoIsReady: true));
        Assert.Equal(["one", "two"], await ManifestGateway.EventuallyAsync(() => AnswersAsync("web"), answers => answers.Length == 2));
    }

    private async Task<string[]> AnswersAsync(string service)
    {
        using var client = _kit.Mesh.ThroughWaypoint(TestMesh.Id("sleep"), _kit.Mesh.Store.Current.Services[$"app/{service}.app.svc.cluster.local"]);
        var answers = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 40; i++)
        {
            answers.Add((await client.GetStringAsync(new Uri("/", UriKind.Relative))).Split(' ')[0]);
        }

        return [.. answers.Order(StringComparer.Ordinal)];
    }

    private string Slice(string service, bool twoIsReady) => $$"""
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: {{service}}-1, namespace: app, labels: {kubernetes.io/service-name: {{service}} } }
        addressType: IPv4
        ports: [{name: http, port: 8080, protocol: TCP}]
        endpoints:
        - {addresses: [{{_addresses["one"]}}], conditions: {ready: true}, targetRef: {kind: Pod, name: one, namespace: app} }
        - {addresses: [{{_addresses["two"]}}], conditions: {ready: {{(twoIsReady ? "true" : "false")}} }, targetRef: {kind: Pod, name: two, namespace: app} }
        ---

        """;

    private static string Service(string name, string more = "") => $$"""
        apiVersion: v1
        kind: Service
        metadata: {name: {{name}}, namespace: app}
        spec: {selector: {both: "yes"}, ports: [{name: http, port: 80, targetPort: 8080}]{{more}} }
        ---

        """;

    private static string Waypoint => """
        apiVersion: v1
        kind: Namespace
        metadata: {name: app, labels: {istio.io/use-waypoint: waypoint} }
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: waypoint, namespace: app}
        spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
        ---

        """;
}
