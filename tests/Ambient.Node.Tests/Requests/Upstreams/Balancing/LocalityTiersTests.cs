using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams.Balancing;

namespace Ambient.Node.Tests.Requests.Upstreams.Balancing;

/// <summary>Which localities go first, and which share each has.</summary>
public sealed class LocalityTiersTests
{
    private static readonly Workload s_client = TestEndpoints.Of(99, locality: new Locality("eu", "a", "1")).Workload;
    private static readonly OutlierDetection s_outliers = new();

    private static readonly RankedEndpoint[] s_endpoints =
    [
        new(TestEndpoints.Of(0, locality: new Locality("eu", "a", "1")), 0),
        new(TestEndpoints.Of(1, locality: new Locality("eu", "a", "2")), 0),
        new(TestEndpoints.Of(2, locality: new Locality("eu", "b", "1")), 0),
        new(TestEndpoints.Of(3, locality: new Locality("us", "a", "1")), 0),
        new(TestEndpoints.Of(4, locality: new Locality("as", "a", "1")), 0),
    ];

    [Fact]
    public void NothingSaid_AllAreAlike() => Assert.Equal(["0 1 2 3 4"], Tiers(BalancerSettings.Default, null));

    [Fact]
    public void OutlierDetection_PutsTheNearestFirst() => Assert.Equal(["0", "1", "2", "3 4"], Tiers(BalancerSettings.Default, s_outliers));

    [Fact]
    public void Disabled_AllAreAlike() =>
        Assert.Equal(["0 1 2 3 4"], Tiers(new BalancerSettings { Locality = new LocalityBalancing { IsEnabled = false } }, s_outliers));

    [Fact]
    public void Failover_NamesTheNextRegion() =>
        Assert.Equal(["0", "1", "2", "4", "3"], Tiers(new BalancerSettings { Locality = new LocalityBalancing { Failover = [new RegionFailover("eu", "as")] } }, s_outliers));

    [Fact]
    public void FailoverPriority_CountsLabelsInOrder() => Assert.Equal(
        ["0 2", "1", "3 4"],
        Tiers(new BalancerSettings { Locality = new LocalityBalancing { FailoverPriority = ["topology.kubernetes.io/region", "topology.istio.io/subzone"] } }, s_outliers));

    [Fact]
    public void Ranks_OfTheServiceItself_StayWhereNothingElseIsSaid()
    {
        RankedEndpoint[] ranked = [new(s_endpoints[0].State, 0), new(s_endpoints[3].State, 2), new(s_endpoints[4].State, 1)];
        Assert.Equal(["3", "4", "0"], Shown(LocalityTiers.Of(MeshSnapshot.Empty, s_client, BalancerSettings.Default, null, ranked)));
    }

    [Fact]
    public void Distribute_GivesShares()
    {
        var settings = new BalancerSettings
        {
            Algorithm = BalancerAlgorithm.Random,
            Locality = new LocalityBalancing
            {
                Distribute =
                [
                    new LocalityDistribution("us/*", [new LocalityShare("*", 100)]),
                    new LocalityDistribution("eu/a/*", [new LocalityShare("eu/a/*", 80), new LocalityShare("us/*", 20)]),
                ],
            },
        };
        var set = new EndpointSet(LocalityTiers.Of(MeshSnapshot.Empty, s_client, settings, null, s_endpoints), settings, TimeProvider.System);
        var random = new Random(1);
        var counts = Enumerable.Range(0, 10_000).Select(_ => set.Choose(null, [], random)!.Workload.Name).CountBy(name => name).ToDictionary();
        Assert.Equal(["pod-0", "pod-1", "pod-3"], counts.Keys.Order());
        Assert.InRange(counts["pod-3"], 1800, 2200);
        Assert.InRange(counts["pod-0"], 3700, 4300);
    }

    [Theory]
    [InlineData("*", true)]
    [InlineData("eu", true)]
    [InlineData("eu/*", true)]
    [InlineData("eu/a", true)]
    [InlineData("eu/a/1", true)]
    [InlineData("eu/a/2", false)]
    [InlineData("eu/b/*", false)]
    [InlineData("e", false)]
    public void Pattern_StandsForTheRest(string pattern, bool matches) => Assert.Equal(matches, LocalityTiers.Matches(pattern, new Locality("eu", "a", "1")));

    private static string[] Tiers(BalancerSettings settings, OutlierDetection? outliers) =>
        Shown(LocalityTiers.Of(MeshSnapshot.Empty, s_client, settings, outliers, s_endpoints));

    private static string[] Shown(EndpointTier[] tiers)
    {
        var shown = new List<string>();
        foreach (var tier in tiers)
        {
            shown.Add(string.Join(' ', tier.Groups.ToArray().SelectMany(group => group.Endpoints.ToArray()).Select(endpoint => endpoint.Workload.Name["pod-".Length..])));
        }

        return [.. shown];
    }
}
