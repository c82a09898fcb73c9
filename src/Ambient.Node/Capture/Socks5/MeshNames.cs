using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;

namespace Ambient.Node.Capture.Socks5;

/// <summary>Names as a pod would resolve them: mesh services, with Kubernetes' search rules of the pod's namespace (reference/ztunnel.md 9).</summary>
internal static class MeshNames
{
    /// <summary>
    /// The address of a name for a client, or null when the mesh does not know it: a virtual address of the client's network, or
    /// one of a headless service's endpoints drawn from <paramref name="random"/>.
    /// </summary>
    public static IPAddress? Resolve(MeshSnapshot mesh, Workload client, string name, string clusterDomain, AddressFamily family, Random random)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(name);
        foreach (var candidate in Candidates(name.TrimEnd('.'), client.Namespace, clusterDomain))
        {
            if (Find(mesh, candidate, client.Namespace, clusterDomain) is { } service)
            {
                return AddressOf(mesh, client, service, family, random);
            }

            if (mesh.FindWorkloadByHostname(client.Namespace, candidate) is { Addresses: [var first, ..] } workload)
            {
                return workload.Addresses.FirstOrDefault(address => address.AddressFamily == family) ?? first;
            }
        }

        return null;
    }

    /// <summary>The name itself, then what Kubernetes' search list makes of it.</summary>
    internal static IEnumerable<string> Candidates(string name, string ns, string domain)
    {
        yield return name;
        var labels = name.Count(c => c == '.') + 1;
        switch (labels)
        {
            case 1:
                yield return $"{name}.{ns}.svc.{domain}";
                break;
            case 2:
                yield return $"{name}.svc.{domain}";
                yield return $"{name}.{ns}.svc.{domain}";
                break;
            case 3:
                if (name.EndsWith(".svc", StringComparison.OrdinalIgnoreCase))
                {
                    yield return $"{name}.{domain}";
                }

                yield return $"{name}.svc.{domain}";
                break;
            case 4 when name.EndsWith(".svc", StringComparison.OrdinalIgnoreCase):
                yield return $"{name}.{domain}";
                break;
        }
    }

    private static MeshService? Find(MeshSnapshot mesh, string hostname, string ns, string domain)
    {
        // The hostname, then wildcards in place of its leftmost labels.
        var tried = hostname;
        while (true)
        {
            if (mesh.FindServiceByHostname(tried, ns) is { } service
                && (service.Vips.Length > 0 || service.Hostname.EndsWith($".svc.{domain}", StringComparison.OrdinalIgnoreCase)))
            {
                return service;
            }

            var start = tried.StartsWith("*.", StringComparison.Ordinal) ? 2 : 0;
            var dot = tried.IndexOf('.', start);
            if (dot < 0)
            {
                return null;
            }

            tried = "*" + tried[dot..];
        }
    }

    private static IPAddress? AddressOf(MeshSnapshot mesh, Workload client, MeshService service, AddressFamily family, Random random)
    {
        if (service.Vips.Length > 0)
        {
            IPAddress? other = null;
            foreach (var vip in service.Vips)
            {
                if (vip.Network != client.Network)
                {
                    continue;
                }

                if (vip.Address.AddressFamily == family)
                {
                    return vip.Address;
                }

                other ??= vip.Address;
            }

            return other;
        }

        var addresses = mesh.EndpointsOf(service)
            .Select(endpoint => endpoint.Workload.Addresses.FirstOrDefault(address => address.AddressFamily == family) ?? endpoint.Workload.Addresses.FirstOrDefault())
            .OfType<IPAddress>()
            .ToArray();
        return addresses.Length == 0 ? null : addresses[random.Next(addresses.Length)];
    }
}
