namespace Ambient.Node.Tests;

/// <summary>What code of Ambient.Node has in place of three of LINQ's operators.</summary>
public sealed class SequencesTests
{
    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    public void TakeAndSkip_AreAsLinqHasThem(int count)
    {
        int[] all = [1, 2, 3];
        Assert.Equal(Enumerable.Take(all, count), Sequences.Take(all, count));
        Assert.Equal(Enumerable.Skip(all, count), Sequences.Skip(all, count));
    }

    [Fact]
    public void Take_AsksForNoMoreThanItGives()
    {
        Assert.Equal([1, 2], Sequences.Take(Endless(), 2));

        static IEnumerable<int> Endless()
        {
            yield return 1;
            yield return 2;
            throw new InvalidOperationException("the third was asked for");
        }
    }

    [Fact]
    public void OfType_LeavesNullOut() => Assert.Equal(["a", "b"], Sequences.OfType<string>(["a", null, "b"]));

    [Fact]
    public void LinqsOwn_AreNotWhatCallersOfThisNamespaceGet()
    {
        // The names are found in the namespace around the caller first: were they not, what they are for would be lost without a word.
        Assert.Equal(typeof(Sequences).Assembly, new[] { "a" }.Take(1).GetType().Assembly);
        Assert.Equal(typeof(Sequences).Assembly, new[] { "a" }.Skip(1).GetType().Assembly);
        Assert.Equal(typeof(Sequences).Assembly, new[] { "a", null }.OfType<string>().GetType().Assembly);
    }
}
