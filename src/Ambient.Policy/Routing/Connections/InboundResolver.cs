using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Connections;

/// <summary>Where a received CONNECT is delivered, or which status refuses it (ztunnel <c>proxy/inbound.rs</c>).</summary>
public static class InboundResolver
{
    private const int BadRequest = 400;
    private const int Unavailable = 503;

    /// <summary>
    /// Resolves a CONNECT for <paramref name="authority"/> that arrived at <paramref name="local"/> of
    /// <paramref name="workload"/>. Ports in <paramref name="ownPorts"/> belong to the proxy itself and are refused, for a
    /// connection to them would come back here.
    /// </summary>
    public static InboundRoute Resolve(
        MeshSnapshot mesh, Workload workload, IPEndPoint local, string authority, IReadOnlySet<int>? ownPorts = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(local);
        var own = local.Address.IsIPv4MappedToIPv6 ? local.Address.MapToIPv4() : local.Address;

        // 1. What is asked for?
        if (!TunnelAuthority.TryParse(authority, out var target))
        {
            return InboundRoute.Refuse(BadRequest, $"bad authority: {Printable(authority)} is not a host with a port");
        }

        // 2. Is it for this workload?
        if (target.Address is { } address && !Serves(mesh, workload, own, address.Address))
        {
            return InboundRoute.Refuse(BadRequest, $"ip mismatch: {own} != {address.Address}")
                with { Unknown = UnknownOf(mesh, workload, address.Address) };
        }

        // 3. Which port of the workload? The address is always its own.
        MeshService? service = null;
        var port = target.Port;
        if (target.Address is null)
        {
            service = mesh.FindServiceByHostname(target.Host, workload.Namespace);
            if (service is null)
            {
                return InboundRoute.Refuse(Unavailable, $"no service or workload for hostname {target.Host}")
                    with { Unknown = UnknownService(mesh, workload, target.Host) };
            }

            port = TargetPort(workload, service, target.Port);
            if (port == 0)
            {
                return InboundRoute.Refuse(Unavailable, $"requested service {target.Host}:{target.Port} found, but cannot resolve port");
            }
        }

        if (ownPorts?.Contains(port) == true)
        {
            return InboundRoute.Refuse(Unavailable, $"attempted recursive call to ourselves: port {port}");
        }

        // 4. Does the application terminate tunnels itself?
        return Tunnel(workload, service, target, new InboundRoute
        {
            Upstream = new IPEndPoint(own, port),
            TunnelTarget = target.Address,
            Service = service,
        });
    }

    /// <summary>
    /// The service that an accepted connection is counted for, or null: the one that the client named
    /// (<paramref name="forwardedHost"/>), else the first with a port that is delivered to <paramref name="upstreamPort"/>.
    /// </summary>
    public static MeshService? AttributeService(MeshSnapshot mesh, Workload workload, InboundRoute route, string? forwardedHost, int upstreamPort)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(route);
        if (route.Service is not null)
        {
            return route.Service;
        }

        MeshService? byPort = null;
        foreach (var (key, ports) in workload.Services)
        {
            if (!mesh.Services.TryGetValue(key, out var service))
            {
                continue;
            }

            if (service.Hostname == forwardedHost)
            {
                return service;
            }

            // Several services may map the port; the smallest key makes the choice a fixed one.
            if ((service.Ports.Any(port => port.TargetPort == upstreamPort) || ports.Any(port => port.TargetPort == upstreamPort))
                && (byPort is null || string.CompareOrdinal(service.Key, byPort.Key) < 0))
            {
                byPort = service;
            }
        }

        return byPort;
    }

    /// <summary>What it would take to know whether an address is served: the address, or the waypoint that it has.</summary>
    private static string? UnknownOf(MeshSnapshot mesh, Workload workload, IPAddress asked)
    {
        if (mesh.FindWorkload(workload.Network, asked) is { } addressed)
        {
            return addressed.Waypoint is { } waypoint ? UpstreamLookup.NameIfUnknown(mesh, workload, waypoint) : null;
        }

        if (mesh.FindService(workload.Network, asked, workload.Namespace) is not { } service)
        {
            return UpstreamLookup.NameIfUnknown(mesh, workload, workload.Network, asked);
        }

        var unknown = service.Waypoint is { } only ? UpstreamLookup.NameIfUnknown(mesh, workload, only) : null;
        foreach (var weighted in service.WeightedWaypoints)
        {
            unknown ??= UpstreamLookup.NameIfUnknown(mesh, workload, weighted.Destination);
        }

        return unknown;
    }

    /// <summary>A service of the workload's own that has the name and is not known: its key says the namespace, which the name does not.</summary>
    private static string? UnknownService(MeshSnapshot mesh, Workload workload, string hostname)
    {
        foreach (var (key, _) in workload.Services)
        {
            if (key.Length > hostname.Length && key[^(hostname.Length + 1)] == '/' && key.EndsWith(hostname, StringComparison.Ordinal) && !mesh.Services.ContainsKey(key))
            {
                return key;
            }
        }

        return null;
    }

    private static InboundRoute Tunnel(Workload workload, MeshService? service, TunnelAuthority target, InboundRoute route)
    {
        if (workload.ApplicationTunnel is not { } tunnel)
        {
            return route;
        }

        if (tunnel.Port > 0)
        {
            route = route with { Upstream = new IPEndPoint(route.Upstream!.Address, tunnel.Port) };
        }

        if (tunnel.Protocol != ApplicationTunnelProtocol.Proxy)
        {
            return route;
        }

        route = route with { SendProxyHeader = true };
        if (service is null)
        {
            return route;
        }

        return VipOf(service, workload.Network) is { } vip
            ? route with { TunnelTarget = new IPEndPoint(vip, target.Port) }
            : InboundRoute.Refuse(Unavailable, $"requested service {target.Host} found, but has no IP addresses");
    }

    /// <summary>Own network before others, IPv4 before IPv6.</summary>
    private static IPAddress? VipOf(MeshService service, string network) => service.Vips
        .OrderByDescending(vip => vip.Network == network)
        .ThenBy(vip => vip.Address.AddressFamily == AddressFamily.InterNetworkV6)
        .Select(vip => vip.Address)
        .FirstOrDefault();

    private static int TargetPort(Workload workload, MeshService service, int port)
    {
        if (workload.Services.TryGetValue(service.Key, out var mapped))
        {
            foreach (ref readonly var own in mapped.AsSpan())
            {
                if (own.Port == port && own.TargetPort > 0)
                {
                    return own.TargetPort;
                }
            }
        }

        foreach (ref readonly var declared in service.Ports.AsSpan())
        {
            if (declared.Port == port)
            {
                return declared.TargetPort;
            }
        }

        return 0;
    }

    /// <summary>
    /// Whether a workload takes tunnels for an address: its own; any, when the application terminates them; and, for a
    /// waypoint behind a ztunnel, what has this waypoint.
    /// </summary>
    private static bool Serves(MeshSnapshot mesh, Workload workload, IPAddress own, IPAddress asked)
    {
        if (asked.Equals(own) || workload.ApplicationTunnel is not null)
        {
            return true;
        }

        if (mesh.FindWorkload(workload.Network, asked) is { } addressed)
        {
            return addressed.Waypoint is { } waypoint && IsOwn(waypoint);
        }

        return mesh.FindService(workload.Network, asked, workload.Namespace) is { } service
            && ((service.Waypoint is { } only && IsOwn(only))
                || service.WeightedWaypoints.Any(weighted => IsOwn(weighted.Destination)));

        bool IsOwn(GatewayAddress waypoint) => UpstreamLookup.IsBehindGateway(mesh, workload, waypoint, workload.Namespace);
    }

    /// <summary>A peer's text for a log line.</summary>
    private static string Printable(string? text)
    {
        const int Shown = 128;
        return text is null
            ? "(none)"
            : $"'{string.Concat(text[..Math.Min(text.Length, Shown)].Select(c => c is < ' ' or > '~' ? '?' : c))}{(text.Length > Shown ? "..." : "")}'";
    }
}
