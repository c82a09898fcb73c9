using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Capture.InPod;

/// <summary>How many pods are carried (ztunnel <c>inpod/metrics.rs</c>: these names have no prefix).</summary>
internal sealed class PodMetrics
{
    private int _active;
    private int _pending;

    /// <summary>Creates the metrics in a registry.</summary>
    public PodMetrics(MetricRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        registry.Add(new GaugeFamily("workload_manager_active_proxy_count", "The total number current workloads with active proxies (unstable)."))
            .Observe(MetricLabels.None, () => Active);
        registry.Add(new GaugeFamily("workload_manager_pending_proxy_count", "The total number current workloads with pending proxies (unstable)."))
            .Observe(MetricLabels.None, () => Pending);
        Started = registry.Add(new CounterFamily("workload_manager_proxies_started", "The total number of proxies that were started (unstable).")).Series(MetricLabels.None);
        Stopped = registry.Add(new CounterFamily("workload_manager_proxies_stopped", "The total number of proxies that were stopped (unstable).")).Series(MetricLabels.None);
    }

    /// <summary>Pods whose proxy is up.</summary>
    public int Active
    {
        get => Volatile.Read(ref _active);
        set => Volatile.Write(ref _active, value);
    }

    /// <summary>Pods whose proxy could not be started yet.</summary>
    public int Pending
    {
        get => Volatile.Read(ref _pending);
        set => Volatile.Write(ref _pending, value);
    }

    /// <summary>Proxies started.</summary>
    public Counter Started { get; }

    /// <summary>Proxies stopped.</summary>
    public Counter Stopped { get; }
}
