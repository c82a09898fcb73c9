using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Authentication;
using Ambient.Policy.Authorization;

namespace Ambient.Policy.Tests.Authentication;

/// <summary>Where tokens are found, which objects apply where, and what several rules and tokens come to.</summary>
public sealed class TokenRulesTests
{
    private static readonly Gateway s_waypoint = new() { Name = "waypoint", Namespace = "app", ClassName = "istio-waypoint" };
    private static readonly Gateway s_gateway = new()
    {
        Name = "gw", Namespace = "app", ClassName = "istio", PodLabels = ImmutableDictionary<string, string>.Empty.Add("app", "gw"),
    };

    private static readonly MeshService s_web = new() { Name = "web", Namespace = "app", Hostname = "web.app.svc.cluster.local" };
    private static readonly Workload s_pod = new() { Uid = "pod", Name = "web-0", Namespace = "app", Addresses = [IPAddress.Parse("10.0.0.2")] };

    [Theory]
    [InlineData("", "", "")]
    [InlineData("authorization: Bearer a.b.c", "", "a.b.c")]
    [InlineData("authorization: bearer a.b.c", "", "")]
    [InlineData("authorization: Basic eA==,Bearer a.b.c", "", "a.b.c")]
    [InlineData("authorization: Bearer  \"a.b.c", "", "a.b.c")]
    [InlineData("authorization: Bearer", "", "")]
    [InlineData("authorization: Bearer ?", "", "Bearer ?")]
    [InlineData("authorization: Basic eA==", "", "")]
    [InlineData("x-token: a.b.c", "", "")]
    [InlineData("", "access_token=a.b.c", "a.b.c")]
    [InlineData("", "a=b&access_token=", "")]
    [InlineData("", "access%5Ftoken=a%2eb.c", "a.b.c")]
    [InlineData("", "access_token=a&x&access_token=b", "a b")]
    [InlineData("", "xaccess_token=a", "")]
    [InlineData("authorization: Bearer h", "access_token=p", "h p")]
    public void UsualPlaces(string header, string query, string tokens) => AssertFound(JwtRule.UsualLocations, header, query, tokens);

    [Theory]
    [InlineData("x-token: a.b.c", "", "a.b.c")]
    [InlineData("X-Prefixed: Token a.b.c", "", "a.b.c")]
    [InlineData("x-prefixed: a.b.c", "", "")]
    [InlineData("cookie: a=b; session=x", "", "x")]
    [InlineData("cookie: session=\"x\"; session=y", "", "x y")]
    [InlineData("cookie: sessions=x", "", "")]
    [InlineData("", "jwt=a", "a")]
    [InlineData("authorization: Bearer a.b.c", "access_token=a", "")]
    public void PlacesOfItsOwn_ReplaceTheUsual(string header, string query, string tokens) => AssertFound(
        [new(TokenPart.Cookie, "session"), new(TokenPart.Parameter, "jwt"), new(TokenPart.Header, "X-Token"), new(TokenPart.Header, "x-prefixed", "Token ")], header, query, tokens);

    [Theory]
    [InlineData("access_token=x", "")]
    [InlineData("a=b&access_token=x&c=%20", "a=b&c=%20")]
    [InlineData("access%5Ftoken=x&a", "a")]
    [InlineData("a&&b", "a&&b")]
    public void Parameter_IsTakenOut_AndTheRestStaysAsItIs(string query, string rest) => Assert.Equal(rest, TokenSearch.WithoutParameter(query, "access_token"));

    [Fact]
    public void Preflight_HasNoToken()
    {
        var rules = TokenRules.Of([Asks("jwt", new JwtRule { Issuer = "i" })]);
        static string? Header(string name) => name is "origin" or "access-control-request-method" ? "x" : null;
        Assert.True(rules.Find("OPTIONS", "access_token=x", Header).IsEmpty);
        Assert.False(rules.Find("GET", "access_token=x", Header).IsEmpty);
        Assert.False(rules.Find("OPTIONS", "access_token=x", static _ => null).IsEmpty);
    }

    [Fact]
    public void ManyTokens_AreNotAllLookedAt()
    {
        var rules = TokenRules.Of([Asks("jwt", new JwtRule { Issuer = "i" })]);
        var found = rules.Find("GET", string.Join('&', Enumerable.Repeat("access_token=x", 10_000)), static _ => null);
        Assert.True(found.IsTooMany);
        Assert.Equal(FoundTokens.MaxTokens + 1, found.Tokens.Length);
        Assert.Equal(TokenStatus.TooManyTokens, RequestAuthenticator.Decide(rules, found, new Script([])).Status);
    }

    [Fact]
    public void Rules_AreInOrderOfTheirIssuers_AndKnowWhatTheyWrite()
    {
        var rules = TokenRules.Of(
        [
            Asks("b", new JwtRule { Issuer = "z", OutputPayloadToHeader = "X-P" }, new JwtRule { Issuer = "a", OutputClaimToHeaders = [new("x-p", "sub"), new("x-q", "sub")] }),
            Asks("a", new JwtRule { Issuer = "m" }),
        ]);
        Assert.Equal([("app/b", "a"), ("app/a", "m"), ("app/b", "z")], rules.Rules.Select(rule => (rule.Authentication, rule.Rule.Issuer)));
        Assert.Equal(["x-p", "x-q"], rules.OutputHeaders.ToArray());
        Assert.Same(TokenRules.None, TokenRules.Of([Asks("empty")]));
    }

    /// <summary>
    /// Two rules, whose tokens are judged as the words say: each stands for the tokens of one rule. What comes of it is what Envoy answers for Istio's
    /// requirement: any of the rules, or of each that it holds or finds nothing.
    /// </summary>
    [Theory]
    [InlineData("valid", "valid", TokenStatus.Valid)]
    [InlineData("valid", "expired", TokenStatus.Valid)]
    [InlineData("expired", "valid", TokenStatus.Valid)]
    [InlineData("valid", "", TokenStatus.Valid)]
    [InlineData("", "valid", TokenStatus.Valid)]
    [InlineData("", "", TokenStatus.Missing)]
    [InlineData("unknown", "valid", TokenStatus.Valid)]
    [InlineData("unknown", "unknown", TokenStatus.UnknownIssuer)]
    [InlineData("unknown", "expired", TokenStatus.Expired)]
    [InlineData("expired", "unknown", TokenStatus.Expired)]
    [InlineData("expired", "nokey", TokenStatus.Expired)]
    [InlineData("", "nokey", TokenStatus.NoKey)]
    [InlineData("valid,expired", "", TokenStatus.Expired)]
    [InlineData("expired,valid", "", TokenStatus.Expired)]
    [InlineData("valid,valid", "", TokenStatus.Valid)]
    [InlineData("valid,unknown", "valid", TokenStatus.Valid)]
    [InlineData("undecided", "valid", TokenStatus.Undecided)]
    public void Requirement(string first, string second, TokenStatus expected)
    {
        var rules = TokenRules.Of([Asks("jwt", new JwtRule { Issuer = "1" }, new JwtRule { Issuer = "2" })]);
        var found = new FoundTokens(
        [
            .. new[] { first, second }.SelectMany((words, rule) => words.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(word => new FoundToken(rule, JwtRule.UsualLocations[0], word))),
        ]);
        var decision = RequestAuthenticator.Decide(rules, found, new Script(new()
        {
            ["valid"] = TokenStatus.Valid,
            ["expired"] = TokenStatus.Expired,
            ["unknown"] = TokenStatus.UnknownIssuer,
            ["nokey"] = TokenStatus.NoKey,
            ["undecided"] = TokenStatus.Undecided,
        }));
        Assert.Equal(expected, decision.Status);
        Assert.Equal(expected == TokenStatus.Valid, decision.Claims is not null);
        if (!decision.IsAllowed)
        {
            Assert.Contains("RequestAuthentication app/jwt", decision.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void NothingDecided_LetsNobodyIn() => Assert.False(default(AuthenticationDecision).IsAllowed);

    [Theory]
    [InlineData("Service", "web", true, false)]
    [InlineData("Service", "other", false, false)]
    [InlineData("Gateway", "waypoint", true, false)]
    [InlineData("Gateway", "gw", false, true)]
    [InlineData("", "", false, true)]
    public void AppliesWhereAPolicyWould(string kind, string name, bool atWaypoint, bool atGateway)
    {
        var asks = Asks("jwt", new JwtRule { Issuer = "i" });
        var mesh = MeshOf(kind.Length == 0 ? asks : asks with { Targets = [new ObjectReference(kind == "Service" ? "" : "gateway.networking.k8s.io", kind, "app", name)] });
        Assert.Equal(atWaypoint, !RequestPolicies.ForWaypoint(mesh, s_waypoint, s_web).Tokens.IsEmpty);
        Assert.Equal(atGateway, !RequestPolicies.ForGateway(mesh, s_gateway).Tokens.IsEmpty);
        Assert.Equal(kind.Length == 0, !MemberPolicies.Of(mesh, s_pod).Tokens.IsEmpty);
    }

    [Fact]
    public void Selector_CountsAtGatewaysAndMembers_AndInDoubt()
    {
        var selects = Asks("jwt", new JwtRule { Issuer = "i" }) with { Selector = ImmutableDictionary<string, string>.Empty.Add("app", "gw") };
        Assert.False(RequestPolicies.ForGateway(MeshOf(selects), s_gateway).Tokens.IsEmpty);
        Assert.True(RequestPolicies.ForGateway(MeshOf(selects), s_gateway with { PodLabels = ImmutableDictionary<string, string>.Empty }).Tokens.IsEmpty);

        Assert.False(MemberPolicies.Of(MeshOf(selects), s_pod).Tokens.IsEmpty); // labels are not known
        Assert.True(MemberPolicies.Of(MeshOf(selects, new RequestSelection([], [])), s_pod).Tokens.IsEmpty);
        Assert.False(MemberPolicies.Of(MeshOf(selects, new RequestSelection([], ["app/jwt"])), s_pod).Tokens.IsEmpty);
    }

    [Fact]
    public void Rules_StayTheSame_WhileTheirObjectsDo()
    {
        var mesh = MeshOf(Asks("jwt", new JwtRule { Issuer = "i" }) with { Targets = [new ObjectReference("", "Service", "app", "web")] });
        var first = RequestPolicies.ForWaypoint(mesh, s_waypoint, s_web);
        var policy = new RequestAuthorizationPolicy { Name = "p", Namespace = "app", Action = PolicyAction.Allow, Targets = [new ObjectReference("", "Service", "app", "web")] };
        var more = new MeshSnapshotBuilder(mesh).Set(mesh.Requests with { AuthorizationPolicies = mesh.Requests.AuthorizationPolicies.Add(policy.Key, policy) }).Build();
        var second = RequestPolicies.ForWaypoint(more, s_waypoint, s_web, first);
        Assert.NotSame(first, second);
        Assert.Same(first.Tokens, second.Tokens);
        Assert.True(second.Tokens.Has(new JwtRule { Issuer = "i", Locations = second.Tokens.Rules[0].Rule.Locations }));
        Assert.False(second.Tokens.Has(new JwtRule { Issuer = "j" }));
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

    private static void AssertFound(ImmutableArray<TokenLocation> locations, string header, string query, string tokens)
    {
        var parts = header.Split(": ", 2);
        var rules = TokenRules.Of([Asks("jwt", new JwtRule { Issuer = "i", Locations = locations })]);
        var found = rules.Find("GET", query, name => parts.Length == 2 && name.Equals(parts[0], StringComparison.OrdinalIgnoreCase) ? parts[1] : null);
        Assert.Equal(tokens, string.Join(' ', found.Tokens.Select(token => token.Text)));
    }

    private static RequestAuthentication Asks(string name, params JwtRule[] rules) => new() { Name = name, Namespace = "app", Rules = [.. rules] };

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

    /// <summary>Judges tokens by their text.</summary>
    private sealed class Script(Dictionary<string, TokenStatus> words) : ITokenJudge
    {
        public TokenStatus Judge(TokenRule rule, string text, out TokenClaims? claims)
        {
            var status = words[text];
            claims = status == TokenStatus.Valid ? new TokenClaims(rule.Rule, TokenText.Read("{}")) : null;
            return status;
        }
    }
}
