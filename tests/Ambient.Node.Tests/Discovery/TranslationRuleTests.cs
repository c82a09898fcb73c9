using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Rules of istiod's translation (istio/istio, <c>pilot/pkg/serviceregistry/kube/controller/ambient</c>) that no recorded case happens to show.</summary>
public sealed class TranslationRuleTests
{
    [Fact]
    public void Canary_Declared_SharesWithThePrimary()
    {
        var service = Service(
            "labels: {istio.io/use-waypoint: a, istio.io/use-waypoint-canary: b}, annotations: {istio.io/use-waypoint-canary-weight: '30'}",
            Waypoint("a", "10.0.0.1"),
            Waypoint("b", "10.0.0.2"));
        Assert.Equal([("/10.0.0.1", 70u), ("/10.0.0.2", 30u)], service.WeightedWaypoints.Select(w => (w.Destination.ToString(), w.Weight)));
        Assert.Equal("/10.0.0.1", service.Waypoint!.ToString());
    }

    [Theory]
    [InlineData("labels: {istio.io/use-waypoint: a, istio.io/use-waypoint-canary: a}")]
    [InlineData("labels: {istio.io/use-waypoint: a, istio.io/use-waypoint-canary: missing}")]
    [InlineData("labels: {istio.io/use-waypoint: a, istio.io/use-waypoint-canary: b}, annotations: {istio.io/use-waypoint-canary-weight: '101'}")]
    [InlineData("labels: {istio.io/use-waypoint: a, istio.io/use-waypoint-canary: b}, annotations: {istio.io/use-waypoint-canary-weight: some}")]
    [InlineData("labels: {istio.io/use-waypoint: none, istio.io/use-waypoint-canary: b}")]
    public void Canary_Invalid_LeavesThePrimaryAlone(string metadata) =>
        Assert.Empty(Service(metadata, Waypoint("a", "10.0.0.1"), Waypoint("b", "10.0.0.2")).WeightedWaypoints);

    [Theory]
    [InlineData("namespaces: {from: Same}", false)]
    [InlineData("namespaces: {from: All}", true)]
    [InlineData("namespaces: {from: Selector, selector: {matchLabels: {team: one}}}", true)]
    [InlineData("namespaces: {from: Selector, selector: {matchLabels: {team: two}}}", false)]
    [InlineData("namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: n}}}", true)]
    public void Attachment_FromAnotherNamespace_FollowsTheListener(string allowed, bool bound)
    {
        var service = Service(
            "labels: {istio.io/use-waypoint: a, istio.io/use-waypoint-namespace: infra}",
            Waypoint("a", "10.0.0.1", "infra", $", allowedRoutes: {{{allowed}}}"),
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: n, labels: {team: one}}\n");
        Assert.Equal(bound, service.Waypoint is not null);
    }

    [Theory]
    [InlineData("PROXY/15088", ApplicationTunnelProtocol.Proxy, 15088)]
    [InlineData("PROXY", ApplicationTunnelProtocol.Proxy, 0)]
    [InlineData("NONE/8080", ApplicationTunnelProtocol.None, 8080)]
    public void InboundBinding_OfAWaypoint_IsTheTunnelOfItsPods(string annotation, ApplicationTunnelProtocol protocol, int port)
    {
        var mesh = ManifestText.Translate(
            Waypoint("a", "10.0.0.1").Replace("metadata: {", $"metadata: {{annotations: {{ambient.istio.io/waypoint-inbound-binding: {annotation}}}, ", StringComparison.Ordinal)
            + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: n, labels: {gateway.networking.k8s.io/gateway-name: a}}\nstatus: {podIP: 10.0.0.9}\n");
        Assert.Equal(new ApplicationTunnel(protocol, port), Assert.Single(mesh.Workloads).ApplicationTunnel);
    }

    [Fact]
    public void Hostname_OfServiceAndEntry_IsCanonicalAtTheService()
    {
        var mesh = ManifestText.Translate(
            """
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: old, namespace: a, creationTimestamp: "2020-01-01T00:00:00Z"}
            spec: {hosts: [s.n.svc.cluster.local], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
            ---
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: same, namespace: n, creationTimestamp: "2020-01-01T00:00:00Z"}
            spec: {hosts: [s.n.svc.cluster.local, x.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
            ---
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: newer, namespace: a, creationTimestamp: "2021-01-01T00:00:00Z"}
            spec: {hosts: [x.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: s, namespace: n, creationTimestamp: "2022-01-01T00:00:00Z"}
            spec: {clusterIP: 10.0.0.1, ports: [{port: 80}]}
            """);
        Assert.Equal(
            [("a/s.n.svc.cluster.local", "old", false), ("a/x.example", "newer", false), ("n/s.n.svc.cluster.local", "s", true), ("n/x.example", "same", true)],
            mesh.Services.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => (s.Key, s.Name, s.Canonical)));

        // The entry that lost a host to the Service has no endpoint for it either.
        Assert.DoesNotContain(mesh.Workloads, w => w.Uid.EndsWith("/n/same/s.n.svc.cluster.local", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", "PreferClose", LoadBalancingScope.Zone)]
    [InlineData("annotations: {networking.istio.io/traffic-distribution: prefersamenode}", "PreferClose", LoadBalancingScope.Node)]
    [InlineData("annotations: {networking.istio.io/traffic-distribution: Any}", "PreferClose", null)]
    public void TrafficDistribution_OfAnnotations_IsTheNearest(string metadata, string ns, LoadBalancingScope? last)
    {
        var service = Service(metadata, $"apiVersion: v1\nkind: Namespace\nmetadata: {{name: n, annotations: {{networking.istio.io/traffic-distribution: {ns}}}}}\n");
        Assert.Equal(last, service.LoadBalancing is { } balancing ? balancing.RoutingPreference[^1] : null);
    }

    [Theory]
    [InlineData(80, "http", "TCP", null, AppProtocol.Http11)]
    [InlineData(80, "http-web", "TCP", null, AppProtocol.Http11)]
    [InlineData(80, "HTTP2-x", "TCP", null, AppProtocol.Http2)]
    [InlineData(80, "grpc", "TCP", null, AppProtocol.Grpc)]
    [InlineData(80, "grpc-web-x", "TCP", null, AppProtocol.GrpcWeb)]
    [InlineData(80, "https", "TCP", null, AppProtocol.Tls)]
    [InlineData(80, "web", "TCP", null, AppProtocol.Unknown)]
    [InlineData(80, "", "TCP", "http2", AppProtocol.Http2)]
    [InlineData(80, "tcp", "TCP", "kubernetes.io/ws", AppProtocol.Http11)]
    [InlineData(80, "tcp", "TCP", "kubernetes.io/wss", AppProtocol.Tls)]
    [InlineData(80, "http", "UDP", null, AppProtocol.Udp)]
    [InlineData(3306, "db", "TCP", null, AppProtocol.Tcp)]
    [InlineData(3306, "mysql", "TCP", null, AppProtocol.ServerFirst)]
    [InlineData(80, "MySQL-main", "TCP", null, AppProtocol.ServerFirst)]
    [InlineData(80, "mongo", "TCP", null, AppProtocol.ServerFirst)]
    [InlineData(80, "redis-cache", "TCP", null, AppProtocol.ServerFirst)]
    [InlineData(80, "http", "TCP", "redis", AppProtocol.ServerFirst)]
    [InlineData(25, "http_proxy", "TCP", null, AppProtocol.Unknown)]
    public void PortProtocol_Declared_IsRecognized(int port, string name, string transport, string? appProtocol, AppProtocol expected) =>
        Assert.Equal(expected, AppProtocols.OfServicePort(port, name, transport, appProtocol));

    [Theory]
    [InlineData("ReplicaSet", "web-6d5f9c7b8", "pod-template-hash", "6d5f9c7b8", "web")]
    [InlineData("ReplicaSet", "web-6d5f9c7b8", "rollouts-pod-template-hash", "6d5f9c7b8", "web")]
    [InlineData("ReplicaSet", "web", "app", "x", "web")]
    [InlineData("Job", "report-28000000", "app", "x", "report")]
    [InlineData("Job", "report-2800", "app", "x", "report-2800")]
    [InlineData("ReplicationController", "web-1", "deploymentconfig", "web", "web")]
    [InlineData("DaemonSet", "agent", "app", "x", "agent")]
    [InlineData("DaemonSet", "agent", "service.istio.io/workload-name", "named", "named")]
    public void WorkloadName_OfAGeneratedPod_IsItsControllers(string kind, string owner, string label, string value, string expected)
    {
        var meta = new ObjectMeta { Kind = "Pod", Name = owner + "-abc", Namespace = "n", Labels = new() { [label] = value } };
        Assert.Equal(expected, WorkloadNames.OfPod(new PodObject(meta) { GenerateName = owner + "-", Controller = new PodOwner(kind, owner) }));
    }

    [Fact]
    public void TrustDomains_InAnAllowRule_NeverAllowAtL4()
    {
        // An L4 proxy's policy has no field for them: without the rule nobody is let in, with half of it everybody might be.
        var mesh = ManifestText.Translate(
            """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: p, namespace: n}
            spec: {rules: [{from: [{source: {trustDomains: [other], principals: ["*"]}}]}]}
            """);
        Assert.Empty(Assert.Single(mesh.Policies).Rules);
    }

    private static MeshService Service(string metadata, params string[] others)
    {
        var name = metadata.Length > 0 ? $"name: s, namespace: n, {metadata}" : "name: s, namespace: n";
        var service = $"apiVersion: v1\nkind: Service\nmetadata: {{{name}}}\nspec: {{ports: [{{port: 80}}]}}\n";
        return ManifestText.Translate(string.Join("---\n", [service, .. others])).Services.Single(s => s.Name == "s");
    }

    private static string Waypoint(string name, string address, string ns = "n", string listener = "") =>
        $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: {{name}}, namespace: {{ns}}}
        spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE{{listener}}}]}
        status: {addresses: [{type: IPAddress, value: {{address}}}]}

        """;
}
