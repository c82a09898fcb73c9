using Ambient.Mesh;

namespace Ambient.Node.Connections;

/// <summary>
/// A workload on whose behalf listeners run. Looked up in the newest snapshot every time, because what is known of it changes;
/// the answer is kept as long as the snapshot is the same.
/// </summary>
internal sealed class LocalWorkload
{
    /// <summary>How long a connection waits for its workload to appear in the mesh.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly IMeshSnapshotProvider _mesh;
    private readonly Func<MeshSnapshot, Workload?> _find;
    private readonly TimeProvider _time;
    private volatile Answer? _last;

    private LocalWorkload(string name, IMeshSnapshotProvider mesh, Func<MeshSnapshot, Workload?> find, TimeProvider time)
    {
        Name = name;
        _mesh = mesh;
        _find = find;
        _time = time;
    }

    /// <summary>Who it is, for errors.</summary>
    public string Name { get; }

    /// <summary>The mesh as it is now.</summary>
    public MeshSnapshot Mesh => _mesh.Current;

    /// <summary>The workload as it is known now; null while the mesh does not know it.</summary>
    public Workload? Current
    {
        get
        {
            var snapshot = _mesh.Current;
            if (_last is { } last && ReferenceEquals(last.Snapshot, snapshot))
            {
                return last.Workload;
            }

            var found = _find(snapshot);
            _last = new Answer(snapshot, found);
            return found;
        }
    }

    /// <summary>The workload that runs as a pod of a service account.</summary>
    public static LocalWorkload ByName(IMeshSnapshotProvider mesh, string ns, string name, string serviceAccount, string? node, TimeProvider time) =>
        new($"{serviceAccount}.{ns} ({name})", mesh, snapshot => snapshot.FindWorkload(ns, name, serviceAccount, node), time);

    /// <summary>The workload that runs as a pod, whatever its service account.</summary>
    public static LocalWorkload ByPod(IMeshSnapshotProvider mesh, string ns, string name, TimeProvider time) =>
        new($"{ns}/{name}", mesh, snapshot => FindPod(snapshot, ns, name), time);

    /// <summary>The workload of a uid.</summary>
    public static LocalWorkload ByUid(IMeshSnapshotProvider mesh, string uid, TimeProvider time) =>
        new(uid, mesh, snapshot => snapshot.Workloads.GetValueOrDefault(uid), time);

    /// <summary>The workload, waiting up to <see cref="Patience"/> for the mesh to know it; null when it does not.</summary>
    public ValueTask<Workload?> GetAsync(CancellationToken cancellationToken) =>
        Current is { } known ? ValueTask.FromResult<Workload?>(known) : WaitAsync(cancellationToken);

    private static Workload? FindPod(MeshSnapshot snapshot, string ns, string name)
    {
        foreach (var (_, workload) in snapshot.Workloads)
        {
            if (workload.Name == name && workload.Namespace == ns && !workload.Addresses.IsEmpty)
            {
                return workload;
            }
        }

        return null;
    }

    private async ValueTask<Workload?> WaitAsync(CancellationToken cancellationToken)
    {
        var changed = new SemaphoreSlim(0);
        using var subscription = _mesh.OnChange(_ => changed.Release());
        var deadline = _time.GetTimestamp();
        while (true)
        {
            if (Current is { } known)
            {
                return known;
            }

            var left = Patience - _time.GetElapsedTime(deadline);
            if (left <= TimeSpan.Zero)
            {
                return null;
            }

            try
            {
                await changed.WaitAsync(cancellationToken).WaitAsync(left, _time, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                return Current;
            }
        }
    }

    private sealed record Answer(MeshSnapshot Snapshot, Workload? Workload);
}
