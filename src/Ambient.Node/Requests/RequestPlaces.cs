using System.Collections.Concurrent;
using Ambient.Mesh;

namespace Ambient.Node.Requests;

/// <summary>
/// Places of the newest snapshot, compiled when first asked for. A new snapshot starts an empty set, so what a request
/// sees is consistent; lookups take no lock.
/// </summary>
internal sealed class RequestPlaces(IMeshSnapshotProvider meshes, Func<MeshSnapshot, string, RequestPlace?> compile)
{
    private Generation _generation = new(MeshSnapshot.Empty);

    /// <summary>The place known by <paramref name="key"/> in the newest snapshot; null when it is not there.</summary>
    public RequestPlace? Find(string key)
    {
        var mesh = meshes.Current;
        var generation = Volatile.Read(ref _generation);
        if (generation.Mesh != mesh)
        {
            // Losing this race only compiles a place twice.
            generation = new Generation(mesh);
            Volatile.Write(ref _generation, generation);
        }

        if (!generation.Places.TryGetValue(key, out var place))
        {
            place = compile(mesh, key);
            generation.Places.TryAdd(key, place);
        }

        return place;
    }

    private sealed class Generation(MeshSnapshot mesh)
    {
        public MeshSnapshot Mesh { get; } = mesh;

        public ConcurrentDictionary<string, RequestPlace?> Places { get; } = new(StringComparer.Ordinal);
    }
}
