using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Indexing;

namespace Ambient.Policy.Routing.Requests;

/// <summary>What compiled routes were made of, besides the place: what has changed of it in another mesh is told by it.</summary>
internal sealed class RouteInputs(MeshSnapshot mesh)
{
    private readonly ImmutableDictionary<string, HttpRoute> _routes = mesh.Requests.HttpRoutes;
    private readonly IReadOnlyDictionary<string, MeshService> _services = mesh.Services;
    private readonly ImmutableDictionary<string, ReferenceGrant> _grants = mesh.Requests.ReferenceGrants;
    private readonly ImmutableArray<UnmetProtection> _protections = mesh.Requests.UnmetProtections;
    private readonly string _clusterDomain = mesh.Requests.ClusterDomain;

    /// <summary>Whether it is the same in a mesh.</summary>
    internal bool IsSame(MeshSnapshot other) => HasSameRoutes(other) && IsSameBesidesRoutes(other);

    /// <summary>Whether the routes themselves are the same.</summary>
    internal bool HasSameRoutes(MeshSnapshot other) => ReferenceEquals(_routes, other.Requests.HttpRoutes);

    /// <summary>What has become of routes in a mesh.</summary>
    /// <param name="other">The mesh.</param>
    /// <param name="compiled">What was compiled of the routes that are known.</param>
    internal Change ChangeTo(MeshSnapshot other, ImmutableArray<CompiledRoute> compiled)
    {
        var (removed, added) = MapDifference<HttpRoute>.Between(_routes, other.Requests.HttpRoutes);
        var gone = removed.ToHashSet<object>(ReferenceEqualityComparer.Instance);
        var anew = new HashSet<HttpRoute>(added, ReferenceEqualityComparer.Instance);
        if (!IsSameBesidesRoutes(other))
        {
            foreach (var route in compiled)
            {
                if (!gone.Contains(route.Route) && !route.HoldsFor(other))
                {
                    gone.Add(route.Route);
                    anew.Add(route.Route);
                }
            }
        }

        var (kept, left) = (compiled, ImmutableArray<CompiledRoute>.Empty);
        if (gone.Count > 0)
        {
            left = [.. compiled.Where(route => gone.Contains(route.Route))];
            kept = left.IsEmpty ? compiled : [.. compiled.Where(route => !gone.Contains(route.Route))];
        }

        return new Change([.. gone.Cast<HttpRoute>()], [.. anew], left, kept);
    }

    private bool IsSameBesidesRoutes(MeshSnapshot other) =>
        ReferenceEquals(_services, other.Services) && ReferenceEquals(_grants, other.Requests.ReferenceGrants)
        && _clusterDomain == other.Requests.ClusterDomain && _protections.AsSpan().SequenceEqual(other.Requests.UnmetProtections.AsSpan());

    /// <summary>What has become of routes.</summary>
    /// <param name="Gone">Routes that are no longer there, are others, or mean something else.</param>
    /// <param name="Anew">Routes to be compiled, where they are for the place.</param>
    /// <param name="Left">What was compiled of the first.</param>
    /// <param name="Kept">What was compiled and still holds.</param>
    internal sealed record Change(ImmutableArray<HttpRoute> Gone, ImmutableArray<HttpRoute> Anew, ImmutableArray<CompiledRoute> Left, ImmutableArray<CompiledRoute> Kept);
}
