using Ambient.Mesh;
using Ambient.Node.Connections;

namespace Ambient.Node.Requests;

/// <summary>
/// A request under way, in the table of what is open: one that lasts (a WebSocket, a stream, a large body) is asked about again like a
/// connection, and ended like one. Used again for the next request, so that one that does not last allocates nothing.
/// </summary>
internal sealed class OpenRequest(ConnectionTable table, IConnectionGround ground) : OpenFlow
{
    private readonly Lock _gate = new();
    private Action? _abort;
    private bool _decided;
    private volatile bool _missedChange;

    /// <summary>Registers a request, before anything is decided about it.</summary>
    /// <param name="abort">
    /// Ends the request at once. Called from any thread, at most once, and never after <see cref="Close"/>: under a lock that the end of the request wants,
    /// so nothing of the request may go on within the call.
    /// </param>
    public void Begin(Action abort)
    {
        // Who still holds what the table gave out before the end of the request before looks at it under the lock, and finds nothing to end.
        Volatile.Write(ref _abort, abort);
        table.Add(this);
    }

    /// <summary>The request was let in over some snapshot. False when the mesh has changed since then and objects.</summary>
    public bool Admit(IMeshSnapshotProvider meshes)
    {
        // Whoever comes with a change notes that it may be missed before he looks whether this is decided: one of the two sees the other. Where both do, one of
        // them claims the request.
        Interlocked.Exchange(ref _decided, true);
        if (!_missedChange)
        {
            return true;
        }

        lock (_gate)
        {
            return !ObjectsTo(meshes.Current);
        }
    }

    /// <summary>Takes the request off the table. Nothing looks at it from here on.</summary>
    public void Close()
    {
        table.Remove(this);
        lock (_gate)
        {
            _abort = null;
            _decided = _missedChange = false;
            Renew();
        }
    }

    /// <inheritdoc/>
    internal override bool Objects(MeshSnapshot mesh)
    {
        // Under the lock nobody can take what the request said away for the next one.
        lock (_gate)
        {
            if (!Volatile.Read(ref _decided))
            {
                _missedChange = true;
                Interlocked.MemoryBarrier();
            }

            return _abort is not null && Volatile.Read(ref _decided) && ObjectsTo(mesh);
        }
    }

    /// <inheritdoc/>
    internal override void Cut()
    {
        lock (_gate)
        {
            if (EndedBy != ConnectionEnd.None)
            {
                _abort?.Invoke();
            }
        }
    }

    private bool ObjectsTo(MeshSnapshot mesh) => ground.ObjectionIn(mesh) is { } objection && Claim(objection.Cause, objection.Reason);
}
