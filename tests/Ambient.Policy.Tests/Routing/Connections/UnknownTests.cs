using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Routing.Connections;

/// <summary>What a decision says that it would have to know, for a mesh that is learned on demand.</summary>
public sealed class UnknownTests
{
    private static readonly Workload s_source = Pod("source", "ns", "127.0.0.1") with { Network = "net" };
    private static readonly MeshService s_web = Service("web", null, (80, 8080)) with { Vips = [new NetworkAddress("net", IPAddress.Parse("127.0.0.3"))] };

    [Theory]
    [InlineData("1.2.3.4:80", "net/1.2.3.4")]
    [InlineData("[::ffff:1.2.3.4]:80", "net/1.2.3.4")]
    [InlineData("[2001:db8::1]:80", "net/2001:db8::1")]
    public void Destination_ThatNobodyKnows_IsNamedByNetworkAndAddress(string destination, string name)
    {
        var route = Outbound(Snapshot(s_source), destination);

        Assert.Null(route.Error);
        Assert.Equal(name, route.Unknown);
    }

    [Fact]
    public void Destination_ThatIsKnown_NeedsNothing()
    {
        var endpoint = (Pod("web", "ns", "127.0.0.4") with { Network = "net" }).Behind(s_web, (80, 8080));

        Assert.Null(Outbound(Snapshot(s_web, endpoint), "127.0.0.3:80").Unknown);
        Assert.Null(Outbound(Snapshot(s_web, endpoint), "127.0.0.4:8080").Unknown);

        // A service without endpoints is known, and so is its answer.
        Assert.Equal(ConnectionFailure.NoHealthyUpstream, Outbound(Snapshot(s_web), "127.0.0.3:80").Failure);
        Assert.Null(Outbound(Snapshot(s_web), "127.0.0.3:80").Unknown);
    }

    [Fact]
    public void Waypoint_ThatNobodyKnows_IsNamedAsItIsReferredTo()
    {
        var byName = s_web with { Waypoint = GatewayAddress.ByHostname("infra", "waypoint.infra") };
        var byAddress = s_web with { Waypoint = GatewayAddress.ByAddress(new NetworkAddress("other", IPAddress.Parse("10.0.0.9")), 15008) };
        var ofWorkload = Pod("web", "ns", "127.0.0.4") with { Network = "net", Waypoint = GatewayAddress.ByHostname("infra", "waypoint.infra") };

        Assert.Equal("infra/waypoint.infra", Outbound(Snapshot(byName), "127.0.0.3:80").Unknown);
        Assert.Equal("other/10.0.0.9", Outbound(Snapshot(byAddress), "127.0.0.3:80").Unknown);
        Assert.Equal("infra/waypoint.infra", Outbound(Snapshot(ofWorkload), "127.0.0.4:8080").Unknown);
    }

    [Fact]
    public void Waypoint_WithoutEndpoints_IsKnown()
    {
        var waypoints = Service("waypoint", null, (15008, 15008));
        var route = Outbound(Snapshot(s_web with { Waypoint = GatewayAddress.ByHostname("ns", waypoints.Hostname) }, waypoints), "127.0.0.3:80");

        Assert.Equal(ConnectionFailure.UnknownWaypoint, route.Failure);
        Assert.Null(route.Unknown);
    }

    [Fact]
    public void NetworkGateway_ThatNobodyKnows_IsNamed()
    {
        var remote = (Pod("remote") with { Network = "remote", NetworkGateway = GatewayAddress.ByAddress(new NetworkAddress("net", IPAddress.Parse("10.22.1.1")), 15009) })
            .Behind(s_web, (80, 8080));

        Assert.Equal("net/10.22.1.1", Outbound(Snapshot(s_web, remote), "127.0.0.3:80").Unknown);
    }

    [Fact]
    public void Authority_ThatNobodyKnows_IsNamed_AndRefusedAllTheSame()
    {
        var waypoint = Pod("waypoint", "ns", "127.0.0.9") with { Network = "net" };
        var route = Inbound(Snapshot(waypoint), waypoint, "127.0.0.3:80");

        Assert.Equal((400, "net/127.0.0.3"), (route.RefusalStatus, route.Unknown));
        Assert.Null(Inbound(Snapshot(waypoint), waypoint, "127.0.0.9:80").Unknown);
    }

    [Fact]
    public void Authority_WhoseWaypointNobodyKnows_NamesTheWaypoint()
    {
        var waypoint = Pod("waypoint", "ns", "127.0.0.9") with { Network = "net" };
        var guarded = s_web with { Waypoint = GatewayAddress.ByHostname("ns", "waypoint.ns") };
        var weighted = s_web with { WeightedWaypoints = [new WeightedWaypoint(GatewayAddress.ByHostname("ns", "waypoint.ns"), 1)] };

        Assert.Equal("ns/waypoint.ns", Inbound(Snapshot(waypoint, guarded), waypoint, "127.0.0.3:80").Unknown);
        Assert.Equal("ns/waypoint.ns", Inbound(Snapshot(waypoint, weighted), waypoint, "127.0.0.3:80").Unknown);

        // That of somebody else's waypoint is known: nothing would change.
        Assert.Null(Inbound(Snapshot(waypoint, s_web), waypoint, "127.0.0.3:80").Unknown);
    }

    [Fact]
    public void HostnameAuthority_IsLookedForAmongTheWorkloadsOwnServices()
    {
        var web = (Pod("web", "ns", "127.0.0.4") with { Network = "net" }).Behind(s_web, (80, 8080));

        Assert.Equal(s_web.Key, Inbound(Snapshot(web), web, $"{s_web.Hostname}:80").Unknown);
        Assert.Null(Inbound(Snapshot(web), web, "other.ns.svc.cluster.local:80").Unknown);
        Assert.Null(Inbound(Snapshot(web), web, "eb.ns.svc.cluster.local:80").Unknown);
        Assert.Null(Inbound(Snapshot(web, s_web), web, $"{s_web.Hostname}:80").Unknown);
    }

    private static ConnectionRoute Outbound(MeshSnapshot mesh, string destination) => DestinationResolver.Resolve(mesh, s_source, To(destination), new Random(1));

    private static InboundRoute Inbound(MeshSnapshot mesh, Workload workload, string authority) =>
        InboundResolver.Resolve(mesh, workload, new IPEndPoint(workload.Addresses[0], 15008), authority);
}
