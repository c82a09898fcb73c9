namespace Ambient.Node.Telemetry.Metrics;

/// <summary>Observations of a <see cref="Histogram"/> that one thread keeps until they are asked for, so that it shares no memory with others for each of them.</summary>
internal struct HistogramTally
{
    /// <summary>How many there are in each bucket; null: none so far.</summary>
    public long[]? Counts;

    /// <summary>Their sum.</summary>
    public double Sum;
}
