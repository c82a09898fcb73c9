using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>Finds objects that are right in themselves and have no effect where they stand.</summary>
internal static class Ineffective
{
    /// <summary>Everything that an operator should hear of.</summary>
    public static IReadOnlyList<TranslationNotice> Find(KubernetesObjects written, KubernetesObjects expanded, TranslationOptions options)
    {
        var clusterMade = ControllerExpansion.ClusterMade(written);
        return
        [
            .. written.PodControllers.Values
                .Where(controller => clusterMade.Contains(controller.Meta.Namespace) && controller.Replicas > 0 && !HasPods(written, controller))
                .Select(WithoutPods),
            .. written.Services.Values
                .Where(service => service is { ExternalName.Length: > 0, Ports.Count: 0 } && !clusterMade.Contains(service.Meta.Namespace))
                .Where(service => !ExternalNames.LeadsIntoTheMesh(expanded, service, options))
                .Select(WithoutPorts),
            .. BackendProtectionTranslation.Conflicts(written, options),
            .. written.MeshConfigs.Values
                .Where(config => config.Meta.Namespace != options.RootNamespace)
                .Select(config => new TranslationNotice(
                    config, $"{config.Meta} is not used: a MeshConfig counts in the root namespace, {options.RootNamespace} (AMBIENT_ROOT_NAMESPACE)")),
        ];
    }

    private static TranslationNotice WithoutPods(PodControllerObject controller)
    {
        var ns = controller.Meta.Namespace;
        return new TranslationNotice(
            controller,
            $"{controller.Meta} gets no pods: namespace {ns} has pods with a status, so it was filled from a cluster, whose controllers make them; add its pods, or put it into a namespace of its own");
    }

    private static TranslationNotice WithoutPorts(ServiceObject service) => new(
        service,
        $"{service.Meta} cannot be reached: {service.ExternalName} is outside of the mesh, and without ports nothing tells which connections are meant for it; list them in spec.ports");

    /// <summary>Whether pods are there that the controller would have made. Their labels tell: names and owners have steps in between.</summary>
    private static bool HasPods(KubernetesObjects objects, PodControllerObject controller) => objects.Pods.Values.Any(pod =>
        pod.Meta.Namespace == controller.Meta.Namespace
        && (controller.Template.Meta.Labels.Count > 0
            ? LabelSelection.Selects(controller.Template.Meta.Labels, pod.Meta.Labels)
            : pod.Meta.Name.StartsWith(controller.Meta.Name, StringComparison.Ordinal)));
}
