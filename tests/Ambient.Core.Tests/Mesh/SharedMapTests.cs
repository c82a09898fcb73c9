using Ambient.Mesh;

namespace Ambient.Core.Tests.Mesh;

/// <summary>The map that snapshots are made of: like a dictionary, and what was published never changes.</summary>
public sealed class SharedMapTests
{
    [Theory]
    [InlineData(1, 40)]
    [InlineData(2, 400)]
    [InlineData(3, 4000)]
    public void AnyChanges_InBatchesOfAnySize_AreThoseOfADictionary_AndOlderMapsStay(int seed, int keys)
    {
        var random = new Random(seed);
        var expected = new Dictionary<string, int>();
        var map = SharedMap<string, int>.Empty;
        var published = new List<(SharedMap<string, int> Map, Dictionary<string, int> Expected)>();
        for (var batch = 0; batch < 60; batch++)
        {
            var builder = map.ToBuilder();
            var changes = random.Next(3) switch { 0 => 1, 1 => random.Next(keys / 8), _ => random.Next(keys) };
            for (var i = 0; i < changes; i++)
            {
                var key = $"key-{random.Next(keys)}";
                if (random.Next(3) == 0)
                {
                    Assert.Equal(expected.Remove(key, out var was), builder.Remove(key, out var old));
                    Assert.Equal(was, old);
                }
                else
                {
                    builder[key] = expected[key] = random.Next();
                }

                Assert.Equal(expected.Count, builder.Count);
                var any = $"key-{random.Next(keys)}";
                Assert.Equal(expected.TryGetValue(any, out var wanted), builder.TryGetValue(any, out var found));
                Assert.Equal(wanted, found);
            }

            map = builder.ToImmutable();
            published.Add((map, new Dictionary<string, int>(expected)));
        }

        foreach (var (old, wanted) in published)
        {
            Assert.Equal(wanted.Count, old.Count);
            Assert.Equal(wanted.OrderBy(pair => pair.Key, StringComparer.Ordinal), old.OrderBy(pair => pair.Key, StringComparer.Ordinal));
            Assert.All(Enumerable.Range(0, keys), i => Assert.Equal(wanted.TryGetValue($"key-{i}", out _), old.ContainsKey($"key-{i}")));
            Assert.Equal(wanted.Values.Order(), old.Values.Order());
        }
    }

    [Fact]
    public void Nothing_Written_IsTheSameMap()
    {
        var builder = SharedMap<string, int>.Empty.ToBuilder();
        builder["a"] = 1;
        var map = builder.ToImmutable();

        Assert.Same(map, map.ToBuilder().ToImmutable());
        Assert.Same(map, builder.ToImmutable());
        Assert.False(map.ToBuilder().Remove("b"));
    }

    [Fact]
    public void OneChange_OfALargeMap_CopiesNoTable()
    {
        var builder = SharedMap<int, int>.Empty.ToBuilder();
        for (var i = 0; i < 100_000; i++)
        {
            builder[i] = i;
        }

        var map = builder.ToImmutable();
        Change(map, 1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            Change(map, i);
        }

        // A table of 100,000 is 2 MB.
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 1000, 0, 1_000);

        static void Change(SharedMap<int, int> map, int key)
        {
            var builder = map.ToBuilder();
            builder[key] = -1;
            Assert.Equal(-1, builder.ToImmutable()[key]);
        }
    }
}
