using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Tests;

/// <summary>Small meshes in the words of the situations they stand for.</summary>
internal static class MeshFixture
{
    internal static Workload Pod(string name, string ns = "ns", params string[] addresses) => new()
    {
        Uid = $"Kubernetes//Pod/{ns}/{name}",
        Name = name,
        Namespace = ns,
        ServiceAccount = name,
        Addresses = [.. addresses.Select(IPAddress.Parse)],
    };

    internal static Workload Hbone(this Workload workload) => workload with { Protocol = TunnelProtocol.Hbone };

    internal static Workload Behind(this Workload workload, MeshService service, params (int Port, int Target)[] ports) => workload with
    {
        Services = workload.Services.SetItem(service.Key, [.. ports.Select(port => new ServicePort(port.Port, port.Target))]),
    };

    internal static MeshService Service(string name, string? vip = null, params (int Port, int Target)[] ports) => new()
    {
        Name = name,
        Namespace = "ns",
        Hostname = $"{name}.ns.svc.cluster.local",
        Vips = vip is null ? [] : [new NetworkAddress("", IPAddress.Parse(vip))],
        Ports = [.. ports.Select(port => new ServicePort(port.Port, port.Target))],
    };

    internal static MeshSnapshot Snapshot(params object[] objects)
    {
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty);
        foreach (var item in objects)
        {
            _ = item switch
            {
                Workload workload => builder.Set(workload),
                MeshService service => builder.Set(service),
                AuthorizationPolicy policy => builder.Set(policy),
                RequestConfiguration requests => builder.Set(requests),
                _ => throw new ArgumentException($"{item} has no place in a mesh", nameof(objects)),
            };
        }

        return builder.Build();
    }

    internal static GatewayAddress At(string address, int port = 15008) =>
        GatewayAddress.ByAddress(new NetworkAddress("", IPAddress.Parse(address)), port);

    internal static IPEndPoint To(string endpoint) => IPEndPoint.Parse(endpoint);

    internal static ImmutableArray<T> Only<T>(T item) => [item];
}
