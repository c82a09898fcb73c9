using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Routing.Requests;

/// <summary>Rules found by their paths are the rules that asking one after another finds.</summary>
public sealed class RuleIndexTests
{
    private static readonly string[] s_segments = ["a", "b", "aa", "v1", "", "x.y"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void FirstMatch_OfRandomRules_IsTheFirstThatMatches(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 40; round++)
        {
            var rules = Enumerable.Range(0, 15 + random.Next(120)).Select(i => Compiled(i, RandomMatch(random))).ToArray();
            var index = RuleIndex.InOrder(rules);
            for (var i = 0; i < 200; i++)
            {
                var request = new RouteFacts(80, "web", random.Next(4) == 0 ? "POST" : "GET", RandomPath(random), "", _ => null);
                Assert.Same(rules.FirstOrDefault(rule => rule.Matches(request)), index.FirstMatch(request));
            }
        }
    }

    [Fact]
    public void FirstMatch_WithManyPrefixesOfOnePath_StillFindsTheFirst()
    {
        var rules = Enumerable.Range(1, 100).Select(i => Compiled(i, new TrafficMatch { Path = new PathMatch(PathMatchKind.TextPrefix, new string('/', i)), Method = TextMatch.Exact(i == 77 ? "GET" : "PUT") })).ToArray();

        Assert.Same(rules[76], RuleIndex.InOrder(rules).FirstMatch(new RouteFacts(80, "web", "GET", new string('/', 200), "", _ => null)));
    }

    [Fact]
    public void FirstMatch_AmongTenThousand_LooksAtFew()
    {
        var rules = Enumerable.Range(0, 10_000).Select(i => Compiled(i, new TrafficMatch { Path = new PathMatch((PathMatchKind)(i % 2), $"/service/{i}") })).ToArray();
        var index = RuleIndex.InOrder(rules);
        var request = new RouteFacts(80, "web", "GET", "/service/9999", "", _ => null);

        var (few, all) = (Best(() => index.FirstMatch(request)), Best(() => rules.First(rule => rule.Matches(request))));

        Assert.Same(rules[9999], index.FirstMatch(request));
        Assert.True(few * 5 < all, $"{few} ticks by the index, {all} one after another");
    }

    private static long Best(Func<object?> find) => Enumerable.Range(0, 50).Min(_ =>
    {
        var begun = System.Diagnostics.Stopwatch.GetTimestamp();
        find();
        return System.Diagnostics.Stopwatch.GetTimestamp() - begun;
    });

    private static TrafficMatch RandomMatch(Random random) => new()
    {
        Path = (PathMatchKind)random.Next(4) is var kind && kind == PathMatchKind.RegularExpression
            ? new PathMatch(kind, random.Next(2) == 0 ? "/a.*" : "/[ab]/x.y")
            : new PathMatch(kind, RandomPath(random)) { IgnoresCase = random.Next(8) == 0 },
        Method = random.Next(3) == 0 ? TextMatch.Exact("POST") : null,
    };

    private static string RandomPath(Random random) => "/" + string.Join('/', Enumerable.Range(0, random.Next(4)).Select(_ => s_segments[random.Next(s_segments.Length)]));

    private static CompiledRule Compiled(int i, TrafficMatch match) => CompiledRule.Compile(
        Snapshot(Service("web", "10.0.0.1", (80, 8080)), Service("other", "10.0.0.2", (80, 8080)), new RequestConfiguration()),
        new HttpRoute { Name = $"r{i}", Namespace = "ns", Rules = [new TrafficRule { Matches = ImmutableArray.Create(match), Action = new RespondAction(200, "") }] },
        port: null,
        new GrantRule(IsEnforced: false)).Single();
}
