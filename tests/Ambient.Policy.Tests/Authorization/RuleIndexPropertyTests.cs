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

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("abcab")]
    public void Index_OfOneText_MayBeFoundByEveryAffix(string text)
    {
        foreach (var fromEnd in new[] { false, true })
        {
            var affixes = Enumerable.Range(0, 4000).Select(i => Spell(i)).Distinct().Where(affix => affix.Length > 0).ToArray();
            var table = new AffixTable(affixes.Select((affix, i) => (affix, i)).ToDictionary(pair => pair.affix, pair => new List<int> { pair.i }), fromEnd, StringComparison.Ordinal);
            var found = new List<string>();
            for (var place = table.Find(text); place >= 0; place = table.Above(place))
            {
                found.Add(affixes[table.Rules(place)[0]]);
            }

            Assert.Equal(affixes.Where(affix => fromEnd ? text.EndsWith(affix, StringComparison.Ordinal) : text.StartsWith(affix, StringComparison.Ordinal)).Order(), found.Order());
        }

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
                Name = $"p{i}",
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
