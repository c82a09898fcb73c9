namespace Ambient.Mesh;

/// <summary>
/// What one source contributes to a <see cref="MeshStore"/>. A source can neither change nor remove what another part holds.
/// When the source ends, its part stays as it was last, until <see cref="Remove"/>. Thread-safe.
/// </summary>
public sealed class MeshPart
{
    private readonly MeshStore _store;

    internal MeshPart(MeshStore store, string name) => (_store, Name) = (store, name);

    /// <summary>Who owns it.</summary>
    public string Name { get; }

    /// <summary>The objects of this part; null while it is the only part, and the mesh is what it holds.</summary>
    internal PartContents? Contents { get; private set; }

    /// <summary>
    /// Changes this part and publishes the outcome as one snapshot, after every update that began before. When
    /// <paramref name="change"/> throws, nothing has happened.
    /// </summary>
    /// <param name="change">Makes the changes; must not update the store by other ways, and is called once.</param>
    /// <returns>The mesh of all parts; the one before when nothing changed.</returns>
    /// <exception cref="InvalidOperationException">The part was removed.</exception>
    public MeshSnapshot Update(Action<MeshPartUpdate> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        return _store.Update(this, change);
    }

    /// <summary>Takes everything that this part holds out of the mesh, and the part itself. A second call does nothing.</summary>
    public void Remove() => _store.Remove(this);

    internal void Separate(MeshSnapshot mesh) => Contents = new PartContents(mesh);
}
