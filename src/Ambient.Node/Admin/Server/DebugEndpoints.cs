using System.Globalization;
using System.Text;
using Ambient.Node.Connections;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Admin.Server;

/// <summary>What a person wants to see when a process misbehaves.</summary>
/// <param name="connections">What is open.</param>
/// <param name="policies">What layer 7 policies have decided, by policy; null: nothing is counted here.</param>
internal sealed class DebugEndpoints(ConnectionTable connections, Func<IEnumerable<(string Policy, string Decision, long Count)>>? policies = null)
{
    private const int MostShown = 10_000;

    /// <summary>Answers what begins with <c>/debug/</c>.</summary>
    public AdminResponse Answer(AdminRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.Path switch
        {
            "/debug/memory" => AdminResponse.Text(200, Memory()),
            "/debug/policies" when policies is not null => AdminResponse.Text(200, Policies(policies())),
            "/debug/connections" => AdminResponse.Text(200, Connections()),
            "/debug/pprof/profile" or "/debug/pprof/heap" or "/debug/pprof/heap/profiling" => AdminResponse.Text(
                500, $"not supported by a native .NET process; on the node: perf record -g -p {Environment.ProcessId} -- sleep 30, and see /debug/memory\n"),
            _ => AdminResponse.NotFound,
        };
    }

    private static string Memory()
    {
        var text = new StringBuilder();
        var collector = GC.GetGCMemoryInfo(GCKind.Any);
        text.Append(CultureInfo.InvariantCulture, $"managed heap     {collector.HeapSizeBytes / 1024} kB, committed {collector.TotalCommittedBytes / 1024} kB, fragmented {collector.FragmentedBytes / 1024} kB\n");
        text.Append(CultureInfo.InvariantCulture, $"collections      {GC.CollectionCount(0)} young, {GC.CollectionCount(1)} middle, {GC.CollectionCount(2)} full; {collector.PauseTimePercentage:0.##} % of the time\n");
        text.Append(CultureInfo.InvariantCulture, $"allocated        {GC.GetTotalAllocatedBytes() / 1024} kB since the start\n");
        if (File.Exists("/proc/self/status"))
        {
            foreach (var line in File.ReadLines("/proc/self/status"))
            {
                if (line.StartsWith("VmRSS", StringComparison.Ordinal) || line.StartsWith("VmHWM", StringComparison.Ordinal)
                    || line.StartsWith("Rss", StringComparison.Ordinal) || line.StartsWith("Threads", StringComparison.Ordinal))
                {
                    text.Append(line).Append('\n');
                }
            }
        }

        return text.ToString();
    }

    private static string Policies(IEnumerable<(string Policy, string Decision, long Count)> decisions)
    {
        var text = new StringBuilder();
        foreach (var (policy, decision, count) in decisions.Take(MostShown))
        {
            text.Append(CultureInfo.InvariantCulture, $"{policy} {decision} {count}\n");
        }

        return text.Length == 0 ? "no policy has kept anything out, audited it, or would have decided about it on trial\n" : text.ToString();
    }

    private string Connections()
    {
        var open = connections.Snapshot();
        var text = new StringBuilder();
        var requests = connections.Count - open.Length;
        text.Append(CultureInfo.InvariantCulture, $"{open.Length} open connections{(open.Length > MostShown ? $", of which {MostShown} are shown" : "")}{(requests > 0 ? $", and {requests} requests under way" : "")}\n");
        foreach (var connection in open.Take(MostShown))
        {
            var parties = connection.Parties;
            text.Append(CultureInfo.InvariantCulture, $"{(parties.Direction == TrafficDirection.Inbound ? "inbound " : "outbound")} {parties.Source} -> {parties.Destination}");
            text.Append(CultureInfo.InvariantCulture, $"{(parties.HboneAddress is { } authority ? $" for {authority}" : "")}{(parties.Service is { } service ? $" ({service.Key})" : "")}");
            text.Append(CultureInfo.InvariantCulture, $", {connection.Bytes.ClientToServer} bytes to the server, {connection.Bytes.ServerToClient} to the client\n");
        }

        return text.ToString();
    }
}
