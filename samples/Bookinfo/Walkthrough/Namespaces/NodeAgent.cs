using Ambient.Mesh;
using Ambient.Node.Capture.PodNetwork;
using Microsoft.Extensions.Logging;

namespace Ambient.Samples.Bookinfo.Walkthrough.Namespaces;

/// <summary>
/// The network plugin's part on one node: tells the node's ztunnel of pods that are enrolled, leads their traffic to it, and takes both
/// back when they are not any more.
/// </summary>
internal sealed class NodeAgent : IAsyncDisposable
{
    private readonly string _node;
    private readonly ClusterNetwork _network;
    private readonly ZdsServer _ztunnels;
    private readonly Dictionary<string, Workload> _enrolled = new(StringComparer.Ordinal);

    public NodeAgent(string node, ClusterNetwork network, string socketPath, ILogger logger)
    {
        _node = node;
        _network = network;
        SocketPath = socketPath;
        _ztunnels = ZdsServer.Listen(socketPath, TimeProvider.System, logger);
    }

    /// <summary>Where ztunnel finds it.</summary>
    public string SocketPath { get; }

    /// <summary>Enrols and releases what the mesh says of this node's pods.</summary>
    public async Task UpdateAsync(MeshSnapshot mesh, CancellationToken cancellation)
    {
        var wanted = mesh.Workloads.Values.Where(pod => pod.Node == _node && IsEnrolled(pod) && _network.Has(pod.Name)).ToList();
        var changed = false;
        foreach (var gone in _enrolled.Values.Where(pod => wanted.TrueForAll(other => other.Uid != pod.Uid)).ToList())
        {
            changed = true;
            _enrolled.Remove(gone.Uid);
            if (_network.Has(gone.Name))
            {
                await PodRedirection.RemoveAsync(_network[gone.Name], cancellation);
            }

            await _ztunnels.DeleteAsync(gone.Uid, cancellation);
        }

        foreach (var pod in wanted.Where(pod => !_enrolled.ContainsKey(pod.Uid)))
        {
            // The listeners first: nothing is redirected to where nobody listens.
            changed = true;
            await _ztunnels.AddAsync(new ZdsPod(pod.Uid, pod.Namespace, pod.Name, pod.ServiceAccount, _network[pod.Name]), cancellation);
            await PodRedirection.InstallAsync(_network[pod.Name], PodCapture.All, cancellation);
            _enrolled[pod.Uid] = pod;
        }

        if (changed)
        {
            await _network.NftAsync(_node, ProbeRules.Install([.. wanted.SelectMany(pod => pod.Addresses)]));
        }
    }

    /// <summary>Whether a pod's traffic is ztunnel's: gateways and waypoints speak HBONE themselves.</summary>
    private static bool IsEnrolled(Workload pod) => pod is { Protocol: TunnelProtocol.Hbone, NativeTunnel: false };

    public ValueTask DisposeAsync() => _ztunnels.DisposeAsync();
}
