using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Routing.Connections;

/// <summary>Load balancing: localities, capacities, ports (ztunnel <c>state.rs</c>).</summary>
public sealed class EndpointBalancerTests
{
    private static readonly LoadBalancingScope[] Scopes = [LoadBalancingScope.Network, LoadBalancingScope.Region, LoadBalancingScope.Zone];
    private readonly Random _random = new(1);

    private SortedSet<string> Picks(Workload source, MeshService service, params Workload[] endpoints)
    {
        var mesh = Snapshot([service, .. endpoints.Select(endpoint => endpoint.Behind(service, (80, 8080)))]);
        return new(
            Enumerable.Range(0, 200)
                .Select(_ => EndpointBalancer.Pick(mesh, source, service, 80, EndpointBalancer.PortRule.Declared, _random)?.Workload.Name ?? "none"),
            StringComparer.Ordinal);
    }

    private static MeshService Balanced(LoadBalancingMode mode, params LoadBalancingScope[] scopes) =>
        Service("web", "127.0.0.3", (80, 8080)) with { LoadBalancing = new([.. scopes], mode, EndpointHealthPolicy.OnlyHealthy) };

    private static Workload In(string name, string address, string network, string region, string zone) =>
        Pod(name, "ns", address) with { Network = network, Locality = new Locality(region, zone, "") };

    [Fact]
    [Trait("Reference", "test_load_balance")]
    public void Strict_MismatchOfAnyScope_NoEndpoint()
    {
        var near = In("near", "10.0.0.1", "n", "r", "z");
        var service = Balanced(LoadBalancingMode.Strict, Scopes);

        Assert.Equal(["near"], Picks(In("source", "10.0.0.9", "n", "r", "z"), service, near, In("far", "10.0.0.2", "n", "r", "other")));
        Assert.Equal(["none"], Picks(In("source", "10.0.0.9", "n", "r", "elsewhere"), service, near));
    }

    [Fact]
    [Trait("Reference", "test_load_balance")]
    public void Failover_HighestRankOnly()
    {
        var match = In("match", "10.0.0.1", "n", "r", "z");
        var otherZone = In("zone", "10.0.0.2", "n", "r", "other");
        var otherRegion = In("region", "10.0.0.3", "n", "other", "z");
        var remote = In("remote", "10.0.0.4", "n2", "r", "z");
        var service = Balanced(LoadBalancingMode.Failover, Scopes);
        var source = In("source", "10.0.0.9", "n", "r", "z");

        Assert.Equal(["match"], Picks(source, service, match, otherZone, otherRegion, remote));
        Assert.Equal(["zone"], Picks(source, service, otherZone, otherRegion, remote));

        // A zone of the same name in another region is another zone.
        Assert.Equal(["region"], Picks(source, service, otherRegion, remote));
        Assert.Equal(["remote"], Picks(source, service, remote, In("away", "10.0.0.5", "n2", "other", "z")));
        Assert.Equal(["away", "remote"], Picks(In("source", "10.0.0.9", "n9", "x", "x"), service, remote, In("away", "10.0.0.5", "n2", "other", "z")));
    }

    [Fact]
    [Trait("Reference", "test_load_balance")]
    public void Failover_RegionAndZone_WithoutNetworkInFront()
    {
        var service = Balanced(LoadBalancingMode.Failover, LoadBalancingScope.Region, LoadBalancingScope.Zone);

        Assert.Equal(
            ["match", "other"],
            Picks(In("source", "10.0.0.9", "n", "r", "z"), service, In("match", "10.0.0.1", "n", "r", "z"), In("other", "10.0.0.2", "n2", "r", "z"), In("far", "10.0.0.3", "n", "q", "z")));
    }

    [Fact]
    public void EmptyLocalities_AreEqual() =>
        Assert.Equal(["d"], Picks(Pod("source"), Balanced(LoadBalancingMode.Strict, Scopes), Pod("d", "ns", "10.0.0.1")));

    [Fact]
    [Trait("Reference", "test_load_balance")]
    public void EndpointWithoutAddress_Never() =>
        Assert.Equal(["d"], Picks(Pod("source"), Service("web", "127.0.0.3", (80, 8080)), Pod("d", "ns", "10.0.0.1"), Pod("nowhere")));

    [Fact]
    public void Capacity_IsTheShare_ZeroIsNever()
    {
        var service = Service("web", "127.0.0.3", (80, 8080));
        var heavy = Pod("heavy", "ns", "10.0.0.1") with { Capacity = 3 };
        var light = Pod("light", "ns", "10.0.0.2");
        var never = Pod("never", "ns", "10.0.0.3") with { Capacity = 0 };
        var mesh = Snapshot(service, heavy.Behind(service, (80, 80)), light.Behind(service, (80, 80)), never.Behind(service, (80, 80)));

        var picks = Enumerable.Range(0, 8000)
            .Select(_ => EndpointBalancer.Pick(mesh, light, service, 80, EndpointBalancer.PortRule.Declared, _random)!.Workload.Name)
            .CountBy(name => name)
            .ToDictionary();

        Assert.False(picks.ContainsKey("never"));
        Assert.InRange(picks["heavy"], 5800, 6200);
        Assert.Equal(["none"], Picks(light, service, never));
    }

    [Fact]
    [Trait("Reference", "find_upstream_port_mappings")]
    public void ResolvePort_EndpointThenServiceThenTunnel()
    {
        var service = Service("web", null, (80, 8080), (15008, 0));
        var plain = new MeshEndpoint(Pod("d"), []);

        Assert.Equal(9090, EndpointBalancer.ResolvePort(service, plain with { Ports = [new(80, 9090)] }, 80));
        Assert.Equal(8080, EndpointBalancer.ResolvePort(service, plain, 80));
        Assert.Null(EndpointBalancer.ResolvePort(service, plain, 81));
        Assert.Equal(81, EndpointBalancer.ResolvePort(
            service, new MeshEndpoint(Pod("w") with { ApplicationTunnel = new(ApplicationTunnelProtocol.Proxy, 15088) }, []), 81));
    }
}
