namespace Ambient.Mesh;

/// <summary>Where engines read the mesh from. They never know which source filled it.</summary>
public interface IMeshSnapshotProvider
{
    /// <summary>The newest snapshot: consistent in itself, read without a lock, never changed after publication.</summary>
    MeshSnapshot Current { get; }

    /// <summary>
    /// Calls <paramref name="changed"/> after each swap, in order, on the thread that published. The callback must be
    /// short and must not throw. Dispose to stop.
    /// </summary>
    IDisposable OnChange(Action<MeshSnapshot> changed);
}
