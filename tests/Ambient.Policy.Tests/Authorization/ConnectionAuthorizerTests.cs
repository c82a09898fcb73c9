using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Testing;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Authorization;

/// <summary>The cases of the original's unit tests about policies (ztunnel <c>rbac.rs</c> and <c>state.rs</c>).</summary>
public sealed class ConnectionAuthorizerTests
{
    private static readonly Workload Destination = Pod("server", "ns1", "127.0.0.2");
    private static readonly SpiffeId Account = SpiffeId.Parse("spiffe://td/ns/namespace/sa/account");
    private static readonly ConnectionFacts Plaintext = new(To("127.0.0.1:40000"), To("127.0.0.2:8080"), null);
    private static readonly ConnectionFacts Tls = Plaintext with { Identity = Account };
    private static readonly ConnectionFacts OtherTls =
        new(To("127.0.0.3:40000"), To("127.0.0.4:9090"), SpiffeId.Parse("spiffe://td/ns/other/sa/alt"));

    private static StringMatch Exact(string value) => new(StringMatchKind.Exact, value);

    private static AuthorizationPolicy Policy(string name, PolicyAction action, params PolicyRule[] rules) => new()
    {
        Name = name,
        Namespace = "ns1",
        Scope = PolicyScope.Namespace,
        Action = action,
        Rules = [.. rules],
    };

    private static PolicyRule Rule(params PolicyClause[] clauses) => new([.. clauses]);

    private static PolicyClause Clause(params PolicyMatch[] matches) => new([.. matches]);

    private static bool Matches(PolicyMatch match, ConnectionFacts facts) =>
        ConnectionPolicyMatcher.MatchingRule(Policy("p", PolicyAction.Allow, Rule(Clause(match))), facts) >= 0;

    private static AuthorizationDecision Decide(ConnectionFacts facts, params AuthorizationPolicy[] policies) =>
        ConnectionAuthorizer.Authorize(Snapshot([Destination, .. policies]), Destination, facts);

    [Fact]
    [Trait("Reference", "rbac_empty_policy")]
    public void Match_WithoutAnyField_Never() => Assert.False(Matches(new PolicyMatch(), Tls));

    [Fact]
    [Trait("Reference", "rbac_empty_policy")]
    public void Clause_WithoutMatches_Always() =>
        Assert.Equal(0, ConnectionPolicyMatcher.MatchingRule(Policy("p", PolicyAction.Allow, Rule(Clause())), Plaintext));

    [Fact]
    [Trait("Reference", "rbac_empty_policy")]
    public void Rule_WithoutClauses_Always() =>
        Assert.Equal(0, ConnectionPolicyMatcher.MatchingRule(Policy("p", PolicyAction.Allow, Rule()), Plaintext));

    [Fact]
    [Trait("Reference", "rbac_empty_policy")]
    public void Policy_WithoutRules_Never()
    {
        Assert.Equal(-1, ConnectionPolicyMatcher.MatchingRule(Policy("p", PolicyAction.Allow), Plaintext));
        Assert.False(Decide(Tls, Policy("allow-nothing", PolicyAction.Allow)).IsAllowed);
        Assert.True(Decide(Tls, Policy("deny-nothing", PolicyAction.Deny)).IsAllowed);
    }

    [Theory]
    [Trait("Reference", "rbac_nesting")]
    [InlineData("a", 80, true)]
    [InlineData("b", 80, true)]
    [InlineData("c", 80, false)]
    [InlineData("a", 81, false)]
    public void Nesting_NamespacesOrThenPortAnd_AsNested(string ns, int port, bool expected)
    {
        var policy = Policy("p", PolicyAction.Allow, Rule(
            Clause(new PolicyMatch { Namespaces = [Exact("a")] }, new PolicyMatch { Namespaces = [Exact("b")] }),
            Clause(new PolicyMatch { DestinationPorts = [80] })));
        var facts = new ConnectionFacts(To("10.0.0.1:1"), new IPEndPoint(IPAddress.Loopback, port), SpiffeId.ForServiceAccount("td", ns, "x"));

        Assert.Equal(expected, ConnectionPolicyMatcher.MatchingRule(policy, facts) >= 0);
    }

    [Fact]
    [Trait("Reference", "rbac_multi_rule")]
    public void Rules_Several_EitherMatchesAndIsNamed()
    {
        var policy = Policy("p", PolicyAction.Allow,
            Rule(Clause(new PolicyMatch { Namespaces = [Exact("x")] })),
            Rule(Clause(new PolicyMatch { Namespaces = [Exact("namespace")] })));

        Assert.Equal("allowed by: ns1/p", Decide(Tls, policy).ToString());
        Assert.Equal(1, Decide(Tls, policy).Rule);
        Assert.False(Decide(OtherTls, policy).IsAllowed);
    }

    public static TheoryData<string, bool, bool, bool> Fields => new()
    {
        { nameof(PolicyMatch.Namespaces), false, true, false },
        { nameof(PolicyMatch.ServiceAccounts), false, true, false },
        { nameof(PolicyMatch.Principals), false, true, false },
        { nameof(PolicyMatch.NotNamespaces), true, false, true },
        { nameof(PolicyMatch.NotServiceAccounts), true, false, true },
        { nameof(PolicyMatch.NotPrincipals), true, false, true },
        { nameof(PolicyMatch.SourceIPs), true, true, false },
        { nameof(PolicyMatch.DestinationIPs), true, true, false },
        { nameof(PolicyMatch.DestinationPorts), true, true, false },
        { nameof(PolicyMatch.NotSourceIPs), false, false, true },
        { nameof(PolicyMatch.NotDestinationIPs), false, false, true },
        { nameof(PolicyMatch.NotDestinationPorts), false, false, true },
    };

    [Theory]
    [Trait("Reference", "namespaces")]
    [Trait("Reference", "service_accounts")]
    [Trait("Reference", "principals")]
    [Trait("Reference", "not_namespaces")]
    [Trait("Reference", "not_service_accounts")]
    [Trait("Reference", "not_principals")]
    [Trait("Reference", "source_ips")]
    [Trait("Reference", "destination_ips")]
    [Trait("Reference", "destination_ports")]
    [Trait("Reference", "not_source_ips")]
    [Trait("Reference", "not_destination_ips")]
    [Trait("Reference", "not_destination_ports")]
    [MemberData(nameof(Fields))]
    public void Field_PlaintextTlsAndOther_AsRecorded(string field, bool plaintext, bool tls, bool other)
    {
        ImmutableArray<IPNetwork> source = [IPNetwork.Parse("127.0.0.1/32")];
        ImmutableArray<IPNetwork> destination = [IPNetwork.Parse("127.0.0.2/32")];
        ImmutableArray<ServiceAccountMatch> account = [new("namespace", "account")];
        ImmutableArray<StringMatch> principal = [Exact("td/ns/namespace/sa/account")];
        ImmutableArray<StringMatch> ns = [Exact("namespace")];
        var match = field switch
        {
            nameof(PolicyMatch.Namespaces) => new PolicyMatch { Namespaces = ns },
            nameof(PolicyMatch.ServiceAccounts) => new PolicyMatch { ServiceAccounts = account },
            nameof(PolicyMatch.Principals) => new PolicyMatch { Principals = principal },
            nameof(PolicyMatch.NotNamespaces) => new PolicyMatch { NotNamespaces = ns },
            nameof(PolicyMatch.NotServiceAccounts) => new PolicyMatch { NotServiceAccounts = account },
            nameof(PolicyMatch.NotPrincipals) => new PolicyMatch { NotPrincipals = principal },
            nameof(PolicyMatch.SourceIPs) => new PolicyMatch { SourceIPs = source },
            nameof(PolicyMatch.DestinationIPs) => new PolicyMatch { DestinationIPs = destination },
            nameof(PolicyMatch.DestinationPorts) => new PolicyMatch { DestinationPorts = [8080] },
            nameof(PolicyMatch.NotSourceIPs) => new PolicyMatch { NotSourceIPs = source },
            nameof(PolicyMatch.NotDestinationIPs) => new PolicyMatch { NotDestinationIPs = destination },
            _ => new PolicyMatch { NotDestinationPorts = [8080] },
        };

        Assert.Equal((plaintext, tls, other), (Matches(match, Plaintext), Matches(match, Tls), Matches(match, OtherTls)));
    }

    [Fact]
    [Trait("Reference", "cidr_range")]
    public void CidrRange_Destination_AllWithin() =>
        Assert.All([Plaintext, Tls, OtherTls], facts => Assert.True(Matches(new PolicyMatch { DestinationIPs = [IPNetwork.Parse("127.0.0.0/24")] }, facts)));

    [Fact]
    public void NotPrincipalsPresence_Plaintext_IsDenied()
    {
        var strict = Policy("strict", PolicyAction.Deny, Rule(Clause(new PolicyMatch { NotPrincipals = [new(StringMatchKind.Presence, "")] })));

        Assert.Equal("explicitly denied by: ns1/strict", Decide(Plaintext, strict).ToString());
        Assert.True(Decide(Tls, strict).IsAllowed);
    }

    [Fact]
    public void Principal_WithScheme_NeverEqual() =>
        Assert.False(Matches(new PolicyMatch { Principals = [Exact("spiffe://td/ns/namespace/sa/account")] }, Tls));

    [Fact]
    public void Source_IPv4MappedAddress_IsInItsIPv4Range()
    {
        var facts = Plaintext with { Source = new IPEndPoint(IPAddress.Parse("::ffff:127.0.0.1"), 1) };
        var deny = Policy("deny", PolicyAction.Deny, Rule(Clause(new PolicyMatch { SourceIPs = [IPNetwork.Parse("127.0.0.1/32")] })));

        Assert.False(Decide(facts, deny).IsAllowed);
    }

    [Theory]
    [Trait("Reference", "string_match")]
    [InlineData("abc", "abc", true)]
    [InlineData("abc", "abcd", false)]
    [InlineData("abc", "ABC", false)]
    [InlineData("abc*", "abcd", true)]
    [InlineData("abc*", "abc", true)]
    [InlineData("abc*", "xabc", false)]
    [InlineData("*abc", "xabc", true)]
    [InlineData("*abc", "abcx", false)]
    [InlineData("*", "x", true)]
    [InlineData("*", "", false)]
    [InlineData("", "", false)]
    public void StringMatch_Forms_AsRecorded(string pattern, string value, bool expected) =>
        Assert.Equal(expected, StringMatch.Parse(pattern).IsMatch(value));

    [Fact]
    [Trait("Reference", "assert_rbac_logic_deny_allow")]
    public void Deny_BeforeAllow_AndOnlyItsOwn()
    {
        var allow = Policy("allow", PolicyAction.Allow, Rule(Clause(new PolicyMatch { Namespaces = [Exact("namespace")] })));
        var deny = Policy("deny", PolicyAction.Deny, Rule(Clause(new PolicyMatch { DestinationPorts = [9090] })));

        Assert.True(Decide(Tls, allow, deny).IsAllowed);
        Assert.Equal(AuthorizationReason.NoAllowMatched, Decide(Plaintext, allow, deny).Reason);
        Assert.Equal("explicitly denied by: ns1/deny", Decide(OtherTls, allow, deny).ToString());
        Assert.True(ConnectionAuthorizer.Authorize(Snapshot(allow, deny), Pod("x", "ns2"), OtherTls).IsAllowed);
    }

    [Fact]
    public void SelectorScoped_OnlyByReference_UnknownReferenceIsSkippedAndTold()
    {
        var selector = Policy("s", PolicyAction.Deny, Rule()) with { Scope = PolicyScope.WorkloadSelector };
        var listing = Destination with { AuthorizationPolicies = ["ns1/s", "ns1/gone"] };
        var mesh = Snapshot(selector, listing);

        Assert.True(ConnectionAuthorizer.Authorize(mesh, Destination, Tls).IsAllowed);
        Assert.False(ConnectionAuthorizer.Authorize(mesh, listing, Tls).IsAllowed);
        Assert.True(ConnectionAuthorizer.HasNotes(mesh, listing));
        Assert.Equal(["ns1/gone"], ConnectionAuthorizer.Explain(mesh, listing, Tls).UnknownPolicies.AsEnumerable());
        Assert.False(ConnectionAuthorizer.HasNotes(mesh, Destination));
    }

    [Fact]
    [Trait("Reference", "assert_rbac_dry_run_with_real_policies")]
    public void DryRun_DecidesNothing_AndIsTold()
    {
        var dryDeny = Policy("dry-deny", PolicyAction.Deny, Rule()) with { DryRun = true };
        var dryAllow = Policy("dry-allow", PolicyAction.Allow, Rule(Clause(new PolicyMatch { DestinationPorts = [1] }))) with { DryRun = true };
        var mesh = Snapshot(dryDeny, dryAllow);

        Assert.Equal(AuthorizationReason.NoPolicy, ConnectionAuthorizer.Authorize(mesh, Destination, Tls).Reason);
        var notes = ConnectionAuthorizer.Explain(mesh, Destination, Tls);
        Assert.Equal(["ns1/dry-deny"], notes.DryRunDenies.AsEnumerable());
        Assert.Empty(notes.DryRunAllows);
        Assert.True(notes.DryRunNoneAllows);
    }

    [Fact]
    [Trait("Reference", "assert_rbac_with_dest_workload_info")]
    public void NoPolicies_EverybodyIsLetIn() =>
        Assert.All([Plaintext, Tls, OtherTls], facts => Assert.Equal(AuthorizationReason.NoPolicy, Decide(facts).Reason));

    [Fact]
    public void Default_OfDecision_LetsNobodyIn() => Assert.False(default(AuthorizationDecision).IsAllowed);

    [Fact]
    public void Authorize_TenThousandPoliciesLoaded_AllocatesNothing()
    {
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty);
        for (var i = 0; i < 10_000; i++)
        {
            builder.Set(new AuthorizationPolicy
            {
                Name = $"p{i}",
                Namespace = $"ns{i % 1000}",
                Scope = i % 10 == 0 ? PolicyScope.WorkloadSelector : PolicyScope.Namespace,
                Action = (PolicyAction)(i % 2),
                Rules = [Rule(Clause(new PolicyMatch { Principals = [Exact($"td/ns/a/sa/{i}")] }))],
            });
        }

        var destination = Destination with { AuthorizationPolicies = ["ns1/p0", "ns7/p10"] };
        var mesh = builder.Build();
        for (var i = 0; i < 1000; i++)
        {
            ConnectionAuthorizer.Authorize(mesh, destination, Tls);
        }

        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                ConnectionAuthorizer.Authorize(mesh, destination, Tls);
            }
        }));
    }
}
