using Ambient.Node.Requests.Upstreams.Balancing;

namespace Ambient.Node.Tests.Requests.Upstreams.Balancing;

/// <summary>Consistent hashing: shares are fair, and little moves when endpoints come and go.</summary>
public sealed class HashTableTests
{
    private const int Keys = 20_000;

    [Theory]
    [InlineData(false, 1024)]
    [InlineData(false, 16384)]
    [InlineData(true, 65537)]
    public void Shares_AreFair(bool isMaglev, int size)
    {
        var endpoints = TestEndpoints.Many(8);
        var counts = Owners(HashTable.Of(isMaglev, size, endpoints), endpoints).CountBy(name => name).ToDictionary();

        // A ring of 128 points an endpoint is off by a tenth or two; Maglev's table is all but exact.
        var mean = Keys / 8;
        var tolerance = isMaglev ? 0.1 : size > 1024 ? 0.2 : 0.45;
        Assert.All(counts.Values, count => Assert.InRange(count, mean * (1 - tolerance), mean * (1 + tolerance)));
        Assert.Equal(8, counts.Count);
    }

    [Theory]
    [InlineData(false, 1024)]
    [InlineData(true, 65537)]
    public void Weights_AreShares(bool isMaglev, int size)
    {
        EndpointState[] endpoints = [TestEndpoints.Of(0, 1), TestEndpoints.Of(1, 3)];
        var counts = Owners(HashTable.Of(isMaglev, size, endpoints), endpoints).CountBy(name => name).ToDictionary();
        Assert.InRange(counts["pod-1"], Keys * 0.68, Keys * 0.82);
    }

    [Theory]
    [InlineData(false, 1024, 0)]
    [InlineData(true, 65537, 0.05)]
    public void EndpointThatLeaves_TakesOnlyItsOwnAlong(bool isMaglev, int size, double most)
    {
        var endpoints = TestEndpoints.Many(10);
        EndpointState[] left = [.. endpoints.Where((_, i) => i != 4)];
        var (before, after) = (Owners(HashTable.Of(isMaglev, size, endpoints), endpoints), Owners(HashTable.Of(isMaglev, size, left), left));
        var moved = before.Zip(after).Count(pair => pair.First != "pod-4" && pair.First != pair.Second);

        // A ring of nine has more points for each, so that it stays as large: a point that is added takes a little over.
        Assert.InRange(moved, 0, Keys * Math.Max(most, 0.12));
        Assert.DoesNotContain("pod-4", after);
    }

    [Fact]
    public void Ring_WithPointsToSpare_MovesNothingElse()
    {
        // As many points an endpoint before and after: nothing moves that belonged to somebody else.
        var endpoints = TestEndpoints.Many(1024);
        EndpointState[] left = [.. endpoints.Where((_, i) => i != 4)];
        var (before, after) = (Owners(new RingTable(1000, endpoints), endpoints), Owners(new RingTable(1000, left), left));
        Assert.All(before.Zip(after), pair => Assert.True(pair.First == "pod-4" || pair.First == pair.Second));
    }

    [Fact]
    public void Ring_IsBounded()
    {
        Assert.InRange(new RingTable(8 * 1024 * 1024, TestEndpoints.Many(3)).Size, 1_000_000, 1 << 20);
        Assert.InRange(new RingTable(1024, TestEndpoints.Many(3)).Size, 1024, 1030);
        Assert.InRange(new RingTable(1024, [TestEndpoints.Of(0, 1), TestEndpoints.Of(1, 1_000_000)]).Size, 2, 1 << 20);
    }

    [Fact]
    public void Maglev_OfFewPlaces_ServesEverybodyThatHasOne()
    {
        var table = new MaglevTable(7, TestEndpoints.Many(3));
        Assert.Equal([0, 1, 2], Enumerable.Range(0, 7).Select(hash => table.Find((ulong)hash)).Distinct().Order());
        Assert.Equal(0, new MaglevTable(1, TestEndpoints.Many(3)).Find(123));
    }

    private static string[] Owners(HashTable table, EndpointState[] endpoints) =>
        [.. Enumerable.Range(0, Keys).Select(key => endpoints[table.Find(RequestHash.Of($"user-{key}".AsSpan()))].Workload.Name)];
}
