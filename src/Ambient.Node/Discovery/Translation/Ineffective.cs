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
            .. WithoutTarget(written, expanded),
            .. written.EndpointSlices.Values.Where(static slice => slice.Endpoints.Count > 0)
                .Select(slice => WithoutService(written, slice, slice.Meta.Labels.GetValueOrDefault(WellKnown.ServiceName, "")))
                .OfType<TranslationNotice>(),
            .. written.Endpoints.Values.Where(static endpoints => endpoints.Slices.Any(static slice => slice.Endpoints.Count > 0))
                .Select(endpoints => WithoutService(written, endpoints, endpoints.Meta.Name))
                .OfType<TranslationNotice>(),
            .. written.Pods.Values.Where(static pod => pod is { HasStatus: true, Ended: false, Addresses.Count: 0 }).Select(WithoutAddress),
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

    /// <summary>Ports of services that lead to a named port which none of the pods behind them has.</summary>
    private static IEnumerable<TranslationNotice> WithoutTarget(KubernetesObjects written, KubernetesObjects expanded)
    {
        var named = written.Services.Values.Where(static service =>
            service is { IsExternalName: false, Selector.Count: > 0 } && service.Ports.Any(static port => port.TargetPortName.Length > 0)).ToList();
        if (named.Count == 0)
        {
            yield break;
        }

        var pods = expanded.Pods.Values.Where(static pod => !pod.Ended).ToLookup(static pod => pod.Meta.Namespace, StringComparer.Ordinal);
        foreach (var service in named)
        {
            var selected = pods[service.Meta.Namespace].Where(pod => LabelSelection.Selects(service.Selector, pod.Meta.Labels)).ToList();
            foreach (var port in service.Ports)
            {
                if (selected.Count > 0 && port.TargetPortName.Length > 0 && !selected.Exists(pod => pod.Ports.Any(own => own.Name == port.TargetPortName)))
                {
                    yield return new TranslationNotice(
                        service,
                        $"{service.Meta} has no endpoint for port {port.Port}: targetPort \"{port.TargetPortName}\" is the name of no port of its pods, such as {selected[0].Meta.Name}");
                }
            }
        }
    }

    private static TranslationNotice? WithoutService(KubernetesObjects written, KubernetesObject endpoints, string service) =>
        service.Length == 0
            ? new TranslationNotice(endpoints, $"{endpoints.Meta} is not used: its label {WellKnown.ServiceName} names no service")
            : written.Services.TryGetValue($"{endpoints.Meta.Namespace}/{service}", out _)
                ? null
                : new TranslationNotice(endpoints, $"{endpoints.Meta} is not used: there is no Service {endpoints.Meta.Namespace}/{service}");

    private static TranslationNotice WithoutAddress(PodObject pod) => new(
        pod, $"{pod.Meta} is not part of the mesh: its status comes from a cluster and has no address, so the pod is not running yet; without a status it would get an address here");

    /// <summary>Whether pods are there that the controller would have made. Their labels tell: names and owners have steps in between.</summary>
    private static bool HasPods(KubernetesObjects objects, PodControllerObject controller) => objects.Pods.Values.Any(pod =>
        pod.Meta.Namespace == controller.Meta.Namespace
        && (controller.Template.Meta.Labels.Count > 0
            ? LabelSelection.Selects(controller.Template.Meta.Labels, pod.Meta.Labels)
            : pod.Meta.Name.StartsWith(controller.Meta.Name, StringComparison.Ordinal)));
}
