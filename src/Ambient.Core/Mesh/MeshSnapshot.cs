using System.Collections.Immutable;
using System.Net;

namespace Ambient.Mesh;

/// <summary>
/// The whole mesh at one moment: immutable, indexed for the questions a connection asks. Made by
/// <see cref="MeshSnapshotBuilder"/>, which shares with the previous snapshot what did not change: a part whose
/// reference is the same has not changed.
/// </summary>
public sealed class MeshSnapshot
{
    internal MeshSnapshot()
    {
    }

    /// <summary>A mesh without anything in it.</summary>
    public static MeshSnapshot Empty { get; } = new();

    /// <summary>Counts publications; grows with every change.</summary>
    public long Version { get; internal init; }

    /// <summary>Workloads by uid.</summary>
    public IReadOnlyDictionary<string, Workload> Workloads => WorkloadsByUid;

    /// <summary>Services by <c>namespace/hostname</c>.</summary>
    public IReadOnlyDictionary<string, MeshService> Services => ServicesByKey;

    /// <summary>L4 policies by <c>namespace/name</c>.</summary>
    public IReadOnlyDictionary<string, AuthorizationPolicy> Policies => PoliciesByKey;

    /// <summary>What waypoints and gateways read besides: gateways, routes, L7 policies.</summary>
    public RequestConfiguration Requests { get; internal init; } = RequestConfiguration.Empty;

    internal SharedMap<string, Workload> WorkloadsByUid { get; init; } = SharedMap<string, Workload>.Empty;

    internal SharedMap<string, MeshService> ServicesByKey { get; init; } = SharedMap<string, MeshService>.Empty;

    internal SharedMap<string, AuthorizationPolicy> PoliciesByKey { get; init; } = SharedMap<string, AuthorizationPolicy>.Empty;

    internal WorkloadAddressIndex WorkloadAddresses { get; init; } = WorkloadAddressIndex.Empty;

    internal ServiceIndex ServiceAddresses { get; init; } = ServiceIndex.Empty;

    internal GroupIndex<MeshEndpoint> Endpoints { get; init; } = GroupIndex<MeshEndpoint>.Create(endpoint => endpoint.Workload.Uid);

    /// <summary>Of each group of <see cref="Endpoints"/> the healthy ones; the same array where all are.</summary>
    internal SharedMap<string, ImmutableArray<MeshEndpoint>> HealthyEndpoints { get; init; } = SharedMap<string, ImmutableArray<MeshEndpoint>>.Empty;

    internal GroupIndex<Workload> Nodes { get; init; } = GroupIndex<Workload>.Create(workload => workload.Uid);

    internal PolicyIndex PolicyScopes { get; init; } = PolicyIndex.Empty;

    /// <summary>
    /// The workload that owns an address, or null. Pods go before other kinds, then HBONE ones, then the one that
    /// claimed the address last; host-network workloads are never found (ztunnel <c>state/workload.rs</c>).
    /// </summary>
    public Workload? FindWorkload(string network, IPAddress address) => WorkloadAddresses.Find(network, PlainAddress.Of(address));

    /// <summary>
    /// The best service for a virtual address: exact before range; client namespace, then canonical, then first
    /// (ztunnel <c>state/service.rs</c>). <paramref name="clientNamespace"/> null: visibility is not applied.
    /// </summary>
    public MeshService? FindService(string network, IPAddress address, string? clientNamespace) =>
        ServiceAddresses.Find(network, PlainAddress.Of(address), clientNamespace);

    /// <summary>The best service for a hostname, by the same ranking.</summary>
    public MeshService? FindServiceByHostname(string hostname, string? clientNamespace) =>
        ServiceAddresses.FindByHostname(hostname, clientNamespace);

    /// <summary>Every service of a hostname, of whatever namespace and visibility, in the order in which they came.</summary>
    public ImmutableArray<MeshService> ServicesOfHostname(string hostname) => ServiceAddresses.OfHostname(hostname);

    /// <summary>The workload known by a DNS name (no address), or null.</summary>
    public Workload? FindWorkloadByHostname(string ns, string hostname) => WorkloadAddresses.FindByHostname(ns, hostname);

    /// <summary>Endpoints of a service in the order of their uids, filtered by health as its health policy says.</summary>
    public ImmutableArray<MeshEndpoint> EndpointsOf(MeshService service)
    {
        ArgumentNullException.ThrowIfNull(service);
        return service.LoadBalancing?.HealthPolicy == EndpointHealthPolicy.AllowAll
            ? Endpoints.Get(service.Key)
            : HealthyEndpoints.TryGetValue(service.Key, out var healthy) ? healthy : [];
    }

    /// <summary>
    /// Global and namespace-wide L4 policies that apply in a namespace (not the selector-scoped), global ones first, each
    /// in the order of their keys.
    /// </summary>
    public ImmutableArray<AuthorizationPolicy> PoliciesOfNamespace(string ns) => PolicyScopes.For(ns);

    /// <summary>Workloads that run on a node, in the order of their uids. The empty name: those that name no node.</summary>
    public ImmutableArray<Workload> WorkloadsOfNode(string node) => Nodes.Get(node);

    /// <summary>
    /// The workload that runs as a given pod, or null; used to find a node's own workloads. Give the node whenever it is
    /// known: without it every workload is looked at.
    /// </summary>
    public Workload? FindWorkload(string ns, string name, string serviceAccount, string? node)
    {
        IEnumerable<Workload> candidates = node is null ? Workloads.Values : Nodes.Get(node);
        Workload? best = null;
        foreach (var workload in candidates)
        {
            // Several clusters may have a pod of that name; the smallest uid makes the choice a fixed one.
            if (workload.Name == name && workload.Namespace == ns && workload.ServiceAccount == serviceAccount
                && (best is null || string.CompareOrdinal(workload.Uid, best.Uid) < 0))
            {
                best = workload;
            }
        }

        return best;
    }
}

/// <summary>A workload behind a service.</summary>
/// <param name="Workload">Workload.</param>
/// <param name="Ports">Ports that the workload maps itself.</param>
public sealed record MeshEndpoint(Workload Workload, ImmutableArray<ServicePort> Ports)
{
    /// <summary>Whether workload and ports are equal.</summary>
    public bool Equals(MeshEndpoint? other) =>
        other is not null && Workload.Equals(other.Workload) && StructuralEquality.Same(Ports, other.Ports);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Workload, Ports.Length);
}
