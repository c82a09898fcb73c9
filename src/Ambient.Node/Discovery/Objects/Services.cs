using System.Net;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Objects;

/// <summary>A port of a Service or ServiceEntry.</summary>
/// <param name="Name">Name, or empty.</param>
/// <param name="Port">Port.</param>
/// <param name="TargetPort">Port on the workload; 0 when it is named.</param>
/// <param name="TargetPortName">Name of the container port, or empty.</param>
/// <param name="Protocol">What it speaks, as far as it was declared.</param>
internal readonly record struct ServicePortSpec(string Name, int Port, int TargetPort, string TargetPortName, AppProtocol Protocol);

/// <summary>A Service.</summary>
internal sealed record ServiceObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>The name that the service is only an alias of (type ExternalName), in lower case without a dot at the end; or null.</summary>
    public string? ExternalName { get; init; }

    /// <summary>Whether the service is only an alias.</summary>
    public bool IsExternalName => ExternalName is not null;

    /// <summary>Whether the service has no address of its own (clusterIP None).</summary>
    public bool IsHeadless { get; init; }

    /// <summary>Cluster addresses; none while they are not assigned.</summary>
    public IReadOnlyList<IPAddress> ClusterIPs { get; init; } = [];

    /// <summary>Ports.</summary>
    public IReadOnlyList<ServicePortSpec> Ports { get; init; } = [];

    /// <summary>Labels of the pods behind it; empty selects none.</summary>
    public Dictionary<string, string> Selector { get; init; } = [];

    /// <summary>Address families.</summary>
    public IPFamilies IPFamilies { get; init; }

    /// <summary>internalTrafficPolicy: Local.</summary>
    public bool NodeLocal { get; init; }

    /// <summary>spec.trafficDistribution, or null.</summary>
    public string? TrafficDistribution { get; init; }

    /// <summary>publishNotReadyAddresses.</summary>
    public bool PublishNotReadyAddresses { get; init; }
}

/// <summary>How a ServiceEntry finds its endpoints.</summary>
internal enum ServiceEntryResolution
{
    /// <summary>It does not: connections go where the client meant.</summary>
    None,

    /// <summary>By the addresses given.</summary>
    Static,

    /// <summary>By DNS.</summary>
    Dns,

    /// <summary>By DNS, one address at a time.</summary>
    DnsRoundRobin,

    /// <summary>By DNS of the name that the client asked for.</summary>
    DynamicDns,
}

/// <summary>A ServiceEntry.</summary>
internal sealed record ServiceEntryObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>Hosts.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>Addresses and ranges.</summary>
    public IReadOnlyList<IPNetwork> Addresses { get; init; } = [];

    /// <summary>Addresses that a cluster allocated, by host.</summary>
    public ILookup<string, IPAddress> AllocatedAddresses { get; init; } = Array.Empty<IPAddress>().ToLookup(_ => "");

    /// <summary>Ports.</summary>
    public IReadOnlyList<ServicePortSpec> Ports { get; init; } = [];

    /// <summary>Resolution.</summary>
    public ServiceEntryResolution Resolution { get; init; }

    /// <summary>Endpoints written in.</summary>
    public IReadOnlyList<WorkloadEntryObject> Endpoints { get; init; } = [];

    /// <summary>Labels of workloads behind it, or null when it does not select.</summary>
    public Dictionary<string, string>? WorkloadSelector { get; init; }

    /// <summary>Where it is exported to; empty: it does not say.</summary>
    public IReadOnlyList<string> ExportTo { get; init; } = [];

    /// <summary>Identities that endpoints may have.</summary>
    public IReadOnlyList<string> SubjectAltNames { get; init; } = [];
}

/// <summary>An EndpointSlice.</summary>
internal sealed record EndpointSliceObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>Whether it lists DNS names rather than addresses.</summary>
    public bool IsFqdn { get; init; }

    /// <summary>Ports: name, number, whether TCP. Those without a name or number are left out.</summary>
    public IReadOnlyList<ContainerPort> Ports { get; init; } = [];

    /// <summary>Endpoints.</summary>
    public IReadOnlyList<SliceEndpoint> Endpoints { get; init; } = [];
}

/// <summary>An Endpoints object, which a cluster mirrors into slices for services without selector.</summary>
internal sealed record EndpointsObject(ObjectMeta Meta) : KubernetesObject(Meta)
{
    /// <summary>What its subsets are as slices.</summary>
    public IReadOnlyList<EndpointSliceObject> Slices { get; init; } = [];
}

/// <summary>An endpoint of a slice.</summary>
/// <param name="Addresses">Addresses as written.</param>
/// <param name="Ready">Whether it takes traffic.</param>
/// <param name="Pod">The pod it is, as <c>namespace/name</c>, or null.</param>
/// <param name="PodUid">That pod's uid, or empty.</param>
internal sealed record SliceEndpoint(IReadOnlyList<string> Addresses, bool Ready, string? Pod, string PodUid);
