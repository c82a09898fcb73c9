using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// The one translation from Kubernetes objects to the mesh, whatever source the objects came from. A pure function:
/// the same objects give the same mesh in every process. Its rules are those of reference/waypoint.md 1.1 to 1.5, and
/// its results equal the recorded ones of a real control plane.
/// </summary>
internal static class MeshTranslator
{
    /// <summary>Translates.</summary>
    public static MeshTranslation Translate(KubernetesObjects objects, TranslationOptions options)
    {
        // 1. What a cluster's controllers would have made: pods of Deployments, instances of Gateways, addresses.
        var cluster = ControllerExpansion.Expand(objects, options);

        // 2. Waypoints first: services and workloads point at them.
        var waypoints = new WaypointCatalog(cluster, options);
        var services = new ServiceCatalog(cluster, waypoints, options);

        // 3. Policies next: workloads list those that select them.
        var policies = new PolicyCatalog(cluster, options);

        // 4. Workloads, which bring it all together.
        var workloads = new WorkloadTranslation(cluster, waypoints, services, policies, options).Translate();
        return new MeshTranslation(
            workloads,
            [.. services.All.Select(service => service.Service)],
            policies.Policies,
            RequestTranslation.Translate(cluster, options));
    }
}
