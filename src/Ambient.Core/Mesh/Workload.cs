using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;

namespace Ambient.Mesh;

/// <summary>
/// One workload as the mesh knows it: a pod, a WorkloadEntry or a bare endpoint. Field for field the
/// <c>istio.workload.Workload</c> message; defaults are those that xDS substitutes.
/// </summary>
public sealed record Workload
{
    /// <summary>Unique identifier, for a pod <c>cluster//Pod/namespace/name</c>.</summary>
    public required string Uid { get; init; }

    /// <summary>Name of the pod or entry.</summary>
    public required string Name { get; init; }

    /// <summary>Kubernetes namespace.</summary>
    public required string Namespace
    {
        get;
        init => (field, _identity) = (value, null);
    }

    /// <summary>Trust domain of the workload's identity.</summary>
    public string TrustDomain
    {
        get;
        init => (field, _identity) = (value, null);
    }
    = "cluster.local";

    /// <summary>Kubernetes service account.</summary>
    public string ServiceAccount
    {
        get;
        init => (field, _identity) = (value, null);
    }
    = "default";

    /// <summary>IP addresses, never IPv4-mapped. Empty for a workload known only by <see cref="Hostname"/>.</summary>
    public ImmutableArray<IPAddress> Addresses { get; init; } = [];

    /// <summary>DNS name of a workload without addresses, or empty.</summary>
    public string Hostname { get; init; } = "";

    /// <summary>Network that the addresses belong to; empty is the default network.</summary>
    public string Network { get; init; } = "";

    /// <summary>How the workload is reached.</summary>
    public TunnelProtocol Protocol { get; init; }

    /// <summary>Whether the workload shares its node's address.</summary>
    public NetworkMode NetworkMode { get; init; }

    /// <summary>Name of the node that the workload runs on.</summary>
    public string Node { get; init; } = "";

    /// <summary>Name of the owning controller (Deployment, CronJob, ...), for telemetry.</summary>
    public string WorkloadName { get; init; } = "";

    /// <summary>Kind of the owning controller.</summary>
    public WorkloadType WorkloadType { get; init; }

    /// <summary>Canonical service name, for telemetry.</summary>
    public string CanonicalName { get; init; } = "";

    /// <summary>Canonical service revision, for telemetry.</summary>
    public string CanonicalRevision { get; init; } = "";

    /// <summary>Cluster that the workload runs in.</summary>
    public string ClusterId { get; init; } = "Kubernetes";

    /// <summary>Where the workload runs, for locality load balancing.</summary>
    public Locality Locality { get; init; } = Locality.Empty;

    /// <summary>Whether the workload may receive load-balanced traffic.</summary>
    public WorkloadStatus Status { get; init; }

    /// <summary>Whether the workload terminates HBONE itself (a waypoint, a gateway, an SDK member).</summary>
    public bool NativeTunnel { get; init; }

    /// <summary>How HBONE traffic is handed to the application, if not plainly.</summary>
    public ApplicationTunnel? ApplicationTunnel { get; init; }

    /// <summary>Selector-scoped policies (<c>namespace/name</c>) that apply to this workload.</summary>
    public ImmutableArray<string> AuthorizationPolicies { get; init; } = [];

    /// <summary>Waypoint that workload-addressed traffic goes through.</summary>
    public GatewayAddress? Waypoint { get; init; }

    /// <summary>Gateway through which a workload of another network is reached.</summary>
    public GatewayAddress? NetworkGateway { get; init; }

    /// <summary>
    /// Waypoint through which a service is entered for which this stands: not a workload by itself, but a way to its service, under the service's own
    /// address. Null: it is one.
    /// </summary>
    public GatewayAddress? ServiceWaypoint { get; init; }

    /// <summary>Load-balancing weight; 0 receives nothing.</summary>
    public uint Capacity { get; init; } = 1;

    /// <summary>Services that this workload backs, by <c>namespace/hostname</c>, with the ports it maps.</summary>
    public ImmutableDictionary<string, ImmutableArray<ServicePort>> Services { get; init; } =
        ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty;

    /// <summary>What is said of it as an endpoint of these services, by the same keys, where it is anything but the usual.</summary>
    public ImmutableDictionary<string, ImmutableArray<EndpointShare>> Shares { get; init; } = ImmutableDictionary<string, ImmutableArray<EndpointShare>>.Empty;

    /// <summary>The workload's SPIFFE identity.</summary>
    public SpiffeId Identity => _identity ??= SpiffeId.ForServiceAccount(TrustDomain, Namespace, ServiceAccount);

    private SpiffeId? _identity;

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(Workload? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Uid == other.Uid
            && Name == other.Name
            && Namespace == other.Namespace
            && TrustDomain == other.TrustDomain
            && ServiceAccount == other.ServiceAccount
            && StructuralEquality.Same(Addresses, other.Addresses)
            && Hostname == other.Hostname
            && Network == other.Network
            && Protocol == other.Protocol
            && NetworkMode == other.NetworkMode
            && Node == other.Node
            && WorkloadName == other.WorkloadName
            && WorkloadType == other.WorkloadType
            && CanonicalName == other.CanonicalName
            && CanonicalRevision == other.CanonicalRevision
            && ClusterId == other.ClusterId
            && Locality == other.Locality
            && Status == other.Status
            && NativeTunnel == other.NativeTunnel
            && ApplicationTunnel == other.ApplicationTunnel
            && StructuralEquality.Same(AuthorizationPolicies, other.AuthorizationPolicies)
            && Waypoint == other.Waypoint
            && NetworkGateway == other.NetworkGateway
            && ServiceWaypoint == other.ServiceWaypoint
            && Capacity == other.Capacity
            && StructuralEquality.Same(Services, other.Services, StructuralEquality.Same)
            && StructuralEquality.Same(Shares, other.Shares, StructuralEquality.Same));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Uid, Status, Protocol, Addresses.Length);
}

/// <summary>How a workload is reached.</summary>
public enum TunnelProtocol
{
    /// <summary>Plain TCP.</summary>
    Tcp = 0,

    /// <summary>HBONE on port 15008.</summary>
    Hbone = 1,
}

/// <summary>Whether a workload has an address of its own.</summary>
public enum NetworkMode
{
    /// <summary>The workload has its own address.</summary>
    Standard = 0,

    /// <summary>The workload shares its node's address and is not found by address.</summary>
    HostNetwork = 1,
}

/// <summary>Kind of controller that owns a workload.</summary>
public enum WorkloadType
{
    /// <summary>Deployment.</summary>
    Deployment = 0,

    /// <summary>CronJob.</summary>
    CronJob = 1,

    /// <summary>A bare pod.</summary>
    Pod = 2,

    /// <summary>Job.</summary>
    Job = 3,
}

/// <summary>Health of a workload.</summary>
public enum WorkloadStatus
{
    /// <summary>Ready.</summary>
    Healthy = 0,

    /// <summary>Not ready, or being deleted.</summary>
    Unhealthy = 1,
}

/// <summary>Protocol of an application tunnel.</summary>
public enum ApplicationTunnelProtocol
{
    /// <summary>The bytes as they are, on another port.</summary>
    None = 0,

    /// <summary>PROXY protocol version 2 in front.</summary>
    Proxy = 1,
}

/// <summary>How HBONE traffic is handed to an application that terminates it itself (a sandwiched waypoint).</summary>
/// <param name="Protocol">What stands in front of the bytes.</param>
/// <param name="Port">Port that replaces the destination port; 0 leaves it.</param>
public sealed record ApplicationTunnel(ApplicationTunnelProtocol Protocol, int Port);

/// <summary>Where a workload runs.</summary>
/// <param name="Region">Region.</param>
/// <param name="Zone">Zone.</param>
/// <param name="Subzone">Subzone.</param>
public sealed record Locality(string Region, string Zone, string Subzone)
{
    /// <summary>No locality.</summary>
    public static Locality Empty { get; } = new("", "", "");
}
