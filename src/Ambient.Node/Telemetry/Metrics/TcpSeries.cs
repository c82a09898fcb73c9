using Ambient.Mesh;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>The counters of all connections between the same parties. One that nobody wants is null.</summary>
/// <param name="families">The metrics.</param>
/// <param name="labels">The parties.</param>
/// <param name="overrides">What is changed of them; null: nothing.</param>
internal sealed class TcpSeries(TcpFamilies families, TcpLabels labels, MetricOverrides? overrides)
{
    // A failure is rare: its series are made when it happens. Indexed by the flag.
    private readonly End?[] _ends = new End?[Enum.GetValues<ResponseFlag>().Length];

    /// <summary>Connections begun.</summary>
    public Counter? Opened { get; } = Within(families.Opened, labels, overrides, RequestMetric.TcpOpenedConnections);

    /// <summary>Bytes from client to server, for both reporters.</summary>
    public Counter? Received { get; } = Within(families.Received, labels, overrides, RequestMetric.TcpReceivedBytes);

    /// <summary>Bytes from server to client, for both reporters.</summary>
    public Counter? Sent { get; } = Within(families.Sent, labels, overrides, RequestMetric.TcpSentBytes);

    /// <summary>Counts an end.</summary>
    public void Closed(ResponseFlag flag)
    {
        // Two threads may make the same pair; the families hand out the same counters.
        var end = _ends[(int)flag] ??= Find(flag);
        end.Closed?.Increment();
        end.Failed?.Increment();
    }

    private static Counter? Within(CounterFamily family, TcpLabels labels, MetricOverrides? overrides, RequestMetric metric) =>
        LabelsOf(labels, overrides, metric, ResponseFlag.None) is { } own ? family.SeriesWithin(own) : null;

    private static MetricLabels? LabelsOf(TcpLabels labels, MetricOverrides? overrides, RequestMetric metric, ResponseFlag flag) =>
        overrides is null ? labels.With(flag) : overrides.Labels(metric, labels.Pairs(flag));

    private End Find(ResponseFlag flag)
    {
        var closed = LabelsOf(labels, overrides, RequestMetric.TcpClosedConnections, flag);
        return flag == ResponseFlag.None
            ? new End(closed is { } ended ? families.Closed.SeriesWithin(ended) : null, null)
            : new End(closed is { } cut ? families.Closed.Series(cut) : null, families.Failed.Series(labels.With(flag)));
    }

    private sealed record End(Counter? Closed, Counter? Failed);
}
