using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>Whether a ztunnel stands in front of a pod (https://istio.io/latest/docs/ambient/usage/add-workloads/).</summary>
internal static class Enrolment
{
    /// <summary>
    /// In a cluster the CNI decides and says so in an annotation. Where no CNI was, this is what it would have decided:
    /// the pod's label, else its namespace's, and never pods that handle their own traffic or their node's.
    /// </summary>
    public static bool IsCaptured(PodObject pod, NamespaceObject? ns)
    {
        if (pod.Meta.Annotation(WellKnown.Redirection) == "enabled")
        {
            return true;
        }

        if (pod.HasStatus || pod.HostNetwork || pod.HasSidecar
            || pod.Meta.Labels.ContainsKey(WellKnown.GatewayName) || pod.Meta.Labels.ContainsKey(WellKnown.GatewayManaged))
        {
            return false;
        }

        return (pod.Meta.Label(WellKnown.DataplaneMode) ?? ns?.Meta.Label(WellKnown.DataplaneMode)) == "ambient";
    }

    /// <summary>Whether the workload terminates HBONE itself.</summary>
    public static bool HasNativeTunnel(ObjectMeta meta) =>
        meta.Label(WellKnown.Tunnel) is { } tunnels && tunnels.Split(',').Contains("http");
}
