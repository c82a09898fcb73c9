namespace Ambient.Node.Telemetry.Metrics;

/// <summary>One metric by name: its help, its type, and its samples. A family without samples is left out of a scrape.</summary>
/// <param name="name">Name without the <c>_total</c> of counters.</param>
/// <param name="help">What it counts, for a person.</param>
internal abstract class MetricFamily(string name, string help)
{
    /// <summary>Name without the <c>_total</c> of counters.</summary>
    public string Name { get; } = name;

    /// <summary>What it counts, for a person.</summary>
    public string Help { get; } = help;

    /// <summary>OpenMetrics type: <c>counter</c>, <c>gauge</c>, <c>histogram</c>.</summary>
    protected abstract string Type { get; }

    /// <summary>Whether there is anything to show.</summary>
    protected abstract bool HasSamples { get; }

    /// <summary>Writes the family with its comments, or nothing when it has no samples.</summary>
    public void Write(Utf8TextBuilder text)
    {
        if (!HasSamples)
        {
            return;
        }

        text.Append("# HELP "u8).Append(Name).Append(" "u8).Append(Help).Append("\n# TYPE "u8).Append(Name).Append(" "u8).Append(Type).Append("\n"u8);
        WriteSamples(text);
    }

    /// <summary>Writes every sample, one a line.</summary>
    protected abstract void WriteSamples(Utf8TextBuilder text);
}
