using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams.Balancing;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Requests.Upstreams.Balancing;

/// <summary>Which endpoint is chosen: shares, loads, priorities, and what a choice costs.</summary>
public sealed class EndpointSetTests
{
    private readonly Random _random = new(4711);

    [Fact]
    public void LeastRequest_AvoidsTheBusyOne()
    {
        var endpoints = TestEndpoints.Many(2);
        for (var i = 0; i < 10; i++)
        {
            endpoints[0].Begin();
        }

        // The busy one is chosen where both draws are it: a quarter of the time.
        var counts = Counts(TestEndpoints.Set(BalancerSettings.Default, null, endpoints), 4000);
        Assert.InRange(counts["pod-0"], 800, 1200);
    }

    [Fact]
    public void LeastRequest_WithNothingToDo_IsEven()
    {
        var counts = Counts(TestEndpoints.Set(BalancerSettings.Default, null, TestEndpoints.Many(4)), 8000);
        Assert.All(counts.Values, count => Assert.InRange(count, 1700, 2300));
    }

    [Fact]
    public void LeastRequest_KeepsTheHeaviestLoadNearTheMean()
    {
        // A ball into the emptier of two bins: the fullest of a hundred has a few more than the mean, not many (as by chance alone).
        var endpoints = TestEndpoints.Many(100);
        var set = TestEndpoints.Set(BalancerSettings.Default, null, endpoints);
        for (var i = 0; i < 1000; i++)
        {
            set.Choose(null, [], _random)!.Begin();
        }

        Assert.InRange(endpoints.Max(endpoint => endpoint.Active), 10, 14);
    }

    [Fact]
    public void FurtherTries_GoElsewhere_WhereTheyAreTold_WhileThereIsAnElsewhere()
    {
        var endpoints = TestEndpoints.Many(4);
        EndpointTier Tier(params EndpointState[] of) => new([(1, of)], BalancerSettings.Default, 0);
        var set = new EndpointSet([Tier(endpoints[0], endpoints[1]), Tier(endpoints[2]), Tier(endpoints[3])], BalancerSettings.Default, TimeProvider.System);
        for (var i = 0; i < 50; i++)
        {
            Assert.Contains(set.Choose(null, [], _random, elsewhere: true), endpoints[..2]);
            Assert.Same(endpoints[1], set.Choose(null, [endpoints[0].Workload], _random));
            Assert.Same(endpoints[2], set.Choose(null, [endpoints[0].Workload], _random, elsewhere: true));
            Assert.Same(endpoints[3], set.Choose(null, [endpoints[0].Workload, endpoints[2].Workload], _random, elsewhere: true));
            Assert.Same(endpoints[1], set.Choose(null, [endpoints[0].Workload, endpoints[2].Workload, endpoints[3].Workload], _random, elsewhere: true));
        }
    }

    [Theory]
    [InlineData(BalancerAlgorithm.Random)]
    [InlineData(BalancerAlgorithm.LeastRequest)]
    [InlineData(BalancerAlgorithm.RoundRobin)]
    public void Weights_AreShares(BalancerAlgorithm algorithm)
    {
        var set = TestEndpoints.Set(new BalancerSettings { Algorithm = algorithm }, null, TestEndpoints.Of(0, 1), TestEndpoints.Of(1, 3), TestEndpoints.Of(2, 6));
        var counts = Counts(set, 10_000);
        Assert.InRange(counts["pod-0"], 850, 1150);
        Assert.InRange(counts["pod-1"], 2800, 3200);
        Assert.InRange(counts["pod-2"], 5800, 6200);
    }

    [Fact]
    public void RoundRobin_GoesRound()
    {
        var set = TestEndpoints.Set(new BalancerSettings { Algorithm = BalancerAlgorithm.RoundRobin }, null, TestEndpoints.Many(3));
        var names = Enumerable.Range(0, 9).Select(_ => set.Choose(null, [], _random)!.Workload.Name).ToArray();
        Assert.Equal(3, names.Take(3).Distinct().Count());
        Assert.Equal(names[..3], names[3..6]);
        Assert.Equal(names[..3], names[6..]);
    }

    [Fact]
    public void RoundRobin_OfManyWeights_StaysInProportionWithoutASchedule()
    {
        var set = TestEndpoints.Set(new BalancerSettings { Algorithm = BalancerAlgorithm.RoundRobin }, null, TestEndpoints.Of(0, 100_003), TestEndpoints.Of(1, 300_007));
        Assert.InRange(Counts(set, 8000)["pod-0"], 1700, 2300);
    }

    [Fact]
    public void Failed_AreAvoidedWhileThereAreOthers()
    {
        var endpoints = TestEndpoints.Many(50);
        var set = TestEndpoints.Set(BalancerSettings.Default, null, endpoints);
        var failed = endpoints.Skip(1).Select(endpoint => endpoint.Workload).ToList();
        for (var i = 0; i < 200; i++)
        {
            Assert.Equal("pod-0", set.Choose(null, failed, _random)!.Workload.Name);
        }

        failed.Add(endpoints[0].Workload);
        Assert.NotNull(set.Choose(null, failed, _random));
    }

    [Fact]
    public void Nobody_IsNull() => Assert.Null(new EndpointSet([], BalancerSettings.Default, TimeProvider.System).Choose(null, [], _random));

    [Fact]
    public void Warmup_BeginsWithItsMinimum_AndEndsWithTheWhole()
    {
        var time = new FakeTimeProvider();
        var settings = new BalancerSettings { Algorithm = BalancerAlgorithm.Random, Warmup = new Warmup(TimeSpan.FromSeconds(100)) };
        var (old, fresh) = (TestEndpoints.Of(0), TestEndpoints.Of(1));
        fresh.Joined = Math.Max(1, time.GetTimestamp());
        var set = TestEndpoints.Set(settings, time, old, fresh);

        // 0.1 of a share against 1.
        Assert.InRange(Counts(set, 11_000)["pod-1"], 750, 1250);
        time.Advance(TimeSpan.FromSeconds(50));
        Assert.InRange(Counts(set, 9000)["pod-1"], 2600, 3400);
        time.Advance(TimeSpan.FromSeconds(51));
        Assert.InRange(Counts(set, 8000)["pod-1"], 3700, 4300);
    }

    [Fact]
    public void Priorities_FirstOneTakesAll_UntilTooManyOfItAreLeftOut()
    {
        var detector = new OutlierDetector(new OutlierDetection { MaxEjectionPercent = 100, Consecutive5xxErrors = 1 }, TimeProvider.System, static _ => { });
        EndpointState[] near = [.. Enumerable.Range(0, 4).Select(number => TestEndpoints.Of(number, detector: detector))];
        EndpointState[] far = [TestEndpoints.Of(9, detector: detector)];
        detector.Watch([.. near, .. far]);
        Assert.Equal(["pod-0", "pod-1", "pod-2", "pod-3"], Counts(Tiers(), 1000).Keys);

        near[0].Answered(500);
        Assert.DoesNotContain("pod-9", Counts(Tiers(), 1000).Keys);

        // Half of it bears 70 per cent.
        near[1].Answered(500);
        var counts = Counts(Tiers(), 10_000);
        Assert.InRange(counts["pod-9"], 2700, 3300);
        Assert.DoesNotContain("pod-1", counts.Keys);

        near[2].Answered(500);
        near[3].Answered(500);
        Assert.Equal(["pod-9"], Counts(Tiers(), 100).Keys);
        far[0].Answered(500);
        Assert.Null(Tiers().Choose(null, [], _random));

        EndpointSet Tiers() => new(
            [new EndpointTier([(1, near)], BalancerSettings.Default, 0), new EndpointTier([(1, far)], BalancerSettings.Default, 0)], BalancerSettings.Default, TimeProvider.System);
    }

    [Fact]
    public void MinHealthPercent_AsksEverybodyAgain()
    {
        var detector = new OutlierDetector(new OutlierDetection { MaxEjectionPercent = 100, Consecutive5xxErrors = 1 }, TimeProvider.System, static _ => { });
        EndpointState[] endpoints = [.. Enumerable.Range(0, 4).Select(number => TestEndpoints.Of(number, detector: detector))];
        detector.Watch(endpoints);
        endpoints[0].Answered(500);
        Assert.Equal(3, Counts(Set(), 1000).Count);
        endpoints[1].Answered(500);
        Assert.Equal(4, Counts(Set(), 1000).Count);

        EndpointSet Set() => new([new EndpointTier([(1, endpoints)], BalancerSettings.Default, 70)], BalancerSettings.Default, TimeProvider.System);
    }

    [Theory]
    [InlineData(BalancerAlgorithm.LeastRequest)]
    [InlineData(BalancerAlgorithm.RoundRobin)]
    [InlineData(BalancerAlgorithm.Random)]
    public void Choice_AmongAThousand_AllocatesNothing(BalancerAlgorithm algorithm)
    {
        var set = TestEndpoints.Set(new BalancerSettings { Algorithm = algorithm }, null, [.. Enumerable.Range(0, 1000).Select(number => TestEndpoints.Of(number, (uint)(1 + (number % 3))))]);
        var hash = TestEndpoints.Set(new BalancerSettings { ConsistentHash = new ConsistentHash(HashSource.Header, "x") }, null, TestEndpoints.Many(1000));
        List<Workload> failed = [];
        for (var i = 0; i < 100; i++)
        {
            Choose();
        }

        // The quietest of a few rounds: the runtime's own work may fall into one.
        var least = long.MaxValue;
        for (var round = 0; round < 5; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 1000; i++)
            {
                Choose();
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);

        void Choose()
        {
            var chosen = set.Choose(null, failed, _random)!;
            chosen.Begin();
            chosen.Answered(200);
            chosen.End();
            hash.Choose((ulong)_random.NextInt64(), failed, _random);
        }
    }

    private SortedDictionary<string, int> Counts(EndpointSet set, int draws)
    {
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < draws; i++)
        {
            var name = set.Choose(null, [], _random)!.Workload.Name;
            counts[name] = counts.GetValueOrDefault(name) + 1;
        }

        return counts;
    }
}
