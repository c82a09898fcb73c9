using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// The one translation from Kubernetes objects to the mesh, whatever source the objects came from. A pure function:
/// the same objects give the same mesh in every process, and its results equal the recorded ones of a real control plane.
/// A translator remembers its last translation, so that the next one costs what changed, and shares the rest with it. Not thread-safe.
/// </summary>
internal sealed class MeshTranslator
{
    private readonly TranslationMemory _memory = new();
    private TranslationOptions? _options;

    /// <summary>How many of each kind of thing the last translation made, rather than kept.</summary>
    public IReadOnlyDictionary<string, int> Made => _memory.Made;

    /// <summary>Translates from scratch.</summary>
    public static MeshTranslation Translate(KubernetesObjects objects, TranslationOptions options) => new MeshTranslator().Next(objects, options);

    /// <summary>Translates, sharing with the translation before what follows from the same instances of objects.</summary>
    public MeshTranslation Next(KubernetesObjects objects, TranslationOptions options)
    {
        var root = options.RootNamespace;
        options = options.With(objects.MeshConfigs.GetValueOrDefault($"{options.RootNamespace}/istio"));
        if (!options.Equals(_options))
        {
            _memory.Clear();
            _options = options;
        }

        _memory.Begin();
        var mesh = Translate(objects, options, root, _memory);
        _memory.End();
        return mesh;
    }

    private static MeshTranslation Translate(KubernetesObjects objects, TranslationOptions options, string configuredRoot, TranslationMemory memory)
    {
        // 1. What a cluster's controllers would have made: pods of Deployments, instances of Gateways, addresses.
        var cluster = ControllerExpansion.Expand(objects, options, memory);

        // 2. Waypoints first: services and workloads point at them.
        var waypoints = new WaypointCatalog(cluster, options, memory);
        var services = new ServiceCatalog(cluster, waypoints, options, memory);

        // 3. Policies next: workloads list those that select them.
        var policies = new PolicyCatalog(cluster, options, memory);

        // 4. Workloads, which bring it all together.
        var scopes = new NamespaceScopes(cluster, waypoints, services, policies, memory);
        var workloads = new WorkloadTranslation(cluster, services, scopes, options, memory).Translate();
        return new MeshTranslation(
            workloads,
            [.. services.All.Select(service => service.Service)],
            policies.Policies,
            RequestTranslation.Translate(cluster, options, memory) with { Selections = RequestSelections.Translate(cluster, options, memory) })
        {
            Notices = Ineffective.Find(objects, cluster, options with { RootNamespace = configuredRoot }),
        };
    }
}
