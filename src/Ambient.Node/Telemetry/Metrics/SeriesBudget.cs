namespace Ambient.Node.Telemetry.Metrics;

/// <summary>
/// What all series of a process may use together. Labels come from the mesh and, in part, from peers, and a series is never removed:
/// without a bound, a peer that invents label values would fill the memory. What does not fit is counted in a family's overflow series, so totals
/// stay right, and how often that happened is a metric itself.
/// </summary>
/// <param name="maxSeries">Most series.</param>
/// <param name="maxBytes">Most bytes of series, estimated from the length of their labels.</param>
internal sealed class SeriesBudget(int maxSeries, long maxBytes)
{
    // A series object, its entry in the family's table, and the head of its text.
    private const int FixedCost = 192;

    private readonly Lock _lock = new();
    private int _series;
    private long _bytes;
    private long _folded;

    /// <summary>Series that were made.</summary>
    public int Series => Volatile.Read(ref _series);

    /// <summary>Bytes that they take, estimated.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>How often something was counted in an overflow series for want of room.</summary>
    public long Folded => Volatile.Read(ref _folded);

    /// <summary>Takes room for series that share one label set; false when there is none, which is counted.</summary>
    /// <param name="size">Bytes of all their values, beside the labels.</param>
    /// <param name="labels">Their labels.</param>
    /// <param name="count">How many series.</param>
    public bool TryTake(int size, MetricLabels labels, int count = 1)
    {
        var bytes = ((long)count * FixedCost) + size + ((long)labels.Text.Length * sizeof(char));
        lock (_lock)
        {
            if (_series + count <= maxSeries && _bytes + bytes <= maxBytes)
            {
                _series += count;
                _bytes += bytes;
                return true;
            }
        }

        Fold();
        return false;
    }

    /// <summary>Counts something that was folded into an overflow series.</summary>
    public void Fold() => Interlocked.Increment(ref _folded);
}
