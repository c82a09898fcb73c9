namespace Ambient.Node.Telemetry.Metrics;

/// <summary>One series of observations in buckets. Observing takes no lock and allocates nothing.</summary>
/// <param name="bounds">Upper bounds, ascending; the bucket without a bound is implied.</param>
internal sealed class Histogram(double[] bounds)
{
    private readonly long[] _counts = new long[bounds.Length + 1];
    private double _sum;

    /// <summary>Counts one observation.</summary>
    public void Observe(double value)
    {
        Interlocked.Increment(ref _counts[BucketOf(value)]);
        AddToSum(value);
    }

    /// <summary>Counts one observation where the caller keeps it until <see cref="Take"/>.</summary>
    public void Observe(double value, ref HistogramTally tally)
    {
        (tally.Counts ??= new long[_counts.Length])[BucketOf(value)]++;
        tally.Sum += value;
    }

    /// <summary>Counts what a caller has kept, which is empty afterwards.</summary>
    public void Take(ref HistogramTally tally)
    {
        for (var i = 0; i < tally.Counts?.Length; i++)
        {
            if (tally.Counts[i] > 0)
            {
                Interlocked.Add(ref _counts[i], tally.Counts[i]);
                tally.Counts[i] = 0;
            }
        }

        AddToSum(tally.Sum);
        tally.Sum = 0;
    }

    /// <summary>Writes buckets, sum and count.</summary>
    public void Write(Utf8TextBuilder text, string name, MetricLabels labels)
    {
        var total = 0L;
        for (var i = 0; i < _counts.Length; i++)
        {
            total += Volatile.Read(ref _counts[i]);
            text.Append(name).Append("_bucket{"u8);
            if (labels.Text.Length > 0)
            {
                text.Append(labels.Text).Append(","u8);
            }

            text.Append("le=\""u8);
            if (i < bounds.Length)
            {
                text.Append(bounds[i]);
            }
            else
            {
                text.Append("+Inf"u8);
            }

            text.Append("\"} "u8).Append(total).Append("\n"u8);
        }

        text.Append(name).Append("_sum"u8);
        labels.Write(text);
        text.Append(" "u8).Append(Volatile.Read(ref _sum)).Append("\n"u8).Append(name).Append("_count"u8);
        labels.Write(text);
        text.Append(" "u8).Append(total).Append("\n"u8);
    }

    private int BucketOf(double value)
    {
        var bucket = 0;
        while (bucket < bounds.Length && value > bounds[bucket])
        {
            bucket++;
        }

        return bucket;
    }

    private void AddToSum(double value)
    {
        double before, after;
        do
        {
            before = Volatile.Read(ref _sum);
            after = before + value;
        }
        while (Interlocked.CompareExchange(ref _sum, after, before) != before);
    }
}
