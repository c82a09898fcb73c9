namespace Ambient.Node.Telemetry.Metrics;

/// <summary>A counter without labels whose value is kept elsewhere; left out of a scrape until it has counted something.</summary>
/// <param name="name">Name without <c>_total</c>.</param>
/// <param name="help">What it counts, for a person.</param>
/// <param name="source">The value now.</param>
internal sealed class ObservedCounter(string name, string help, Func<long> source) : MetricFamily(name, help)
{
    /// <inheritdoc/>
    protected override string Type => "counter";

    /// <inheritdoc/>
    protected override bool HasSamples => source() > 0;

    /// <inheritdoc/>
    protected override IEnumerable<Utf8TextBuilder> WriteSamples(Utf8TextBuilder text)
    {
        yield return text.Append(Name).Append("_total "u8).Append(source()).Append("\n"u8);
    }
}
