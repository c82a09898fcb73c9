using System.Collections.Immutable;
using System.Net;

namespace Ambient.Mesh;

/// <summary>A service of the mesh. Field for field the <c>istio.workload.Service</c> message, and <see cref="Aliases"/>.</summary>
public sealed record MeshService
{
    /// <summary>Name of the Kubernetes Service or ServiceEntry.</summary>
    public required string Name { get; init; }

    /// <summary>Kubernetes namespace.</summary>
    public required string Namespace
    {
        get;
        init => (field, _key) = (value, null);
    }

    /// <summary>Fully qualified hostname, for example <c>reviews.default.svc.cluster.local</c>.</summary>
    public required string Hostname
    {
        get;
        init => (field, _key) = (value, null);
    }

    /// <summary>Other hostnames that lead to the service: those of Kubernetes Services of type ExternalName that name it.</summary>
    public ImmutableArray<string> Aliases { get; init; } = [];

    /// <summary>Exact virtual addresses.</summary>
    public ImmutableArray<NetworkAddress> Vips { get; init; } = [];

    /// <summary>Virtual address ranges.</summary>
    public ImmutableArray<NetworkCidr> CidrVips { get; init; } = [];

    /// <summary>Service ports and the target ports they map to (0: named, the endpoint says).</summary>
    public ImmutableArray<ServicePort> Ports { get; init; } = [];

    /// <summary>Identities that endpoints may have besides their workload's own, as SPIFFE URIs.</summary>
    public ImmutableArray<string> SubjectAltNames { get; init; } = [];

    /// <summary>Waypoint that service-addressed traffic goes through.</summary>
    public GatewayAddress? Waypoint { get; init; }

    /// <summary>Weighted waypoints; when present and not all zero they go before <see cref="Waypoint"/>.</summary>
    public ImmutableArray<WeightedWaypoint> WeightedWaypoints { get; init; } = [];

    /// <summary>Load-balancing rules; null is the standard mode.</summary>
    public LoadBalancing? LoadBalancing { get; init; }

    /// <summary>Address families of the service.</summary>
    public IPFamilies IPFamilies { get; init; }

    /// <summary>Whether this service wins over others of the same hostname in other namespaces.</summary>
    public bool Canonical { get; init; }

    /// <summary>Who may see the service.</summary>
    public ServiceVisibility Visibility { get; init; }

    /// <summary>Namespaces whose clients see it besides its own, where <see cref="Visibility"/> is <see cref="ServiceVisibility.Namespace"/>.</summary>
    public ImmutableArray<string> ExportedTo { get; init; } = [];

    /// <summary>
    /// Whether it stands for every name within a wildcard that DNS has (<c>resolution: DYNAMIC_DNS</c> of a ServiceEntry): its endpoints are of the name that a client means.
    /// </summary>
    public bool IsOfManyNames { get; init; }

    /// <summary>Whether clients of a namespace see it.</summary>
    /// <param name="clientNamespace">The namespace; null: visibility is not asked.</param>
    public bool IsVisibleTo(string? clientNamespace) =>
        Visibility == ServiceVisibility.Public || clientNamespace is null || Namespace == clientNamespace || ExportedTo.Contains(clientNamespace);

    /// <summary>Whether ingress gateways send through the waypoint instead of to endpoints.</summary>
    public bool IngressUseWaypoint { get; init; }

    /// <summary>
    /// Whether connections go past a waypoint that has nothing to do for the service: no policy and no route that concerns it. Only a source that knows
    /// all of them may set it.
    /// </summary>
    public bool SkipsIdleWaypoint { get; init; }

    /// <summary>Whether it is a Service of Kubernetes, whose addresses are nobody's own.</summary>
    public bool IsOfKubernetes => Hostname.StartsWith($"{Name}.{Namespace}.svc.", StringComparison.Ordinal);

    /// <summary>Key of the service: <c>namespace/hostname</c>.</summary>
    public string Key => _key ??= $"{Namespace}/{Hostname}";

    private string? _key;

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(MeshService? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Namespace == other.Namespace
            && Hostname == other.Hostname
            && StructuralEquality.Same(Aliases, other.Aliases)
            && StructuralEquality.Same(Vips, other.Vips)
            && StructuralEquality.Same(CidrVips, other.CidrVips)
            && StructuralEquality.Same(Ports, other.Ports)
            && StructuralEquality.Same(SubjectAltNames, other.SubjectAltNames)
            && Waypoint == other.Waypoint
            && StructuralEquality.Same(WeightedWaypoints, other.WeightedWaypoints)
            && LoadBalancing == other.LoadBalancing
            && IsOfManyNames == other.IsOfManyNames
            && IPFamilies == other.IPFamilies
            && Canonical == other.Canonical
            && Visibility == other.Visibility
            && StructuralEquality.Same(ExportedTo, other.ExportedTo)
            && IngressUseWaypoint == other.IngressUseWaypoint
            && SkipsIdleWaypoint == other.SkipsIdleWaypoint);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Namespace, Hostname, Vips.Length, Ports.Length);
}

/// <summary>A port of a service, or what an endpoint maps it to.</summary>
/// <param name="Port">Service port.</param>
/// <param name="TargetPort">Port on the workload; 0 when named and resolved per endpoint.</param>
/// <param name="AppProtocol">What the port speaks, as far as it was declared.</param>
public readonly record struct ServicePort(int Port, int TargetPort, AppProtocol AppProtocol = AppProtocol.Unknown);

/// <summary>Declared protocol of a service port.</summary>
public enum AppProtocol
{
    /// <summary>Not declared: detected from the first bytes.</summary>
    Unknown = 0,

    /// <summary>HTTP/1.1.</summary>
    Http11 = 1,

    /// <summary>HTTP/2.</summary>
    Http2 = 2,

    /// <summary>gRPC.</summary>
    Grpc = 3,

    /// <summary>Opaque TCP.</summary>
    Tcp = 4,

    /// <summary>TLS.</summary>
    Tls = 5,

    /// <summary>
    /// A protocol that istiod counts as TCP and whose server may speak first: MySQL, MongoDB, Redis. Opaque, like <see cref="Tcp"/>; the
    /// workload API has no word of its own for it and says <see cref="Unknown"/>.
    /// </summary>
    ServerFirst = 6,

    /// <summary>gRPC-Web, which istiod speaks over HTTP/2 to endpoints; the workload API says <see cref="Unknown"/>.</summary>
    GrpcWeb = 7,

    /// <summary>Datagrams, which nothing here carries; the workload API says <see cref="Unknown"/>.</summary>
    Udp = 8,
}

/// <summary>An IP address within a network.</summary>
/// <param name="Network">Network; empty is the default network.</param>
/// <param name="Address">Address.</param>
public readonly record struct NetworkAddress(string Network, IPAddress Address)
{
    /// <summary>The form <c>network/ip</c>.</summary>
    public override string ToString() => $"{Network}/{Address}";
}

/// <summary>An address range within a network.</summary>
/// <param name="Network">Network; empty is the default network.</param>
/// <param name="Range">Range.</param>
public readonly record struct NetworkCidr(string Network, IPNetwork Range);

/// <summary>A waypoint with its share of connections.</summary>
/// <param name="Destination">Waypoint.</param>
/// <param name="Weight">Share; 0 receives nothing.</param>
public sealed record WeightedWaypoint(GatewayAddress Destination, uint Weight);

/// <summary>How to reach a waypoint or network gateway: by hostname or by address, never both.</summary>
public sealed record GatewayAddress
{
    private GatewayAddress(string? ns, string? hostname, NetworkAddress? address, int hboneMtlsPort)
    {
        Namespace = ns;
        Hostname = hostname;
        Address = address;
        HboneMtlsPort = hboneMtlsPort;
    }

    /// <summary>Namespace of the hostname, or null when given by address.</summary>
    public string? Namespace { get; }

    /// <summary>Hostname, or null when given by address.</summary>
    public string? Hostname { get; }

    /// <summary>Address, or null when given by hostname.</summary>
    public NetworkAddress? Address { get; }

    /// <summary>Port that serves HBONE, normally 15008.</summary>
    public int HboneMtlsPort { get; }

    /// <summary>A gateway known by hostname.</summary>
    public static GatewayAddress ByHostname(string ns, string hostname, int hboneMtlsPort = 15008) =>
        new(ns, hostname, null, hboneMtlsPort);

    /// <summary>A gateway known by address.</summary>
    public static GatewayAddress ByAddress(NetworkAddress address, int hboneMtlsPort = 15008) =>
        new(null, null, address, hboneMtlsPort);

    /// <summary>The form that config dumps use: <c>network/ip</c> or <c>namespace/hostname</c>.</summary>
    public override string ToString() => Address is { } address ? address.ToString() : $"{Namespace}/{Hostname}";
}

/// <summary>Load-balancing rules of a service.</summary>
/// <param name="RoutingPreference">Scopes in order of preference.</param>
/// <param name="Mode">What a mismatch means.</param>
/// <param name="HealthPolicy">Whether unready endpoints take traffic.</param>
public sealed record LoadBalancing(
    ImmutableArray<LoadBalancingScope> RoutingPreference,
    LoadBalancingMode Mode,
    EndpointHealthPolicy HealthPolicy)
{
    /// <inheritdoc/>
    public bool Equals(LoadBalancing? other) =>
        other is not null && Mode == other.Mode && HealthPolicy == other.HealthPolicy
        && RoutingPreference.SequenceEqual(other.RoutingPreference);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mode, HealthPolicy, RoutingPreference.Length);
}

/// <summary>What a load-balancing preference compares.</summary>
public enum LoadBalancingScope
{
    /// <summary>Region.</summary>
    Region = 1,

    /// <summary>Zone.</summary>
    Zone = 2,

    /// <summary>Subzone.</summary>
    Subzone = 3,

    /// <summary>Node.</summary>
    Node = 4,

    /// <summary>Cluster.</summary>
    Cluster = 5,

    /// <summary>Network.</summary>
    Network = 6,
}

/// <summary>Load-balancing mode.</summary>
public enum LoadBalancingMode
{
    /// <summary>All endpoints alike.</summary>
    Standard = 0,

    /// <summary>Only endpoints that match every preference.</summary>
    Strict = 1,

    /// <summary>The endpoints that match most preferences.</summary>
    Failover = 2,

    /// <summary>The client's original destination.</summary>
    Passthrough = 3,
}

/// <summary>Whether unready endpoints take traffic.</summary>
public enum EndpointHealthPolicy
{
    /// <summary>Only healthy endpoints.</summary>
    OnlyHealthy = 0,

    /// <summary>Unready endpoints too.</summary>
    AllowAll = 1,
}

/// <summary>Address families of a service.</summary>
public enum IPFamilies
{
    /// <summary>Not restricted.</summary>
    Automatic = 0,

    /// <summary>IPv4 only.</summary>
    IPv4Only = 1,

    /// <summary>IPv6 only.</summary>
    IPv6Only = 2,

    /// <summary>Both.</summary>
    Dual = 3,
}

/// <summary>Who may see a service.</summary>
public enum ServiceVisibility
{
    /// <summary>Everyone.</summary>
    Public = 0,

    /// <summary>Clients of the service's own namespace.</summary>
    Namespace = 1,
}
