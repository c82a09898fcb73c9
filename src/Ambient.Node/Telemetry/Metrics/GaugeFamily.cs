using System.Collections.Concurrent;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>A gauge with labels. A series is either counted by whoever owns it, or read from a source when scraped.</summary>
internal sealed class GaugeFamily(string name, string help) : MetricFamily(name, help)
{
    private readonly SeriesTable<Gauge> _counted = new(static () => new Gauge(), sizeof(long));
    private readonly ConcurrentDictionary<MetricLabels, Func<long>> _observed = new();

    /// <inheritdoc/>
    protected override string Type => "gauge";

    /// <inheritdoc/>
    protected override bool HasSamples => !_counted.IsEmpty || !_observed.IsEmpty;

    /// <summary>Shows what a source says at each scrape.</summary>
    public void Observe(MetricLabels labels, Func<long> source) => _observed[labels] = source;

    /// <summary>A series that goes up and down, made at its first use; the overflow series when the registry is full.</summary>
    public Gauge Series(MetricLabels labels) => _counted.Get(labels, Budget);

    /// <inheritdoc/>
    protected override IEnumerable<Utf8TextBuilder> WriteSamples(Utf8TextBuilder text)
    {
        foreach (var (labels, gauge) in _counted.All)
        {
            // A source for the same labels includes what is counted here.
            if (!_observed.ContainsKey(labels))
            {
                yield return Write(text, labels, gauge.Value);
            }
        }

        foreach (var (labels, source) in _observed)
        {
            yield return Write(text, labels, source());
        }
    }

    private Utf8TextBuilder Write(Utf8TextBuilder text, MetricLabels labels, long value)
    {
        text.Append(Name);
        labels.Write(text);
        return text.Append(" "u8).Append(value).Append("\n"u8);
    }
}
