namespace Ambient.Node.Requests.Upstreams.Balancing;

/// <summary>
/// Draws an index by weight at the same cost however many there are (Walker's alias method: each place of a table has one index, and another one that
/// takes over with the rest of the probability).
/// </summary>
internal sealed class WeightedDraw
{
    private readonly double[] _own;
    private readonly int[] _other;

    /// <summary>Makes the table.</summary>
    /// <param name="weights">Weights, at least one of them above 0.</param>
    public WeightedDraw(ReadOnlySpan<uint> weights)
    {
        var count = weights.Length;
        (_own, _other) = (new double[count], new int[count]);
        var total = 0.0;
        foreach (var weight in weights)
        {
            total += weight;
        }

        var scaled = new double[count];
        var (small, large) = (new Stack<int>(), new Stack<int>());
        for (var i = 0; i < count; i++)
        {
            scaled[i] = weights[i] * count / total;
            (scaled[i] < 1 ? small : large).Push(i);
        }

        while (small.Count > 0 && large.Count > 0)
        {
            var (less, more) = (small.Pop(), large.Pop());
            (_own[less], _other[less]) = (scaled[less], more);
            scaled[more] -= 1 - scaled[less];
            (scaled[more] < 1 ? small : large).Push(more);
        }

        foreach (var rest in small.Concat(large))
        {
            (_own[rest], _other[rest]) = (1, rest);
        }
    }

    /// <summary>Draws.</summary>
    public int Next(Random random)
    {
        var at = random.NextDouble() * _own.Length;
        var index = Math.Min((int)at, _own.Length - 1);
        return at - index < _own[index] ? index : _other[index];
    }
}
