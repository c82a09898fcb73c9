namespace Ambient.Samples.Bookinfo.Walkthrough.Evidence;

/// <summary>
/// The central interval of a binomial distribution: what a count may be, if every trial succeeds with a given
/// probability, without luck being the less likely explanation. Exact, summed from the distribution itself.
/// </summary>
/// <param name="Low">Least count inside.</param>
/// <param name="High">Greatest count inside.</param>
internal readonly record struct BinomialInterval(int Low, int High)
{
    /// <summary>Whether a count lies inside, both ends included.</summary>
    public bool Contains(int count) => count >= Low && count <= High;

    /// <summary>
    /// The interval that leaves at most half of (1 - <paramref name="confidence"/>) on either side.
    /// </summary>
    public static BinomialInterval Central(int trials, double probability, double confidence)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(trials);
        ArgumentOutOfRangeException.ThrowIfLessThan(probability, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(probability, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(confidence, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(confidence, 1);
        if (probability is 0 or 1)
        {
            var certain = probability is 0 ? 0 : trials;
            return new(certain, certain);
        }

        var tail = (1 - confidence) / 2;
        var mass = new double[trials + 1];
        var logarithm = trials * Math.Log(1 - probability);
        for (var count = 0; count <= trials; count++)
        {
            mass[count] = Math.Exp(logarithm);
            // P(k+1) / P(k) = (n-k)/(k+1) * p/(1-p): in logarithms, so that large n does not underflow.
            logarithm += Math.Log((double)(trials - count) / (count + 1)) + Math.Log(probability / (1 - probability));
        }

        var low = 0;
        for (var below = mass[0]; below <= tail && low < trials; below += mass[low])
        {
            low++;
        }

        var high = trials;
        for (var above = mass[trials]; above <= tail && high > 0; above += mass[high])
        {
            high--;
        }

        return new(low, high);
    }
}
