namespace Ambient.Benchmarks.SideBySide;

/// <summary>One hop of plain HTTP: our gateway (one rule, a 90/10 route) and HAProxy in HTTP mode, from the client to nginx.</summary>
internal sealed class HopSection(SideBySideOptions options, BenchNetwork network, PairSections pair, string folder, CancellationToken cancellationToken)
{
    internal const string Gateway = "gateway hop";
    internal const string Haproxy = "haproxy hop";
    private const string Node = BenchNetwork.WaypointAddress;

    internal async Task RunAsync()
    {
        var manifests = Path.Combine(folder, "gateway-manifests");
        Directory.CreateDirectory(manifests);
        await File.WriteAllTextAsync(Path.Combine(manifests, "mesh.yaml"), Manifests.GatewayMesh, cancellationToken);
        var configuration = Path.Combine(folder, "haproxy-hop.cfg");
        await File.WriteAllTextAsync(configuration, HaproxyPair.Common("http") + $"""
            listen http
              bind {Node}:8001
              http-request deny if METH_DELETE
              server v1 {BenchNetwork.ServerAddress}:{Backends.PlainHttp} weight 90
              server v2 {BenchNetwork.ServerAddress}:{Backends.PlainHttp} weight 10

            """, cancellationToken);
        await using var haproxy = BenchProcess.Start(network.Waypoint, "haproxy-hop", folder, null, "haproxy", "-db", "-f", configuration);
        await using var gateway = BenchProcess.Start(
            network.Waypoint,
            "gateway",
            folder,
            new Dictionary<string, string>
            {
                ["AMBIENT_MANIFESTS"] = manifests,
                ["GATEWAY_NAME"] = "gw",
                ["POD_NAMESPACE"] = "plain",
                ["POD_NAME"] = "gw-istio-0",
                ["SERVICE_ACCOUNT"] = "gw-istio",
                ["INSTANCE_IP"] = Node,
                ["AMBIENT_CA_DIR"] = Path.Combine(folder, "ca"),
            },
            options.Host("waypoint"));
        var ours = new Contender(Gateway, [gateway], Node, 8000, "", 0);
        var theirs = new Contender(Haproxy, [haproxy], Node, 8001, "", 0);
        foreach (var contender in (Contender[])[ours, theirs])
        {
            await contender.Processes[0].ReadyAsync(
                () => Shell.RunAsync($"ip netns exec {network.Client} curl -sf -m 5 -o /dev/null {contender.Url}", cancellationToken), cancellationToken);
        }

        foreach (var c in PairSections.RequestConnections)
        {
            await pair.TurnsAsync([theirs, ours], contender => pair.RequestsAsync(contender, contender.Name, contender.Url, c));
        }
    }
}
