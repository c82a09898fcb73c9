using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Connections;
using Ambient.Policy.Routing.Names;

namespace Ambient.Node.Capture.Loopback;

/// <summary>Resolves names on one machine, where no DNS proxy listens: the mesh knows its own, workloads' host names too, and the machine the rest.</summary>
internal sealed class LoopbackHostResolver(IMeshSnapshotProvider mesh, NameRules rules) : IHostResolver
{
    /// <inheritdoc/>
    public async ValueTask<IPAddress?> ResolveAsync(string name, AddressFamily family, LocalWorkload local, CancellationToken cancellationToken)
    {
        var workload = await local.GetAsync(cancellationToken).ConfigureAwait(false);
        if (workload is not null && MeshNames.Resolve(mesh.Current, workload, name, rules, family, Random.Shared) is { } known)
        {
            return known;
        }

        // A cluster name that the mesh does not know is known to nobody.
        if ($".{name.TrimEnd('.')}".EndsWith($".{rules.ClusterDomain}", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        try
        {
            var addresses = await System.Net.Dns.GetHostAddressesAsync(name, cancellationToken).ConfigureAwait(false);
            return addresses.FirstOrDefault(address => address.AddressFamily == family) ?? addresses.FirstOrDefault();
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return null;
        }
    }
}
