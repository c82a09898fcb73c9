using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// Holds the newest <see cref="MeshSnapshot"/>. Each source of the mesh has a part of its own here
/// (<see cref="AddPart"/>) and changes nothing else; updates are serialised, and engines read without a lock.
/// </summary>
public sealed class MeshStore : IMeshSnapshotProvider
{
    private readonly Lock _publishing = new();
    private volatile MeshSnapshot _current = MeshSnapshot.Empty;
    private ImmutableArray<MeshPart> _parts = [];
    private Action<MeshSnapshot>[] _watchers = [];

    /// <inheritdoc/>
    public MeshSnapshot Current => _current;

    /// <summary>
    /// Adds an empty part. The order in which parts are added decides conflicts: where two sources hold an object of the same key, the
    /// earlier part's is in the mesh, and the later one's takes its place when the earlier source removes it. Where objects
    /// of two parts claim one address or hostname, claims are looked at in the order of the parts.
    /// </summary>
    /// <param name="name">Who owns it, for messages.</param>
    /// <exception cref="InvalidOperationException">A mesh was published that belongs to no part.</exception>
    public MeshPart AddPart(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        lock (_publishing)
        {
            if (_parts.IsEmpty && !ReferenceEquals(_current, MeshSnapshot.Empty))
            {
                throw new InvalidOperationException("a mesh was published whole; a store is either written whole or by parts");
            }

            var part = new MeshPart(this, name);
            _parts = _parts.Add(part);
            if (_parts.Length == 2)
            {
                // The only part needs no list of what is its own.
                _parts[0].Separate(_current);
            }

            if (_parts.Length > 1)
            {
                part.Separate(MeshSnapshot.Empty);
            }

            return part;
        }
    }

    /// <summary>Swaps the snapshot and tells every watcher, in the order of publication. For a mesh with a single writer.</summary>
    /// <exception cref="InvalidOperationException">The mesh has parts, whose owners write it.</exception>
    public void Publish(MeshSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        lock (_publishing)
        {
            if (!_parts.IsEmpty)
            {
                throw new InvalidOperationException("the mesh has parts; update one of them instead");
            }

            Swap(snapshot);
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

    internal MeshSnapshot Update(MeshPart part, Action<MeshPartUpdate> change)
    {
        lock (_publishing)
        {
            if (!_parts.Contains(part))
            {
                throw new InvalidOperationException($"the part {part.Name} was removed from the mesh");
            }

            var update = new MeshPartUpdate(part, _parts, _current);
            MeshSnapshot next;
            try
            {
                change(update);
                next = update.Build();
            }
            catch
            {
                part.Contents?.Rollback();
                throw;
            }
            finally
            {
                update.End();
            }

            part.Contents?.Commit();
            if (!ReferenceEquals(next, _current))
            {
                Swap(next);
            }

            return next;
        }
    }

    internal void Remove(MeshPart part)
    {
        lock (_publishing)
        {
            if (_parts.Contains(part))
            {
                Update(part, static update => update.ReplaceAll([], [], []).Set(RequestConfiguration.Empty));
                _parts = _parts.Remove(part);
            }
        }
    }

    private void Swap(MeshSnapshot snapshot)
    {
        _current = snapshot;
        foreach (var watcher in _watchers)
        {
            watcher(snapshot);
        }
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
