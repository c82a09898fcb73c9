using System.Net;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// What the controllers of a cluster do, for manifests that never saw one: Deployments and their like become pods, Gateways
/// become a service and a pod, and everything gets an address. In a namespace that a cluster filled (it has pods with
/// status), they are left alone: their pods, if any, are there already.
/// </summary>
internal static class ControllerExpansion
{
    /// <summary>The objects with what controllers would have added. <paramref name="written"/> itself is not changed.</summary>
    public static KubernetesObjects Expand(KubernetesObjects written, TranslationOptions options, TranslationMemory memory)
    {
        var expanded = Copy(written);
        var clusterMade = ClusterMade(written);
        PodControllers.AddPods(expanded, written, clusterMade, memory);
        foreach (var gateway in written.Gateways.Values)
        {
            if (!clusterMade.Contains(gateway.Meta.Namespace) && gateway.StatusAddresses.Count == 0 && !HasInstances(written, gateway))
            {
                GatewayExpansion.AddInstance(expanded, gateway, options, memory);
            }
        }

        AssignPodAddresses(expanded, options.PodRange, memory);
        MirrorEndpoints(expanded);
        ExternalNames.AddEntries(expanded, clusterMade, options, memory);
        AssignServiceAddresses(expanded, clusterMade, options.ServiceRange, memory);
        return expanded;
    }

    /// <summary>Namespaces that a cluster filled: those that have pods with a status.</summary>
    public static HashSet<string> ClusterMade(KubernetesObjects written) => written.Pods.Values
        .Where(pod => pod.HasStatus)
        .Select(pod => pod.Meta.Namespace)
        .ToHashSet(StringComparer.Ordinal);

    private static bool HasInstances(KubernetesObjects objects, GatewayObject gateway) => objects.Pods.Values.Any(
        pod => pod.Meta.Namespace == gateway.Meta.Namespace && pod.Meta.Label(WellKnown.GatewayName) == gateway.Meta.Name);

    private static void AssignPodAddresses(KubernetesObjects objects, IPNetwork range, TranslationMemory memory)
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
                assigned.Add(At(pod, chosen, memory));
            }
        }

        foreach (var pod in objects.Pods.Values)
        {
            if (!pod.HasStatus && pod.Meta.Annotation(WellKnown.Address) is null)
            {
                assigned.Add(At(pod, addresses.Take(pod.Meta.Key), memory));
            }
        }

        foreach (var pod in assigned)
        {
            objects.Pods[pod.Meta.Key] = pod;
        }
    }

    private static PodObject At(PodObject pod, IPAddress address, TranslationMemory memory) =>
        memory.Keep("address of a pod", pod.Meta.Key, [pod, address], () => pod with { Addresses = [address] });

    /// <summary>A service without selector has the endpoints that somebody wrote down, in the old form as in the new one.</summary>
    private static void MirrorEndpoints(KubernetesObjects objects)
    {
        var sliced = objects.EndpointSlices.Values
            .Select(slice => $"{slice.Meta.Namespace}/{slice.Meta.Label(WellKnown.ServiceName)}")
            .ToHashSet(StringComparer.Ordinal);
        foreach (var endpoints in objects.Endpoints.Values)
        {
            if (!sliced.Contains(endpoints.Meta.Key) && objects.Services.TryGetValue(endpoints.Meta.Key, out var service) && service.Selector.Count == 0)
            {
                foreach (var slice in endpoints.Slices)
                {
                    objects.Add(slice);
                }
            }
        }
    }

    private static void AssignServiceAddresses(
        KubernetesObjects objects, HashSet<string> clusterMade, IPNetwork range, TranslationMemory memory)
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

        foreach (var address in objects.ServiceEntries.Values.SelectMany(entry => entry.Addresses.Select(range => range.BaseAddress).Concat(entry.AllocatedAddresses.SelectMany(host => host))))
        {
            addresses.Reserve(address);
        }

        foreach (var service in missing)
        {
            var address = addresses.Take(service.Meta.Key);
            objects.Services[service.Meta.Key] = memory.Keep(
                "address of a service", service.Meta.Key, [service, address], () => service with { ClusterIPs = new[] { address } });
        }

        // After the services: an entry that is added must not move the address of a service.
        foreach (var entry in objects.ServiceEntries.Values.ToArray())
        {
            var key = entry.Meta.Key;
            if (entry.Addresses.Count == 0 && !clusterMade.Contains(entry.Meta.Namespace))
            {
                var allocated = WithComputed(entry, addresses);
                objects.ServiceEntries[key] = memory.Keep(
                    "addresses of an entry",
                    key,
                    [entry, .. allocated.SelectMany(pair => new object[] { pair.Host, pair.Address })],
                    () => entry with { AllocatedAddresses = allocated.ToLookup(pair => pair.Host, pair => pair.Address, StringComparer.Ordinal) });
            }
        }
    }

    private static List<(string Host, IPAddress Address)> WithComputed(ServiceEntryObject entry, ComputedAddresses addresses) =>
    [
        .. entry.Hosts.Distinct(StringComparer.Ordinal).SelectMany(host => entry.AllocatedAddresses.Contains(host)
            ? entry.AllocatedAddresses[host].Select(address => (host, address))
            : [(host, addresses.Take($"{entry.Meta.Key}/{host}"))]),
    ];

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
