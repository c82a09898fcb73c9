using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>What limits and outlier detection did, under names that follow Envoy's.</summary>
internal sealed class BackendMetrics
{
    private readonly CounterFamily _overflows;
    private readonly CounterFamily _retryOverflows;
    private readonly CounterFamily _ejections;

    /// <summary>Creates the metrics in a registry.</summary>
    /// <param name="registry">Registry.</param>
    public BackendMetrics(MetricRegistry registry)
    {
        _overflows = registry.Add(new CounterFamily("ambient_upstream_overflow", "Requests that were refused because there were as many as a DestinationRule admits."));
        _retryOverflows = registry.Add(new CounterFamily("ambient_upstream_retry_overflow", "Requests that were not sent again because the retry budget had no room."));
        _ejections = registry.Add(new CounterFamily("ambient_outlier_ejections", "Times that an endpoint was left out because it failed."));
    }

    /// <summary>A request was refused.</summary>
    public void Overflow() => _overflows.Series(MetricLabels.None).Increment();

    /// <summary>A request was not sent again.</summary>
    public void RetryOverflow() => _retryOverflows.Series(MetricLabels.None).Increment();

    /// <summary>An endpoint was left out.</summary>
    public void Ejected() => _ejections.Series(MetricLabels.None).Increment();
}
