using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;
using static Ambient.Policy.Tests.MeshFixture;

namespace Ambient.Policy.Tests.Routing.Connections;

/// <summary>The cases of the original's outbound tests (ztunnel <c>proxy/outbound.rs</c>), and what it does besides.</summary>
public sealed class DestinationResolverTests
{
    private static readonly Workload Source = Pod("source", "ns", "127.0.0.1");
    private static readonly MeshService Web = Service("web", "127.0.0.3", (80, 8080));
    private readonly Random _random = new(1);

    private ConnectionRoute Resolve(MeshSnapshot mesh, string destination, Workload? source = null) =>
        DestinationResolver.Resolve(mesh, source ?? Source, To(destination), _random);

    private static void AssertRoute(ConnectionRoute route, ConnectionProtocol protocol, string? authority, string nextHop)
    {
        Assert.Null(route.Error);
        Assert.Equal((protocol, authority, nextHop), (route.Protocol, route.Authority, route.NextHop!.ToString()));
    }

    [Fact]
    [Trait("Reference", "build_request_unknown_dest")]
    public void UnknownDestination_IsPassedThrough()
    {
        var route = Resolve(Snapshot(Source), "1.2.3.4:80");

        AssertRoute(route, ConnectionProtocol.Tcp, null, "1.2.3.4:80");
        Assert.Null(route.NextHopWorkload);
        Assert.Empty(route.AcceptedIdentities);
    }

    [Fact]
    [Trait("Reference", "build_request_wrong_network")]
    public void WrongNetwork_OnlyRemoteEndpointWithoutGateway_Fails()
    {
        var remote = (Pod("remote", "ns", "10.22.1.9") with { Network = "remote" }).Behind(Web, (80, 8080));

        Assert.Equal(ConnectionFailure.NoRoutingDestination, Resolve(Snapshot(Web, remote), "127.0.0.3:80").Failure);
    }

    [Fact]
    public void WorkloadOfAnotherNetworkThanItsProxys_IsHeldToTheServiceThatTheAddressMeansThere()
    {
        // An address means what it means in the proxy's network; whoever answers is looked for in the workload's own.
        var stray = Source with { Network = "n2" };
        var web = Web with { Vips = [new("n1", IPAddress.Parse("127.0.0.3"))] };
        var behind = web with { Waypoint = GatewayAddress.ByAddress(new("n1", IPAddress.Parse("127.0.0.10")), 15008) };
        var waypoint = Pod("waypoint", "ns", "127.0.0.10") with { Network = "n1" };
        ConnectionRoute Of(MeshSnapshot mesh, string? network) => DestinationResolver.Resolve(mesh, stray, To("127.0.0.3:80"), _random, network);

        Assert.Equal(ConnectionFailure.NoHealthyUpstream, Of(Snapshot(web), "n1").Failure);
        Assert.Equal(ConnectionFailure.NoRoutingDestination, Of(Snapshot(behind, waypoint), "n1").Failure);
        var gateway = Pod("gateway", "ns", "10.22.1.1") with { Network = "n2" };
        var reachable = waypoint with { NetworkGateway = GatewayAddress.ByAddress(new("n2", IPAddress.Parse("10.22.1.1")), 15009) };
        AssertRoute(Of(Snapshot(behind, reachable, gateway), "n1"), ConnectionProtocol.DoubleHbone, "web.ns.svc.cluster.local:80", "10.22.1.1:15009");
        AssertRoute(Of(Snapshot(behind, reachable, gateway), null), ConnectionProtocol.Tcp, null, "127.0.0.3:80");
    }

    [Fact]
    [Trait("Reference", "build_request_double_hbone")]
    public void DoubleHbone_GatewayByAddress_GoesThere()
    {
        var gateway = Pod("gateway", "ns", "10.22.1.1");
        var remote = (Pod("remote", "ns") with
        {
            Network = "remote",
            NetworkGateway = At("10.22.1.1", 15009),
        }).Behind(Web, (80, 8080));

        var route = Resolve(Snapshot(Web, gateway, remote), "127.0.0.3:80");

        AssertRoute(route, ConnectionProtocol.DoubleHbone, "web.ns.svc.cluster.local:80", "10.22.1.1:15009");
        Assert.Equal([gateway.Identity], route.AcceptedIdentities.AsEnumerable());
        Assert.Equal(gateway, route.NextHopWorkload);
    }

    [Fact]
    [Trait("Reference", "build_request_double_hbone")]
    public void DoubleHbone_GatewayByHostname_UsesItsTargetPort()
    {
        var gateways = Service("gateways", "127.0.0.4", (15009, 15008));
        var gateway = Pod("gateway", "ns", "127.0.0.5").Behind(gateways, (15009, 15008));
        var remote = (Pod("remote", "ns", "10.22.1.9") with
        {
            Network = "remote",
            NetworkGateway = GatewayAddress.ByHostname("ns", gateways.Hostname, 15009),
        }).Behind(Web, (80, 8080));

        AssertRoute(
            Resolve(Snapshot(Web, gateways, gateway, remote), "127.0.0.3:80"),
            ConnectionProtocol.DoubleHbone, "web.ns.svc.cluster.local:80", "127.0.0.5:15008");
    }

    [Fact]
    [Trait("Reference", "build_request_double_hbone")]
    public void DoubleHbone_RemoteServiceWaypoint_GoesThroughItsNetworkGateway()
    {
        var gateway = Pod("gateway", "ns", "10.22.1.1");
        var waypoints = Service("waypoint", null, (15008, 15008));
        var waypoint = (Pod("waypoint", "ns", "10.22.1.9") with { Network = "remote", NetworkGateway = At("10.22.1.1", 15009) })
            .Behind(waypoints, (15008, 15008));
        var web = Web with { Waypoint = GatewayAddress.ByHostname("ns", waypoints.Hostname), SubjectAltNames = ["spiffe://cluster.local/ns/ns/sa/web", "no id"] };

        var route = Resolve(Snapshot(web, waypoints, waypoint, gateway), "127.0.0.3:80");

        AssertRoute(route, ConnectionProtocol.DoubleHbone, "web.ns.svc.cluster.local:80", "10.22.1.1:15009");
        Assert.Equal("spiffe://cluster.local/ns/ns/sa/web", Assert.Single(route.InnerAcceptedIdentities).ToString());
    }

    [Fact]
    public void NetworkGateway_OfWhichNothingIsKnown_IsAMemberOfTheTrustDomainsThatAreNamed()
    {
        var remote = (Pod("remote") with { Network = "remote", NetworkGateway = At("10.22.1.1", 15009) }).Behind(Web, (80, 8080));
        var told = new RequestConfiguration { NetworkTrustDomains = [TrustDomain.Parse("cluster.local")] };
        var route = DestinationResolver.ResolveEndpoint(Snapshot(told, Web, remote), Source, Web, remote, 80, _random)!;

        AssertRoute(route, ConnectionProtocol.DoubleHbone, "web.ns.svc.cluster.local:80", "10.22.1.1:15009");
        Assert.Empty(route.AcceptedIdentities);
        Assert.Empty(route.InnerAcceptedIdentities);
        Assert.Equal((told.NetworkTrustDomains[0], told.NetworkTrustDomains[0]), (Assert.Single(route.AcceptedTrustDomains), Assert.Single(route.InnerAcceptedTrustDomains)));

        // What is known goes before: the gateway's workload, the service's names. A gateway of yet another network is nobody's here.
        var web = Web with { SubjectAltNames = ["no id"] };
        var gateway = Pod("gateway", "ns", "10.22.1.1");
        route = DestinationResolver.ResolveEndpoint(Snapshot(told, web, gateway, remote), Source, web, remote, 80, _random)!;
        Assert.Equal([gateway.Identity], route.AcceptedIdentities.AsEnumerable());
        Assert.Empty(route.AcceptedTrustDomains);
        Assert.Empty(route.InnerAcceptedIdentities);
        Assert.Empty(route.InnerAcceptedTrustDomains);
        var beyond = remote with { NetworkGateway = GatewayAddress.ByAddress(new NetworkAddress("third", IPAddress.Parse("10.22.1.1")), 15009) };
        Assert.Equal(ConnectionFailure.UnknownNetworkGateway, DestinationResolver.ResolveEndpoint(Snapshot(told, Web, beyond), Source, Web, beyond, 80, _random)!.Failure);
    }

    [Fact]
    public void EndpointThatStandsForAServiceBehindItsWaypoint_IsEnteredByIt_UnderTheServicesAddress()
    {
        var entrance = (Pod("entrance", "ns", "127.0.0.3") with { NetworkMode = NetworkMode.HostNetwork, ServiceWaypoint = At("127.0.0.9") }).Behind(Web, (80, 80));
        var waypoint = Pod("waypoint", "ns", "127.0.0.9");
        var route = DestinationResolver.ResolveEndpoint(Snapshot(Web, entrance, waypoint), Source, Web, entrance, 80, _random)!;

        AssertRoute(route, ConnectionProtocol.Hbone, "127.0.0.3:80", "127.0.0.9:15008");
        Assert.Equal([waypoint.Identity], route.AcceptedIdentities.AsEnumerable());
        AssertRoute(DestinationResolver.ResolveService(Snapshot(Web, entrance, waypoint), Source, Web, 80, _random), ConnectionProtocol.Hbone, "127.0.0.3:80", "127.0.0.9:15008");
        Assert.Equal(ConnectionFailure.UnknownWaypoint, DestinationResolver.ResolveEndpoint(Snapshot(Web, entrance), Source, Web, entrance, 80, _random)!.Failure);
        Assert.Null(DestinationResolver.ResolveEndpoint(Snapshot(Web, waypoint), Source, Web, waypoint, 80, _random));
    }

    [Fact]
    public void UnknownNetworkGateway_Fails()
    {
        var remote = (Pod("remote") with { Network = "remote", NetworkGateway = At("10.22.1.1", 15009) }).Behind(Web, (80, 8080));

        Assert.Equal(ConnectionFailure.UnknownNetworkGateway, Resolve(Snapshot(Web, remote), "127.0.0.3:80").Failure);
    }

    [Fact]
    [Trait("Reference", "build_request_failover_to_remote")]
    public void FailoverToRemote_LocalUnhealthy_GoesThroughGateway()
    {
        var web = Web with { LoadBalancing = new([LoadBalancingScope.Network], LoadBalancingMode.Failover, EndpointHealthPolicy.OnlyHealthy) };
        var local = Pod("local", "ns", "127.0.0.2").Hbone().Behind(web, (80, 8080));
        var gateway = Pod("gateway", "ns", "10.22.1.1");
        var remote = (Pod("remote") with { Network = "remote", NetworkGateway = At("10.22.1.1", 15009) }).Behind(web, (80, 8080));

        AssertRoute(Resolve(Snapshot(web, local, gateway, remote), "127.0.0.3:80"), ConnectionProtocol.Hbone, "127.0.0.2:8080", "127.0.0.2:15008");
        AssertRoute(
            Resolve(Snapshot(web, local with { Status = WorkloadStatus.Unhealthy }, gateway, remote), "127.0.0.3:80"),
            ConnectionProtocol.DoubleHbone, "web.ns.svc.cluster.local:80", "10.22.1.1:15009");
    }

    [Theory]
    [Trait("Reference", "build_request_known_dest_remote_node_tcp")]
    [Trait("Reference", "build_request_known_dest_local_node_tcp")]
    [InlineData("remote-node")]
    [InlineData("local-node")]
    public void KnownDestinationTcp_AnyNode_GoesDirect(string node) =>
        AssertRoute(Resolve(Snapshot(Pod("d", "ns", "127.0.0.2") with { Node = node }), "127.0.0.2:80"), ConnectionProtocol.Tcp, null, "127.0.0.2:80");

    [Theory]
    [Trait("Reference", "build_request_known_dest_remote_node_hbone")]
    [Trait("Reference", "build_request_known_dest_local_node_hbone")]
    [InlineData("remote-node")]
    [InlineData("local-node")]
    public void KnownDestinationHbone_AnyNode_GoesByTunnel(string node)
    {
        var destination = Pod("d", "ns", "127.0.0.2").Hbone() with { Node = node };
        var route = Resolve(Snapshot(destination), "127.0.0.2:80", Source with { Node = "local-node" });

        AssertRoute(route, ConnectionProtocol.Hbone, "127.0.0.2:80", "127.0.0.2:15008");
        Assert.Equal([destination.Identity], route.AcceptedIdentities.AsEnumerable());
    }

    [Fact]
    [Trait("Reference", "build_request_source_waypoint")]
    public void SourceWaypoint_IsIgnored()
    {
        var source = Source with { Waypoint = At("127.0.0.10") };

        AssertRoute(Resolve(Snapshot(source, Pod("d", "ns", "127.0.0.2")), "127.0.0.2:80", source), ConnectionProtocol.Tcp, null, "127.0.0.2:80");
    }

    [Fact]
    [Trait("Reference", "build_request_destination_waypoint")]
    public void DestinationWaypoint_WorkloadAddressed_GoesThroughIt()
    {
        var waypoint = Pod("waypoint", "ns", "127.0.0.10");
        var route = Resolve(Snapshot(waypoint, Pod("d", "ns", "127.0.0.2") with { Waypoint = At("127.0.0.10") }), "127.0.0.2:80");

        AssertRoute(route, ConnectionProtocol.Hbone, "127.0.0.2:80", "127.0.0.10:15008");
        Assert.True(route.ViaWaypoint);
        Assert.Equal([waypoint.Identity], route.AcceptedIdentities.AsEnumerable());
    }

    [Fact]
    [Trait("Reference", "build_request_destination_waypoint_mismatch_ip")]
    public void DestinationWaypoint_OtherFamilyThanReferenced_PinsTheReferencedOne()
    {
        var waypoint = Pod("waypoint", "ns", "ff06::c5", "127.0.0.11");
        var destination = Pod("d", "ns", "ff06::c3") with { Waypoint = At("127.0.0.11") };

        AssertRoute(Resolve(Snapshot(waypoint, destination), "[ff06::c3]:80"), ConnectionProtocol.Hbone, "[ff06::c3]:80", "127.0.0.11:15008");
    }

    [Fact]
    public void DestinationWaypoint_CallerIsTheWaypoint_GoesDirect()
    {
        var waypoint = Pod("waypoint", "ns", "127.0.0.10");
        var destination = Pod("d", "ns", "127.0.0.2") with { Waypoint = At("127.0.0.10") };

        AssertRoute(Resolve(Snapshot(waypoint, destination), "127.0.0.2:80", waypoint), ConnectionProtocol.Tcp, null, "127.0.0.2:80");
    }

    [Fact]
    [Trait("Reference", "build_request_destination_svc_waypoint")]
    public void ServiceWaypoint_ServiceAddressed_GoesThroughIt()
    {
        var web = Web with { Waypoint = At("127.0.0.10") };
        var endpoint = Pod("d", "ns", "127.0.0.2").Hbone().Behind(web, (80, 8080));
        var mesh = Snapshot(web, Pod("waypoint", "ns", "127.0.0.10"), endpoint);

        var route = Resolve(mesh, "127.0.0.3:80");

        AssertRoute(route, ConnectionProtocol.Hbone, "127.0.0.3:80", "127.0.0.10:15008");
        Assert.Equal(web, route.Service);
        AssertRoute(Resolve(mesh, "127.0.0.2:8080"), ConnectionProtocol.Hbone, "127.0.0.2:8080", "127.0.0.2:15008");
        AssertRoute(
            DestinationResolver.ResolveDirect(mesh, Source, To("127.0.0.3:80"), _random),
            ConnectionProtocol.Hbone, "127.0.0.2:8080", "127.0.0.2:15008");
    }

    [Fact]
    public void ServiceWaypoint_Unknown_FailsRatherThanBypass()
    {
        var web = Web with { Waypoint = At("127.0.0.10") };
        var route = Resolve(Snapshot(web, Pod("d", "ns", "127.0.0.2").Behind(web, (80, 8080))), "127.0.0.3:80");

        Assert.Equal(ConnectionFailure.UnknownWaypoint, route.Failure);
        Assert.Null(route.NextHop);
        Assert.Contains("127.0.0.10", route.Error, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Reference", "test_sample_weighted_waypoint")]
    public void WeightedWaypoints_ByWeight_NoneUsableFallsBack()
    {
        GatewayAddress first = At("10.0.0.1"), second = At("10.0.0.2"), only = At("10.0.0.3");
        var web = Web with { Waypoint = only };
        Assert.Equal(only, DestinationResolver.PickWaypoint(web, _random));
        Assert.Equal(first, Pick(100, 0));
        Assert.Equal(second, Pick(0, 100));
        Assert.Equal(only, Pick(0, 0));
        var weighted = web with { WeightedWaypoints = [new(first, 75), new(second, 25)] };
        Assert.InRange(Enumerable.Range(0, 10_000).Count(_ => DestinationResolver.PickWaypoint(weighted, _random) == first), 7_200, 7_800);

        GatewayAddress? Pick(uint one, uint two) =>
            DestinationResolver.PickWaypoint(web with { WeightedWaypoints = [new(first, one), new(second, two)] }, _random);
    }

    [Fact]
    [Trait("Reference", "build_request_empty_service")]
    public void EmptyService_Fails() =>
        Assert.Equal("no healthy upstream: 127.0.0.3:80", Resolve(Snapshot(Web), "127.0.0.3:80").Error);

    [Fact]
    public void UnknownServicePort_Fails() =>
        Assert.Equal(
            ConnectionFailure.NoHealthyUpstream,
            Resolve(Snapshot(Web, Pod("d", "ns", "127.0.0.2").Behind(Web, (80, 8080))), "127.0.0.3:81").Failure);

    [Fact]
    [Trait("Reference", "build_request_target_port")]
    public void NamedTargetPort_OneEndpointMapsIt_ThatOneAlways()
    {
        var web = Service("web", "127.0.0.3", (80, 0));
        var maps = Pod("maps", "ns", "127.0.0.2").Behind(web, (80, 1234));
        var other = Pod("other", "ns", "127.0.0.6").Behind(web, (8080, 9999));
        var mesh = Snapshot(web, maps, other);

        Assert.All(Enumerable.Range(0, 100), _ => AssertRoute(Resolve(mesh, "127.0.0.3:80"), ConnectionProtocol.Tcp, null, "127.0.0.2:1234"));
    }

    [Fact]
    [Trait("Reference", "build_request_host_network")]
    public void HostNetwork_SharedAddress_OnlyByService()
    {
        var one = (Pod("one", "ns", "127.0.0.2") with { NetworkMode = NetworkMode.HostNetwork }).Behind(Web, (80, 8080));
        var two = Pod("two", "ns", "127.0.0.2") with { NetworkMode = NetworkMode.HostNetwork };
        var mesh = Snapshot(Web, one, two);

        Assert.Equal(one, Resolve(mesh, "127.0.0.3:80").NextHopWorkload);
        var byAddress = Resolve(mesh, "127.0.0.2:80");
        AssertRoute(byAddress, ConnectionProtocol.Tcp, null, "127.0.0.2:80");
        Assert.Null(byAddress.NextHopWorkload);
    }

    [Theory]
    [Trait("Reference", "multiple_address_workload")]
    [InlineData("127.0.0.2:80")]
    [InlineData("[ff06::c3]:80")]
    public void DualStackWorkload_EachFamily_StaysItself(string destination) =>
        AssertRoute(Resolve(Snapshot(Pod("d", "ns", "127.0.0.2", "ff06::c3")), destination), ConnectionProtocol.Tcp, null, destination);

    [Theory]
    [Trait("Reference", "service_ip_families")]
    [InlineData(IPFamilies.IPv6Only, "127.0.0.3:80", "[ff06::c3]:8080")]
    [InlineData(IPFamilies.IPv4Only, "127.0.0.3:80", "127.0.0.2:8080")]
    [InlineData(IPFamilies.Dual, "127.0.0.3:80", "127.0.0.2:8080")]
    [InlineData(IPFamilies.Dual, "[ff06::3]:80", "[ff06::c3]:8080")]
    public void ServiceFamilies_Restrict_TheEndpointsAddress(IPFamilies families, string destination, string expected)
    {
        var web = Web with
        {
            IPFamilies = families,
            Vips = [new("", IPAddress.Parse("127.0.0.3")), new("", IPAddress.Parse("ff06::3"))],
        };

        AssertRoute(Resolve(Snapshot(web, Pod("d", "ns", "127.0.0.2", "ff06::c3").Behind(web, (80, 8080))), destination), ConnectionProtocol.Tcp, null, expected);
    }

    [Fact]
    [Trait("Reference", "build_request_passthrough_svc")]
    [Trait("Reference", "build_request_passthrough_svc_with_waypoint")]
    public void PassthroughService_GoesToTheOriginal_OrItsWaypoint()
    {
        var web = Service("web", "1.2.3.4", (80, 8080)) with { LoadBalancing = new([], LoadBalancingMode.Passthrough, EndpointHealthPolicy.AllowAll) };
        var endpoint = Pod("d", "ns", "127.0.0.2").Behind(web, (80, 8080));

        AssertRoute(Resolve(Snapshot(web, endpoint), "1.2.3.4:80"), ConnectionProtocol.Tcp, null, "1.2.3.4:80");
        AssertRoute(
            Resolve(Snapshot(web with { Waypoint = At("127.0.0.10") }, endpoint, Pod("waypoint", "ns", "127.0.0.10")), "1.2.3.4:80"),
            ConnectionProtocol.Hbone, "1.2.3.4:80", "127.0.0.10:15008");
    }

    [Fact]
    public void RemoteWorkload_AddressedDirectly_FailsForLackOfAService()
    {
        var source = Source with { Network = "" };
        var web = Service("web", "127.0.0.9", (80, 80));
        var endpoint = (Pod("d", "ns", "10.0.0.1") with { Network = "remote", NetworkGateway = At("10.22.1.1") }).Behind(web, (80, 80));
        var shadow = Pod("shadow", "ns", "127.0.0.9");

        // The address is a workload's first and a service's second, whose endpoint is far away.
        Assert.Equal(ConnectionFailure.NoServiceForTarget, Resolve(Snapshot(web, endpoint, shadow), "127.0.0.9:80", source).Failure);
    }

    [Fact]
    public void EndpointKnownByName_WaitsForDns_AndIsCompletedByIt()
    {
        var named = (Pod("named") with { Hostname = "db.example" }).Behind(Web, (80, 5432));

        var waiting = Resolve(Snapshot(Web, named), "127.0.0.3:80");

        Assert.Equal($"no ip addresses were resolved for workload: {named.Uid}", waiting.Error);
        Assert.Equal(("db.example", 5432), (waiting.HostToResolve, waiting.PortToResolve));
        Assert.Same(waiting, DestinationResolver.Complete(waiting, To("127.0.0.3:80"), [], _random));
        AssertRoute(
            DestinationResolver.Complete(waiting, To("127.0.0.3:80"), [IPAddress.Parse("2001:db8::1"), IPAddress.Parse("192.0.2.1")], _random),
            ConnectionProtocol.Tcp, null, "192.0.2.1:5432");
    }

    [Theory]
    [InlineData("127.0.0.3:80", "192.0.2.1 192.0.2.2 2001:db8::1", "192.0.2.1 192.0.2.2")]
    [InlineData("[::ffff:127.0.0.3]:80", "192.0.2.1 192.0.2.2 2001:db8::1", "192.0.2.1 192.0.2.2")]
    [InlineData("127.0.0.3:80", "2001:db8::1 2001:db8::2", "2001:db8::1 2001:db8::2")]
    [InlineData("[2001:db8::3]:80", "192.0.2.1 2001:db8::1 2001:db8::2", "2001:db8::1 2001:db8::2")]
    public void EndpointKnownByName_IsAnyOfItsAddressesInTheDestinationsFamily_ElseAnyOther(string destination, string answers, string expected)
    {
        var named = (Pod("named") with { Hostname = "db.example" }).Behind(Web, (80, 5432));
        var waiting = Resolve(Snapshot(Web, named), "127.0.0.3:80");
        var addresses = answers.Split(' ').Select(IPAddress.Parse).ToArray();

        var picked = Enumerable.Range(0, 200).Select(_ => DestinationResolver.Complete(waiting, To(destination), addresses, _random).NextHop!.Address.ToString());

        Assert.Equal(expected.Split(' '), picked.Distinct().Order());
    }

    [Fact]
    public void MappedDestination_IsTheIPv4One() =>
        AssertRoute(
            Resolve(Snapshot(Pod("d", "ns", "127.0.0.2").Hbone()), "[::ffff:127.0.0.2]:80"),
            ConnectionProtocol.Hbone, "127.0.0.2:80", "127.0.0.2:15008");

    [Fact]
    public void ResolveService_ByName_NeedsNoVip()
    {
        var web = Service("web", null, (80, 8080));
        var mesh = Snapshot(web, Pod("d", "ns", "127.0.0.2").Hbone().Behind(web, (80, 8080)));

        AssertRoute(DestinationResolver.ResolveService(mesh, Source, web, 80, _random), ConnectionProtocol.Hbone, "127.0.0.2:8080", "127.0.0.2:15008");
        Assert.Equal(ConnectionFailure.NoHealthyUpstream, DestinationResolver.ResolveService(mesh, Source, web, 81, _random).Failure);
    }

    [Fact]
    public void Uncaptured_Service_GoesPlainAndPastTheWaypoint()
    {
        var web = Web with { Waypoint = At("127.0.0.10") };
        var mesh = Snapshot(web, Pod("waypoint", "ns", "127.0.0.10"), Pod("d", "ns", "127.0.0.2").Hbone().Behind(web, (80, 8080)));

        var route = DestinationResolver.ResolveUncaptured(mesh, Source, To("127.0.0.3:80"), _random);

        AssertRoute(route, ConnectionProtocol.Tcp, null, "127.0.0.2:8080");
        Assert.Equal("d", route.NextHopWorkload!.Name);
        AssertRoute(DestinationResolver.ResolveUncaptured(mesh, Source, To("127.0.0.2:9"), _random), ConnectionProtocol.Tcp, null, "127.0.0.2:9");
        AssertRoute(DestinationResolver.ResolveUncaptured(mesh, Source, To("1.2.3.4:9"), _random), ConnectionProtocol.Tcp, null, "1.2.3.4:9");
        Assert.Equal(ConnectionFailure.NoHealthyUpstream, DestinationResolver.ResolveUncaptured(mesh, Source, To("127.0.0.3:81"), _random).Failure);
    }
}
