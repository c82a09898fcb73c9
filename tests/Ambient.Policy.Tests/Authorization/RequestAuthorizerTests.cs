using System.Collections.Immutable;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authentication;
using Ambient.Policy.Authorization;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Authorization;

/// <summary>What Istio says of AuthorizationPolicy and golden/http does not ask; the rest is asked there.</summary>
public sealed class RequestAuthorizerTests
{
    private static readonly MeshService Web = Service("web", "10.0.0.1", (80, 8080));
    private static readonly Gateway Waypoint = new() { Name = "waypoint", Namespace = "ns", ClassName = "istio-waypoint" };
    private static readonly Gateway Ingress = new()
    {
        Name = "gw",
        Namespace = "ns",
        ClassName = "istio",
        PodLabels = ImmutableDictionary<string, string>.Empty.Add("app", "gw"),
    };

    private static readonly RequestFacts Get = new()
    {
        Identity = SpiffeId.Parse("spiffe://cluster.local/ns/a/sa/b"),
        Source = To("10.1.0.1:40000"),
        Destination = To("10.0.0.1:80"),
        Method = "GET",
        Host = "web",
        Path = "/",
        Header = _ => null,
    };

    private static readonly ConnectionFacts Tcp = new(Get.Source, Get.Destination, Get.Identity);

    private static ObjectReference OnWeb => new("", "Service", "ns", "web");

    private static ValueMatch Values(params string[] values) => new([.. values], []);

    private static ValueMatch Not(params string[] values) => new([], [.. values]);

    private static RequestRule From(RequestSource source) => new() { From = [source] };

    private static RequestRule To(RequestOperation operation) => new() { To = [operation] };

    private static System.Net.IPEndPoint To(string endpoint) => MeshFixture.To(endpoint);

    private static RequestRule When(string key, ValueMatch match) => new() { When = [new RequestCondition(key, match)] };

    private static RequestAuthorizationPolicy Policy(PolicyAction action, params RequestRule[] rules) => new()
    {
        Name = $"p-{action}".ToLowerInvariant(),
        Namespace = "ns",
        Action = action,
        Targets = [OnWeb],
        Rules = [.. rules],
    };

    private static RequestPolicies Policies(params RequestAuthorizationPolicy[] policies) => Policies(new RequestConfiguration(), policies);

    private static RequestPolicies Policies(RequestConfiguration configuration, params RequestAuthorizationPolicy[] policies) =>
        RequestPolicies.ForWaypoint(Snapshot(configuration with { AuthorizationPolicies = policies.ToImmutableDictionary(policy => policy.Key) }, Web), Waypoint, Web);

    private static bool Allows(RequestFacts request, params RequestAuthorizationPolicy[] policies) =>
        RequestAuthorizer.Authorize(Policies(policies), request).IsAllowed;

    private static bool AllowsTcp(params RequestAuthorizationPolicy[] policies) => RequestAuthorizer.Authorize(Policies(policies), Tcp).IsAllowed;

    [Fact]
    public void Denial_NamesPolicyAndRule()
    {
        var decision = RequestAuthorizer.Authorize(
            Policies(Policy(PolicyAction.Deny, To(new RequestOperation { Methods = Values("PUT") }), To(new RequestOperation { Methods = Values("GET") }))), Get);

        Assert.Equal(("ns/p-deny", 1), (decision.Policy, decision.Rule));
        Assert.Equal("ns[ns]-policy[p-deny]-rule[1]", decision.RuleText);
        Assert.Equal("none", RequestAuthorizer.Authorize(Policies(Policy(PolicyAction.Allow)), Get).RuleText);
    }

    public static TheoryData<string, RequestRule> Undecidable => new()
    {
        { "claim without a name", When("request.auth.claims[]", Values("x")) },
        { "claim not closed", When("request.auth.claims[a][b", Values("x")) },
        { "claim with a gap", When("request.auth.claims[a].[b]", Values("x")) },
        { "unknown attribute", When("no.such.attribute", Values("x")) },
        { "header without a name", When("request.headers[]", Values("x")) },
        { "unknown pseudo-header", When("request.headers[:protocol]", Values("x")) },
        { "condition without values", When("source.ip", ValueMatch.None) },
        { "bad range", From(new RequestSource { IpBlocks = Values("10.0.0.0/99") }) },
        { "not a bad range", From(new RequestSource { IpBlocks = Not("nonsense") }) },
        { "bad port", To(new RequestOperation { Ports = Values("http") }) },
        { "bad template", To(new RequestOperation { Paths = Values("/a/{**}/{*}") }) },
        { "empty source", From(new RequestSource()) },
        { "empty operation", To(new RequestOperation()) },
        { "field not understood", new RequestRule { Unsupported = ["experimental"] } },
    };

    [Theory]
    [MemberData(nameof(Undecidable))]
    public void UndecidableRule_NeverAllows_AndDenies(string what, RequestRule rule)
    {
        Assert.False(Allows(Get, Policy(PolicyAction.Allow, rule)), what);
        Assert.False(Allows(Get, Policy(PolicyAction.Deny, rule)), what);
    }

    [Theory]
    [InlineData("*", true)]
    [InlineData("https://i.example/alice", true)]
    [InlineData("https://i.example/*", true)]
    [InlineData("https://i.example/al*", true)]
    [InlineData("https://i.example/bob", false)]
    [InlineData("https://i.example*", false)] // the last slash is the one before i.example
    [InlineData("https://i.example", false)]
    [InlineData("*/alice", true)]
    [InlineData("*.example/alice", true)]
    [InlineData("*.example/ali", false)]
    [InlineData("*ice", true)]
    [InlineData("https://other.example/*", false)]
    public void RequestPrincipals_IssuerAndSubjectOfTheToken(string value, bool matches)
    {
        var request = Get with { Claims = Claims("""{"iss":"https://i.example","sub":"alice"}""") };
        foreach (var rule in new[] { From(new RequestSource { RequestPrincipals = Values(value) }), When("request.auth.principal", Values(value)) })
        {
            Assert.Equal(matches, Allows(request, Policy(PolicyAction.Allow, rule)));
            Assert.Equal(!matches, Allows(request, Policy(PolicyAction.Deny, rule)));
            Assert.False(Allows(Get, Policy(PolicyAction.Allow, rule)));
            Assert.False(Allows(Get with { Claims = Claims("""{"iss":"https://i.example"}""") }, Policy(PolicyAction.Allow, rule)));
        }

        Assert.Equal(!matches, Allows(request, Policy(PolicyAction.Allow, From(new RequestSource { RequestPrincipals = Not(value) }))));
        Assert.False(Allows(Get, Policy(PolicyAction.Deny, From(new RequestSource { RequestPrincipals = Not("*") }))));
    }

    [Theory]
    [InlineData("request.auth.claims[groups]", "admin", true)]
    [InlineData("request.auth.claims[groups]", "adm*", true)]
    [InlineData("request.auth.claims[groups]", "x", false)]
    [InlineData("request.auth.claims[nested][team]", "red", true)]
    [InlineData("request.auth.claims[https://x.example/y]", "z", true)]
    [InlineData("request.auth.claims[scope]", "write", true)]
    [InlineData("request.auth.claims[scope]", "read write", false)]
    [InlineData("request.auth.claims[num]", "7", false)]
    [InlineData("request.auth.claims[none]", "*", false)]
    [InlineData("request.auth.audiences", "two", true)]
    [InlineData("request.auth.presenter", "app", true)]
    public void Claims_TextOrOneOfAList(string key, string value, bool matches)
    {
        var request = Get with
        {
            Claims = Claims("""{"iss":"i","groups":["dev","admin"],"nested":{"team":"red"},"https://x.example/y":"z","scope":"read write","num":7,"aud":["one","two"],"azp":"app"}"""),
        };
        Assert.Equal(matches, Allows(request, Policy(PolicyAction.Allow, When(key, Values(value)))));
        Assert.False(Allows(Get, Policy(PolicyAction.Allow, When(key, Values(value)))));
        Assert.Equal(!matches, Allows(request, Policy(PolicyAction.Allow, When(key, Not(value)))));
        Assert.True(Allows(Get, Policy(PolicyAction.Allow, When(key, Not(value)))));

        // A connection has no token: it may be anybody's.
        Assert.False(AllowsTcp(Policy(PolicyAction.Deny, When(key, Values(value)))));
        Assert.False(AllowsTcp(Policy(PolicyAction.Allow, When(key, Values(value)))));
    }

    private static TokenClaims Claims(string payload) => new(new JwtRule { Issuer = "i" }, Authentication.TokenText.Read(payload));

    [Theory]
    [InlineData(":authority", "web")]
    [InlineData(":method", "GET")]
    [InlineData(":scheme", "http")]
    [InlineData(":path", "/")]
    public void PseudoHeader_MeansTheSameInEitherVersionOfHttp(string name, string value)
    {
        Assert.False(Allows(Get, Policy(PolicyAction.Deny, When($"request.headers[{name}]", Values(value)))));
        Assert.True(Allows(Get, Policy(PolicyAction.Allow, When($"request.headers[{name}]", Values(value)))));
        Assert.False(Allows(Get, Policy(PolicyAction.Allow, When($"request.headers[{name}]", Values("other")))));
    }

    [Fact]
    public void UndecidableDeny_SparesWhatItsOtherFieldsExclude()
    {
        var rule = When("no.such.attribute", Values("x")) with { To = [new RequestOperation { Methods = Values("PUT") }] };

        Assert.True(Allows(Get, Policy(PolicyAction.Deny, rule)));
        Assert.False(Allows(Get with { Method = "PUT" }, Policy(PolicyAction.Deny, rule)));
    }

    [Fact]
    public void PathAsAHeader_HasTheQuery()
    {
        var deny = Policy(PolicyAction.Deny, When("request.headers[:path]", Values("/a?x=1")));

        Assert.False(Allows(Get with { Path = "/a", Query = "x=1" }, deny));
        Assert.True(Allows(Get with { Path = "/a" }, deny));
    }

    private static readonly ExternalAuthorizer Authorizer = new() { Name = "authz", Protocol = ExternalAuthorizerProtocol.Grpc, Hostname = Web.Hostname, Port = 80 };

    private static RequestAuthorizationPolicy Custom(params RequestRule[] rules) => Policy(PolicyAction.Custom, rules) with { Provider = "authz" };

    private static RequestConfiguration With(params ExternalAuthorizer[] authorizers) =>
        new() { ExternalAuthorizers = authorizers.ToImmutableDictionary(authorizer => authorizer.Name) };

    [Fact]
    public void Custom_WithoutItsAuthorizer_DeniesWhatItMatches_OthersPass()
    {
        var custom = Custom(To(new RequestOperation { Paths = Values("/admin*") }));

        Assert.True(Allows(Get, custom));
        var policies = Policies(custom with { DryRun = true });
        Assert.Null(policies.Authorizer);
        Assert.Equal(AuthorizationReason.NoExternalAuthorizer, RequestAuthorizer.Authorize(policies, Get with { Path = "/admin" }).Reason);
        Assert.Equal(AuthorizationReason.NoExternalAuthorizer, RequestAuthorizer.Question(policies, Get with { Path = "/admin" }).Reason);
        Assert.Equal(AuthorizationReason.NoPolicy, RequestAuthorizer.Question(policies, Get).Reason);
    }

    [Fact]
    public void Custom_IsAskedBeforeDeny_AndItsAuthorizersWordAloneCounts()
    {
        var policies = Policies(With(Authorizer), Custom(new RequestRule()), Policy(PolicyAction.Deny, To(new RequestOperation { Methods = Values("PUT") })));

        Assert.Equal(Authorizer, policies.Authorizer);
        Assert.Equal(AuthorizationReason.AsksExternalAuthorizer, RequestAuthorizer.Question(policies, Get with { Method = "PUT" }).Reason);
        Assert.Equal(AuthorizationReason.AsksExternalAuthorizer, RequestAuthorizer.Authorize(policies, Get).Reason);
        Assert.True(RequestAuthorizer.Authorize(policies, Get with { LetInBy = Authorizer with { } }).IsAllowed);
        Assert.Equal(AuthorizationReason.AsksExternalAuthorizer, RequestAuthorizer.Authorize(policies, Get with { LetInBy = Authorizer with { Port = 81 } }).Reason);
        Assert.Equal(AuthorizationReason.DeniedByPolicy, RequestAuthorizer.Authorize(policies, Get with { Method = "PUT", LetInBy = Authorizer }).Reason);
    }

    [Theory]
    [InlineData("request.auth.claims[iss]", "https://i")]
    [InlineData("request.auth.principal", "https://i/jane")]
    [InlineData("request.headers[x-user]", "jane")]
    public void Custom_IsAboutTheRequestBeforeItsToken_WhichNoRuleOfItMatches(string key, string value)
    {
        var rule = new JwtRule { Issuer = "https://i", OutputClaimToHeaders = [new ClaimHeader("X-User", "sub")] };
        var authentication = new RequestAuthentication { Name = "jwt", Namespace = "ns", Targets = [OnWeb], Rules = [rule] };
        var policies = Policies(
            With(Authorizer) with { RequestAuthentications = ImmutableDictionary<string, RequestAuthentication>.Empty.Add(authentication.Key, authentication) },
            Custom(When(key, Values(value))));
        Assert.Equal(AuthorizationReason.NoPolicy, RequestAuthorizer.Question(policies, Get).Reason);
        var verified = Get with
        {
            Claims = new TokenClaims(rule, Authentication.TokenText.Read("{\"iss\":\"https://i\",\"sub\":\"jane\"}")),
            Header = static name => name == "x-user" ? "jane" : null,
        };

        Assert.True(RequestAuthorizer.Authorize(policies, verified with { Questioned = policies }).IsAllowed);

        // Where another set of policies was asked, or none, it is still about the request without the token.
        Assert.True(RequestAuthorizer.Authorize(policies, verified).IsAllowed);
        Assert.Null(Assert.Single(RequestPolicyTrace.Of(policies, verified)).Rule);
    }

    [Fact]
    public void Custom_ThatWasAsked_IsNotAskedAgain_UnlessItHasChanged()
    {
        // The token is taken out of the request once it is verified: then a rule would match that did not.
        var policies = Policies(With(Authorizer), Custom(When("request.headers[authorization]", Not("*"))));
        Assert.Equal(AuthorizationReason.NoPolicy, RequestAuthorizer.Question(policies, Get with { Header = static name => name == "authorization" ? "Bearer t" : null }).Reason);
        Assert.True(RequestAuthorizer.Authorize(policies, Get with { Questioned = policies }).IsAllowed);

        Assert.Equal(AuthorizationReason.AsksExternalAuthorizer, RequestAuthorizer.Authorize(policies, Get).Reason);
        Assert.Equal(AuthorizationReason.AsksExternalAuthorizer, RequestAuthorizer.Authorize(Policies(With(Authorizer with { Port = 81 }), [.. policies.All.ToArray().Select(policy => policy.Source)]), Get with { Questioned = policies }).Reason);
        Assert.Equal(AuthorizationReason.AsksExternalAuthorizer, RequestAuthorizer.Authorize(Policies(With(Authorizer), Custom(new RequestRule())), Get with { Questioned = policies }).Reason);
    }

    [Fact]
    public void Custom_WithTwoAuthorizersAtOnePlace_Denies()
    {
        var other = Authorizer with { Name = "other" };
        var policies = Policies(With(Authorizer, other), Custom(new RequestRule()), Custom(new RequestRule()) with { Name = "second", Provider = "other" });

        Assert.Null(policies.Authorizer);
        Assert.Equal(AuthorizationReason.NoExternalAuthorizer, RequestAuthorizer.Question(policies, Get).Reason);
    }

    [Fact]
    public void Custom_WhoseAuthorizersServiceIsNotInTheMesh_Denies() => Assert.Equal(
        AuthorizationReason.NoExternalAuthorizer,
        RequestAuthorizer.Question(Policies(With(Authorizer with { Hostname = "gone.ns.svc.cluster.local" }), Custom(new RequestRule())), Get).Reason);

    [Fact]
    public void Custom_OfConnections_AsksOverGrpcAlone_WhateverItSaysOfHttp()
    {
        var custom = Custom(To(new RequestOperation { Paths = Values("/admin") }));

        Assert.Equal(AuthorizationReason.AsksExternalAuthorizer, RequestAuthorizer.Question(Policies(With(Authorizer), custom), Tcp).Reason);
        Assert.Equal(AuthorizationReason.NoPolicy, RequestAuthorizer.Question(Policies(With(Authorizer with { Protocol = ExternalAuthorizerProtocol.Http }), custom), Tcp).Reason);
        Assert.Equal(AuthorizationReason.NoExternalAuthorizer, RequestAuthorizer.Question(Policies(custom), Tcp).Reason);
        Assert.True(RequestAuthorizer.Authorize(Policies(With(Authorizer), custom), Tcp with { LetInBy = Authorizer }).IsAllowed);
    }

    [Fact]
    public void Custom_WhoseProviderChanges_IsCompiledAnew()
    {
        var custom = Custom(new RequestRule());
        var before = Policies(With(Authorizer), custom);
        var configuration = With(Authorizer with { Port = 81 }) with { AuthorizationPolicies = ImmutableDictionary<string, RequestAuthorizationPolicy>.Empty.Add(custom.Key, custom) };
        var after = RequestPolicies.ForWaypoint(Snapshot(configuration, Web), Waypoint, Web, before);

        Assert.Equal(81, after.Authorizer?.Port);
        Assert.True(after.All[0] == before.All[0]);
    }

    [Theory]
    [InlineData("203.0.113.1, 10.0.0.1,10.0.0.2", 0, "10.1.0.1")]
    [InlineData("203.0.113.1, 10.0.0.1,10.0.0.2", 1, "10.0.0.2")]
    [InlineData("203.0.113.1, 10.0.0.1,10.0.0.2", 2, "10.0.0.1")]
    [InlineData("203.0.113.1, 10.0.0.1,10.0.0.2", 3, "203.0.113.1")]
    [InlineData("203.0.113.1, 10.0.0.1,10.0.0.2", 4, "10.1.0.1")]
    [InlineData("unknown, 10.0.0.1", 2, "10.1.0.1")]
    [InlineData("10.1, 10.0.0.1", 2, "10.1.0.1")]
    [InlineData("::ffff:203.0.113.1", 1, "203.0.113.1")]
    [InlineData(null, 1, "10.1.0.1")]
    public void RemoteAddress_AtAGateway_IsWhatItsTrustedProxiesSaw(string? forwarded, int proxies, string remote)
    {
        var allow = Policy(PolicyAction.Allow, From(new RequestSource { RemoteIpBlocks = Values(remote) })) with { Targets = [] };
        var configuration = new RequestConfiguration { AuthorizationPolicies = ImmutableDictionary<string, RequestAuthorizationPolicy>.Empty.Add(allow.Key, allow) };
        var policies = RequestPolicies.ForGateway(Snapshot(configuration), Ingress with { NumTrustedProxies = proxies });

        Assert.True(RequestAuthorizer.Authorize(policies, Get with { Header = name => name == "x-forwarded-for" ? forwarded : null }).IsAllowed);
    }

    [Fact]
    public void Audit_DecidesNothing() => Assert.True(Allows(Get, Policy(PolicyAction.Audit, new RequestRule())));

    [Fact]
    public void DryRun_DecidesNothing_AndIsTold()
    {
        var policies = Policies(
            Policy(PolicyAction.Deny, new RequestRule()) with { DryRun = true },
            Policy(PolicyAction.Allow, To(new RequestOperation { Methods = Values("PUT") })) with { DryRun = true });

        Assert.Equal(AuthorizationReason.NoPolicy, RequestAuthorizer.Authorize(policies, Get).Reason);
        Assert.True(policies.HasNotes);
        Assert.Equal(
            [(PolicyNoteKind.DryRunDenies, true), (PolicyNoteKind.DryRunAllowsNot, false)],
            RequestAuthorizer.Notes(policies, Get).Select(note => (note.Kind, note.Policy is not null)));
    }

    [Fact]
    public void Audit_IsTold_WithPolicyAndRule()
    {
        var policies = Policies(Policy(PolicyAction.Audit, To(new RequestOperation { Methods = Values("PUT") }), new RequestRule()));
        var note = Assert.Single(RequestAuthorizer.Notes(policies, Get));
        Assert.Equal((PolicyNoteKind.Audit, 1, "audit policy match"), (note.Kind, note.Rule, note.Text));
        Assert.Empty(RequestAuthorizer.Notes(Policies(Policy(PolicyAction.Audit, To(new RequestOperation { Methods = Values("PUT") }))), Get));
    }

    [Fact]
    public void ServerName_ThatIsNotKnown_IsKeptOutByADeny_AndNeverLetInByAnAllow()
    {
        var deny = Policies(Policy(PolicyAction.Deny, When("connection.sni", Values("secret.example"))));
        var allow = Policies(Policy(PolicyAction.Allow, When("connection.sni", Values("open.example"))));
        var connection = new ConnectionFacts(new(System.Net.IPAddress.Loopback, 1), new(System.Net.IPAddress.Loopback, 443), null);
        Assert.True(deny.AsksForServerName);
        Assert.False(RequestAuthorizer.Authorize(deny, connection).IsAllowed);
        Assert.False(RequestAuthorizer.Authorize(deny, connection, "secret.example").IsAllowed);
        Assert.True(RequestAuthorizer.Authorize(deny, connection, "open.example").IsAllowed);
        Assert.True(RequestAuthorizer.Authorize(deny, connection, "").IsAllowed);
        Assert.True(RequestAuthorizer.Authorize(deny, Get).IsAllowed);
        Assert.False(RequestAuthorizer.Authorize(allow, connection).IsAllowed);
        Assert.True(RequestAuthorizer.Authorize(allow, connection, "open.example").IsAllowed);
    }

    [Fact]
    public void Tcp_AllowThatAsksForHttp_Discarded() =>
        Assert.False(AllowsTcp(Policy(PolicyAction.Allow, To(new RequestOperation { Ports = Values("80"), Methods = Values("GET") }))));

    [Fact]
    public void Tcp_DenyThatAsksForHttp_IsWider()
    {
        Assert.False(AllowsTcp(Policy(PolicyAction.Deny, To(new RequestOperation { Paths = Values("/admin") }))));
        Assert.False(AllowsTcp(Policy(PolicyAction.Deny, To(new RequestOperation { Paths = Values("/admin"), Ports = Values("80") }))));
        Assert.True(AllowsTcp(Policy(PolicyAction.Deny, To(new RequestOperation { Paths = Values("/admin"), Ports = Values("81") }))));
        Assert.True(AllowsTcp(Policy(PolicyAction.Deny, When("request.headers[x]", Values("y")) with { From = [new RequestSource { Namespaces = Values("other") }] })));
    }

    [Fact]
    public void Tcp_AllowByIdentityAndPort_Allows() =>
        Assert.True(AllowsTcp(Policy(PolicyAction.Allow, To(new RequestOperation { Ports = Values("80") }) with { From = [new RequestSource { Principals = Values("cluster.local/ns/a/sa/b") }] })));

    [Theory]
    [InlineData("cluster.local/ns/a/sa/b", "td1", true)]
    [InlineData("cluster.local/ns/a/sa/b", "old", true)]
    [InlineData("old/ns/a/sa/b", "td1", true)]
    [InlineData("td1/ns/a/sa/b", "old", true)]
    [InlineData("cluster.local/ns/a/sa/b", "other", false)]
    [InlineData("other/ns/a/sa/b", "td1", false)]
    [InlineData("*/ns/a/sa/b", "other", true)]
    public void TrustDomain_OwnAndAliases_AreOne(string principal, string trustDomain, bool expected)
    {
        var configuration = new RequestConfiguration { TrustDomain = "td1", TrustDomainAliases = ["old"] };
        var policies = Policies(configuration, Policy(PolicyAction.Allow, From(new RequestSource { Principals = Values(principal) })));

        Assert.Equal(expected, RequestAuthorizer.Authorize(policies, Get with { Identity = SpiffeId.Parse($"spiffe://{trustDomain}/ns/a/sa/b") }).IsAllowed);
    }

    [Theory]
    [InlineData("cluster.local", true)]
    [InlineData("clus*", true)]
    [InlineData("*", true)]
    [InlineData("td", false)]
    public void TrustDomains_FirstSegmentOfThePeer(string value, bool expected) =>
        Assert.Equal(expected, Allows(Get, Policy(PolicyAction.Allow, From(new RequestSource { TrustDomains = Values(value) }))));

    [Fact]
    public void Service_OfAnotherNamespaceOrKind_DoesNotApply()
    {
        var deny = Policy(PolicyAction.Deny, new RequestRule());

        Assert.False(Allows(Get, deny));
        Assert.True(Allows(Get, deny with { Namespace = "other" }));
        Assert.True(Allows(Get, deny with { Targets = [OnWeb with { Name = "web2" }] }));
        Assert.True(Allows(Get, deny with { Targets = [OnWeb with { Group = "networking.istio.io", Kind = "ServiceEntry" }] }));
        Assert.True(Allows(Get, deny with { Targets = [] }));
    }

    [Fact]
    public void Waypoint_OwnAndClassPolicies_Apply_WhateverTheServiceIs_AndNoOthers()
    {
        var deny = Policy(PolicyAction.Deny, new RequestRule());
        ImmutableArray<ObjectReference> ofGateway = [new("gateway.networking.k8s.io", "Gateway", "ns", "waypoint")];
        ImmutableArray<ObjectReference> ofClass = [new("gateway.networking.k8s.io", "GatewayClass", "istio-system", "istio-waypoint")];

        foreach (var service in new[] { Web, null })
        {
            Assert.False(AtWaypoint(service, deny with { Targets = ofGateway }));
            Assert.True(AtWaypoint(service, deny with { Targets = ofGateway, Namespace = "other" }));
            Assert.False(AtWaypoint(service, deny with { Targets = ofClass, Namespace = "istio-system" }));
            Assert.True(AtWaypoint(service, deny with { Targets = ofClass }));
            Assert.True(AtWaypoint(service, deny with { Targets = [ofClass[0] with { Name = "istio" }], Namespace = "istio-system" }));

            // Policies of a namespace, of the mesh and of pods are for others to enforce.
            Assert.True(AtWaypoint(service, deny with { Targets = [] }));
            Assert.True(AtWaypoint(service, deny with { Targets = [], Namespace = "istio-system" }));
            Assert.True(AtWaypoint(service, deny with { Targets = [], Selector = ImmutableDictionary<string, string>.Empty.Add("app", "web") }));
        }

        Assert.False(AtWaypoint(Web, deny));
        Assert.True(AtWaypoint(null, deny));
    }

    [Fact]
    public void ServiceEntry_IsATarget_ByItsNameInItsNamespace()
    {
        var outside = Web with { Name = "partner", Hostname = "api.partner.example" };
        var deny = Policy(PolicyAction.Deny, new RequestRule()) with { Targets = [new ObjectReference("networking.istio.io", "ServiceEntry", "ns", "partner")] };

        Assert.False(AtWaypoint(outside, deny));
        Assert.True(AtWaypoint(outside, deny with { Namespace = "other" }));
        Assert.True(AtWaypoint(outside, deny with { Targets = [OnWeb with { Name = "partner" }] }));
        Assert.True(AtWaypoint(Web, deny));
    }

    [Fact]
    public void Targets_OfSeveralKinds_AllCount_AndPoliciesAddUp()
    {
        var allow = Policy(PolicyAction.Allow, To(new RequestOperation { Methods = Values("GET") }));
        var ofGateway = Policy(PolicyAction.Deny, To(new RequestOperation { Paths = Values("/admin") })) with { Targets = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "ns", "waypoint"), OnWeb with { Name = "none" }] };
        var policies = Policies(allow, ofGateway);

        Assert.True(RequestAuthorizer.Authorize(policies, Get).IsAllowed);
        Assert.Equal("ns/p-deny", RequestAuthorizer.Authorize(policies, Get with { Path = "/admin" }).Policy);
        Assert.Equal(AuthorizationReason.NoAllowMatched, RequestAuthorizer.Authorize(policies, Get with { Method = "PUT" }).Reason);
    }

    private static bool AtWaypoint(MeshService? service, RequestAuthorizationPolicy policy) => RequestAuthorizer.Authorize(
        RequestPolicies.ForWaypoint(
            Snapshot(new RequestConfiguration { AuthorizationPolicies = ImmutableDictionary<string, RequestAuthorizationPolicy>.Empty.Add(policy.Key, policy) }), Waypoint, service),
        Get).IsAllowed;

    [Fact]
    public void Gateway_OwnNamespaceRootAndSelector_Apply()
    {
        var deny = Policy(PolicyAction.Deny, new RequestRule()) with { Targets = [] };
        var labels = ImmutableDictionary<string, string>.Empty;

        Assert.False(AtIngress(deny));
        Assert.False(AtIngress(deny with { Namespace = "istio-system" }));
        Assert.True(AtIngress(deny with { Namespace = "other" }));
        Assert.False(AtIngress(deny with { Selector = labels.Add("app", "gw") }));
        Assert.True(AtIngress(deny with { Selector = labels.Add("app", "web") }));
        Assert.False(AtIngress(deny with { Targets = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "ns", "gw")] }));
        Assert.True(AtIngress(deny with { Targets = [OnWeb] }));

        static bool AtIngress(RequestAuthorizationPolicy policy) => RequestAuthorizer.Authorize(
            RequestPolicies.ForGateway(
                Snapshot(new RequestConfiguration { AuthorizationPolicies = ImmutableDictionary<string, RequestAuthorizationPolicy>.Empty.Add(policy.Key, policy) }),
                Ingress),
            Get).IsAllowed;
    }

    [Fact]
    public void ServerName_AsKnown()
    {
        var allow = Policy(PolicyAction.Allow, When("connection.sni", Values("*.example")));

        Assert.False(Allows(Get, allow));
        Assert.True(Allows(Get with { ServerName = "a.example" }, allow));
    }
}
