using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;
using Ambient.Testing;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Routing.Requests;

/// <summary>What the Gateway API says of routes and golden/http does not ask; the rest is asked there.</summary>
public sealed class RequestRoutesTests
{
    private static readonly MeshService Web = Service("web", "10.0.0.1", (80, 8080));
    private static readonly MeshService Other = Web with { Namespace = "other", Hostname = "web.other.svc.cluster.local" };
    private static readonly Gateway Ingress = new()
    {
        Name = "gw",
        Namespace = "ns",
        ClassName = "istio",
        Listeners = [new GatewayListener("http", 80, "HTTP", null, AllowedNamespaces.Same, null)],
    };

    private readonly Random _random = new(1);

    private static ObjectReference ToGateway => new("gateway.networking.k8s.io", "Gateway", "ns", "gw");

    private static TrafficBackend Backend(MeshService service, int weight = 1) =>
        new(new ObjectReference("", "Service", service.Namespace, service.Name, Port: 80), weight);

    private static ForwardAction To(params TrafficBackend[] backends) => new() { Backends = [.. backends] };

    private static HttpRoute Route(params TrafficRule[] rules) => new()
    {
        Name = "r",
        Namespace = "ns",
        ParentRefs = [new ObjectReference("", "Service", "ns", "web"), ToGateway],
        Rules = [.. rules],
    };

    private static TrafficRule Rule(string prefix = "/") => new()
    {
        Matches = [new TrafficMatch { Path = new PathMatch(PathMatchKind.Prefix, prefix) }],
        Action = To(Backend(Web)),
    };

    private static RouteFacts Request(string path = "/", string host = "web", string query = "", int port = 80) =>
        new(port, host, "GET", path, query, _ => null);

    private static MeshSnapshot Mesh(RequestConfiguration? configuration, params HttpRoute[] routes) => Snapshot(
        Web, Other, (configuration ?? new RequestConfiguration()) with { HttpRoutes = routes.ToImmutableDictionary(route => route.Key) });

    private RequestRoute AtService(RouteFacts request, params HttpRoute[] routes) =>
        RequestRoutes.ForService(Mesh(null, routes), Web).Route(request, _random);

    private RequestRoute AtGateway(RouteFacts request, RequestConfiguration? configuration, params HttpRoute[] routes) =>
        RequestRoutes.ForGateway(Mesh(configuration, routes), Ingress).Route(request, _random);

    [Fact]
    public void NoRoutes_ServiceIsTheDefault_GatewayHasNone()
    {
        Assert.Equal(RequestRouteKind.Default, AtService(Request()).Kind);
        Assert.Equal(404, AtGateway(Request(), null).StatusCode);
    }

    [Fact]
    public void RouteOfAnotherNamespace_IsNotForTheWaypoint() =>
        Assert.Equal(RequestRouteKind.Default, AtService(Request(), Route(Rule()) with { Namespace = "other" }).Kind);

    [Fact]
    public void CrossNamespaceBackend_AtGateway_NeedsAGrant()
    {
        var route = Route(Rule() with { Action = To(Backend(Other)) });
        var grant = new ReferenceGrant
        {
            Name = "g",
            Namespace = "other",
            From = [new GrantSource("gateway.networking.k8s.io", "HTTPRoute", "ns")],
            To = [new GrantTarget("", "Service", null)],
        };

        Assert.Equal(500, AtGateway(Request(), null, route).StatusCode);
        Assert.Equal(Other, AtGateway(Request(), With(grant), route).Service);
        Assert.Equal(Other, AtGateway(Request(), With(grant with { To = [new GrantTarget("", "Service", "web")] }), route).Service);
        Assert.Equal(500, AtGateway(Request(), With(grant with { To = [new GrantTarget("", "Service", "db")] }), route).StatusCode);
        Assert.Equal(500, AtGateway(Request(), With(grant with { From = [new GrantSource("gateway.networking.k8s.io", "HTTPRoute", "else")] }), route).StatusCode);
        Assert.Equal(500, AtGateway(Request(), With(grant with { Namespace = "ns" }), route).StatusCode);

        static RequestConfiguration With(ReferenceGrant grant) => new() { ReferenceGrants = ImmutableDictionary<string, ReferenceGrant>.Empty.Add(grant.Key, grant) };
    }

    [Fact]
    public void UnsupportedRule_Answers500AndNamesIt()
    {
        var route = AtService(Request(), Route(Rule() with { Unsupported = ["CORS"] }));

        Assert.Equal(500, route.StatusCode);
        Assert.Contains("CORS", route.Error, StringComparison.Ordinal);
        Assert.Equal("ns/r rule 0", route.Rule);
    }

    [Theory]
    [InlineData("[")]
    [InlineData("(?=x)y")]
    [InlineData("(a)\\1")]
    public void RegularExpression_BrokenOrNotLinear_MatchesNothing(string pattern)
    {
        var rule = Rule() with { Matches = [new TrafficMatch { Path = new PathMatch(PathMatchKind.RegularExpression, pattern) }] };

        Assert.Equal(404, AtService(Request("/y"), Route(rule)).StatusCode);
    }

    [Fact]
    public void RegularExpression_OfBadManners_IsLinear()
    {
        var rule = Rule() with { Matches = [new TrafficMatch { Path = new PathMatch(PathMatchKind.RegularExpression, "(a+)+b") }] };

        Assert.Equal(404, AtService(Request(new string('a', 8000)), Route(rule)).StatusCode);
    }

    [Theory]
    [InlineData("/old", "/new", "/old", "/new")]
    [InlineData("/old", "/new", "/old/x", "/new/x")]
    [InlineData("/old", "/new/", "/old/x", "/new/x")]
    [InlineData("/old", "/", "/old", "/")]
    [InlineData("/old", "/", "/old/x", "/x")]
    [InlineData("/old", "", "/old", "/")]
    [InlineData("/old/", "/new", "/old/x", "/new/x")]
    [InlineData("/", "/new", "/x", "/new/x")]
    public void Rewrite_Prefix_JoinsWithOneSlash(string prefix, string by, string path, string expected)
    {
        var rule = Rule(prefix) with { Action = To(Backend(Web)) with { Rewrite = new UrlRewrite("h.example", new PathRewrite(PathRewriteKind.ReplacePrefixMatch, by)) } };

        var route = AtService(Request(path), Route(rule));

        Assert.Equal((expected, "h.example"), (route.Path, route.Host));
        Assert.Equal(Web, route.Service);
    }

    [Theory]
    [InlineData(null, null, null, "http://web/p?q=1")]
    [InlineData("https", null, null, "https://web/p?q=1")]
    [InlineData("https", null, 443, "https://web/p?q=1")]
    [InlineData(null, "x.example", 8443, "http://x.example:8443/p?q=1")]
    public void Redirect_Location_FollowsThePortRules(string? scheme, string? hostname, int? port, string expected)
    {
        var rule = Rule() with { Action = new RedirectAction(new RequestRedirect(scheme, hostname, null, port, 301)) };

        var route = AtService(Request("/p", "web:80", "q=1"), Route(rule));

        Assert.Equal((301, expected), (route.StatusCode, route.Location));
    }

    [Fact]
    public void Weights_OfBackends_AreTheShares()
    {
        var routes = RequestRoutes.ForService(Mesh(null, Route(Rule() with { Action = To(Backend(Web, 90), Backend(Other, 10)) })), Web);

        var share = Enumerable.Range(0, 10_000).Count(_ => routes.Route(Request(), _random).Service == Other);

        Assert.InRange(share, 880, 1120);
    }

    [Fact]
    public void Route_WithoutRewrite_AllocatesNothing()
    {
        var routes = RequestRoutes.ForService(Mesh(null, Route(Rule() with { Action = To(Backend(Web, 90), Backend(Other, 10)) })), Web);
        var request = Request("/p");
        routes.Route(request, _random);

        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                routes.Route(request, _random);
            }
        }));
    }

    [Fact]
    public void Listener_SelectorOfNamespaces_AdmitsByLabel()
    {
        var labels = ImmutableDictionary<string, string>.Empty;
        var gateway = Ingress with { Listeners = [Ingress.Listeners[0] with { AllowedRouteNamespaces = AllowedNamespaces.Selector, NamespaceSelector = labels.Add("team", "x") }] };
        var route = Route(Rule() with { Action = To(Backend(Other)) }) with { Namespace = "other" };
        var configuration = new RequestConfiguration
        {
            HttpRoutes = ImmutableDictionary<string, HttpRoute>.Empty.Add(route.Key, route),
            Namespaces = ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty.Add("other", labels.Add("team", "x")),
        };

        Assert.Equal(Other, RequestRoutes.ForGateway(Snapshot(Web, Other, configuration), gateway).Route(Request(), _random).Service);
        Assert.Equal(404, RequestRoutes.ForGateway(
            Snapshot(Web, Other, configuration with { Namespaces = configuration.Namespaces.SetItem("other", labels) }), gateway).Route(Request(), _random).StatusCode);
    }

    [Theory]
    [InlineData("*.x.example", "a.x.example", true)]
    [InlineData("*.x.example", "a.b.x.example", true)]
    [InlineData("*.x.example", "x.example", false)]
    [InlineData("*.x.example", ".x.example", false)]
    [InlineData("X.example", "x.EXAMPLE", true)]
    [InlineData(null, "anything", true)]
    public void HostName_Wildcard_AnyLabelsButNotTheApex(string? pattern, string host, bool expected) =>
        Assert.Equal(expected, HostName.Matches(pattern, host));

    [Theory]
    [InlineData("a.x", "*.x", "a.x")]
    [InlineData("*.x", "a.x", "a.x")]
    [InlineData("*.a.x", "*.x", "*.a.x")]
    [InlineData(null, "*.x", "*.x")]
    [InlineData("a.x", null, "a.x")]
    public void HostName_Intersection_IsTheNarrower(string? left, string? right, string expected)
    {
        Assert.True(HostName.TryIntersect(left, right, out var both));
        Assert.Equal(expected, both);
    }

    [Theory]
    [InlineData("a.x", "b.x")]
    [InlineData("*.x", "*.y")]
    [InlineData("x", "*.x")]
    [InlineData("*.ax", "*.x")]
    public void HostName_NothingInCommon_NoIntersection(string left, string right) => Assert.False(HostName.TryIntersect(left, right, out _));

    [Fact]
    public void ConsumerRoute_IsForCallersOfItsNamespace_InPlaceOfTheProducers()
    {
        var producer = Route(Rule("/") with { Name = "producer" });
        var consumer = Route(Rule("/c") with { Name = "consumer" }) with { Namespace = "shop" };

        Assert.Equal("ns/r rule producer", AtService(Request("/c"), producer, consumer).Rule);
        Assert.Equal("ns/r rule producer", AtService(Request("/c") with { CallerNamespace = "ns" }, producer, consumer).Rule);
        Assert.Equal("shop/r rule consumer", AtService(Request("/c") with { CallerNamespace = "shop" }, producer, consumer).Rule);

        // In place of, and not besides: what the consumer's own do not match, nobody's do.
        Assert.Equal(404, AtService(Request("/d") with { CallerNamespace = "shop" }, producer, consumer).StatusCode);
        Assert.Equal(RequestRouteKind.Default, AtService(Request("/d"), consumer).Kind);
    }

    [Fact]
    public void ConsumerRoute_ForAPort_LeavesOtherPortsToTheProducers()
    {
        var producer = Route(Rule() with { Name = "producer" });
        var consumer = producer with { Namespace = "shop", ParentRefs = [new ObjectReference("", "Service", "ns", "web", Port: 80)], Rules = [Rule() with { Name = "consumer" }] };

        Assert.Equal("shop/r rule consumer", AtService(Request() with { CallerNamespace = "shop" }, producer, consumer).Rule);
        Assert.Equal("ns/r rule producer", AtService(Request(port: 81) with { CallerNamespace = "shop" }, producer, consumer).Rule);
    }

    [Fact]
    public void ConsumerRoute_ChoosesServicesOfOthers_OnlyWhereTheyGrantIt()
    {
        var consumer = Route(Rule() with { Action = To(Backend(Other)) }) with { Namespace = "shop" };
        var grant = new ReferenceGrant
        {
            Name = "g",
            Namespace = "other",
            From = [new GrantSource("gateway.networking.k8s.io", "HTTPRoute", "shop")],
            To = [new GrantTarget("", "Service", null)],
        };
        RequestRoute Ask(RequestConfiguration configuration) =>
            RequestRoutes.ForService(Mesh(configuration, consumer), Web).Route(Request() with { CallerNamespace = "shop" }, _random);

        Assert.Equal(500, Ask(new RequestConfiguration()).StatusCode);
        Assert.Equal(Other, Ask(new RequestConfiguration { ReferenceGrants = ImmutableDictionary<string, ReferenceGrant>.Empty.Add(grant.Key, grant) }).Service);
    }

    [Fact]
    public void ConsumerRoute_ThatComesOrGoes_IsCompiled()
    {
        var consumer = Route(Rule()) with { Namespace = "shop" };
        var request = Request() with { CallerNamespace = "shop" };
        var without = RequestRoutes.ForService(Mesh(null), Web);
        var with = RequestRoutes.ForService(Mesh(null, consumer), Web, earlier: without);
        var again = RequestRoutes.ForService(Mesh(null, consumer), Web, earlier: with);
        var gone = RequestRoutes.ForService(Mesh(null), Web, earlier: with);

        Assert.Equal("shop/r rule 0", with.Route(request, _random).Rule);
        Assert.Same(with, again);
        Assert.Equal(RequestRouteKind.Default, gone.Route(request, _random).Kind);
    }
}
