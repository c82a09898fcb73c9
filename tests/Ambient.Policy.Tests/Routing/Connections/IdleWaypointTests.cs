using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Routing.Connections;

/// <summary>Services that are told to do without their waypoint while that has nothing to do for them.</summary>
public sealed class IdleWaypointTests
{
    private static readonly Workload s_source = Pod("source", "ns", "127.0.0.1");
    private static readonly Workload s_waypoint = Pod("waypoint", "ns", "127.0.0.10");
    private static readonly MeshService s_web = Service("web", "127.0.0.3", (80, 8080)) with
    {
        Waypoint = GatewayAddress.ByAddress(new("", IPAddress.Parse("127.0.0.10")), 15008),
        SkipsIdleWaypoint = true,
    };

    private static readonly Workload s_pod = Pod("web-0", "ns", "127.0.0.4").Behind(s_web, (80, 8080));
    private static readonly Gateway s_gateway = new() { Name = "waypoint", Namespace = "ns", ClassName = "istio-waypoint" };

    public static TheoryData<string, RequestConfiguration> Duties => new()
    {
        { "a route", new() { HttpRoutes = Of("ns/r", new HttpRoute { Name = "r", Namespace = "ns", ParentRefs = [new("", "Service", "ns", "web")] }) } },
        { "a VirtualService", new() { HttpRoutes = Of("v", new HttpRoute { Kind = HttpRoute.VirtualService, Name = "v", Namespace = "ns", Hostnames = ["web"] }) } },
        { "a VirtualService for many", new() { HttpRoutes = Of("v", new HttpRoute { Kind = HttpRoute.VirtualService, Name = "v", Namespace = "else", Hostnames = ["*.svc.cluster.local"] }) } },
        { "a VirtualService for connections", new() { VirtualStreams = Of("ns/v", new StreamRoute { Kind = HttpRoute.VirtualService, Name = "v", Namespace = "ns", Hostnames = ["web"] }) } },
        { "a retry policy for all", new() { DefaultRetry = RetryRule.Default } },
        { "times of connections for all", new() { ConnectionDefaults = new ConnectionPoolSettings { ConnectTimeout = TimeSpan.FromSeconds(1) } } },
        { "a policy", new() { AuthorizationPolicies = Of("ns/p", Policy(new("", "Service", "ns", "web"))) } },
        { "a policy of the waypoint", new() { AuthorizationPolicies = Of("ns/p", Policy(new("gateway.networking.k8s.io", "Gateway", "ns", "waypoint"))) } },
        { "a policy of the class", new() { AuthorizationPolicies = Of("ns/p", Policy(new("gateway.networking.k8s.io", "GatewayClass", "istio-system", "istio-waypoint"))) } },
        { "tokens", new() { RequestAuthentications = Of("ns/a", new RequestAuthentication { Name = "a", Namespace = "ns", Targets = [new("", "Service", "ns", "web")] }) } },
        { "a DestinationRule", new() { DestinationRules = Of("ns/d", new DestinationRule { Name = "d", Namespace = "ns", Host = "web.ns.svc.cluster.local" }) } },
        { "sessions", new() { Sessions = Of("ns/web.ns.svc.cluster.local", new SessionPersistence(true, "sess")) } },
        { "a traffic policy for all", new() { DefaultTrafficPolicy = new TrafficPolicy { OutlierDetection = new OutlierDetection() } } },
        { "TLS to it", new() { UnmetProtections = [new UnmetProtection("web.ns.svc.cluster.local", null, "BackendTLSPolicy ns/b")] } },
    };

    private static ImmutableDictionary<string, T> Of<T>(string key, T value) => ImmutableDictionary<string, T>.Empty.Add(key, value);

    private static RequestAuthorizationPolicy Policy(ObjectReference target) => new() { Name = "p", Namespace = "ns", Action = PolicyAction.Deny, Targets = [target] };

    private static ConnectionRoute Resolve(RequestConfiguration requests, MeshService? service = null)
    {
        var mesh = Snapshot(s_source, s_waypoint, s_pod, service ?? s_web, requests with { Gateways = requests.Gateways.Add("ns/waypoint", s_gateway) });
        return DestinationResolver.Resolve(mesh, s_source, To("127.0.0.3:80"), new Random(1));
    }

    [Fact]
    public void NothingToDo_GoesPastIt_AndSaysSo()
    {
        var route = Resolve(new RequestConfiguration());

        Assert.Equal((false, true, "web-0"), (route.ViaWaypoint, route.SkipsIdleWaypoint, route.NextHopWorkload!.Name));
    }

    [Fact]
    public void WithoutTheLabel_GoesThroughIt() =>
        Assert.True(Resolve(new RequestConfiguration(), s_web with { SkipsIdleWaypoint = false }).ViaWaypoint);

    [Theory]
    [MemberData(nameof(Duties))]
    public void SomethingToDo_GoesThroughIt(string what, RequestConfiguration requests)
    {
        var route = Resolve(requests);

        Assert.True(route is { ViaWaypoint: true, SkipsIdleWaypoint: false }, what);
    }

    [Fact]
    public void WhatConcernsOthers_IsNothingToDo()
    {
        var others = new RequestConfiguration
        {
            HttpRoutes = Of("ns/r", new HttpRoute { Name = "r", Namespace = "ns", ParentRefs = [new("", "Service", "ns", "other")] }),
            AuthorizationPolicies = Of("ns/p", Policy(new("gateway.networking.k8s.io", "Gateway", "ns", "ingress"))),
        };

        Assert.True(Resolve(others).SkipsIdleWaypoint);
    }
}
