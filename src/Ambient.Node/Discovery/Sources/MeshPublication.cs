using System.Collections.Immutable;
using System.Globalization;
using Ambient.Mesh;
using Ambient.Node.Discovery.Translation;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery.Sources;

/// <summary>Makes a source's mesh live and says in one line what changed.</summary>
internal static class MeshPublication
{
    /// <summary>
    /// Makes <paramref name="mesh"/> the whole of a source's part, unless it is that already. <paramref name="requestsOnly"/>: only what waypoints
    /// and gateways read of it.
    /// </summary>
    public static void Publish(MeshPart part, MeshTranslation mesh, ILogger logger, bool requestsOnly = false)
    {
        var before = MeshSnapshot.Empty;
        var after = part.Update(update =>
        {
            before = update.Previous;
            (requestsOnly ? update : update.ReplaceAll(mesh.Workloads, mesh.Services, mesh.Policies)).Set(mesh.Requests);
        });
        var counts = string.Create(
            CultureInfo.InvariantCulture,
            $"{after.Workloads.Count} workloads, {after.Services.Count} services, {PolicyCount(after)} policies, {after.Requests.HttpRoutes.Count} routes");
        if (ReferenceEquals(before, after))
        {
            DiscoveryLog.Unchanged(logger, part.Name, counts);
            return;
        }

        DiscoveryLog.Loaded(logger, part.Name, counts, Changes(before, after));
    }

    /// <summary>Policies at L4 and those that only requests are evaluated on.</summary>
    private static int PolicyCount(MeshSnapshot mesh) =>
        mesh.Policies.Count + mesh.Requests.AuthorizationPolicies.Keys.Count(key => !mesh.Policies.ContainsKey(key));

    private static string Changes(MeshSnapshot before, MeshSnapshot after)
    {
        var parts = new List<string>();
        Add(parts, "workloads", before.Workloads, after.Workloads);
        Add(parts, "services", before.Services, after.Services);
        Add(parts, "L4 policies", before.Policies, after.Policies);
        Add(parts, "gateways", before.Requests.Gateways, after.Requests.Gateways);
        Add(parts, "routes", before.Requests.HttpRoutes, after.Requests.HttpRoutes);
        Add(parts, "request policies", before.Requests.AuthorizationPolicies, after.Requests.AuthorizationPolicies);
        return parts.Count == 0 ? "" : $" ({string.Join("; ", parts)})";
    }

    private static void Add<T>(List<string> parts, string what, IReadOnlyDictionary<string, T> before, IReadOnlyDictionary<string, T> after)
        where T : class
    {
        if (ReferenceEquals(before, after))
        {
            return;
        }

        int added = 0, changed = 0;
        foreach (var (key, value) in after)
        {
            if (!before.TryGetValue(key, out var old))
            {
                added++;
            }
            else if (!ReferenceEquals(old, value) && !old.Equals(value))
            {
                changed++;
            }
        }

        var removed = before.Count - (after.Count - added);
        if (added + changed + removed > 0)
        {
            parts.Add(string.Create(CultureInfo.InvariantCulture, $"{what} +{added} ~{changed} -{removed}"));
        }
    }
}
