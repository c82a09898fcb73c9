using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Ambient.Mesh;

namespace Ambient.Samples.Bookinfo.Walkthrough.Namespaces;

/// <summary>What kube-proxy does on a node: an address of a service leads to one of its pods, each as often as the others.</summary>
internal static class ServiceRules
{
    private const string Table = "kube_proxy";

    /// <summary>The nft script for a mesh's services, in place of the one before.</summary>
    public static string For(MeshSnapshot mesh)
    {
        var script = new StringBuilder($"table inet {Table}\ndelete table inet {Table}\ntable inet {Table} {{\n  chain services {{\n")
            .Append("    type nat hook prerouting priority -100; policy accept;\n");
        foreach (var service in mesh.Services.Values.OrderBy(service => service.Key, StringComparer.Ordinal))
        {
            foreach (var vip in service.Vips.Where(vip => vip.Address.AddressFamily == AddressFamily.InterNetwork))
            {
                foreach (var port in service.Ports)
                {
                    Append(script, mesh, service, vip, port);
                }
            }
        }

        return script.Append("  }\n}\n").ToString();
    }

    private static void Append(StringBuilder script, MeshSnapshot mesh, MeshService service, NetworkAddress vip, ServicePort port)
    {
        var endpoints = mesh.EndpointsOf(service)
            .Select(endpoint => (
                Address: endpoint.Workload.Addresses.FirstOrDefault(address => address.AddressFamily == AddressFamily.InterNetwork),
                Port: endpoint.Ports.FirstOrDefault(mapped => mapped.Port == port.Port) is { TargetPort: > 0 } mapped ? mapped.TargetPort : port.TargetPort))
            .Where(endpoint => endpoint is { Address: not null, Port: > 0 })
            .OrderBy(endpoint => $"{endpoint.Address}", StringComparer.Ordinal)
            .ToList();
        for (var at = 0; at < endpoints.Count; at++)
        {
            // Each takes its share of what those before it left.
            var left = endpoints.Count - at;
            script.Append(CultureInfo.InvariantCulture, $"    ip daddr {vip.Address} tcp dport {port.Port} ");
            script.Append(left > 1 ? $"numgen random mod {left} 0 " : "");
            script.Append(CultureInfo.InvariantCulture, $"dnat ip to {endpoints[at].Address}:{endpoints[at].Port}\n");
        }
    }
}
