using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Connections;

/// <summary>A workload to dial, the port on it, and the service it was chosen for, if any.</summary>
internal readonly record struct Upstream(Workload Workload, int Port, MeshService? Service);

/// <summary>Finds upstreams by address and by name.</summary>
internal static class UpstreamLookup
{
    /// <summary>What an address turned out to be.</summary>
    internal enum Found
    {
        /// <summary>Unknown, or a service without a usable endpoint.</summary>
        Nothing,

        /// <summary>A workload that can be dialled.</summary>
        Upstream,

        /// <summary>A service that leaves the destination as the client wrote it.</summary>
        OriginalDestination,
    }

    /// <summary>Service first, then workload: the order once the destination is known not to need a waypoint.</summary>
    internal static Found ByAddress(
        MeshSnapshot mesh, Workload source, string network, IPAddress address, int port, EndpointBalancer.PortRule rule, Random random, out Upstream upstream)
    {
        if (mesh.FindService(network, address, source.Namespace) is { } service)
        {
            return ByService(mesh, source, service, port, rule, random, out upstream);
        }

        if (mesh.FindWorkload(network, address) is { } workload)
        {
            upstream = new Upstream(workload, port, null);
            return Found.Upstream;
        }

        upstream = default;
        return Found.Nothing;
    }

    /// <summary>An endpoint of a service.</summary>
    internal static Found ByService(
        MeshSnapshot mesh, Workload source, MeshService service, int port, EndpointBalancer.PortRule rule, Random random, out Upstream upstream)
    {
        upstream = default;
        if (service.LoadBalancing?.Mode == LoadBalancingMode.Passthrough)
        {
            return Found.OriginalDestination;
        }

        if (EndpointBalancer.Pick(mesh, source, service, port, rule, random) is { } endpoint
            && EndpointBalancer.ResolvePort(service, endpoint, port) is { } target)
        {
            upstream = new Upstream(endpoint.Workload, target, service);
            return Found.Upstream;
        }

        return Found.Nothing;
    }

    /// <summary>An endpoint of a waypoint or network gateway, and the address whose family decides among its own.</summary>
    internal static bool ByGateway(
        MeshSnapshot mesh,
        Workload source,
        GatewayAddress gateway,
        IPAddress originalDestination,
        EndpointBalancer.PortRule rule,
        Random random,
        out Upstream upstream,
        out IPAddress familyOf)
    {
        familyOf = originalDestination;
        if (gateway.Address is { } address)
        {
            familyOf = address.Address;
            return ByAddress(mesh, source, address.Network, address.Address, gateway.HboneMtlsPort, rule, random, out upstream) == Found.Upstream;
        }

        if (mesh.Services.TryGetValue($"{gateway.Namespace}/{gateway.Hostname}", out var service))
        {
            return ByService(mesh, source, service, gateway.HboneMtlsPort, rule, random, out upstream) == Found.Upstream;
        }

        if (mesh.FindWorkloadByHostname(gateway.Namespace!, gateway.Hostname!) is { } workload)
        {
            upstream = new Upstream(workload, gateway.HboneMtlsPort, null);
            return true;
        }

        upstream = default;
        return false;
    }

    /// <summary>The control plane's name of an address that the mesh knows nothing of; null when it does.</summary>
    internal static string? NameIfUnknown(MeshSnapshot mesh, Workload source, string network, IPAddress address) =>
        mesh.FindWorkload(network, address) is null && mesh.FindService(network, address, source.Namespace) is null ? $"{network}/{address}" : null;

    /// <summary>The control plane's name of a gateway that the mesh knows nothing of; null when it does.</summary>
    internal static string? NameIfUnknown(MeshSnapshot mesh, Workload source, GatewayAddress gateway)
    {
        if (gateway.Address is { } address)
        {
            return NameIfUnknown(mesh, source, address.Network, address.Address);
        }

        var name = $"{gateway.Namespace}/{gateway.Hostname}";
        return mesh.Services.ContainsKey(name) || mesh.FindWorkloadByHostname(gateway.Namespace!, gateway.Hostname!) is not null ? null : name;
    }

    /// <summary>Whether a workload is one that a waypoint reference stands for.</summary>
    internal static bool IsBehindGateway(MeshSnapshot mesh, Workload workload, GatewayAddress gateway, string? clientNamespace)
    {
        if (gateway.Address is not { } address)
        {
            return mesh.Services.TryGetValue($"{gateway.Namespace}/{gateway.Hostname}", out var named)
                ? workload.Services.ContainsKey(named.Key)
                : mesh.FindWorkloadByHostname(gateway.Namespace!, gateway.Hostname!)?.Uid == workload.Uid;
        }

        return mesh.FindService(address.Network, address.Address, clientNamespace) is { } service
            ? workload.Services.ContainsKey(service.Key)
            : address.Network == workload.Network && workload.Addresses.Contains(address.Address);
    }
}
