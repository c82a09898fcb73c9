using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Capture.Dns;
using Ambient.Policy.Routing.Names;

namespace Ambient.Node.Admin.Explain;

/// <summary>The connection that is asked about: from whom, and to what.</summary>
/// <param name="Source">Who.</param>
/// <param name="Destination">To what address.</param>
/// <param name="Name">The name that was asked for; null when it was an address.</param>
internal sealed record ExplainQuestion(Workload Source, IPEndPoint Destination, string? Name)
{
    /// <summary>How to ask.</summary>
    public const string Usage =
        """
        usage: GET /explain?src=<workload>&dst=<destination>[&format=json]
          src: namespace/name of a pod, its address, or the uid of a workload
          dst: address:port, name:port (as the pod would write it), or namespace/service:port

        """;

    /// <summary>Reads a question against the mesh. Null: it cannot be answered, and <paramref name="error"/> and <paramref name="status"/> say why.</summary>
    public static ExplainQuestion? Read(MeshSnapshot mesh, string? src, string? dst, string network, NameRules rules, out string error, out int status)
    {
        (error, status) = ("", 400);
        if (string.IsNullOrEmpty(src) || string.IsNullOrEmpty(dst))
        {
            error = $"{(string.IsNullOrEmpty(src) ? "src" : "dst")} is missing";
            return null;
        }

        if (FindSource(mesh, src, network) is not { } source)
        {
            (error, status) = ($"src: the mesh has no workload \"{src}\"", 404);
            return null;
        }

        if (IPEndPoint.TryParse(dst, out var address) && address.Port > 0)
        {
            return new ExplainQuestion(source, address, null);
        }

        var colon = dst.LastIndexOf(':');
        if (colon <= 0 || !ushort.TryParse(dst.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0)
        {
            error = $"dst: \"{dst}\" has no port";
            return null;
        }

        var name = dst[..colon];
        var full = name.Split('/') is [var ns, var service] ? $"{service}.{ns}.svc.{rules.ClusterDomain}" : name;
        var family = source.Addresses is [var first, ..] ? first.AddressFamily : AddressFamily.InterNetwork;
        if (MeshNames.Resolve(mesh, source, full, rules, family, Random.Shared) is { } found)
        {
            return new ExplainQuestion(source, new IPEndPoint(found, port), full);
        }

        (error, status) = ($"dst: the mesh does not know the name \"{full}\" as {source.Namespace}/{source.Name} would ask for it; the node's name servers would be asked", 404);
        return null;
    }

    private static Workload? FindSource(MeshSnapshot mesh, string src, string network)
    {
        if (mesh.Workloads.TryGetValue(src, out var byUid))
        {
            return byUid;
        }

        if (IPAddress.TryParse(src, out var address))
        {
            return mesh.FindWorkload(network, address);
        }

        return src.Split('/') is [var ns, var name]
            ? mesh.Workloads.Values.Where(workload => workload.Namespace == ns && workload.Name == name).MinBy(workload => workload.Uid, StringComparer.Ordinal)
            : null;
    }
}
