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

    /// <summary>What bounds the series; null before the family is added to a registry.</summary>
    public SeriesBudget? Budget { get; set; }

    /// <summary>OpenMetrics type: <c>counter</c>, <c>gauge</c>, <c>histogram</c>.</summary>
    protected abstract string Type { get; }

    /// <summary>Whether there is anything to show.</summary>
    protected abstract bool HasSamples { get; }

    /// <summary>
    /// Writes the family with its comments, or nothing when it has no samples. Each step of the enumeration appends one piece of bounded
    /// size, so that whoever sends the text can do it between the pieces and need not hold all of it.
    /// </summary>
    public IEnumerable<Utf8TextBuilder> Write(Utf8TextBuilder text)
    {
        if (!HasSamples)
        {
            yield break;
        }

        yield return text.Append("# HELP "u8).Append(Name).Append(" "u8).Append(Help).Append("\n# TYPE "u8).Append(Name).Append(" "u8).Append(Type).Append("\n"u8);
        foreach (var piece in WriteSamples(text))
        {
            yield return piece;
        }
    }

    /// <summary>Appends every series, one in each step.</summary>
    protected abstract IEnumerable<Utf8TextBuilder> WriteSamples(Utf8TextBuilder text);
}
