namespace Ambient.Node.Telemetry.Metrics;

/// <summary>A counter with labels. A series is made at its first use and kept; keep the <see cref="Counter"/> to increment it cheaply.</summary>
internal sealed class CounterFamily(string name, string help) : MetricFamily(name, help)
{
    private readonly SeriesTable<Counter> _series = new(static () => new Counter(), sizeof(long));

    /// <inheritdoc/>
    protected override string Type => "counter";

    /// <inheritdoc/>
    protected override bool HasSamples => !_series.IsEmpty;

    /// <summary>The series of a label set; the overflow series when the registry is full.</summary>
    public Counter Series(MetricLabels labels) => _series.Get(labels, Budget);

    /// <summary>The series of a label set that the caller has asked the registry's budget for, together with others of the same labels.</summary>
    public Counter SeriesWithin(MetricLabels labels) => _series.Get(labels);

    /// <summary>Sum over all series.</summary>
    public long Total()
    {
        var total = 0L;
        foreach (var (_, counter) in _series.All)
        {
            total += counter.Value;
        }

        return total;
    }

    /// <inheritdoc/>
    protected override IEnumerable<Utf8TextBuilder> WriteSamples(Utf8TextBuilder text)
    {
        foreach (var (labels, counter) in _series.All)
        {
            text.Append(Name).Append("_total"u8);
            labels.Write(text);
            yield return text.Append(" "u8).Append(counter.Value).Append("\n"u8);
        }
    }
}
