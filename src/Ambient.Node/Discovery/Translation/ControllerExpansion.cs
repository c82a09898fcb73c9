using System.Net;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// What the controllers of a cluster do, for manifests that never saw one: Deployments become pods, Gateways become a
/// service and a pod, and everything gets an address. In a namespace that a cluster filled (it has pods with status),
/// Deployments and Gateways are left alone: their pods, if any, are there already.
/// </summary>
internal static class ControllerExpansion
{
    /// <summary>The objects with what controllers would have added. <paramref name="written"/> itself is not changed.</summary>
    public static KubernetesObjects Expand(KubernetesObjects written, TranslationOptions options)
    {
        var expanded = Copy(written);
        var clusterMade = written.Pods.Values
            .Where(pod => pod.HasStatus)
            .Select(pod => pod.Meta.Namespace)
            .ToHashSet(StringComparer.Ordinal);

        foreach (var deployment in written.Deployments.Values)
        {
            if (!clusterMade.Contains(deployment.Meta.Namespace))
            {
                AddReplicas(expanded, deployment);
            }
        }

        foreach (var gateway in written.Gateways.Values)
        {
            if (!clusterMade.Contains(gateway.Meta.Namespace) && gateway.StatusAddresses.Count == 0 && !HasInstances(written, gateway))
            {
                GatewayExpansion.AddInstance(expanded, gateway, options);
            }
        }

        AssignPodAddresses(expanded, options.PodRange);
        AssignServiceAddresses(expanded, options.ServiceRange);
        return expanded;
    }

    private static void AddReplicas(KubernetesObjects objects, DeploymentObject deployment)
    {
        for (var i = 0; i < deployment.Replicas; i++)
        {
            var meta = deployment.Template.Meta with { Name = $"{deployment.Meta.Name}-{i}" };

            // A pod that is written out under the same name was meant to replace this one.
            objects.Add(deployment.Template with { Meta = meta });
        }
    }

    private static bool HasInstances(KubernetesObjects objects, GatewayObject gateway) => objects.Pods.Values.Any(
        pod => pod.Meta.Namespace == gateway.Meta.Namespace && pod.Meta.Label(WellKnown.GatewayName) == gateway.Meta.Name);

    private static void AssignPodAddresses(KubernetesObjects objects, IPNetwork range)
    {
        var addresses = new ComputedAddresses(range);
        var assigned = new List<PodObject>();
        foreach (var pod in objects.Pods.Values)
        {
            foreach (var address in pod.Addresses)
            {
                addresses.Reserve(address);
            }

            if (!pod.HasStatus && pod.Meta.Annotation(WellKnown.Address) is { } text && IPText.TryParseAddress(text, out var chosen))
            {
                addresses.Reserve(chosen);
                assigned.Add(pod with { Addresses = [chosen] });
            }
        }

        foreach (var pod in objects.Pods.Values)
        {
            if (!pod.HasStatus && pod.Meta.Annotation(WellKnown.Address) is null)
            {
                assigned.Add(pod with { Addresses = [addresses.Take(pod.Meta.Key)] });
            }
        }

        foreach (var pod in assigned)
        {
            objects.Pods[pod.Meta.Key] = pod;
        }
    }

    private static void AssignServiceAddresses(KubernetesObjects objects, IPNetwork range)
    {
        var addresses = new ComputedAddresses(range);
        var missing = new List<ServiceObject>();
        foreach (var service in objects.Services.Values)
        {
            foreach (var address in service.ClusterIPs)
            {
                addresses.Reserve(address);
            }

            if (service is { ClusterIPs.Count: 0, IsHeadless: false, IsExternalName: false })
            {
                missing.Add(service);
            }
        }

        foreach (var service in missing)
        {
            objects.Services[service.Meta.Key] = service with { ClusterIPs = new IPAddress[] { addresses.Take(service.Meta.Key) } };
        }
    }

    private static KubernetesObjects Copy(KubernetesObjects written)
    {
        var copy = new KubernetesObjects();
        foreach (var o in written.All)
        {
            copy.Add(o);
        }

        return copy;
    }
}
