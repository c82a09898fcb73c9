using System.Collections.Immutable;
using Ambient.Policy.Indexing;

namespace Ambient.Policy.Tests.Indexing;

public sealed class SharedTableTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void With_RandomChanges_HasWhatADictionaryHas_AndLeavesTheOldOne(int seed)
    {
        var random = new Random(seed);
        var (table, expected) = (SharedTable<string, string>.Create(StringComparer.OrdinalIgnoreCase), ImmutableDictionary.Create<string, string>(StringComparer.OrdinalIgnoreCase));
        for (var round = 0; round < 200; round++)
        {
            var (old, had) = (table, expected);
            var changes = Enumerable.Range(0, round % 50 == 0 ? 500 : random.Next(1, 4))
                .Select(_ => KeyValuePair.Create($"{"kK"[random.Next(2)]}{random.Next(1500)}", random.Next(3) == 0 ? null : $"{random.Next()}"))
                .DistinctBy(change => change.Key, StringComparer.OrdinalIgnoreCase).ToArray();
            table = table.With(changes);
            foreach (var (key, value) in changes)
            {
                expected = value is null ? expected.Remove(key) : expected.SetItem(key, value);
            }

            AssertSame(expected, table);
            AssertSame(had, old);
        }

        void AssertSame(ImmutableDictionary<string, string> expected, SharedTable<string, string> table)
        {
            Assert.Equal(expected.Count, table.Count);
            for (var i = 0; i < 1500; i++)
            {
                Assert.Equal(expected.GetValueOrDefault($"k{i}"), table.Find($"K{i}"));
                var hashCode = string.GetHashCode($"K{i}".AsSpan(), StringComparison.OrdinalIgnoreCase);
                Assert.Equal(expected.ContainsKey($"k{i}"), table.Near(hashCode).ToArray().Any(entry => entry.HashCode == hashCode && entry.Key.Equals($"K{i}", StringComparison.OrdinalIgnoreCase)));
            }
        }
    }

    [Fact]
    public void With_OneKeyOfMany_CopiesLittle()
    {
        var table = SharedTable<int, string>.Create(EqualityComparer<int>.Default)
            .With([.. Enumerable.Range(0, 10_000).Select(i => KeyValuePair.Create(i, (string?)"x"))]);
        var change = new[] { KeyValuePair.Create(7, (string?)"y") };
        table.With(change);

        var before = GC.GetAllocatedBytesForCurrentThread();
        var next = table.With(change);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(("x", "y"), (table.Find(7), next.Find(7)));
        Assert.InRange(allocated, 1, 4096);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void MapDifference_OfRandomMaps_IsWhatTheyDifferIn(int seed)
    {
        var random = new Random(seed);
        var before = Enumerable.Range(0, 300).ToImmutableDictionary(i => $"{i}", i => new object());
        for (var round = 0; round < 50; round++)
        {
            var after = before;
            for (var changes = random.Next(6); changes > 0; changes--)
            {
                var key = $"{random.Next(400)}";
                after = random.Next(3) == 0 ? after.Remove(key) : after.SetItem(key, new object());
            }

            // One that was filled anew may be in another order.
            after = round % 2 == 0 ? after : after.Reverse().ToImmutableDictionary();
            var (removed, added) = MapDifference<object>.Between(before, after);

            Assert.Equal(before.Values.Except(after.Values).ToHashSet(), removed.ToHashSet());
            Assert.Equal(after.Values.Except(before.Values).ToHashSet(), added.ToHashSet());
            Assert.Equal(removed.Count, removed.Distinct().Count());
            before = after;
        }
    }
}
