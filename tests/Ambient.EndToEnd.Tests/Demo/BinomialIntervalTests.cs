using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.EndToEnd.Tests.Demo;

public class BinomialIntervalTests
{
    // Computed with exact fractions.
    [Theory]
    [InlineData(500, 0.1, 0.999, 29, 73)]
    [InlineData(100, 0.5, 0.99, 37, 63)]
    [InlineData(10, 0.5, 0.999, 0, 10)]
    [InlineData(1, 0.5, 0.999, 0, 1)]
    [InlineData(500, 0, 0.999, 0, 0)]
    [InlineData(500, 1, 0.999, 500, 500)]
    public void Central_OfKnownDistribution_IsTheExactInterval(int trials, double probability, double confidence, int low, int high) =>
        Assert.Equal(new BinomialInterval(low, high), BinomialInterval.Central(trials, probability, confidence));

    [Fact]
    public void Contains_AtAndBeyondTheEnds_IncludesOnlyTheEnds()
    {
        var interval = new BinomialInterval(29, 73);

        Assert.True(interval.Contains(29));
        Assert.True(interval.Contains(73));
        Assert.False(interval.Contains(28));
        Assert.False(interval.Contains(74));
    }

    [Theory]
    [InlineData(-1, 0.1, 0.999)]
    [InlineData(10, 1.1, 0.999)]
    [InlineData(10, 0.1, 1)]
    public void Central_OfNonsense_Throws(int trials, double probability, double confidence) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => BinomialInterval.Central(trials, probability, confidence));
}
