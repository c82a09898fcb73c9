namespace Ambient.Benchmarks.SideBySide;

/// <summary>Our two ztunnels in dedicated mode, the client's with redirection into 15001.</summary>
internal static class ZtunnelPair
{
    internal const string Name = "ztunnel";

    /// <summary>The pair alone: two workloads in ztunnel's local format.</summary>
    /// <param name="more">Further variables of both sides.</param>
    internal static async Task<Contender> StartAsync(
        BenchNetwork network, string folder, SideBySideOptions options, CancellationToken cancellationToken, Dictionary<string, string>? more = null)
    {
        var local = Path.Combine(folder, "local.yaml");
        await File.WriteAllTextAsync(local, $$"""
            workloads:
            {{Workload("client", BenchNetwork.ClientAddress)}}
            {{Workload("server", BenchNetwork.ServerAddress)}}
            """, cancellationToken);
        return await StartAsync(network, folder, options, "bench", new(more ?? []) { ["LOCAL_XDS_PATH"] = local }, cancellationToken);
    }

    /// <summary>The pair with a mesh from any source.</summary>
    internal static async Task<Contender> StartAsync(
        BenchNetwork network, string folder, SideBySideOptions options, string ns, Dictionary<string, string> source, CancellationToken cancellationToken,
        Dictionary<string, string>? clientSource = null)
    {
        var contender = new Contender(
            Name,
            [
                Start(network.Client, "ztunnel-client", $"{ns}/client/client", folder, options.Host("ztunnel"), clientSource ?? source),
                Start(network.Server, "ztunnel-server", $"{ns}/server/server", folder, options.Host("ztunnel"), source),
            ],
            BenchNetwork.ServerAddress,
            Backends.Http,
            BenchNetwork.ServerAddress,
            Backends.Bulk);
        try
        {
            foreach (var (process, where) in contender.Processes.Zip([network.Client, network.Server]))
            {
                await process.ReadyAsync(() => Shell.RunAsync($"ip netns exec {where} curl -sf -o /dev/null http://127.0.0.1:15021/healthz/ready", cancellationToken), cancellationToken);
            }

            await contender.Processes[0].ReadyAsync(
                () => Shell.RunAsync($"ip netns exec {network.Client} curl -sf -m 5 -o /dev/null {contender.Url}", cancellationToken), cancellationToken);
            return contender;
        }
        catch
        {
            await contender.DisposeAsync();
            throw;
        }
    }

    private static BenchProcess Start(string where, string name, string workload, string folder, string binary, Dictionary<string, string> source)
    {
        var environment = new Dictionary<string, string>(source)
        {
            ["PROXY_MODE"] = "dedicated",
            ["PROXY_WORKLOAD_INFO"] = workload,
            ["PACKET_MARK"] = $"{BenchNetwork.Mark}",
            ["ENABLE_ORIG_SRC"] = "false",
            ["AMBIENT_CA_DIR"] = Path.Combine(folder, "ca"),
        };
        return BenchProcess.Start(where, name, folder, environment, binary);
    }

    internal static string Workload(string name, string address, string node = "local") => $"""
        - uid: Kubernetes//Pod/bench/{name}
          name: {name}
          namespace: bench
          trustDomain: cluster.local
          serviceAccount: {name}
          workloadIps: ["{address}"]
          protocol: HBONE
          node: {node}
          network: ""
          workloadName: {name}
          workloadType: deployment
          canonicalName: {name}
          canonicalRevision: latest
          clusterId: Kubernetes
          services: {"{}"}
        """;
}
