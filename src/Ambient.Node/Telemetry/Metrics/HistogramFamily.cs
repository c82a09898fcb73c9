namespace Ambient.Node.Telemetry.Metrics;

/// <summary>A histogram with labels; every series has the same buckets.</summary>
/// <param name="name">Name.</param>
/// <param name="help">What is observed, and in which unit.</param>
/// <param name="bounds">Upper bounds, ascending, without the infinite one.</param>
internal sealed class HistogramFamily(string name, string help, double[] bounds) : MetricFamily(name, help)
{
    private readonly SeriesTable<Histogram> _series = new(() => new Histogram(bounds), (bounds.Length + 4) * sizeof(long));

    /// <inheritdoc/>
    protected override string Type => "histogram";

    /// <inheritdoc/>
    protected override bool HasSamples => !_series.IsEmpty;

    /// <summary>The series of a label set; the overflow series when the registry is full. Keep it to observe cheaply.</summary>
    public Histogram Series(MetricLabels labels) => _series.Get(labels, Budget);

    /// <summary>The series of a label set that the caller has asked the registry's budget for, together with others of the same labels.</summary>
    public Histogram SeriesWithin(MetricLabels labels) => _series.Get(labels);

    /// <inheritdoc/>
    protected override IEnumerable<Utf8TextBuilder> WriteSamples(Utf8TextBuilder text)
    {
        foreach (var (labels, histogram) in _series.All)
        {
            histogram.Write(text, Name, labels);
            yield return text;
        }
    }
}
