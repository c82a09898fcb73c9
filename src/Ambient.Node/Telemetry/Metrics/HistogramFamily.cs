using System.Collections.Concurrent;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>A histogram with labels; every series has the same buckets.</summary>
/// <param name="name">Name.</param>
/// <param name="help">What is observed, and in which unit.</param>
/// <param name="bounds">Upper bounds, ascending, without the infinite one.</param>
internal sealed class HistogramFamily(string name, string help, double[] bounds) : MetricFamily(name, help)
{
    private readonly ConcurrentDictionary<MetricLabels, Histogram> _series = new();

    /// <inheritdoc/>
    protected override string Type => "histogram";

    /// <inheritdoc/>
    protected override bool HasSamples => !_series.IsEmpty;

    /// <summary>The series of a label set; keep it to observe cheaply.</summary>
    public Histogram Series(MetricLabels labels) => _series.GetOrAdd(labels, static (_, bounds) => new Histogram(bounds), bounds);

    /// <inheritdoc/>
    protected override void WriteSamples(Utf8TextBuilder text)
    {
        foreach (var (labels, histogram) in _series)
        {
            histogram.Write(text, Name, labels);
        }
    }
}
