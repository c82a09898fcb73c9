using System.Collections.Immutable;
using Ambient.Identity;

namespace Ambient.Mesh;

/// <summary>What a waypoint or gateway reads besides workloads and services.</summary>
public sealed record RequestConfiguration
{
    /// <summary>Nothing configured.</summary>
    public static RequestConfiguration Empty { get; } = new();

    /// <summary>Namespace whose policies may apply to every namespace.</summary>
    public string RootNamespace { get; init; } = "istio-system";

    /// <summary>The mesh's own trust domain, which <c>cluster.local</c> in policies stands for.</summary>
    public string TrustDomain { get; init; } = "cluster.local";

    /// <summary>DNS domain of the cluster's services: a Service is <c>name.namespace.svc.domain</c>.</summary>
    public string ClusterDomain { get; init; } = "cluster.local";

    /// <summary>Other trust domains whose identities count as the mesh's own in policies.</summary>
    public ImmutableArray<string> TrustDomainAliases { get; init; } = [];

    /// <summary>
    /// Trust domains whose every member is taken for the gateway of another network, and for whoever serves behind it, where nobody says who they are: a
    /// control plane tells Envoys no more. Empty: who is not known is not taken.
    /// </summary>
    public ImmutableArray<TrustDomain> NetworkTrustDomains { get; init; } = [];

    /// <summary>What is done to the path of a request before anything looks at it. Default <see cref="Mesh.PathNormalization.Base"/>.</summary>
    public PathNormalization PathNormalization { get; init; }

    /// <summary>Whether waypoints, gateways and members write a line for each request and opaque connection. Default true.</summary>
    public bool LogsAccess { get; init; } = true;

    /// <summary>What the mesh says of telemetry.</summary>
    public MeshTelemetry Telemetry { get; init; } = MeshTelemetry.None;

    /// <summary>Telemetry objects by <see cref="RequestTelemetry.Key"/>.</summary>
    public ImmutableDictionary<string, RequestTelemetry> Telemetries { get; init; } = ImmutableDictionary<string, RequestTelemetry>.Empty;

    /// <summary>Labels of each namespace, by its name.</summary>
    public ImmutableDictionary<string, ImmutableDictionary<string, string>> Namespaces { get; init; } =
        ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty;

    /// <summary>Gateways by <c>namespace/name</c>.</summary>
    public ImmutableDictionary<string, Gateway> Gateways { get; init; } = ImmutableDictionary<string, Gateway>.Empty;

    /// <summary>HTTPRoutes and GRPCRoutes by <see cref="HttpRoute.Key"/>.</summary>
    public ImmutableDictionary<string, HttpRoute> HttpRoutes { get; init; } = ImmutableDictionary<string, HttpRoute>.Empty;

    /// <summary>DestinationRules by <c>namespace/name</c>.</summary>
    public ImmutableDictionary<string, DestinationRule> DestinationRules { get; init; } = ImmutableDictionary<string, DestinationRule>.Empty;

    /// <summary>Blocks that hold for every host where its own rule has none: connection pool and outlier detection. Null: nothing is said.</summary>
    public TrafficPolicy? DefaultTrafficPolicy { get; init; }

    /// <summary>Time for connections, probes on them, and whether they are of HTTP/2, where their own settings do not say; null: nothing is said.</summary>
    public ConnectionPoolSettings? ConnectionDefaults { get; init; }

    /// <summary>Which localities are preferred where nothing else is said; null: nothing is said.</summary>
    public LocalityBalancing? LocalityDefaults { get; init; }

    /// <summary>When requests are sent again where no rule says; null: <see cref="RetryRule.Default"/>.</summary>
    public RetryRule? DefaultRetry { get; init; }

    /// <summary>Time for one try where no rule says anything of retries; null: as long as the whole.</summary>
    public TimeSpan? DefaultTryTimeout { get; init; }

    /// <summary>Services whose clients stay with one endpoint, by the service's key.</summary>
    public ImmutableDictionary<string, SessionPersistence> Sessions { get; init; } = ImmutableDictionary<string, SessionPersistence>.Empty;

    /// <summary>
    /// Of the labels of each workload those that a DestinationRule asks for, by the workload's uid; workloads that have none of them are not here. They
    /// are apart from <see cref="Workload"/> because a control plane does not send them, and because a layer 4 proxy must not have to hold them.
    /// </summary>
    public ImmutableDictionary<string, ImmutableDictionary<string, string>> WorkloadLabels { get; init; } =
        ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty;

    /// <summary>Permissions to refer across namespaces, by <c>namespace/name</c>.</summary>
    public ImmutableDictionary<string, ReferenceGrant> ReferenceGrants { get; init; } = ImmutableDictionary<string, ReferenceGrant>.Empty;

    /// <summary>
    /// Every AuthorizationPolicy as written, by <c>namespace/name</c>: those with targets for waypoints and gateways,
    /// the others because a gateway's own pods obey them too.
    /// </summary>
    public ImmutableDictionary<string, RequestAuthorizationPolicy> AuthorizationPolicies { get; init; } =
        ImmutableDictionary<string, RequestAuthorizationPolicy>.Empty;

    /// <summary>Which tokens requests may carry, by <c>namespace/name</c> of the RequestAuthentication that says so.</summary>
    public ImmutableDictionary<string, RequestAuthentication> RequestAuthentications { get; init; } =
        ImmutableDictionary<string, RequestAuthentication>.Empty;

    /// <summary>External authorizers, which CUSTOM policies name, by their names.</summary>
    public ImmutableDictionary<string, ExternalAuthorizer> ExternalAuthorizers { get; init; } = ImmutableDictionary<string, ExternalAuthorizer>.Empty;

    /// <summary>
    /// What selects a workload by its labels and no layer 4 proxy enforces, by the workload's uid. A workload that is not here is one whose
    /// labels are not known, or one that nothing in its reach could select.
    /// </summary>
    public ImmutableDictionary<string, RequestSelection> Selections { get; init; } = ImmutableDictionary<string, RequestSelection>.Empty;

    /// <summary>ListenerSets by <c>namespace/name</c>.</summary>
    public ImmutableDictionary<string, ListenerSet> ListenerSets { get; init; } = ImmutableDictionary<string, ListenerSet>.Empty;

    /// <summary>TLSRoutes by <c>namespace/name</c>.</summary>
    public ImmutableDictionary<string, StreamRoute> TlsRoutes { get; init; } = ImmutableDictionary<string, StreamRoute>.Empty;

    /// <summary>TCPRoutes by <c>namespace/name</c>.</summary>
    public ImmutableDictionary<string, StreamRoute> TcpRoutes { get; init; } = ImmutableDictionary<string, StreamRoute>.Empty;

    /// <summary>What VirtualServices say of TLS and TCP, by <c>namespace/name</c>.</summary>
    public ImmutableDictionary<string, StreamRoute> VirtualStreams { get; init; } = ImmutableDictionary<string, StreamRoute>.Empty;

    /// <summary>Secrets that Gateways, ListenerSets and DestinationRules refer to, by <c>namespace/name</c>.</summary>
    public ImmutableDictionary<string, TlsSecret> Secrets { get; init; } = ImmutableDictionary<string, TlsSecret>.Empty;

    /// <summary>ConfigMaps with authorities that Gateways refer to, by <c>namespace/name</c>.</summary>
    public ImmutableDictionary<string, CertificateBundle> CertificateBundles { get; init; } = ImmutableDictionary<string, CertificateBundle>.Empty;

    /// <summary>TLS that is made to backends, by the host name of the service.</summary>
    public ImmutableDictionary<string, BackendProtection> BackendProtections { get; init; } = ImmutableDictionary<string, BackendProtection>.Empty;

    /// <summary>TLS to backends that is asked for and not acted on: nothing is sent to these backends.</summary>
    public ImmutableArray<UnmetProtection> UnmetProtections { get; init; } = [];

    /// <summary>
    /// What holds at single places, by a service's key, <see cref="PlaceConfiguration.Workloads"/> or <see cref="PlaceConfiguration.OfGateway"/>, where a
    /// control plane has worked it out; places that are not here follow from the objects above.
    /// </summary>
    public ImmutableDictionary<string, PlaceConfiguration> Places { get; init; } = ImmutableDictionary<string, PlaceConfiguration>.Empty;

    /// <summary>What the configuration has, and what is known and not acted on: each kind and field once.</summary>
    public ImmutableArray<UnsupportedConfiguration> Unsupported { get; init; } = [];

    /// <summary>
    /// Both together: the domains of this one, and of objects with the same key this one's. Either alone when the other says nothing.
    /// </summary>
    internal RequestConfiguration FollowedBy(RequestConfiguration other) =>
        other.Equals(Empty) ? this
        : Equals(Empty) ? other
        : this with
        {
            Namespaces = other.Namespaces.SetItems(Namespaces),
            Gateways = other.Gateways.SetItems(Gateways),
            NetworkTrustDomains = NetworkTrustDomains.IsEmpty ? other.NetworkTrustDomains : NetworkTrustDomains,
            Telemetries = other.Telemetries.SetItems(Telemetries),
            HttpRoutes = other.HttpRoutes.SetItems(HttpRoutes),
            DestinationRules = other.DestinationRules.SetItems(DestinationRules),
            DefaultTrafficPolicy = DefaultTrafficPolicy ?? other.DefaultTrafficPolicy,
            ConnectionDefaults = ConnectionDefaults ?? other.ConnectionDefaults,
            LocalityDefaults = LocalityDefaults ?? other.LocalityDefaults,
            DefaultRetry = DefaultRetry ?? other.DefaultRetry,
            DefaultTryTimeout = DefaultTryTimeout ?? other.DefaultTryTimeout,
            Sessions = other.Sessions.SetItems(Sessions),
            WorkloadLabels = other.WorkloadLabels.SetItems(WorkloadLabels),
            ReferenceGrants = other.ReferenceGrants.SetItems(ReferenceGrants),
            AuthorizationPolicies = other.AuthorizationPolicies.SetItems(AuthorizationPolicies),
            RequestAuthentications = other.RequestAuthentications.SetItems(RequestAuthentications),
            ExternalAuthorizers = other.ExternalAuthorizers.SetItems(ExternalAuthorizers),
            Selections = other.Selections.SetItems(Selections),
            ListenerSets = other.ListenerSets.SetItems(ListenerSets),
            TlsRoutes = other.TlsRoutes.SetItems(TlsRoutes),
            TcpRoutes = other.TcpRoutes.SetItems(TcpRoutes),
            VirtualStreams = other.VirtualStreams.SetItems(VirtualStreams),
            Secrets = other.Secrets.SetItems(Secrets),
            CertificateBundles = other.CertificateBundles.SetItems(CertificateBundles),
            BackendProtections = other.BackendProtections.SetItems(BackendProtections),
            Places = other.Places.SetItems(Places),
            UnmetProtections = [.. UnmetProtections, .. other.UnmetProtections],
            Unsupported = [.. Unsupported, .. other.Unsupported],
        };

    /// <summary>Whether every object is equal.</summary>
    public bool Equals(RequestConfiguration? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && RootNamespace == other.RootNamespace
            && TrustDomain == other.TrustDomain
            && ClusterDomain == other.ClusterDomain
            && PathNormalization == other.PathNormalization
            && LogsAccess == other.LogsAccess
            && Telemetry.Equals(other.Telemetry)
            && StructuralEquality.Same(Telemetries, other.Telemetries)
            && StructuralEquality.Same(TrustDomainAliases, other.TrustDomainAliases)
            && NetworkTrustDomains.AsSpan().SequenceEqual(other.NetworkTrustDomains.AsSpan())
            && StructuralEquality.Same(Namespaces, other.Namespaces, StructuralEquality.Same)
            && StructuralEquality.Same(Gateways, other.Gateways)
            && StructuralEquality.Same(HttpRoutes, other.HttpRoutes)
            && DefaultTrafficPolicy == other.DefaultTrafficPolicy
            && ConnectionDefaults == other.ConnectionDefaults
            && LocalityDefaults == other.LocalityDefaults
            && DefaultRetry == other.DefaultRetry
            && DefaultTryTimeout == other.DefaultTryTimeout
            && StructuralEquality.Same(DestinationRules, other.DestinationRules)
            && StructuralEquality.Same(Sessions, other.Sessions)
            && StructuralEquality.Same(WorkloadLabels, other.WorkloadLabels, StructuralEquality.Same)
            && StructuralEquality.Same(ReferenceGrants, other.ReferenceGrants)
            && StructuralEquality.Same(AuthorizationPolicies, other.AuthorizationPolicies)
            && StructuralEquality.Same(RequestAuthentications, other.RequestAuthentications)
            && StructuralEquality.Same(ExternalAuthorizers, other.ExternalAuthorizers)
            && StructuralEquality.Same(Selections, other.Selections)
            && StructuralEquality.Same(ListenerSets, other.ListenerSets)
            && StructuralEquality.Same(TlsRoutes, other.TlsRoutes)
            && StructuralEquality.Same(TcpRoutes, other.TcpRoutes)
            && StructuralEquality.Same(VirtualStreams, other.VirtualStreams)
            && StructuralEquality.Same(Secrets, other.Secrets)
            && StructuralEquality.Same(CertificateBundles, other.CertificateBundles)
            && StructuralEquality.Same(BackendProtections, other.BackendProtections)
            && StructuralEquality.Same(Places, other.Places)
            && StructuralEquality.Same(UnmetProtections, other.UnmetProtections)
            && StructuralEquality.Same(Unsupported, other.Unsupported));

    /// <summary>TLS that is made to a port of a service; null: none.</summary>
    /// <param name="hostname">Host name of the service.</param>
    /// <param name="port">Port of the service.</param>
    public BackendTls? FindBackendTls(string hostname, int port) =>
        BackendProtections.TryGetValue(hostname, out var protection) ? protection.Find(port) : null;

    /// <summary>The object that asks for TLS to a port of a service, where that is not acted on; null when nothing does.</summary>
    /// <param name="hostname">Host name of the service.</param>
    /// <param name="port">Port of the service.</param>
    public string? FindUnmetProtection(string hostname, int port) => UnmetProtection.Find(UnmetProtections, hostname, port);

    /// <inheritdoc/>
    public override int GetHashCode() =>
        HashCode.Combine(RootNamespace, TrustDomain, Gateways.Count, HttpRoutes.Count, AuthorizationPolicies.Count);
}

/// <summary>A reference from a route or policy to another object.</summary>
/// <param name="Group">API group; empty for core.</param>
/// <param name="Kind">Kind.</param>
/// <param name="Namespace">Namespace, already defaulted to the referrer's.</param>
/// <param name="Name">Name.</param>
/// <param name="SectionName">Section, or null.</param>
/// <param name="Port">Port, or null.</param>
public sealed record ObjectReference(string Group, string Kind, string Namespace, string Name, string? SectionName = null, int? Port = null);

/// <summary>A ReferenceGrant: objects of its namespace may be referred to from elsewhere.</summary>
public sealed record ReferenceGrant
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace: that of the objects referred to.</summary>
    public required string Namespace { get; init; }

    /// <summary>Who may refer.</summary>
    public ImmutableArray<GrantSource> From { get; init; } = [];

    /// <summary>To what.</summary>
    public ImmutableArray<GrantTarget> To { get; init; } = [];

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <summary>Whether every field is equal.</summary>
    public bool Equals(ReferenceGrant? other) =>
        other is not null && Name == other.Name && Namespace == other.Namespace
        && StructuralEquality.Same(From, other.From) && StructuralEquality.Same(To, other.To);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, From.Length, To.Length);
}

/// <summary>Who may refer to objects of a granting namespace.</summary>
/// <param name="Group">API group of the referrer.</param>
/// <param name="Kind">Kind of the referrer.</param>
/// <param name="Namespace">Namespace of the referrer.</param>
public readonly record struct GrantSource(string Group, string Kind, string Namespace);

/// <summary>What may be referred to.</summary>
/// <param name="Group">API group; empty for core.</param>
/// <param name="Kind">Kind.</param>
/// <param name="Name">Name; null for all of the kind.</param>
public readonly record struct GrantTarget(string Group, string Kind, string? Name);
