namespace Ambient.Benchmarks.SideBySide;

/// <summary>
/// The whole path: ztunnel, our waypoint, ztunnel, HBONE on both sides of the waypoint, one policy on the caller's identity, a 90/10 route;
/// and the pair alone beside it (to the pod's own address, which no waypoint stands before).
/// </summary>
internal sealed class WaypointSection(
    SideBySideOptions options, BenchNetwork network, Loads loads, Figures figures, PairSections pair, string folder, CancellationToken cancellationToken)
{
    internal const string Path = "waypoint";
    internal const string Alone = "pair alone";
    private const string Url = "http://10.96.0.20/";

    internal async Task RunAsync()
    {
        var manifests = System.IO.Path.Combine(folder, "manifests");
        Directory.CreateDirectory(manifests);
        await File.WriteAllTextAsync(System.IO.Path.Combine(manifests, "mesh.yaml"), Manifests.WaypointMesh, cancellationToken);
        Dictionary<string, string> source = new() { ["AMBIENT_MANIFESTS"] = manifests };
        var waypoint = BenchProcess.Start(
            network.Waypoint,
            "waypoint",
            folder,
            new Dictionary<string, string>(source)
            {
                ["GATEWAY_NAME"] = "waypoint",
                ["POD_NAMESPACE"] = "bench",
                ["POD_NAME"] = "waypoint-0",
                ["SERVICE_ACCOUNT"] = "waypoint",
                ["INSTANCE_IP"] = BenchNetwork.WaypointAddress,
                ["AMBIENT_CA_DIR"] = System.IO.Path.Combine(folder, "ca"),
            },
            ZtunnelPair.Binary(options.Root, "waypoint"));
        await using var stopWaypoint = waypoint;
        await waypoint.ReadyAsync(
            () => Shell.RunAsync($"ip netns exec {network.Waypoint} curl -sf -o /dev/null http://127.0.0.1:15021/healthz/ready", cancellationToken), cancellationToken);
        await using var ztunnels = await ZtunnelPair.StartAsync(network, folder, options.Root, "bench", source, cancellationToken);
        await waypoint.ReadyAsync(() => Shell.RunAsync($"ip netns exec {network.Client} curl -sf -m 5 -o /dev/null {Url}", cancellationToken), cancellationToken);

        // One group for the readings of CPU; it owns nothing.
        var whole = new Contender(Path, [.. ztunnels.Processes, waypoint], "10.96.0.20", 80, "", 0);
        await Task.Delay(PairSections.Rest, cancellationToken);
        figures.Add("resident at rest", Path, waypoint.Resident / 1e6, $"{waypoint.Resident / 1e6:0.0} MB");
        foreach (var c in PairSections.RequestConnections)
        {
            await pair.TurnsAsync([whole, ztunnels], contender => ReferenceEquals(contender, whole)
                ? pair.RequestsAsync(whole, Path, Url, c)
                : pair.RequestsAsync(ztunnels, Alone, ztunnels.Url, c));
        }

        figures.Add("resident busy", Path, waypoint.Resident / 1e6, $"{waypoint.Resident / 1e6:0.0} MB");
        await Task.Delay(PairSections.Rest, cancellationToken);
        figures.Add("resident after", Path, waypoint.Resident / 1e6, $"{waypoint.Resident / 1e6:0.0} MB");
        await pair.TurnsAsync([whole, ztunnels], async contender =>
        {
            var through = ReferenceEquals(contender, whole);
            var rate = await loads.DownloadAsync((through ? Url : ztunnels.Url) + "big");
            figures.Add("download", through ? Path : Alone, rate / 1e9, $"{rate / 1e9:0.00} GB/s, one of {Backends.BigBytes / 1_000_000} MB");
        });
        foreach (var (url, name) in ((string, string)[])[(Url, Path), (ztunnels.Url, Alone)])
        {
            var (rate, failed) = await loads.ConnectionsAsync(url, 1, requests: 20);
            figures.Add("waits for close", name, 1e3 / rate, $"{1e3 / rate:0.0} ms a request of an HTTP/1.0 client that waits for the close, {failed} failed");
        }
    }
}
