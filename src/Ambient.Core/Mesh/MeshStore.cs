namespace Ambient.Mesh;

/// <summary>Holds the newest <see cref="MeshSnapshot"/>. Sources publish here; engines read.</summary>
public sealed class MeshStore : IMeshSnapshotProvider
{
    private readonly Lock _publishing = new();
    private volatile MeshSnapshot _current = MeshSnapshot.Empty;
    private Action<MeshSnapshot>[] _watchers = [];

    /// <inheritdoc/>
    public MeshSnapshot Current => _current;

    /// <summary>Swaps the snapshot and tells every watcher, in the order of publication.</summary>
    public void Publish(MeshSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        lock (_publishing)
        {
            _current = snapshot;
            foreach (var watcher in _watchers)
            {
                watcher(snapshot);
            }
        }
    }

    /// <inheritdoc/>
    public IDisposable OnChange(Action<MeshSnapshot> changed)
    {
        ArgumentNullException.ThrowIfNull(changed);
        lock (_publishing)
        {
            _watchers = [.. _watchers, changed];
        }

        return new Subscription(this, changed);
    }

    private void Remove(Action<MeshSnapshot> changed)
    {
        lock (_publishing)
        {
            _watchers = [.. _watchers.Where(watcher => watcher != changed)];
        }
    }

    private sealed class Subscription(MeshStore store, Action<MeshSnapshot> changed) : IDisposable
    {
        public void Dispose() => store.Remove(changed);
    }
}
