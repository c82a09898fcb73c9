using System.Net;
using Ambient.Mesh;

namespace Ambient.Node.Capture.Loopback;

/// <summary>What a cluster does with a connection without a mesh: service addresses lead to endpoints (kube-proxy's part), others stay.</summary>
internal static class ClusterRouting
{
    /// <summary>Where a connection goes; no endpoint when the service has none for the port.</summary>
    public static ClusterRoute Resolve(MeshSnapshot mesh, Workload? source, IPEndPoint destination, Random random)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(destination);
        var network = source?.Network ?? "";
        if (mesh.FindService(network, destination.Address, source?.Namespace) is not { } service)
        {
            return new ClusterRoute(destination, mesh.FindWorkload(network, destination.Address), null);
        }

        if (service.LoadBalancing?.Mode == LoadBalancingMode.Passthrough)
        {
            return new ClusterRoute(destination, mesh.FindWorkload(network, destination.Address), service);
        }

        var candidates = new List<(IPEndPoint, Workload)>();
        foreach (var endpoint in mesh.EndpointsOf(service))
        {
            var address = endpoint.Workload.Addresses.FirstOrDefault(a => a.AddressFamily == destination.AddressFamily);
            if (address is not null && PortOf(endpoint, service, destination.Port) is { } port)
            {
                candidates.Add((new IPEndPoint(address, port), endpoint.Workload));
            }
        }

        if (candidates.Count == 0)
        {
            return new ClusterRoute(null, null, service);
        }

        var (chosen, workload) = candidates[random.Next(candidates.Count)];
        return new ClusterRoute(chosen, workload, service);
    }

    private static int? PortOf(MeshEndpoint endpoint, MeshService service, int servicePort)
    {
        foreach (var mapped in endpoint.Ports)
        {
            if (mapped.Port == servicePort && mapped.TargetPort > 0)
            {
                return mapped.TargetPort;
            }
        }

        foreach (var declared in service.Ports)
        {
            if (declared.Port == servicePort)
            {
                return declared.TargetPort > 0 ? declared.TargetPort : null;
            }
        }

        return null;
    }
}

/// <summary>Where a connection goes without a mesh.</summary>
/// <param name="Endpoint">Address; null when there is nowhere to go.</param>
/// <param name="Workload">Workload at the address.</param>
/// <param name="Service">Service that was meant.</param>
internal readonly record struct ClusterRoute(IPEndPoint? Endpoint, Workload? Workload, MeshService? Service);
