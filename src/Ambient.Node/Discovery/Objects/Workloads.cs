using System.Net;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Objects;

/// <summary>A Namespace.</summary>
internal sealed record NamespaceObject(ObjectMeta Meta) : KubernetesObject(Meta);

/// <summary>A Node; its labels say where its pods are.</summary>
internal sealed record NodeObject(ObjectMeta Meta) : KubernetesObject(Meta);

/// <summary>A ServiceAccount.</summary>
internal sealed record ServiceAccountObject(ObjectMeta Meta) : KubernetesObject(Meta);

/// <summary>A port that a container declares.</summary>
internal readonly record struct ContainerPort(string Name, int Port, bool IsTcp);

/// <summary>The controller that owns a pod, or another controller.</summary>
internal readonly record struct PodOwner(string Kind, string Name);

/// <summary>A Pod, from a cluster (with status) or written by hand (without).</summary>
internal sealed record PodObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>uid of the object, or empty.</summary>
    public string Uid { get; init; } = "";

    /// <summary>metadata.generateName; a pod that has one was made by a controller.</summary>
    public string GenerateName { get; init; } = "";

    /// <summary>Owner that controls the pod, or null.</summary>
    public PodOwner? Controller { get; init; }

    /// <summary>Name of the workload when it is known rather than guessed from the owner.</summary>
    public string? WorkloadName { get; init; }

    /// <summary>Service account.</summary>
    public string ServiceAccount { get; init; } = "default";

    /// <summary>Node, or empty.</summary>
    public string NodeName { get; init; } = "";

    /// <summary>Whether the pod shares its node's network.</summary>
    public bool HostNetwork { get; init; }

    /// <summary>Ports of containers and of init containers that keep running.</summary>
    public IReadOnlyList<ContainerPort> Ports { get; init; } = [];

    /// <summary>What the pod's annotation says of the gateway that it may be.</summary>
    public ProxySettings Proxy { get; init; } = ProxySettings.None;

    /// <summary>Whether a sidecar proxy runs in the pod.</summary>
    public bool HasSidecar { get; init; }

    /// <summary>Whether a cluster wrote status; without it the pod is one of this machine's.</summary>
    public bool HasStatus { get; init; }

    /// <summary>Whether the pod has ended, well or badly.</summary>
    public bool Ended { get; init; }

    /// <summary>Whether the pod takes traffic.</summary>
    public bool Ready { get; init; } = true;

    /// <summary>Addresses, or none yet.</summary>
    public IReadOnlyList<IPAddress> Addresses { get; init; } = [];
}

/// <summary>An object that makes pods from a template: a Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job or CronJob.</summary>
internal sealed record PodControllerObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>What tells controllers apart, which share their names across kinds: <c>kind namespace/name</c>.</summary>
    public string Key => $"{Meta.Kind} {Meta.Key}";

    /// <summary>How many pods there are at a time.</summary>
    public int Replicas { get; init; } = 1;

    /// <summary>Number of the first pod; other than 0 only for a StatefulSet.</summary>
    public int FirstOrdinal { get; init; }

    /// <summary>The controller that made this one, or null.</summary>
    public PodOwner? Owner { get; init; }

    /// <summary>What each pod is; its name and address come with expansion.</summary>
    public required PodObject Template { get; init; }
}

/// <summary>A WorkloadEntry, or an endpoint that is written into a ServiceEntry.</summary>
internal sealed record WorkloadEntryObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>IP address or DNS name.</summary>
    public required string Address { get; init; }

    /// <summary>Service account; empty when unknown.</summary>
    public string ServiceAccount { get; init; } = "";

    /// <summary>Ports by the name of the service port.</summary>
    public IReadOnlyDictionary<string, int> Ports { get; init; } = new Dictionary<string, int>();

    /// <summary>Network; empty is this one.</summary>
    public string Network { get; init; } = "";

    /// <summary><c>region/zone/subzone</c>.</summary>
    public string Locality { get; init; } = "";

    /// <summary>Load-balancing weight; 0 is the default.</summary>
    public uint Weight { get; init; }
}
