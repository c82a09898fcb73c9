using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// The pods that Deployments, StatefulSets, DaemonSets, ReplicaSets, ReplicationControllers, Jobs and CronJobs have, where
/// no cluster made them.
/// </summary>
internal static class PodControllers
{
    private const string StatefulSetPodName = "statefulset.kubernetes.io/pod-name";
    private const string PodIndex = "apps.kubernetes.io/pod-index";

    /// <summary>Adds the pods of every controller whose pods are not there.</summary>
    public static void AddPods(
        KubernetesObjects expanded, KubernetesObjects written, IReadOnlySet<string> clusterMade, TranslationMemory memory)
    {
        // Pods of StatefulSets first: their names are promises, those of the others are not.
        foreach (var controller in written.PodControllers.Values.OrderBy(controller => controller.Meta.Kind != "StatefulSet"))
        {
            if (!clusterMade.Contains(controller.Meta.Namespace) && !HasOwner(written, controller))
            {
                AddPods(expanded, written, controller, memory);
            }
        }
    }

    /// <summary>Whether what made the controller is there itself, and makes the pods: a Deployment its ReplicaSet's, a CronJob its Job's.</summary>
    private static bool HasOwner(KubernetesObjects objects, PodControllerObject controller) =>
        controller.Owner is { } owner && objects.PodControllers.ContainsKey($"{owner.Kind} {controller.Meta.Namespace}/{owner.Name}");

    private static void AddPods(KubernetesObjects expanded, KubernetesObjects written, PodControllerObject controller, TranslationMemory memory)
    {
        for (var i = 0; i < controller.Replicas; i++)
        {
            var name = $"{controller.Meta.Name}-{controller.FirstOrdinal + i}";
            var pod = Pod(controller, name, controller.FirstOrdinal + i, memory);

            // A pod that is written out under the same name was meant to replace this one. One that another controller
            // has was not: controllers of two kinds may have one name.
            if (expanded.Add(pod) is not null && !written.Pods.ContainsKey(pod.Meta.Key))
            {
                expanded.Add(Pod(controller, $"{controller.Meta.Name}-{controller.Meta.Kind.ToLowerInvariant()}-{i}", controller.FirstOrdinal + i, memory));
            }
        }
    }

    private static PodObject Pod(PodControllerObject controller, string name, int ordinal, TranslationMemory memory) => memory.Keep(
        "pod of a controller",
        $"{controller.Key} {name}",
        [controller],
        () => controller.Template with
        {
            Meta = controller.Template.Meta with { Name = name, Labels = Labels(controller, name, ordinal) },
        });

    /// <summary>The template's labels, and those that the controller adds and that selectors may name.</summary>
    private static Dictionary<string, string> Labels(PodControllerObject controller, string podName, int ordinal)
    {
        var labels = new Dictionary<string, string>(controller.Template.Meta.Labels, StringComparer.Ordinal);
        switch (controller.Meta.Kind)
        {
            case "StatefulSet":
                labels[StatefulSetPodName] = podName;
                labels[PodIndex] = ordinal.ToString(System.Globalization.CultureInfo.InvariantCulture);
                break;
            case "Job":
                labels["batch.kubernetes.io/job-name"] = controller.Meta.Name;
                labels["job-name"] = controller.Meta.Name;
                break;
        }

        return labels;
    }
}
