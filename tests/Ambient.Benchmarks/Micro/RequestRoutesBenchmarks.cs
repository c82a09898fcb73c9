using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;
using BenchmarkDotNet.Attributes;

namespace Ambient.Benchmarks.Micro;

/// <summary>
/// Where a request goes at a place with many routes, each of which is about a path of its own: at a waypoint, where all of them are of one service,
/// and at a gateway, where ten share a host name. And what a change of one route costs.
/// </summary>
[MemoryDiagnoser]
public class RequestRoutesBenchmarks
{
    private static readonly MeshService s_service = new() { Name = "web", Namespace = "app", Hostname = "web.app.svc.cluster.local", Ports = [new ServicePort(80, 8080)] };
    private static readonly Gateway s_gateway = new() { Name = "gw", Namespace = "app", ClassName = "istio", Listeners = [new GatewayListener("http", 80, "HTTP", null, AllowedNamespaces.Same, null)] };
    private readonly Random _random = new(1);
    private MeshSnapshot _mesh = null!;
    private MeshSnapshot _changed = null!;
    private RequestRoutes _waypointPlace = null!;
    private RequestRoutes _gatewayPlace = null!;
    private string _path = "";
    private string _host = "";

    /// <summary>How many routes.</summary>
    [Params(10, 100, 10_000)]
    public int Routes { get; set; }

    /// <summary>Makes the places.</summary>
    [GlobalSetup]
    public void Setup()
    {
        var routes = Enumerable.Range(0, Routes).Select(i => Route(i, $"/api/{i}")).ToImmutableDictionary(route => route.Key);
        var changed = Route(Routes / 2, "/changed");
        _mesh = MeshOf(new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(s_service).Build(), routes);
        _changed = MeshOf(_mesh, routes.SetItem(changed.Key, changed));
        _waypointPlace = RequestRoutes.ForService(_mesh, s_service);
        _gatewayPlace = RequestRoutes.ForGateway(_mesh, s_gateway);
        (_path, _host) = ($"/api/{Routes - 1}/orders", HostOf(Routes - 1));
        var last = $"app/r{Routes - 1} rule 0";
        if (AtWaypoint().Rule != last || AtGateway().Rule != last)
        {
            throw new InvalidOperationException("the routes do not decide as the benchmark assumes");
        }
    }

    /// <summary>A request at a waypoint.</summary>
    [Benchmark]
    public RequestRoute AtWaypoint() => _waypointPlace.Route(new RouteFacts(80, "web", "GET", _path, "", static _ => null), _random);

    /// <summary>A request at a gateway.</summary>
    [Benchmark]
    public RequestRoute AtGateway() => _gatewayPlace.Route(new RouteFacts(80, _host, "GET", _path, "", static _ => null), _random);

    /// <summary>One route changed, at a waypoint.</summary>
    [Benchmark]
    public RequestRoutes UpdateOfWaypoint() => RequestRoutes.ForService(_changed, s_service, earlier: _waypointPlace);

    /// <summary>One route changed, at a gateway.</summary>
    [Benchmark]
    public RequestRoutes UpdateOfGateway() => RequestRoutes.ForGateway(_changed, s_gateway, _gatewayPlace);

    /// <summary>All of them compiled, at a waypoint.</summary>
    [Benchmark]
    public RequestRoutes CompileForWaypoint() => RequestRoutes.ForService(_mesh, s_service);

    private static string HostOf(int i) => $"tenant-{i / 10}.example";

    private static MeshSnapshot MeshOf(MeshSnapshot before, ImmutableDictionary<string, HttpRoute> routes) =>
        new MeshSnapshotBuilder(before).Set(new RequestConfiguration { HttpRoutes = routes, Gateways = ImmutableDictionary<string, Gateway>.Empty.Add("app/gw", s_gateway) }).Build();

    private static HttpRoute Route(int i, string path) => new()
    {
        Name = $"r{i}",
        Namespace = "app",
        ParentRefs = [new ObjectReference("", "Service", "app", "web"), new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
        Hostnames = [HostOf(i)],
        Rules =
        [
            new TrafficRule
            {
                Matches = [new TrafficMatch { Path = new PathMatch(PathMatchKind.Prefix, path) }],
                Action = new ForwardAction { Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", "web", Port: 80), 1)] },
            },
        ],
    };
}
