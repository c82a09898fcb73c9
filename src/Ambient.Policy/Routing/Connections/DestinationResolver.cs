using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Connections;

/// <summary>
/// Where an outbound connection goes: service or workload, waypoint, another network, passthrough
/// (docs/protocol.md, "Where a connection goes"). A pure function of the snapshot, the addresses and the dice.
/// </summary>
public static class DestinationResolver
{
    private const int HbonePort = 15008;

    /// <summary>
    /// Resolves <paramref name="destination"/> for a connection by <paramref name="source"/>. Load balancing draws from
    /// <paramref name="random"/>, which several threads may share only if it is <see cref="Random.Shared"/>.
    /// </summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="source">Who connects.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="random">The dice.</param>
    /// <param name="network">
    /// The proxy's own network: whose the address is that a workload of it uses. Null: the source's. They differ only for a workload that is
    /// labelled as another network's; its endpoints are found in its own.
    /// </param>
    public static ConnectionRoute Resolve(MeshSnapshot mesh, Workload source, IPEndPoint destination, Random random, string? network = null)
    {
        Check(mesh, source, destination, random);
        destination = PlainAddress.Of(destination);
        network ??= source.Network;

        // 1. What was addressed? A workload goes before a service of the same address here.
        var service = mesh.FindWorkload(network, destination.Address) is null
            ? mesh.FindService(network, destination.Address, source.Namespace)
            : null;

        // 2. A service with a waypoint is entered by the waypoint, or not at all; unless it is told to do without while the waypoint is idle.
        var skips = false;
        if (service is not null && PickWaypoint(service, random) is { } waypoint)
        {
            skips = service.SkipsIdleWaypoint && WaypointDuties.Of(mesh.Requests).IsIdleFor(mesh, service);
            if (!skips)
            {
                return ThroughWaypoint(mesh, source, waypoint, service, destination, random);
            }
        }

        // 3. Else a workload is found and dialled: here a service goes first.
        var route = ToWorkload(mesh, source, network, service, destination, honourWaypoint: true, random);
        return skips ? route with { SkipsIdleWaypoint = true } : route;
    }

    /// <summary>
    /// Resolves as <see cref="Resolve"/> does, but past every waypoint: for waypoints themselves and for gateways, which
    /// have done a waypoint's work already.
    /// </summary>
    public static ConnectionRoute ResolveDirect(MeshSnapshot mesh, Workload source, IPEndPoint destination, Random random)
    {
        Check(mesh, source, destination, random);
        destination = PlainAddress.Of(destination);
        var service = mesh.FindWorkload(source.Network, destination.Address) is null
            ? mesh.FindService(source.Network, destination.Address, source.Namespace)
            : null;
        return ToWorkload(mesh, source, source.Network, service, destination, honourWaypoint: false, random);
    }

    /// <summary>
    /// An endpoint of a service that was chosen by name (a route's backend), past every waypoint. The service need not
    /// have an address.
    /// </summary>
    public static ConnectionRoute ResolveService(MeshSnapshot mesh, Workload source, MeshService service, int port, Random random)
    {
        ArgumentNullException.ThrowIfNull(service);
        var asked = new IPEndPoint(service.Vips is [var vip, ..] ? vip.Address : IPAddress.Any, port);
        Check(mesh, source, asked, random);
        if (UpstreamLookup.ByService(mesh, source, service, port, EndpointBalancer.PortRule.Declared, random, out var upstream) != UpstreamLookup.Found.Upstream)
        {
            return ConnectionRoute.Fail(ConnectionFailure.NoHealthyUpstream, $"no healthy upstream: {service.Hostname}:{port}");
        }

        return Dial(mesh, source, service, upstream, asked, random);
    }

    /// <summary>
    /// The way to an endpoint of a service that was chosen already, where it is not dialled itself: through the gateway of its network, or through the
    /// waypoint that it stands for. Null: it is dialled itself.
    /// </summary>
    public static ConnectionRoute? ResolveEndpoint(MeshSnapshot mesh, Workload source, MeshService service, Workload endpoint, int port, Random random)
    {
        ArgumentNullException.ThrowIfNull(service);
        ArgumentNullException.ThrowIfNull(endpoint);
        var asked = new IPEndPoint(endpoint.Addresses is [var own, ..] ? own : source.Addresses is [var near, ..] ? near : IPAddress.Any, port);
        Check(mesh, source, asked, random);
        return endpoint.ServiceWaypoint is { } waypoint ? ThroughWaypoint(mesh, source, waypoint, service, asked, random)
            : IsBehindNetworkGateway(source, endpoint) ? ThroughNetworkGateway(mesh, source, service, new Upstream(endpoint, port, service), asked, random)
            : null;
    }

    /// <summary>Where the way to an endpoint leads first, if it is not dialled itself; null: it is.</summary>
    public static GatewayAddress? FirstHop(Workload source, Workload endpoint)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(endpoint);
        return endpoint.ServiceWaypoint ?? (IsBehindNetworkGateway(source, endpoint) ? endpoint.NetworkGateway : null);
    }

    /// <summary>Every healthy endpoint of a service, and why it can or cannot be chosen for a connection by <paramref name="source"/>. For people.</summary>
    public static ImmutableArray<EndpointCandidate> Candidates(MeshSnapshot mesh, Workload source, MeshService service, int port)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(service);
        return
        [
            .. EndpointBalancer.Candidates(mesh, source, service, port)
                .Select(candidate => candidate with { Way = ResolveEndpoint(mesh, source, service, candidate.Workload, port, Random.Shared) }),
        ];
    }

    /// <summary>
    /// What a node without a mesh does for a pod that is not enrolled: a service goes to one of its endpoints by plain
    /// TCP, everything else goes where it was sent. Never HBONE, never a waypoint.
    /// </summary>
    public static ConnectionRoute ResolveUncaptured(MeshSnapshot mesh, Workload source, IPEndPoint destination, Random random)
    {
        Check(mesh, source, destination, random);
        destination = PlainAddress.Of(destination);
        var service = mesh.FindService(source.Network, destination.Address, clientNamespace: null);
        switch (UpstreamLookup.ByAddress(mesh, source, source.Network, destination.Address, destination.Port, EndpointBalancer.PortRule.Declared, random, out var upstream))
        {
            case UpstreamLookup.Found.Upstream when upstream.Workload.Network == source.Network:
                return EndpointBalancer.ChooseAddress(upstream.Workload, upstream.Service, destination.Address) is { } address
                    ? new ConnectionRoute
                    {
                        Protocol = ConnectionProtocol.Tcp,
                        NextHop = new IPEndPoint(address, upstream.Port),
                        NextHopWorkload = upstream.Workload,
                        Service = upstream.Service,
                    }
                    : ConnectionRoute.NoRoutingDestination(upstream.Workload);
            case UpstreamLookup.Found.Nothing or UpstreamLookup.Found.Upstream when service is not null:
                return ConnectionRoute.NoHealthyUpstream(destination);
            default:
                return ConnectionRoute.Passthrough(destination);
        }
    }

    /// <summary>
    /// Finishes a route that waits for DNS (<see cref="ConnectionRoute.HostToResolve"/>) with the name's addresses: one of
    /// the family the client used at random, else any at random. Without addresses the route stays the error it is.
    /// </summary>
    public static ConnectionRoute Complete(ConnectionRoute route, IPEndPoint destination, IReadOnlyCollection<IPAddress> addresses, Random random)
    {
        ArgumentNullException.ThrowIfNull(route);
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(addresses);
        ArgumentNullException.ThrowIfNull(random);
        if (route.HostToResolve is null || addresses.Count == 0)
        {
            return route;
        }

        var family = destination.Address.IsIPv4MappedToIPv6 ? System.Net.Sockets.AddressFamily.InterNetwork : destination.AddressFamily;
        var candidates = addresses.Where(address => address.AddressFamily == family).ToArray();
        candidates = candidates.Length > 0 ? candidates : [.. addresses];
        var address = candidates[random.Next(candidates.Length)];
        var resolved = route with { Failure = ConnectionFailure.None, Error = null, HostToResolve = null, PortToResolve = 0 };
        if (route.ViaWaypoint || route.Protocol == ConnectionProtocol.DoubleHbone)
        {
            return resolved with { NextHop = new IPEndPoint(address, route.PortToResolve) };
        }

        return route.Protocol == ConnectionProtocol.Tcp
            ? resolved with { NextHop = new IPEndPoint(address, route.PortToResolve) }
            : resolved with
            {
                NextHop = new IPEndPoint(address, HbonePort),
                Authority = new IPEndPoint(address, route.PortToResolve).ToString(),
            };
    }

    /// <summary>A share of each connection by weight; without usable weights the one waypoint.</summary>
    internal static GatewayAddress? PickWaypoint(MeshService service, Random random)
    {
        var weighted = service.WeightedWaypoints.AsSpan();
        long total = 0;
        foreach (var waypoint in weighted)
        {
            total += waypoint.Weight;
        }

        if (total == 0)
        {
            return service.Waypoint;
        }

        var draw = random.NextInt64(total);
        foreach (var waypoint in weighted)
        {
            if (draw < waypoint.Weight)
            {
                return waypoint.Destination;
            }

            draw -= waypoint.Weight;
        }

        return service.Waypoint;
    }

    private static ConnectionRoute ThroughWaypoint(
        MeshSnapshot mesh, Workload source, GatewayAddress waypoint, MeshService? service, IPEndPoint destination, Random random)
    {
        if (!UpstreamLookup.ByGateway(
            mesh, source, waypoint, destination.Address, EndpointBalancer.PortRule.DeclaredOrTunnel, random, out var upstream, out var familyOf))
        {
            return ConnectionRoute.Fail(ConnectionFailure.UnknownWaypoint, $"unknown waypoint: waypoint {waypoint} (port {waypoint.HboneMtlsPort}) not found")
                with { Unknown = UpstreamLookup.NameIfUnknown(mesh, source, waypoint) };
        }

        if (service is not null && upstream.Workload.Network != source.Network)
        {
            return ThroughNetworkGateway(mesh, source, service, upstream, destination, random);
        }

        return At(upstream, familyOf, upstream.Port, new ConnectionRoute
        {
            Protocol = ConnectionProtocol.Hbone,
            Authority = destination.ToString(),
            NextHopWorkload = upstream.Workload,
            Service = service,
            AcceptedIdentities = IdentitiesOf(upstream),
            ViaWaypoint = true,
        });
    }

    private static ConnectionRoute ToWorkload(
        MeshSnapshot mesh, Workload source, string network, MeshService? service, IPEndPoint destination, bool honourWaypoint, Random random)
    {
        var found = UpstreamLookup.ByAddress(
            mesh, source, source.Network, destination.Address, destination.Port, EndpointBalancer.PortRule.Declared, random, out var upstream);
        if (found != UpstreamLookup.Found.Upstream)
        {
            // A service that balances must not be reached behind its back; anything else does not concern the mesh.
            return service is not null && service.LoadBalancing?.Mode != LoadBalancingMode.Passthrough
                ? ConnectionRoute.NoHealthyUpstream(destination)
                : ConnectionRoute.Passthrough(destination) with { Unknown = UpstreamLookup.NameIfUnknown(mesh, source, network, destination.Address) };
        }

        // Service-addressed traffic never uses the waypoint of a workload, nor does a waypoint go through itself.
        if (honourWaypoint
            && service is null
            && upstream.Workload.Network == source.Network
            && upstream.Workload.Waypoint is { } waypoint
            && !UpstreamLookup.IsBehindGateway(mesh, source, waypoint, source.Namespace))
        {
            return ThroughWaypoint(mesh, source, waypoint, null, destination, random);
        }

        return Dial(mesh, source, service, upstream, destination, random);
    }

    private static ConnectionRoute Dial(
        MeshSnapshot mesh, Workload source, MeshService? service, Upstream upstream, IPEndPoint destination, Random random)
    {
        var workload = upstream.Workload;
        if (service is not null && workload.ServiceWaypoint is { } entrance)
        {
            return ThroughWaypoint(mesh, source, entrance, service, destination, random);
        }

        if (workload.Network != source.Network)
        {
            return service is null
                ? ConnectionRoute.Fail(ConnectionFailure.NoServiceForTarget, $"no service for target address: {destination}")
                : ThroughNetworkGateway(mesh, source, service, upstream, destination, random);
        }

        var route = new ConnectionRoute
        {
            Protocol = workload.Protocol == TunnelProtocol.Hbone ? ConnectionProtocol.Hbone : ConnectionProtocol.Tcp,
            NextHopWorkload = workload,
            Service = service,
            AcceptedIdentities = IdentitiesOf(upstream),
        };
        if (EndpointBalancer.ChooseAddress(workload, upstream.Service, destination.Address) is not { } address)
        {
            return At(upstream, destination.Address, upstream.Port, route);
        }

        return route.Protocol == ConnectionProtocol.Hbone
            ? route with { NextHop = new IPEndPoint(address, HbonePort), Authority = new IPEndPoint(address, upstream.Port).ToString() }
            : route with { NextHop = new IPEndPoint(address, upstream.Port) };
    }

    private static bool IsBehindNetworkGateway(Workload source, Workload endpoint) => endpoint.NetworkGateway is not null && endpoint.Network != source.Network;

    private static ConnectionRoute ThroughNetworkGateway(
        MeshSnapshot mesh, Workload source, MeshService service, Upstream upstream, IPEndPoint destination, Random random)
    {
        if (upstream.Workload.NetworkGateway is not { } gateway)
        {
            return ConnectionRoute.NoRoutingDestination(upstream.Workload);
        }

        var domains = mesh.Requests.NetworkTrustDomains;
        var route = new ConnectionRoute
        {
            Protocol = ConnectionProtocol.DoubleHbone,
            Authority = $"{service.Hostname}:{destination.Port}",
            Service = service,
            InnerAcceptedIdentities = AlternativeNames(service),
            InnerAcceptedTrustDomains = service.SubjectAltNames.IsDefaultOrEmpty ? domains : [],
        };
        if (UpstreamLookup.ByGateway(
            mesh, source, gateway, destination.Address, EndpointBalancer.PortRule.Declared, random, out var entry, out var familyOf))
        {
            return At(entry, familyOf, entry.Port, route with { NextHopWorkload = entry.Workload, AcceptedIdentities = IdentitiesOf(entry) });
        }

        var unknown = UpstreamLookup.NameIfUnknown(mesh, source, gateway);
        return !domains.IsEmpty && unknown is not null && gateway.Address is { } address && address.Network == source.Network
            ? route with { NextHop = new IPEndPoint(address.Address, gateway.HboneMtlsPort), AcceptedTrustDomains = domains }
            : ConnectionRoute.Fail(
                ConnectionFailure.UnknownNetworkGateway, $"unknown network gateway: network gateway {gateway} (port {gateway.HboneMtlsPort}) not found")
                with { Unknown = unknown };
    }

    /// <summary>Puts an address of the upstream under a route, or says why there is none.</summary>
    private static ConnectionRoute At(Upstream upstream, IPAddress familyOf, int port, ConnectionRoute route)
    {
        if (EndpointBalancer.ChooseAddress(upstream.Workload, upstream.Service, familyOf) is { } address)
        {
            return route with { NextHop = new IPEndPoint(address, port) };
        }

        return upstream.Workload.Hostname.Length == 0
            ? ConnectionRoute.NoRoutingDestination(upstream.Workload)
            : route with
            {
                Failure = ConnectionFailure.NameNotResolved,
                Error = $"no ip addresses were resolved for workload: {upstream.Workload.Uid}",
                HostToResolve = upstream.Workload.Hostname,
                PortToResolve = port,
            };
    }

    private static ImmutableArray<SpiffeId> IdentitiesOf(Upstream upstream)
    {
        var identity = upstream.Workload.Identity;
        if (upstream.Service is null or { SubjectAltNames.IsDefaultOrEmpty: true })
        {
            return [identity];
        }

        var names = AlternativeNames(upstream.Service);
        return names.Contains(identity) ? names : names.Add(identity);
    }

    /// <summary>A name that is not a SPIFFE ID cannot be anybody's identity.</summary>
    private static ImmutableArray<SpiffeId> AlternativeNames(MeshService service)
    {
        var names = ImmutableArray.CreateBuilder<SpiffeId>();
        foreach (var text in service.SubjectAltNames.AsSpan())
        {
            if (SpiffeId.TryParse(text, out var id) && !names.Contains(id))
            {
                names.Add(id);
            }
        }

        return names.DrainToImmutable();
    }

    private static void Check(MeshSnapshot mesh, Workload source, IPEndPoint destination, Random random)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(random);
    }
}
