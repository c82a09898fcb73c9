using System.Collections.Concurrent;
using Ambient.Mesh;

namespace Ambient.Node.Requests;

/// <summary>
/// Places of the newest snapshot, found when first asked for. A new snapshot starts an empty set, so what a request
/// sees is consistent; what was compiled for an earlier one is taken over where its inputs are the same instances, so that an
/// update of workloads compiles nothing. Lookups take no lock.
/// </summary>
/// <param name="meshes">The mesh.</param>
/// <param name="find">
/// Finds the place of a key in a snapshot, given what was compiled for it before, or null; null when it is not there (any more).
/// </param>
internal sealed class RequestPlaces(IMeshSnapshotProvider meshes, Func<MeshSnapshot, string, CompiledPlace?, CompiledPlace?> find)
{
    private readonly ConcurrentDictionary<string, CompiledPlace> _compiled = new(StringComparer.Ordinal);
    private Generation _generation = new(MeshSnapshot.Empty);

    /// <summary>The place known by <paramref name="key"/> in the newest snapshot; null when it is not there.</summary>
    public RequestPlace? Find(string key)
    {
        var mesh = meshes.Current;
        var generation = Volatile.Read(ref _generation);
        if (generation.Mesh != mesh)
        {
            // Losing this race only finds a place twice.
            if (!ReferenceEquals(generation.Mesh.Services, mesh.Services))
            {
                ForgetGone(mesh);
            }

            generation = new Generation(mesh);
            Volatile.Write(ref _generation, generation);
        }

        // A gateway has one place only: that is found without asking for names.
        if (generation.First is { } first && ReferenceEquals(first.Key, key))
        {
            return first.Place;
        }

        if (!generation.Places.TryGetValue(key, out var place))
        {
            place = Find(mesh, key);
            generation.Places.TryAdd(key, place);
            generation.First ??= new Found(key, place);
        }

        return place;
    }

    /// <summary>Places that are held, whether they are there or not.</summary>
    internal int Compiled => _compiled.Count;

    /// <summary>Nobody need ask for a service that has gone: what was compiled for it goes with it.</summary>
    private void ForgetGone(MeshSnapshot mesh)
    {
        foreach (var (key, place) in _compiled)
        {
            if (place.Service is { } service && !mesh.Services.ContainsKey(service.Key))
            {
                _compiled.TryRemove(key, out _);
            }
        }
    }

    private RequestPlace? Find(MeshSnapshot mesh, string key)
    {
        if (find(mesh, key, _compiled.GetValueOrDefault(key)) is not { } compiled)
        {
            _compiled.TryRemove(key, out _);
            return null;
        }

        _compiled[key] = compiled;
        return new RequestPlace(mesh, compiled.Service, compiled.Policies, compiled.Routes) { Telemetry = compiled.Telemetry, Headers = compiled.Headers };
    }

    private sealed class Generation(MeshSnapshot mesh)
    {
        public MeshSnapshot Mesh { get; } = mesh;

        public ConcurrentDictionary<string, RequestPlace?> Places { get; } = new(StringComparer.Ordinal);

        /// <summary>The one that was asked for first; null: none was. Losing a race keeps either.</summary>
        public Found? First { get; set; }
    }

    private sealed record Found(string Key, RequestPlace? Place);
}
