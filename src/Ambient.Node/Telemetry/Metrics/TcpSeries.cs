namespace Ambient.Node.Telemetry.Metrics;

/// <summary>The counters of all connections between the same parties.</summary>
internal sealed class TcpSeries(TcpFamilies families, TcpLabels labels)
{
    // A failure is rare: its series are made when it happens. Indexed by the flag.
    private readonly End?[] _ends = new End?[Enum.GetValues<ResponseFlag>().Length];

    /// <summary>Connections begun.</summary>
    public Counter Opened { get; } = families.Opened.SeriesWithin(labels.With(ResponseFlag.None));

    /// <summary>Bytes from client to server, for both reporters.</summary>
    public Counter Received { get; } = families.Received.SeriesWithin(labels.With(ResponseFlag.None));

    /// <summary>Bytes from server to client, for both reporters.</summary>
    public Counter Sent { get; } = families.Sent.SeriesWithin(labels.With(ResponseFlag.None));

    /// <summary>Counts an end.</summary>
    public void Closed(ResponseFlag flag)
    {
        // Two threads may make the same pair; the families hand out the same counters.
        var end = _ends[(int)flag] ??= Find(flag);
        end.Closed.Increment();
        end.Failed?.Increment();
    }

    private End Find(ResponseFlag flag)
    {
        var set = labels.With(flag);
        return flag == ResponseFlag.None ? new End(families.Closed.SeriesWithin(set), null) : new End(families.Closed.Series(set), families.Failed.Series(set));
    }

    private sealed record End(Counter Closed, Counter? Failed);
}
