using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Node.Authorities;

/// <summary>
/// Fetches the certificates of a node's own workloads before their first connection, and drops those of workloads that are gone.
/// </summary>
internal sealed class SvidWarmup : IDisposable
{
    private readonly SvidCache _svids;
    private readonly Func<MeshSnapshot, IEnumerable<Workload>> _own;
    private readonly IDisposable _subscription;
    private readonly Lock _lock = new();
    private HashSet<SpiffeId> _warm = [];

    /// <summary>Starts following the mesh.</summary>
    /// <param name="mesh">Mesh.</param>
    /// <param name="svids">Cache to fill.</param>
    /// <param name="nodeName">Node whose workloads are ours; null: all.</param>
    public SvidWarmup(IMeshSnapshotProvider mesh, SvidCache svids, string? nodeName)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        _svids = svids;
        _own = snapshot => nodeName is null ? snapshot.Workloads.Select(static pair => pair.Value) : snapshot.WorkloadsOfNode(nodeName);
        _subscription = mesh.OnChange(Follow);
        Follow(mesh.Current);
    }

    /// <summary>Stops following.</summary>
    public void Dispose() => _subscription.Dispose();

    private void Follow(MeshSnapshot mesh)
    {
        lock (_lock)
        {
            // As in the original: a workload that speaks HBONE itself, such as a waypoint, may also sit behind this ztunnel.
            var wanted = _own(mesh)
                .Where(workload => workload.Protocol == TunnelProtocol.Hbone || workload.NativeTunnel)
                .Select(workload => workload.Identity)
                .ToHashSet();
            foreach (var gone in _warm.Except(wanted))
            {
                _svids.Forget(gone);
            }

            foreach (var fresh in wanted.Except(_warm))
            {
                _svids.Warmup(fresh);
            }

            _warm = wanted;
        }
    }
}
