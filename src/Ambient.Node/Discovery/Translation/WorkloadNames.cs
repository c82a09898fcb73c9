using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>Names of workloads for people and dashboards: the owner's rather than the pod's.</summary>
internal static class WorkloadNames
{
    /// <summary>The name of what a pod is an instance of: a Deployment, a CronJob, or the pod itself.</summary>
    public static string OfPod(PodObject pod)
    {
        if (pod.Meta.Label(WellKnown.WorkloadName) is { } labelled)
        {
            return labelled;
        }

        if (pod.WorkloadName is { } known)
        {
            return known;
        }

        // A pod that nobody generated stands for itself, whoever owns it: the pods of a StatefulSet are individuals.
        return pod.GenerateName.Length > 0 && pod.Controller is { Name.Length: > 0 } controller
            ? OfController(controller, pod.Meta)
            : pod.Meta.Name;
    }

    /// <summary>Canonical name and revision, from labels, falling back to the workload's name and <c>latest</c>.</summary>
    public static (string Name, string Revision) Canonical(ObjectMeta meta, string workloadName) => (
        meta.Label(WellKnown.CanonicalName) ?? meta.Label("app.kubernetes.io/name") ?? meta.Label("app") ?? workloadName,
        meta.Label(WellKnown.CanonicalRevision) ?? meta.Label("app.kubernetes.io/version") ?? meta.Label("version") ?? "latest");

    private static string OfController(PodOwner controller, ObjectMeta pod)
    {
        switch (controller.Kind)
        {
            case "ReplicaSet":
                // A Deployment's ReplicaSet is named after it, with the hash of the pod template.
                return WithoutHash(controller.Name, pod.Label("pod-template-hash"))
                    ?? WithoutHash(controller.Name, pod.Label("rollouts-pod-template-hash"))
                    ?? controller.Name;
            case "ReplicationController" when pod.Label("deploymentconfig") is { Length: > 0 } config:
                return config;
            case "Job":
                return WithoutSchedule(controller.Name);
            default:
                return controller.Name;
        }
    }

    private static string? WithoutHash(string name, string? hash)
    {
        if (string.IsNullOrEmpty(hash) || !name.EndsWith(hash, StringComparison.Ordinal))
        {
            return null;
        }

        return name.EndsWith("-" + hash, StringComparison.Ordinal) ? name[..^(hash.Length + 1)] : name;
    }

    /// <summary>A CronJob's Job is named after it, with the minute or second it was due: 8 to 10 digits.</summary>
    private static string WithoutSchedule(string name)
    {
        var dash = name.LastIndexOf('-');
        var digits = name.Length - dash - 1;
        return dash > 0 && digits is >= 8 and <= 10 && !name.AsSpan(dash + 1).ContainsAnyExceptInRange('0', '9') ? name[..dash] : name;
    }
}
