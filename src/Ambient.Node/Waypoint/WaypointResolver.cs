using System.Globalization;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Node.Waypoint;

/// <summary>
/// Whether a CONNECT's authority is something this waypoint stands before (docs/protocol.md, "CONNECT"): an address of a
/// service bound to it, or of a workload bound to it. Everything else is refused, or a waypoint would be an open proxy
/// that carries its own identity.
/// </summary>
internal static class WaypointResolver
{
    private const int BadRequest = 400;
    private const int NotServed = 404;

    /// <summary>Resolves <paramref name="authority"/> at the waypoint that runs as <paramref name="self"/>.</summary>
    public static WaypointDestination Resolve(MeshSnapshot mesh, Workload self, string authority)
    {
        if (!TryParse(authority, out var host, out var port))
        {
            return WaypointDestination.Refuse(BadRequest, $"the authority {authority} is not an address or hostname with a port");
        }

        if (!IPAddress.TryParse(host, out var address))
        {
            return mesh.FindServiceByHostname(host, self.Namespace) is { } named
                ? ForService(mesh, self, named, new IPEndPoint(AddressOf(named), port))
                : WaypointDestination.Refuse(NotServed, $"no service has the hostname {host}");
        }

        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        var target = new IPEndPoint(address, port);
        if (mesh.FindService(self.Network, address, clientNamespace: null) is { } service)
        {
            return ForService(mesh, self, service, target);
        }

        if (mesh.FindWorkload(self.Network, address) is not { } workload)
        {
            return WaypointDestination.Refuse(NotServed, $"no service or workload has the address {address}");
        }

        return IsBound(mesh, self, workload)
            ? WaypointDestination.For(workload, target)
            : WaypointDestination.Refuse(NotServed, $"workload {workload.Namespace}/{workload.Name} is not bound to this waypoint but to {workload.Waypoint?.ToString() ?? "none"}");
    }

    /// <summary>Whether the waypoint that runs as <paramref name="self"/> stands before a service.</summary>
    public static bool IsBound(MeshSnapshot mesh, Workload self, MeshService service)
    {
        var bound = IsSelf(mesh, self, service.Waypoint);
        foreach (var weighted in service.WeightedWaypoints)
        {
            bound |= IsSelf(mesh, self, weighted.Destination);
        }

        return bound;
    }

    /// <summary>Whether the waypoint that runs as <paramref name="self"/> stands before a workload.</summary>
    public static bool IsBound(MeshSnapshot mesh, Workload self, Workload workload) => IsSelf(mesh, self, workload.Waypoint);

    private static WaypointDestination ForService(MeshSnapshot mesh, Workload self, MeshService service, IPEndPoint target)
    {
        if (!IsBound(mesh, self, service))
        {
            return WaypointDestination.Refuse(NotServed, $"service {service.Key} is not bound to this waypoint but to {service.Waypoint?.ToString() ?? "none"}");
        }

        foreach (var port in service.Ports)
        {
            // A port of datagrams may have the number of one of TCP, as DNS does.
            if (port.Port == target.Port && port.AppProtocol != AppProtocol.Udp)
            {
                return WaypointDestination.For(service, target, KindOf(port.AppProtocol), port.AppProtocol == AppProtocol.Tls);
            }
        }

        return WaypointDestination.Refuse(NotServed, $"service {service.Key} has no port {target.Port}");
    }

    private static PortKind KindOf(AppProtocol protocol) => protocol switch
    {
        AppProtocol.Http11 or AppProtocol.Http2 or AppProtocol.Grpc or AppProtocol.GrpcWeb => PortKind.Http,
        AppProtocol.Tcp or AppProtocol.Tls or AppProtocol.ServerFirst => PortKind.Opaque,
        _ => PortKind.Unknown,
    };

    // A waypoint is named by its Service, which our own workload then backs, or by an address of either.
    private static bool IsSelf(MeshSnapshot mesh, Workload self, GatewayAddress? waypoint)
    {
        if (waypoint is null)
        {
            return false;
        }

        if (waypoint.Address is not { } address)
        {
            return self.Services.ContainsKey($"{waypoint.Namespace}/{waypoint.Hostname}");
        }

        return (address.Network == self.Network && self.Addresses.Contains(address.Address))
            || (mesh.FindService(address.Network, address.Address, clientNamespace: null) is { } service && self.Services.ContainsKey(service.Key));
    }

    private static IPAddress AddressOf(MeshService service) => service.Vips.IsEmpty ? IPAddress.Any : service.Vips[0].Address;

    private static bool TryParse(string authority, out string host, out int port)
    {
        var colon = authority.LastIndexOf(':');
        host = colon < 0 ? "" : authority[..colon];
        port = 0;
        if (colon < 0 || !int.TryParse(authority.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) || port is < 1 or > 65535)
        {
            return false;
        }

        if (host.StartsWith('[') && host.EndsWith(']'))
        {
            host = host[1..^1];
            return true;
        }

        return host.Length > 0 && !host.Contains(':', StringComparison.Ordinal);
    }
}
