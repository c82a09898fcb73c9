using System.Net;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>Where somebody stands between client and server: a waypoint behind its own ztunnel, a gateway between networks (the original's <c>tests/namespaced.rs</c>).</summary>
[Trait("Needs", "Root")]
public sealed class BetweenTests(BetweenTests.Mesh mesh) : IClassFixture<BetweenTests.Mesh>
{
    private const string Hello = "hello worldhello world";
    private const string ClientAddress = "10.83.1.2";
    private const string PlainWaypoint = "10.83.2.3";
    private const string ProxyWaypoint = "10.83.2.4";
    private const string GatewayAddress = "10.83.1.9";

    [SkippableFact]
    [Trait("Reference", "sandwich_waypoint_plain")]
    public async Task WaypointBehindItsZtunnel_GetsTheConnectionAsItIs()
    {
        var cluster = mesh.Require();

        Assert.Equal(Hello, await cluster.CallAsync("client", "10.83.2.5"));

        var toWaypoint = await cluster.AccessAsync("client", line => line.Message == "connection complete" && line["dst.hbone_addr"] == "10.83.2.5:8080");
        Assert.Equal(($"{PlainWaypoint}:15008", "waypoint"), (toWaypoint["dst.addr"], toWaypoint["dst.workload"]));
        var toServer = await cluster.AccessAsync("server", line => line.Message == "connection complete" && line["direction"] == "inbound" && line["dst.workload"] == "server");
        Assert.Equal("spiffe://cluster.local/ns/default/sa/waypoint", toServer["src.identity"]);
    }

    [SkippableFact]
    [Trait("Reference", "sandwich_waypoint_proxy_protocol")]
    public async Task WaypointBehindItsZtunnel_IsToldWhereToByTheProxyProtocol()
    {
        var cluster = mesh.Require();

        Assert.Equal(Hello, await cluster.CallAsync("client", "10.83.2.6"));

        var (source, destination, identity) = mesh.Proxied.LastHeader!.Value;
        Assert.Equal(ClientAddress, source.Address.ToString());
        Assert.Equal("10.83.2.6:8080", destination.ToString());
        Assert.Equal("spiffe://cluster.local/ns/default/sa/client", identity);
        var toWaypoint = await cluster.AccessAsync("client", line => line.Message == "connection complete" && line["dst.hbone_addr"] == "10.83.2.6:8080");
        Assert.Equal($"{ProxyWaypoint}:15008", toWaypoint["dst.addr"]);
    }

    [SkippableTheory]
    [Trait("Reference", "double_hbone1")]
    [Trait("Reference", "double_hbone2")]
    [InlineData("10.10.3.1", "remote")]
    [InlineData("10.10.3.2", "by-name")]
    public async Task OtherNetwork_IsReachedThroughItsGateway_InATunnelWithinATunnel(string vip, string service)
    {
        var cluster = mesh.Require();

        Assert.Equal(Hello, await cluster.CallAsync("client", vip));

        var authority = $"{service}.default.svc.cluster.local:8080";
        Assert.Contains(authority, mesh.Gateway.Authorities);
        var line = await cluster.AccessAsync("client", line => line.Message == "connection complete" && line["dst.hbone_addr"] == authority);
        Assert.Equal($"{GatewayAddress}:15008", line["dst.addr"]);
        Assert.Equal($"spiffe://cluster.local/ns/default/sa/{service}-echo", line["dst.identity"]);
        Assert.Equal($"{service}-echo", line["dst.workload"]);
        Assert.Null(line["error"]);
    }

    public sealed class Mesh : IAsyncLifetime
    {
        private NamespaceCluster? _cluster;

        internal RelayServer Proxied { get; private set; } = null!;

        internal HbonePeer Gateway { get; private set; } = null!;

        internal NamespaceCluster Require()
        {
            NamespaceCluster.SkipIfImpossible();
            return _cluster!;
        }

        public async Task InitializeAsync()
        {
            if (!NamespaceCluster.CanRun)
            {
                return;
            }

            // The third node's network is another one: its addresses are of no use to the other two.
            _cluster = await NamespaceCluster.CreateAsync(CaptureMode.Shared, "node-1", "node-2", "node-3");
            _cluster.NodeSettings["node-3"] = new() { ["NETWORK"] = "far" };
            var gateway = new ClusterPod(
                "gateway", "node-1", false, "services: {\"default/gateways.default.svc.cluster.local\": {15009: 15008}}", GatewayAddress) { Protocol = "HBONE" };
            await _cluster.WithPodsAsync(
                new("client", "node-1", true, "", ClientAddress),
                new("waypoint", "node-2", true, "applicationTunnel: {protocol: NONE}", PlainWaypoint),
                new("proxied", "node-2", true, """
                    applicationTunnel: {protocol: PROXY, port: 15088}
                    services: {"default/proxied.default.svc.cluster.local": {}}
                    """, ProxyWaypoint),
                new("server", "node-2", true, $"waypoint: {{destination: \"/{PlainWaypoint}\", hboneMtlsPort: 15008}}", "10.83.2.5"),
                new("proxied-server", "node-2", true, "waypoint: {destination: \"/10.10.3.9\", hboneMtlsPort: 15008}", "10.83.2.6"),
                gateway,
                Far("remote", "10.83.3.2", $"/{GatewayAddress}", 15008),
                Far("by-name", "10.83.3.3", "default/gateways.default.svc.cluster.local", 15009));
            _cluster.WithService(Service("proxied", "10.10.3.9", "{}", "")).WithService(Service("gateways", "10.10.3.8", "{15009: 15008}", ""))
                .WithService(Service("remote", "10.10.3.1", "{8080: 8080}", "spiffe://cluster.local/ns/default/sa/remote-echo"))
                .WithService(Service("by-name", "10.10.3.2", "{8080: 8080}", "spiffe://cluster.local/ns/default/sa/by-name-echo"));
            await _cluster.WithEcho("server", "proxied-server", "remote-echo", "by-name-echo").StartAsync();
            _cluster.Own(new RelayServer(_cluster, "waypoint", new IPEndPoint(IPAddress.Parse(PlainWaypoint), 8080), IPEndPoint.Parse("10.83.2.5:8080")));
            Proxied = _cluster.Own(new RelayServer(_cluster, "proxied", new IPEndPoint(IPAddress.Loopback, 15088), to: null));
            Gateway = HbonePeer.ServeGateway(_cluster, gateway, authority => IPEndPoint.Parse(
                authority.StartsWith("remote.", StringComparison.Ordinal) ? "10.83.3.2:15008" : "10.83.3.3:15008"));
        }

        public async Task DisposeAsync()
        {
            if (_cluster is not null)
            {
                await _cluster.DisposeAsync();
            }
        }

        private static ClusterPod Far(string service, string address, string gateway, int port) => new(
            $"{service}-echo", "node-3", true, $$"""
            network: far
            networkGateway: {destination: "{{gateway}}", hboneMtlsPort: {{port}} }
            services: {"default/{{service}}.default.svc.cluster.local": {8080: 8080} }
            """, address);

        private static string Service(string name, string vip, string ports, string san) => $$"""
            name: {{name}}
            namespace: default
            hostname: {{name}}.default.svc.cluster.local
            vips: ["/{{vip}}"]
            ports: {{ports}}
            {{(san.Length > 0 ? $"subjectAltNames: [\"{san}\"]" : "")}}
            """;
    }
}
