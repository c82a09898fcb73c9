using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>A captured client whose connections belong to a waypoint: which address, which authority, whose identity (the original's <c>tests/namespaced.rs</c>).</summary>
[Trait("Needs", "Root")]
public sealed class WaypointTests(WaypointTests.Mesh mesh) : IClassFixture<WaypointTests.Mesh>
{
    private const string WaypointAddress = "10.79.2.9";

    [SkippableFact]
    [Trait("Reference", "workload_waypoint")]
    public Task WorkloadWaypoint_ByAddress() => ThroughWaypointAsync("10.79.2.11", 8080);

    [SkippableFact]
    [Trait("Reference", "service_waypoint")]
    public Task ServiceWaypoint_KeepsTheServicesAddress() => ThroughWaypointAsync("10.10.0.1", 80);

    [SkippableFact]
    [Trait("Reference", "service_waypoint_hostname")]
    public Task WorkloadWaypoint_ByHostnameOfAService() => ThroughWaypointAsync("10.79.2.12", 8080);

    [SkippableFact]
    [Trait("Reference", "service_waypoint_workload_hostname")]
    public Task WorkloadWaypoint_ByHostnameOfAWorkload() => ThroughWaypointAsync("10.79.2.13", 8080);

    private async Task ThroughWaypointAsync(string address, int port)
    {
        NamespaceCluster.SkipIfImpossible();
        Assert.Equal("waypoint\nhello world", await mesh.Cluster.CallAsync("client", address, port, expected: 20));

        var destination = $"{address}:{port}";
        Assert.Contains(destination, mesh.Waypoint.Authorities);
        var line = await mesh.Cluster.AccessAsync("client", line => line.Message == "connection complete" && line["dst.hbone_addr"] == destination);
        Assert.Equal($"{WaypointAddress}:15008", line["dst.addr"]);
        Assert.Equal("waypoint", line["dst.workload"]);
        Assert.Equal("spiffe://cluster.local/ns/default/sa/client", line["src.identity"]);
        Assert.Equal("spiffe://cluster.local/ns/default/sa/waypoint", line["dst.identity"]);
        Assert.Equal(("11", "20"), (line["bytes_sent"], line["bytes_recv"]));
        Assert.Equal("outbound", line["direction"]);
        Assert.Null(line["error"]);
    }

    /// <summary>One client, one waypoint that speaks HBONE by itself, and servers that only the mesh has heard of: nobody may reach them directly.</summary>
    public sealed class Mesh : IAsyncLifetime
    {
        internal NamespaceCluster Cluster { get; private set; } = null!;

        internal HbonePeer Waypoint { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            if (!NamespaceCluster.CanRun)
            {
                return;
            }

            var waypoint = new ClusterPod(
                "waypoint", "node-2", false, """
                hostname: waypoint.pods.test
                services: {"default/waypoint.default.svc.cluster.local": {15008: 15008}}
                """, WaypointAddress) { Protocol = "HBONE" };
            Cluster = await NamespaceCluster.CreateAsync(CaptureMode.Shared);
            await Cluster.WithPodsAsync(
                new ClusterPod("client", "node-1", true, "", "10.79.1.2"),
                waypoint,
                Server("by-address", "10.79.2.11", "/10.79.2.9"),
                Server("by-service", "10.79.2.12", "default/waypoint.default.svc.cluster.local"),
                Server("by-workload", "10.79.2.13", "default/waypoint.pods.test"),
                new ClusterPod("web", "node-2", false, "services: {\"default/web.default.svc.cluster.local\": {80: 8080}}", "10.79.2.14"));
            Cluster.WithService("""
                name: web
                namespace: default
                hostname: web.default.svc.cluster.local
                vips: ["/10.10.0.1"]
                ports: {80: 8080}
                waypoint: {destination: "/10.79.2.9", hboneMtlsPort: 15008}
                """).WithService("""
                name: waypoint
                namespace: default
                hostname: waypoint.default.svc.cluster.local
                vips: ["/10.10.0.2"]
                ports: {15008: 15008}
                """);
            await Cluster.StartAsync();
            Waypoint = HbonePeer.Serve(Cluster, waypoint);
        }

        public async Task DisposeAsync()
        {
            if (Cluster is not null)
            {
                await Cluster.DisposeAsync();
            }
        }

        private static ClusterPod Server(string name, string address, string waypoint) => new(
            name, "node-2", false, $"waypoint: {{destination: \"{waypoint}\", hboneMtlsPort: 15008}}", address) { Protocol = "HBONE" };
    }
}
