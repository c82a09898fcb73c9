using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Authorization;

namespace Ambient.Policy.Tests.Authorization;

/// <summary>
/// Tokens are not verified: a request that has one where a RequestAuthentication looks for it is kept out; one without passes, as in Istio.
/// </summary>
public sealed class TokenSearchTests
{
    private static readonly TokenLocation[] s_usual = [new(TokenPart.Header, "authorization", "Bearer "), new(TokenPart.Parameter, "access_token")];
    private static readonly Gateway s_waypoint = new() { Name = "waypoint", Namespace = "app", ClassName = "istio-waypoint" };
    private static readonly Gateway s_gateway = new()
    {
        Name = "gw", Namespace = "app", ClassName = "istio", PodLabels = ImmutableDictionary<string, string>.Empty.Add("app", "gw"),
    };

    private static readonly MeshService s_web = new() { Name = "web", Namespace = "app", Hostname = "web.app.svc.cluster.local" };
    private static readonly Workload s_pod = new() { Uid = "pod", Name = "web-0", Namespace = "app", Addresses = [IPAddress.Parse("10.0.0.2")] };

    [Theory]
    [InlineData("", "", false)]
    [InlineData("authorization: Bearer a.b.c", "", true)]
    [InlineData("authorization: bearer a.b.c", "", true)]
    [InlineData("authorization: Basic eA==,Bearer a.b.c", "", true)]
    [InlineData("authorization: Bearer", "", true)]
    [InlineData("authorization: Basic eA==", "", false)]
    [InlineData("x-token: a.b.c", "", false)]
    [InlineData("", "access_token=a.b.c", true)]
    [InlineData("", "a=b&access_token=", true)]
    [InlineData("", "access%5Ftoken=a.b.c", true)]
    [InlineData("", "xaccess_token=a", false)]
    public void UsualPlaces(string header, string query, bool refused) => AssertRefused(s_usual, header, query, refused);

    [Theory]
    [InlineData("x-token: a.b.c", "", true)]
    [InlineData("x-prefixed: Token a.b.c", "", true)]
    [InlineData("x-prefixed: a.b.c", "", false)]
    [InlineData("cookie: a=b; session=x", "", true)]
    [InlineData("cookie: sessions=x", "", false)]
    [InlineData("", "jwt=a", true)]
    [InlineData("authorization: Bearer a.b.c", "access_token=a", false)]
    public void PlacesOfItsOwn_ReplaceTheUsual(string header, string query, bool refused) => AssertRefused(
        [
            new(TokenPart.Header, "x-token"), new(TokenPart.Header, "x-prefixed", "Token "), new(TokenPart.Parameter, "jwt"), new(TokenPart.Cookie, "session"),
        ],
        header, query, refused);

    [Fact]
    public void Preflight_Passes()
    {
        var policies = RequestPolicies.ForWaypoint(MeshOf(Looks("web", s_usual, new ObjectReference("", "Service", "app", "web"))), s_waypoint, s_web);
        var preflight = Request("", "access_token=x") with { Method = "OPTIONS", Header = static name => name is "origin" or "access-control-request-method" ? "x" : null };
        Assert.True(RequestAuthorizer.Authorize(policies, preflight).IsAllowed);
        Assert.False(RequestAuthorizer.Authorize(policies, preflight with { Method = "GET" }).IsAllowed);
    }

    [Fact]
    public void Decision_NamesTheObject_AndStandsBeforeAllow()
    {
        var decision = RequestAuthorizer.Authorize(
            RequestPolicies.ForWaypoint(MeshOf(Looks("jwt", s_usual, new ObjectReference("", "Service", "app", "web"))), s_waypoint, s_web), Request("authorization: Bearer x", ""));
        Assert.Equal(AuthorizationReason.UnverifiedToken, decision.Reason);
        Assert.Contains("RequestAuthentication app/jwt", decision.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Service", "web", true, false)]
    [InlineData("Service", "other", false, false)]
    [InlineData("Gateway", "waypoint", true, false)]
    [InlineData("Gateway", "gw", false, true)]
    [InlineData("", "", false, true)]
    public void AppliesWhereAPolicyWould(string kind, string name, bool atWaypoint, bool atGateway)
    {
        var mesh = MeshOf(kind.Length == 0
            ? Looks("jwt", s_usual)
            : Looks("jwt", s_usual, new ObjectReference(kind == "Service" ? "" : "gateway.networking.k8s.io", kind, "app", name)));
        var request = Request("authorization: Bearer x", "");
        Assert.Equal(!atWaypoint, RequestAuthorizer.Authorize(RequestPolicies.ForWaypoint(mesh, s_waypoint, s_web), request).IsAllowed);
        Assert.Equal(!atGateway, RequestAuthorizer.Authorize(RequestPolicies.ForGateway(mesh, s_gateway), request).IsAllowed);
        Assert.Equal(kind.Length > 0, MemberPolicies.Of(mesh, s_pod).Authorize(request).IsAllowed);
    }

    [Fact]
    public void Selector_CountsAtGatewaysAndMembers_AndInDoubt()
    {
        var selects = Looks("jwt", s_usual) with { Selector = ImmutableDictionary<string, string>.Empty.Add("app", "gw") };
        var request = Request("authorization: Bearer x", "");
        Assert.False(RequestAuthorizer.Authorize(RequestPolicies.ForGateway(MeshOf(selects), s_gateway), request).IsAllowed);
        Assert.True(RequestAuthorizer.Authorize(RequestPolicies.ForGateway(MeshOf(selects), s_gateway with { PodLabels = ImmutableDictionary<string, string>.Empty }), request).IsAllowed);

        Assert.False(MemberPolicies.Of(MeshOf(selects), s_pod).Authorize(request).IsAllowed); // labels are not known
        Assert.True(MemberPolicies.Of(MeshOf(selects, new RequestSelection([], [])), s_pod).Authorize(request).IsAllowed);
        Assert.False(MemberPolicies.Of(MeshOf(selects, new RequestSelection([], ["app/jwt"])), s_pod).Authorize(request).IsAllowed);
    }

    [Fact]
    public void CustomAndDryRunPolicies_BySelector_ReachAMember()
    {
        var selector = ImmutableDictionary<string, string>.Empty.Add("app", "web");
        var custom = new RequestAuthorizationPolicy { Name = "custom", Namespace = "app", Action = PolicyAction.Custom, Selector = selector, Rules = [new RequestRule()] };
        var trial = new RequestAuthorizationPolicy { Name = "trial", Namespace = "app", Action = PolicyAction.Deny, DryRun = true, Selector = selector, Rules = [new RequestRule()] };
        var mesh = new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(s_pod);
        var requests = new RequestConfiguration { AuthorizationPolicies = new[] { custom, trial }.ToImmutableDictionary(policy => policy.Key) };

        var selected = MemberPolicies.Of(mesh.Set(requests with { Selections = Selected(["app/custom", "app/trial"]) }).Build(), s_pod);
        Assert.Equal("no external authorizer for: app/custom", selected.Authorize(Request("", "")).ToString());
        Assert.Equal(PolicyNoteKind.DryRunDenies, Assert.Single(selected.Notes(Request("", ""))).Kind);

        var other = MemberPolicies.Of(mesh.Set(requests with { Selections = Selected([]) }).Build(), s_pod);
        Assert.True(other.Authorize(Request("", "")).IsAllowed);
        Assert.Empty(other.Notes(Request("", "")));

        // Where its labels are not known, what restricts counts, and what decides nothing does not.
        var unknown = MemberPolicies.Of(mesh.Set(requests).Build(), s_pod);
        Assert.False(unknown.Authorize(Request("", "")).IsAllowed);
        Assert.Empty(unknown.Notes(Request("", "")));

        static ImmutableDictionary<string, RequestSelection> Selected(ImmutableArray<string> policies) =>
            ImmutableDictionary<string, RequestSelection>.Empty.Add("pod", new RequestSelection(policies, []));
    }

    private static void AssertRefused(TokenLocation[] locations, string header, string query, bool refused)
    {
        var mesh = MeshOf(Looks("jwt", locations, new ObjectReference("", "Service", "app", "web")));
        var decision = RequestAuthorizer.Authorize(RequestPolicies.ForWaypoint(mesh, s_waypoint, s_web), Request(header, query));
        Assert.Equal(!refused, decision.IsAllowed);
    }

    private static RequestAuthentication Looks(string name, TokenLocation[] locations, params ObjectReference[] targets) =>
        new() { Name = name, Namespace = "app", Targets = [.. targets], Locations = [.. locations] };

    private static MeshSnapshot MeshOf(RequestAuthentication authentication, RequestSelection? selection = null) => new MeshSnapshotBuilder(MeshSnapshot.Empty)
        .Set(s_pod)
        .Set(new RequestConfiguration
        {
            RequestAuthentications = ImmutableDictionary<string, RequestAuthentication>.Empty.Add(authentication.Key, authentication),
            Selections = selection is null ? ImmutableDictionary<string, RequestSelection>.Empty : ImmutableDictionary<string, RequestSelection>.Empty.Add("pod", selection),
        })
        .Build();

    private static RequestFacts Request(string header, string query)
    {
        var parts = header.Split(": ", 2);
        return new RequestFacts
        {
            Method = "GET",
            Host = "web",
            Path = "/",
            Query = query,
            Header = name => parts.Length == 2 && name == parts[0] ? parts[1] : null,
            Source = IPEndPoint.Parse("10.0.0.1:4000"),
            Destination = IPEndPoint.Parse("10.0.0.2:80"),
        };
    }
}
