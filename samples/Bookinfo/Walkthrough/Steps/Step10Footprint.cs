using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>What it all takes in memory, read from the running processes: right after their work, and at rest.</summary>
internal sealed class Step10Footprint : IStep
{
    // Hosts give memory back once they have been idle for a few seconds; reading before that shows the load, not the rest.
    private static readonly TimeSpan s_settling = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan s_between = TimeSpan.FromSeconds(0.5);
    private const int Readings = 20;

    public string Title => "Footprint: resident memory after the traffic";

    public async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        var hosts = stage.Kubelet.Hosts.Where(host => !host.Process.HasExited).ToList();
        var busy = hosts.ToDictionary(host => host, host => Footprint.ReadResident(host.Process.Id));
        await Task.Delay(s_settling, cancellation);

        // Here a ztunnel looks for edits in its folder twice a second, and each look brings pages of code back that were given up before: what
        // it holds is the lowest reading, and the highest is shown as well (docs/performance.md, "Memory of a ztunnel").
        var rest = hosts.ToDictionary(host => host, _ => double.MaxValue);
        var most = hosts.ToDictionary(host => host, _ => 0.0);
        for (var i = 0; i < Readings; i++)
        {
            await Task.Delay(s_between, cancellation);
            foreach (var host in hosts)
            {
                var reading = Footprint.ReadResident(host.Process.Id);
                (rest[host], most[host]) = (Math.Min(rest[host], reading), Math.Max(most[host], reading));
            }
        }

        tell.Row($"{"VmRSS of",-28} {"pid",8} {"busy",10} {"at rest",10} {"to",10} {"promise",10}");
        foreach (var host in hosts)
        {
            tell.Row($"{host.Name,-28} {host.Process.Id,8} {busy[host],7:F1} MB {rest[host],7:F1} MB {most[host],7:F1} MB {Promise(host),7:F0} MB");
        }

        if (hosts.FirstOrDefault(host => !Footprint.IsNative(Footprint.ProgramOf(host.Process.Id))) is { } compiling)
        {
            // A build for tests: most of what it takes is the compiler's. Every reading must be one, and that is all.
            tell.Check(hosts.Count >= 3 && rest.Values.All(reading => reading > 1), "every host is there to be read");
            tell.Note($"{compiling.Name} is compiled as it runs: the promise is the native programs', ./build.sh hosts makes them");
            return;
        }

        foreach (var host in hosts)
        {
            tell.Check(rest[host] <= Promise(host), $"{host.Name}: {rest[host]:F1} MB of {Promise(host):F0} MB");
        }

        // The worst of each kind: the arithmetic must not flatter.
        var footprint = new Footprint(
            rest.Where(reading => IsZtunnel(reading.Key)).Max(reading => reading.Value),
            rest.Where(reading => !IsZtunnel(reading.Key)).Max(reading => reading.Value));
        tell.Row($"{Footprint.Pods} pods, a sidecar each: {Footprint.Pods} x {Footprint.SidecarMegabytes:F0} MB = {Footprint.SidecarsTotal:F0} MB");
        tell.Row($"layer 4, {Footprint.Nodes} nodes:         {Footprint.Nodes} ztunnels x {footprint.ZtunnelMegabytes:F1} MB = {footprint.NodesTotal:F0} MB");
        tell.Row($"layer 7, where it is wanted: {Footprint.Waypoints} waypoints x {footprint.WaypointMegabytes:F1} MB = {footprint.WaypointsTotal:F0} MB");
        tell.Row($"together {footprint.AmbientTotal:F0} MB instead of {Footprint.SidecarsTotal:F0} MB, {footprint.Ratio:F0} times less (the promise: {Footprint.Promised.AmbientTotal:F0} MB)");
        tell.Check(footprint.AmbientTotal <= Footprint.Promised.AmbientTotal, $"the cluster's {footprint.AmbientTotal:F0} MB are within the promised {Footprint.Promised.AmbientTotal:F0} MB");
    }

    private static bool IsZtunnel(Host host) => host.Name.StartsWith("ztunnel-", StringComparison.Ordinal);

    private static double Promise(Host host) => IsZtunnel(host) ? Footprint.ZtunnelPromise : Footprint.WaypointPromise;
}
