using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;
using Ambient.Testing.Fuzzing;

namespace Ambient.Policy.Tests.Routing.Requests;

/// <summary>What a place with many routes does when some of them change: it routes as one that is made anew, and makes only what has changed.</summary>
public sealed class RouteUpdateTests
{
    private static readonly string[] s_paths = ["/", "/a", "/a/b", "/a/b/c", "/b", "/ab", ""];
    private static readonly string[] s_hosts = ["a.example", "A.example", "*.example", "b.a.example", "*.a.example", "*.com", "b.com"];
    private static readonly MeshService s_service = Service("web");

    private static readonly Gateway s_gateway = new()
    {
        Name = "gw",
        Namespace = "app",
        ClassName = "istio",
        Listeners =
        [
            new GatewayListener("any", 80, "HTTP", null, AllowedNamespaces.All, null),
            new GatewayListener("example", 80, "HTTP", "*.example", AllowedNamespaces.Same, null),
            new GatewayListener("other", 81, "HTTP", null, AllowedNamespaces.All, null),
        ],
    };

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Route_AfterRandomChanges_IsWhatAPlaceMadeAnewSays()
    {
        var (matched, shared) = (0, 0);
        FuzzBudget.Run(60, random =>
        {
            var services = new Dictionary<string, MeshService> { ["web"] = s_service, ["other"] = Service("other") };
            var routes = Enumerable.Range(0, random.Next(5, 60)).Select(i => Route(random, i)).DistinctBy(route => route.Key).ToImmutableDictionary(route => route.Key);
            var (waypoint, gateway) = (Waypoint(null), AtGateway(null));
            for (var step = 0; step < 25; step++)
            {
                for (var changes = random.Next(5) == 0 ? 8 : 1; changes > 0; changes--)
                {
                    var route = Route(random, random.Next(70));
                    routes = random.Next(3) == 0 ? routes.Remove(route.Key) : routes.SetItem(route.Key, route);
                }

                if (random.Next(8) == 0 && !services.Remove("other"))
                {
                    services["other"] = Service("other");
                }

                var before = (waypoint, gateway);
                (waypoint, gateway) = (Waypoint(waypoint), AtGateway(gateway));
                shared += waypoint.Compiled.Intersect(before.waypoint.Compiled).Count() + gateway.Compiled.Intersect(before.gateway.Compiled).Count();
                foreach (var (place, anew) in new[] { (waypoint, Waypoint(null)), (gateway, AtGateway(null)) })
                {
                    Assert.Equal(Names(anew), Names(place));
                    for (var i = 0; i < 30; i++)
                    {
                        var request = new RouteFacts(
                            random.GetItems([80, 81, 82], 1)[0],
                            random.GetItems(["a.example", "x.example", "B.a.EXAMPLE:80", "x.a.example", "b.com", "x.com", "example", "", ".com", "none"], 1)[0],
                            random.GetItems(["GET", "PUT"], 1)[0],
                            random.GetItems(["/", "/a", "/a/b", "/a/b/c/d", "/b", "/abc", "/ab/x"], 1)[0],
                            "",
                            _ => null)
                        { CallerNamespace = random.GetItems(["app", "ns", null], 1)[0] };
                        var (expected, actual) = (anew.Route(request, new Random(1)), place.Route(request, new Random(1)));
                        Assert.Equal((expected.Kind, expected.Rule, expected.StatusCode, expected.Service, expected.Error), (actual.Kind, actual.Rule, actual.StatusCode, actual.Service, actual.Error));
                        matched += expected.Rule is null ? 0 : 1;
                    }
                }
            }

            MeshSnapshot Mesh() => services.Values.Aggregate(new MeshSnapshotBuilder(MeshSnapshot.Empty), (builder, service) => builder.Set(service))
                .Set(new RequestConfiguration { HttpRoutes = routes, Gateways = ImmutableDictionary<string, Gateway>.Empty.Add("app/gw", s_gateway) }).Build();

            RequestRoutes Waypoint(RequestRoutes? earlier) => RequestRoutes.ForService(Mesh(), s_service, "app", earlier);
            RequestRoutes AtGateway(RequestRoutes? earlier) => RequestRoutes.ForGateway(Mesh(), s_gateway, earlier);
        });
        Assert.True(matched > 0 && shared > 0, "no route ever matched, or nothing was ever taken over: the test compares nothing");

        static IEnumerable<string> Names(RequestRoutes place) => place.Compiled.Select(route => $"{route.Route.Key} {route.Port} {route.Route.GetHashCode()}").Order(StringComparer.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Update_OfOneRouteOfMany_CompilesOne(bool atGateway)
    {
        var routes = Enumerable.Range(0, 1000).Select(i => About(i, $"/api/{i}")).ToImmutableDictionary(route => route.Key);
        var before = Place(routes, null);
        var changed = About(500, "/changed");

        var after = Place(routes.SetItem(changed.Key, changed), before);

        Assert.Equal(1000, after.Compiled.Length);
        Assert.Equal([changed], after.Compiled.Except(before.Compiled).Select(route => route.Route));
        Assert.Equal("app/r500 rule 0", after.Route(new RouteFacts(80, "t50.example", "GET", "/changed/x", "", _ => null), new Random(1)).Rule);
        Assert.Equal("app/r501 rule 0", after.Route(new RouteFacts(80, "t50.example", "GET", "/api/501/x", "", _ => null), new Random(1)).Rule);
        Assert.Null(after.Route(new RouteFacts(80, "t50.example", "GET", "/api/500/x", "", _ => null), new Random(1)).Rule);

        // Another instance of the same says nothing new.
        Assert.Same(after, Place(routes.SetItem(changed.Key, changed).Reverse().ToImmutableDictionary(), after));

        RequestRoutes Place(ImmutableDictionary<string, HttpRoute> routes, RequestRoutes? earlier)
        {
            var mesh = s_mesh.Set(new RequestConfiguration { HttpRoutes = routes }).Build();
            return atGateway ? RequestRoutes.ForGateway(mesh, s_gateway, earlier) : RequestRoutes.ForService(mesh, s_service, earlier: earlier);
        }
    }

    private static readonly MeshSnapshotBuilder s_mesh = new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(s_service);

    private static MeshService Service(string name) => new()
    {
        Name = name,
        Namespace = "app",
        Hostname = $"{name}.app.svc.cluster.local",
        Ports = [new ServicePort(80, 8080)],
    };

    private static HttpRoute About(int i, string path) => new()
    {
        Name = $"r{i}",
        Namespace = "app",
        ParentRefs = [new ObjectReference("", "Service", "app", "web"), new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
        Hostnames = [$"t{i / 10}.example"],
        Rules = [new TrafficRule { Matches = [new TrafficMatch { Path = new PathMatch(PathMatchKind.Prefix, path) }], Action = To("web") }],
    };

    private static HttpRoute Route(Random random, int i) => new()
    {
        Name = $"r{i / 2}",
        Namespace = random.Next(5) == 0 ? "ns" : "app",
        Kind = random.Next(40) == 0 ? HttpRoute.VirtualService : i % 2 == 0 ? "HTTPRoute" : "GRPCRoute",
        CreationTime = DateTimeOffset.UnixEpoch.AddDays(random.Next(3)),
        ParentRefs =
        [
            .. random.GetItems(
                [
                    new ObjectReference("", "Service", "app", "web"),
                    new ObjectReference("", "Service", "app", "web", Port: 80),
                    new ObjectReference("", "Service", "app", "web", Port: 81),
                    new ObjectReference("", "Service", "app", "none"),
                    new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw"),
                    new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw", SectionName: "example"),
                    new ObjectReference("", "Mesh", "", "mesh"),
                ],
                random.Next(1, 4)),
        ],
        Hostnames = [.. random.GetItems(s_hosts, random.Next(3))],
        Rules = [.. Enumerable.Range(0, random.Next(4)).Select(_ => new TrafficRule
        {
            Matches = [.. Enumerable.Range(0, random.Next(3)).Select(_ => new TrafficMatch
            {
                Path = new PathMatch((PathMatchKind)random.Next(4), random.GetItems(s_paths, 1)[0]) { IgnoresCase = random.Next(8) == 0 },
                Method = random.Next(3) == 0 ? TextMatch.Exact("PUT") : null,
            })],
            Action = random.Next(4) == 0 ? new RespondAction(200 + random.Next(3), "") : To(random.Next(3) == 0 ? "other" : "web"),
        })],
    };

    private static ForwardAction To(string service) => new() { Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", service, Port: 80), 1)] };
}
