using System.Globalization;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>What every host shows of itself: file descriptors and its build.</summary>
internal static class ProcessMetrics
{
    /// <summary>Adds the families.</summary>
    /// <param name="registry">Where to.</param>
    /// <param name="component">Name of the host: <c>ztunnel</c>, <c>waypoint</c>.</param>
    /// <param name="tag">Version of the Istio that it belongs to, or <c>unknown</c>.</param>
    /// <param name="droppedLines">How many log lines were dropped; null where that is not known.</param>
    public static void AddTo(MetricRegistry registry, string component, string tag, Func<long>? droppedLines = null)
    {
        ArgumentNullException.ThrowIfNull(registry);
        if (droppedLines is not null)
        {
            registry.Add(new ObservedCounter("ambient_log_lines_dropped", "Log lines that were dropped because the reader of the log did not keep up.", droppedLines));
        }

        if (Directory.Exists("/proc/self/fd"))
        {
            registry.Add(new GaugeFamily("process_open_fds", "Number of open file descriptors")).Observe(MetricLabels.None, OpenDescriptors);
            registry.Add(new GaugeFamily("process_max_fds", "Maximum number of file descriptors")).Observe(MetricLabels.None, MaxDescriptors);
        }

        registry.Add(new GaugeFamily("istio_build", "Istio component build info.")).Observe(MetricLabels.Of(("component", component), ("tag", tag)), static () => 1);
    }

    private static long OpenDescriptors() => Directory.EnumerateFileSystemEntries("/proc/self/fd").LongCount();

    private static long MaxDescriptors()
    {
        foreach (var line in File.ReadLines("/proc/self/limits"))
        {
            if (line.StartsWith("Max open files", StringComparison.Ordinal)
                && line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, _, _, var soft, ..]
                && long.TryParse(soft, CultureInfo.InvariantCulture, out var limit))
            {
                return limit;
            }
        }

        return -1;
    }
}
