using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authentication;
using Ambient.Policy.Authorization;
using Ambient.Policy.Tests.Authentication;
using Ambient.Testing.Fuzzing;

namespace Ambient.Policy.Tests.Authorization;

/// <summary>Random policies, asked by way of the index and rule by rule: the same policy and the same rule of it, always.</summary>
public sealed class RuleIndexPropertyTests
{
    private static readonly string[] s_principals =
        ["cluster.local/ns/a/sa/b", "*/ns/a/sa/b", "cluster.local/ns/a*", "*", "*/sa/c", "old/ns/b/sa/b", "cluster.local/ns/b/sa/c", "td/ns/a/sa/b", "*b"];

    private static readonly string[] s_names = ["a", "b", "a*", "*b", "*", "ab"];
    private static readonly string[] s_hosts = ["a.example", "A.example:*", "*.EXAMPLE", "*", "b.example:8080", "*.a.example", "a*", "*:8080"];
    private static readonly string[] s_methods = ["GET", "POST", "G*", "*T", "*"];
    private static readonly string[] s_paths =
        ["/", "/a", "/a/*", "/a/b", "/a/b*", "*/b", "*", "/a/{*}/c", "/a/{**}", "/{*}/b", "/a/b/{**}/d", "*c", "/ab*", "/a/{**}/{*}"];

    private static readonly string[] s_ranges = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "10.1.2.0/24", "fd00::/8", "fd00::1", "0.0.0.0/0", "::/0", "nonsense", "::ffff:10.0.0.0/104"];
    private static readonly string[] s_values = ["x", "x*", "*x", "*", "xy", "yx"];
    private static readonly string[] s_addresses = ["10.1.2.3", "10.2.0.1", "192.168.0.1", "fd00::1", "fe80::1", "::ffff:10.1.2.3"];

    private static readonly TokenClaims[] s_claims =
    [
        .. new[]
        {
            """{"iss":"https://i","sub":"s","aud":["x","y1"],"g":["x","yx"],"n":{"x":"xy"},"scope":"x zz"}""",
            """{"iss":"https://i","sub":"t","azp":"x","g":"xy"}""",
            """{"iss":"https://other","sub":"t","aud":"y"}""",
        }.Select(payload => new TokenClaims(new JwtRule { Issuer = "https://i" }, TokenText.Read(payload))),
    ];

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Find_RandomPolicies_FindsWhatAskingEveryRuleFinds()
    {
        var found = 0;
        FuzzBudget.Run(200, random =>
        {
            var policies = Policies(random, random.Next(3, 40));
            for (var i = 0; i < 8; i++)
            {
                var (facts, connection) = Facts(random);
                found += Compare(policies, new RequestContext(facts, random.Next(3))) ? 1 : 0;
                found += Compare(policies, new RequestContext(connection, random.Next(2) == 0 ? null : "x")) ? 1 : 0;
            }
        });
        Assert.True(found > 0, "no policy ever matched: the test compares nothing");
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void With_RandomChanges_DecidesAsAnIndexThatIsMadeAnew()
    {
        var (found, shared) = (0, 0);
        FuzzBudget.Run(60, random =>
        {
            var configuration = new RequestConfiguration { TrustDomainAliases = ["old"] };
            var policies = Enumerable.Range(0, random.Next(10, 60)).Select(i => Policy(random, i)).ToImmutableDictionary(policy => policy.Key);
            var place = Place(null);
            for (var step = 0; step < 30; step++)
            {
                // One or a few are changed, come, or go; requests are asked about between, so that there is an index to go on with.
                for (var changes = random.Next(5) == 0 ? 8 : 1; changes > 0; changes--)
                {
                    var policy = Policy(random, random.Next(70));
                    policies = random.Next(3) == 0 ? policies.Remove(policy.Key) : policies.SetItem(policy.Key, policy);
                }

                var (before, indexes) = (place, Lists(place).Select(list => list.Index).ToArray());
                place = Place(before);
                var anew = Place(null);
                Assert.Equal(anew.All.ToArray().Select(policy => policy.Source), place.All.ToArray().Select(policy => policy.Source));
                shared += Lists(place).Select((list, i) => list.Index is not null && indexes[i] is not null ? 1 : 0).Sum();
                for (var i = 0; i < 4; i++)
                {
                    var (facts, connection) = Facts(random);
                    foreach (var (list, expected) in Lists(place).Zip(Lists(anew)))
                    {
                        found += Compare(list, new RequestContext(facts, 1)) ? 1 : 0;
                        found += Compare(list, new RequestContext(connection, null)) ? 1 : 0;
                        Assert.Equal(expected.Policies.Select(policy => policy.Source), list.Policies.Select(policy => policy.Source));
                    }

                    Assert.Equal(RequestAuthorizer.Authorize(anew, facts), RequestAuthorizer.Authorize(place, facts));
                    Assert.Equal(RequestAuthorizer.Notes(anew, facts).AsEnumerable(), RequestAuthorizer.Notes(place, facts));
                }
            }

            RequestPolicies Place(RequestPolicies? earlier) => RequestPolicies.ForWaypoint(
                new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(configuration with { AuthorizationPolicies = policies }).Build(), s_waypoint, s_service, earlier);
        });
        Assert.True(found > 0 && shared > 0, "no policy ever matched, or no index was ever made of another: the test compares nothing");
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void With_PoliciesOfOneNameAndTime_DecidesAsAskingEveryRule()
    {
        var found = 0;
        FuzzBudget.Run(60, random =>
        {
            var configuration = new RequestConfiguration { TrustDomainAliases = ["old"] };

            // As when one policy is put together of several chains of a service.
            CompiledPolicy Twin() => new(Policy(random, random.Next(4)) with { CreationTime = DateTimeOffset.UnixEpoch }, configuration);
            var list = PolicyList.Empty;
            for (var step = 0; step < 30; step++)
            {
                CompiledPolicy[] removed = [.. list.Policies.Where(_ => random.Next(8) == 0)];
                CompiledPolicy[] added = [.. Enumerable.Range(0, step == 0 ? 20 : random.Next(4)).Select(_ => Twin()).Order()];
                CompiledPolicy[] expected = [.. list.Policies.Except(removed).Concat(added).Order()];
                list = list.With([.. removed], [.. added]);
                Assert.Equal(expected, list.Policies);
                for (var i = 0; i < 4; i++)
                {
                    var (facts, connection) = Facts(random);
                    found += Compare(list, new RequestContext(facts, 1)) ? 1 : 0;
                    found += Compare(list, new RequestContext(connection, null)) ? 1 : 0;
                }
            }
        });
        Assert.True(found > 0, "no policy ever matched: the test compares nothing");
    }

    [Fact]
    public void With_OnePolicyOfManyChanged_KeepsTheInstancesOfTheRest()
    {
        var policies = Enumerable.Range(0, 1000).Select(i => About(i, i % 2 == 0 ? PolicyAction.Deny : PolicyAction.Allow)).ToImmutableDictionary(policy => policy.Key);
        var before = RequestPolicies.ForWaypoint(MeshOf(policies), s_waypoint, s_service);
        var (facts, _) = Facts(new Random(1));
        RequestAuthorizer.Authorize(before, facts);
        var changed = About(500, PolicyAction.Deny) with { Rules = [new RequestRule { To = [new RequestOperation { Methods = new ValueMatch(["PUT"], []) }] }] };

        var after = RequestPolicies.ForWaypoint(MeshOf(policies.SetItem(changed.Key, changed)), s_waypoint, s_service, before);

        var known = before.All.ToArray().ToHashSet<object>(ReferenceEqualityComparer.Instance);
        Assert.Equal([changed], after.All.ToArray().Where(policy => !known.Contains(policy)).Select(policy => policy.Source));
        Assert.Same(before.Allow, after.Allow);
        var (old, now) = (before.Deny.Index!, after.Deny.Index!);
        Assert.NotSame(old, now);
        Assert.Equal(500, now.Count);
        foreach (var attribute in Enumerable.Range(0, RuleIndexEditor.TextAttributes))
        {
            // It was found by its path, and is found by its method.
            Assert.Equal((RuleAttribute)attribute is not (RuleAttribute.Path or RuleAttribute.Method), ReferenceEquals(old.Texts[attribute], now.Texts[attribute]));
        }
    }

    [Fact]
    public void ForWaypoint_WithOtherInstancesOfTheSameMaps_IsTheSamePlace()
    {
        var policies = Enumerable.Range(0, 20).Select(i => About(i, PolicyAction.Allow)).ToImmutableDictionary(policy => policy.Key);
        var place = RequestPolicies.ForWaypoint(MeshOf(policies), s_waypoint, s_service);
        var other = About(99, PolicyAction.Allow) with { Targets = [new ObjectReference("", "Service", "app", "other")] };

        Assert.Same(place, RequestPolicies.ForWaypoint(MeshOf(policies.Values.Reverse().ToImmutableDictionary(policy => policy.Key)), s_waypoint, s_service, place));
        Assert.Same(place, RequestPolicies.ForWaypoint(MeshOf(policies.Add(other.Key, other)), s_waypoint, s_service, place));
        Assert.Same(place, RequestPolicies.ForWaypoint(MeshOf(policies), s_waypoint, s_service with { Ports = [] }, place));
        Assert.Equal(["app/p0099"], RequestPolicies.ForWaypoint(MeshOf(policies.Add(other.Key, other)), s_waypoint, s_service with { Name = "other", Hostname = "other.app.svc.cluster.local" }, place)
            .All.ToArray().Select(policy => policy.Key));
    }

    private static readonly MeshService s_service = new() { Name = "web", Namespace = "app", Hostname = "web.app.svc.cluster.local" };
    private static readonly Gateway s_waypoint = new() { Name = "waypoint", Namespace = "app", ClassName = "istio-waypoint" };

    private static MeshSnapshot MeshOf(ImmutableDictionary<string, RequestAuthorizationPolicy> policies) =>
        new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(new RequestConfiguration { AuthorizationPolicies = policies }).Build();

    private static PolicyList[] Lists(RequestPolicies place) => [place.Deny, place.Allow, place.Audit, place.DryRunDeny, place.DryRunAllow];

    private static RequestAuthorizationPolicy About(int i, PolicyAction action) => new()
    {
        Name = $"p{i:D4}",
        Namespace = "app",
        Action = action,
        Targets = [new ObjectReference("", "Service", "app", "web")],
        Rules = [new RequestRule { To = [new RequestOperation { Paths = new ValueMatch([$"/api/{i}/*"], []) }] }],
    };

    private static RequestAuthorizationPolicy Policy(Random random, int i) => About(i, (PolicyAction)random.Next(3)) with
    {
        DryRun = random.Next(6) == 0,
        CreationTime = DateTimeOffset.UnixEpoch.AddDays(random.Next(3)),
        Rules = [.. Enumerable.Range(0, random.Next(4)).Select(_ => Rule(random))],
        Targets = [new ObjectReference("", "Service", "app", random.Next(8) == 0 ? "other" : "web")],
    };

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("abcab")]
    public void Index_OfOneText_MayBeFoundByEveryAffix(string text)
    {
        foreach (var fromEnd in new[] { false, true })
        {
            var affixes = Enumerable.Range(0, 4000).Select(i => Spell(i)).Distinct().Where(affix => affix.Length > 0).ToArray();
            var lists = affixes.ToDictionary(affix => affix, affix => Policies([affix]).Policies[0].Rules.ToArray());
            var table = new AffixTable(fromEnd, StringComparison.Ordinal).With([.. lists.Select(entry => KeyValuePair.Create(entry.Key, (CompiledPolicyRule[]?)entry.Value))]);
            AssertFinds(affixes);

            // Every third goes, in one step, and comes back in another.
            string[] gone = [.. affixes.Where((_, i) => i % 3 == 0)];
            table = table.With([.. gone.Select(affix => KeyValuePair.Create(affix, (CompiledPolicyRule[]?)null))]);
            AssertFinds(affixes.Except(gone));
            table = table.With([.. gone.Select(affix => KeyValuePair.Create(affix, (CompiledPolicyRule[]?)lists[affix]))]);
            AssertFinds(affixes);

            void AssertFinds(IEnumerable<string> present)
            {
                var found = new List<string>();
                for (var place = table.Find(text); place >= 0; place = table.Above(place))
                {
                    found.Add(table.Rules(place)[0].Policy.Source.Name);
                }

                Assert.Equal(present.Where(affix => fromEnd ? text.EndsWith(affix, StringComparison.Ordinal) : text.StartsWith(affix, StringComparison.Ordinal)).Order(), found.Order());
            }
        }

        static PolicyList Policies(string[] names) => new([.. names.Select(name => new CompiledPolicy(
            new RequestAuthorizationPolicy { Name = name, Namespace = "a", Rules = [new RequestRule()] }, RequestConfiguration.Empty))]);

        static string Spell(int number)
        {
            var text = "";
            for (; number > 0; number /= 4)
            {
                text += (number % 4) switch { 1 => "a", 2 => "b", 3 => "c", _ => "" };
            }

            return text;
        }
    }

    private static bool Compare(PolicyList policies, in RequestContext request)
    {
        foreach (var enough in new[] { Verdict.Maybe, Verdict.Yes })
        {
            var indexed = policies.Find(request, enough, out var policy, out var rule);
            var plainly = policies.FindPlainly(request, enough, out var expected, out var expectedRule);
            Assert.Equal((plainly, expected?.Key, expectedRule), (indexed, policy?.Key, rule));
            var all = new List<(string, int)>();
            foreach (var candidate in policies.Policies)
            {
                if (candidate.MatchingRule(request, enough) is var first and >= 0)
                {
                    all.Add((candidate.Key, first));
                }
            }

            Assert.Equal(all, policies.FindAll(request, enough).Select(match => (match.Policy.Key, match.Rule)));
        }

        return policies.Find(request, Verdict.Yes, out _, out _);
    }

    private static PolicyList Policies(Random random, int count)
    {
        var configuration = new RequestConfiguration { TrustDomainAliases = ["old"] };
        return new PolicyList([.. Enumerable.Range(0, count).Select(i => new CompiledPolicy(
            new RequestAuthorizationPolicy
            {
                Name = $"p{i:D4}",
                Namespace = "a",
                Rules = [.. Enumerable.Range(0, random.Next(4)).Select(_ => Rule(random))],
            },
            configuration))]);
    }

    private static RequestRule Rule(Random random) => new()
    {
        From = [.. Enumerable.Range(0, random.Next(3)).Select(_ => new RequestSource
        {
            Principals = Values(random, s_principals, 3),
            Namespaces = Values(random, s_names, 4),
            ServiceAccounts = Values(random, ["b", "a/b", "b/c", "c"], 5),
            TrustDomains = Values(random, ["cluster.local", "*", "old", "c*"], 5),
            IpBlocks = Values(random, s_ranges, 5),
            RemoteIpBlocks = Values(random, s_ranges, 5),
            RequestPrincipals = Values(random, ["*", "https://i/s", "https://i/*", "*/s", "https://i*", "https://other/t"], 5),
        })],
        To = [.. Enumerable.Range(0, random.Next(3)).Select(_ => new RequestOperation
        {
            Hosts = Values(random, s_hosts, 4),
            Methods = Values(random, s_methods, 4),
            Paths = Values(random, s_paths, 2),
            Ports = Values(random, ["80", "8080", "http"], 5),
        })],
        When = [.. Enumerable.Range(0, random.Next(3)).Select(_ => random.Next(9) switch
        {
            5 => new RequestCondition($"request.auth.claims[{random.GetItems(["g", "n][x", "scope", "none"], 1)[0]}]", Some(random, s_values)),
            6 => new RequestCondition(random.GetItems(["request.auth.audiences", "request.auth.presenter", "request.auth.principal"], 1)[0], Some(random, ["x", "https://i/s", "y*"])),
            0 => new RequestCondition("source.ip", Some(random, s_ranges)),
            1 => new RequestCondition("destination.ip", Some(random, s_ranges)),
            2 => new RequestCondition("remote.ip", Some(random, s_ranges)),
            3 => new RequestCondition("connection.sni", Some(random, s_values)),
            4 => new RequestCondition("source.principal", Some(random, s_principals)),
            _ => new RequestCondition($"request.headers[{"Xy"[random.Next(2)]}{random.Next(12)}]", Some(random, s_values)),
        })],
        Unsupported = random.Next(12) == 0 ? ["something"] : [],
    };

    private static ValueMatch Values(Random random, string[] values, int oneIn) => random.Next(oneIn) == 0 ? Some(random, values) : ValueMatch.None;

    private static ValueMatch Some(Random random, string[] values)
    {
        var wanted = random.GetItems(values, random.Next(1, 4)).ToImmutableArray();
        return random.Next(5) switch
        {
            0 => new ValueMatch([], wanted),
            1 => new ValueMatch(wanted, [.. random.GetItems(values, 1)]),
            _ => new ValueMatch(wanted, []),
        };
    }

    private static (RequestFacts Request, ConnectionFacts Connection) Facts(Random random)
    {
        var identity = random.Next(6) == 0 ? null : SpiffeId.Parse(random.GetItems(
            ["spiffe://cluster.local/ns/a/sa/b", "spiffe://old/ns/a/sa/b", "spiffe://td/ns/b/sa/c", "spiffe://cluster.local/other", "spiffe://cluster.local/ns/ab/sa/c"], 1)[0]);
        var source = new IPEndPoint(IPAddress.Parse(random.GetItems(s_addresses, 1)[0]), 40000);
        var destination = new IPEndPoint(IPAddress.Parse(random.GetItems(s_addresses, 1)[0]), random.GetItems([80, 8080, 9], 1)[0]);
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        for (var i = 0; i < 4; i++)
        {
            headers[$"{"xY"[random.Next(2)]}{random.Next(12)}"] = random.GetItems(["x", "xy", "", "yx", "zzz"], 1)[0];
        }

        headers["x-forwarded-for"] = string.Join(',', random.GetItems(s_addresses, random.Next(1, 4)));
        var request = new RequestFacts
        {
            Identity = identity,
            Source = source,
            Destination = destination,
            Method = random.GetItems(["GET", "POST", "PUT"], 1)[0],
            Host = random.GetItems(["a.example", "a.example:8080", "x.A.Example", "B.example:8080", "other"], 1)[0],
            Path = random.GetItems(["/", "/a", "/a/", "/a/b", "/a/b/c", "/a/x/c", "/ab/c", "/c/b", "/a/b/c/d"], 1)[0],
            Header = name => headers.GetValueOrDefault(name),
            Claims = random.Next(3) == 0 ? null : random.GetItems(s_claims, 1)[0],
        };
        return (request, new ConnectionFacts(source, destination, identity));
    }
}
