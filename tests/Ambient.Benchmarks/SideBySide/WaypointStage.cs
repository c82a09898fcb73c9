namespace Ambient.Benchmarks.SideBySide;

/// <summary>A native waypoint and a ztunnel on either side of it, over one folder of manifests, running and answering.</summary>
internal sealed class WaypointStage : IAsyncDisposable
{
    private WaypointStage(BenchProcess waypoint, Contender ztunnels) => (Waypoint, Ztunnels) = (waypoint, ztunnels);

    internal BenchProcess Waypoint { get; }

    internal Contender Ztunnels { get; }

    /// <summary>Starts them.</summary>
    /// <param name="options">Where the binaries are.</param>
    /// <param name="network">Where they run.</param>
    /// <param name="folder">Folder for what they write.</param>
    /// <param name="name">Of the folder of manifests.</param>
    /// <param name="manifests">The mesh.</param>
    /// <param name="url">What must answer through all three.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal static async Task<WaypointStage> StartAsync(
        SideBySideOptions options, BenchNetwork network, string folder, string name, string manifests, string url, CancellationToken cancellationToken)
    {
        var source = Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
        await File.WriteAllTextAsync(Path.Combine(source, "mesh.yaml"), manifests, cancellationToken);
        Dictionary<string, string> environment = new() { ["AMBIENT_MANIFESTS"] = source };
        var waypoint = BenchProcess.Start(
            network.Waypoint,
            "waypoint",
            folder,
            new Dictionary<string, string>(environment)
            {
                ["GATEWAY_NAME"] = "waypoint",
                ["POD_NAMESPACE"] = "bench",
                ["POD_NAME"] = "waypoint-0",
                ["SERVICE_ACCOUNT"] = "waypoint",
                ["INSTANCE_IP"] = BenchNetwork.WaypointAddress,
                ["AMBIENT_CA_DIR"] = Path.Combine(folder, "ca"),
            },
            options.Host("waypoint"));
        try
        {
            await waypoint.ReadyAsync(
                () => Shell.RunAsync($"ip netns exec {network.Waypoint} curl -sf -o /dev/null http://127.0.0.1:15021/healthz/ready", cancellationToken), cancellationToken);
            var ztunnels = await ZtunnelPair.StartAsync(network, folder, options, "bench", environment, cancellationToken);
            try
            {
                await waypoint.ReadyAsync(() => Shell.RunAsync($"ip netns exec {network.Client} curl -sf -m 5 -o /dev/null {url}", cancellationToken), cancellationToken);
                return new WaypointStage(waypoint, ztunnels);
            }
            catch
            {
                await ztunnels.DisposeAsync();
                throw;
            }
        }
        catch
        {
            await waypoint.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Ztunnels.DisposeAsync();
        await Waypoint.DisposeAsync();
    }
}
