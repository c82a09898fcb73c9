using System.Net;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;
using Ambient.Testing.Fuzzing;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Routing.Connections;

/// <summary>The cases of the original's inbound tests, and what its <c>proxy/inbound.rs</c> refuses.</summary>
public sealed class InboundResolverTests
{
    private static readonly MeshService Waypoints = Service("waypoint", "10.10.0.2", (15008, 15008));
    private static readonly MeshService Plain = Service("plain", "10.10.0.1", (80, 8080));
    private static readonly MeshService Guarded = Service("guarded", "10.10.0.3", (80, 8080)) with
    {
        Waypoint = GatewayAddress.ByHostname("ns", Waypoints.Hostname),
    };

    private static readonly Workload Server = Pod("server", "ns", "127.0.0.2").Hbone().Behind(Plain, (80, 8080));
    private static readonly Workload ServerBehindWaypoint = Pod("guarded", "ns", "127.0.0.3") with { Waypoint = At("127.0.0.9") };
    private static readonly Workload WorkloadWaypoint = Pod("wwp", "ns", "127.0.0.9");
    private static readonly Workload ServiceWaypoint = Pod("swp", "ns", "127.0.0.8").Behind(Waypoints, (15008, 15008));
    private static readonly MeshSnapshot Mesh = Snapshot(Waypoints, Plain, Guarded, Server, ServerBehindWaypoint, WorkloadWaypoint, ServiceWaypoint);

    private const string Hostile = "0127.:[]abz%-\0é/@";

    private static InboundRoute Resolve(Workload workload, string authority, IReadOnlySet<int>? ownPorts = null) =>
        InboundResolver.Resolve(Mesh, workload, new IPEndPoint(workload.Addresses[0], 15008), authority, ownPorts);

    private static Workload Tunnelled(Workload workload) => workload with { ApplicationTunnel = new(ApplicationTunnelProtocol.Proxy, 15088) };

    private static void AssertDelivered(InboundRoute route, string upstream, string? tunnelTarget)
    {
        Assert.Equal(0, route.RefusalStatus);
        Assert.Equal((upstream, tunnelTarget), (route.Upstream!.ToString(), route.TunnelTarget?.ToString()));
    }

    [Fact]
    [Trait("Reference", "test_find_inbound_upstream")]
    [Trait("Reference", "test_build_inbound_request")]
    public void PodToPod_ItsOwnAddress_Delivered() => AssertDelivered(Resolve(Server, "127.0.0.2:8080"), "127.0.0.2:8080", "127.0.0.2:8080");

    [Fact]
    [Trait("Reference", "test_find_inbound_upstream")]
    [Trait("Reference", "test_build_inbound_request")]
    public void Hostname_MapsThePort()
    {
        var route = Resolve(Server, $"{Plain.Hostname}:80");

        AssertDelivered(route, "127.0.0.2:8080", null);
        Assert.Equal(Plain, route.Service);
    }

    [Fact]
    [Trait("Reference", "test_find_inbound_upstream")]
    [Trait("Reference", "test_build_inbound_request")]
    public void WorkloadWaypoint_ForItsPod_Delivered() => AssertDelivered(Resolve(WorkloadWaypoint, "127.0.0.3:8080"), "127.0.0.9:8080", "127.0.0.3:8080");

    [Fact]
    [Trait("Reference", "test_find_inbound_upstream")]
    [Trait("Reference", "test_build_inbound_request")]
    public void ServiceWaypoint_ForItsVip_Delivered() => AssertDelivered(Resolve(ServiceWaypoint, "10.10.0.3:80"), "127.0.0.8:80", "10.10.0.3:80");

    [Fact]
    [Trait("Reference", "test_find_inbound_upstream")]
    [Trait("Reference", "test_build_inbound_request")]
    public void ApplicationTunnel_AnyAddress_DeliveredToItsPortWithHeader()
    {
        var route = Resolve(Tunnelled(ServiceWaypoint), "10.10.0.3:80");

        AssertDelivered(route, "127.0.0.8:15088", "10.10.0.3:80");
        Assert.True(route.SendProxyHeader);
    }

    [Fact]
    public void ApplicationTunnel_Hostname_TargetIsTheServicesVip() =>
        AssertDelivered(Resolve(Tunnelled(Server), $"{Plain.Hostname}:80"), "127.0.0.2:15088", "10.10.0.1:80");

    [Theory]
    [Trait("Reference", "test_find_inbound_upstream")]
    [Trait("Reference", "test_build_inbound_request")]
    [InlineData("10.1.2.3:80")]
    [InlineData("127.0.0.3:80")]
    [InlineData("10.10.0.1:80")]
    [InlineData("10.10.0.3:80")]
    public void Server_AddressOfOthers_IpMismatch(string authority)
    {
        var route = Resolve(Server, authority);

        Assert.Equal(400, route.RefusalStatus);
        Assert.StartsWith("ip mismatch: 127.0.0.2 != ", route.Error, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Reference", "test_find_inbound_upstream")]
    [Trait("Reference", "test_build_inbound_request")]
    public void Waypoint_WithoutAttachment_IpMismatch()
    {
        Assert.Equal(400, Resolve(ServiceWaypoint, "127.0.0.3:80").RefusalStatus);
        Assert.Equal(400, Resolve(WorkloadWaypoint, "10.10.0.3:80").RefusalStatus);
        Assert.Equal(400, Resolve(ServiceWaypoint, "10.10.0.1:80").RefusalStatus);
    }

    [Fact]
    public void Hostname_UnknownOrWithoutPort_Unavailable()
    {
        Assert.Equal("no service or workload for hostname gone.example", Resolve(Server, "gone.example:80").Error);
        Assert.Equal(503, Resolve(Server, "gone.example:80").RefusalStatus);
        Assert.Equal($"requested service {Plain.Hostname}:81 found, but cannot resolve port", Resolve(Server, $"{Plain.Hostname}:81").Error);
    }

    [Fact]
    public void OwnPort_WouldComeBack_Refused()
    {
        var route = Resolve(Server, "127.0.0.2:15008", new HashSet<int> { 15008, 15001 });

        Assert.Equal(503, route.RefusalStatus);
        Assert.Contains("recursive", route.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10.77.0.3")]
    [InlineData("")]
    [InlineData("%%%")]
    [InlineData(":80")]
    [InlineData("host:")]
    [InlineData("host:99999")]
    [InlineData("host:-1")]
    [InlineData("host:+80")]
    [InlineData("user@host:80")]
    [InlineData("[::1:80")]
    [InlineData("::1:80")]
    [InlineData("[fe80::1%eth0]:80")]
    [InlineData("a b:80")]
    [InlineData("http://x:80")]
    public void BadAuthority_Refused(string authority) => Assert.Equal(400, Resolve(Server, authority).RefusalStatus);

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Authority_RandomText_IsRefusedOrUnderstood()
    {
        FuzzBudget.Run(50_000, random =>
        {
            var text = new string([.. Enumerable.Range(0, random.Next(12)).Select(_ => Hostile[random.Next(Hostile.Length)])]);
            var route = Resolve(Server, text);
            Assert.True(route.RefusalStatus is 400 or 503 || route.Upstream!.Address.Equals(Server.Addresses[0]), text);
        });
    }

    [Fact]
    public void AttributeService_ForwardedHostThenPort()
    {
        var other = Service("another", "10.10.0.7", (81, 8080));
        var both = Server.Behind(other, (81, 8080));
        var mesh = Snapshot(Plain, other, both);
        var route = InboundResolver.Resolve(mesh, both, To("127.0.0.2:15008"), "127.0.0.2:8080");

        Assert.Equal(Plain, InboundResolver.AttributeService(mesh, both, route, Plain.Hostname, 8080));
        Assert.Equal(other, InboundResolver.AttributeService(mesh, both, route, null, 8080));
        Assert.Equal(other, InboundResolver.AttributeService(mesh, both, route, "not.mine", 8080));
        Assert.Null(InboundResolver.AttributeService(mesh, both, route, null, 9999));
    }
}
