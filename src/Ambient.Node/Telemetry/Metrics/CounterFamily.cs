using System.Collections.Concurrent;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>A counter with labels. A series is made at its first use and kept; keep the <see cref="Counter"/> to increment it cheaply.</summary>
internal sealed class CounterFamily(string name, string help) : MetricFamily(name, help)
{
    private readonly ConcurrentDictionary<MetricLabels, Counter> _series = new();

    /// <inheritdoc/>
    protected override string Type => "counter";

    /// <inheritdoc/>
    protected override bool HasSamples => !_series.IsEmpty;

    /// <summary>The series of a label set.</summary>
    public Counter Series(MetricLabels labels) => _series.GetOrAdd(labels, static _ => new Counter());

    /// <summary>Sum over all series.</summary>
    public long Total()
    {
        var total = 0L;
        foreach (var (_, counter) in _series)
        {
            total += counter.Value;
        }

        return total;
    }

    /// <inheritdoc/>
    protected override void WriteSamples(Utf8TextBuilder text)
    {
        foreach (var (labels, counter) in _series)
        {
            text.Append(Name).Append("_total"u8);
            labels.Write(text);
            text.Append(" "u8).Append(counter.Value).Append("\n"u8);
        }
    }
}
