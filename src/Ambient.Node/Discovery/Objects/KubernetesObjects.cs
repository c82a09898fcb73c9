namespace Ambient.Node.Discovery.Objects;

/// <summary>
/// The objects of one load, by kind and in order of their keys, so that whatever is made from them is the same in every
/// process that reads the same objects.
/// </summary>
internal sealed class KubernetesObjects
{
    /// <summary>Namespaces by name.</summary>
    public SortedDictionary<string, NamespaceObject> Namespaces { get; } = Sorted<NamespaceObject>();

    /// <summary>Nodes by name.</summary>
    public SortedDictionary<string, NodeObject> Nodes { get; } = Sorted<NodeObject>();

    /// <summary>Pods by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, PodObject> Pods { get; } = Sorted<PodObject>();

    /// <summary>What makes pods, by <c>kind namespace/name</c>.</summary>
    public SortedDictionary<string, PodControllerObject> PodControllers { get; } = Sorted<PodControllerObject>();

    /// <summary>Services by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, ServiceObject> Services { get; } = Sorted<ServiceObject>();

    /// <summary>Service accounts by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, ServiceAccountObject> ServiceAccounts { get; } = Sorted<ServiceAccountObject>();

    /// <summary>Endpoint slices by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, EndpointSliceObject> EndpointSlices { get; } = Sorted<EndpointSliceObject>();

    /// <summary>Endpoints of services, in the form before slices, by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, EndpointsObject> Endpoints { get; } = Sorted<EndpointsObject>();

    /// <summary>Service entries by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, ServiceEntryObject> ServiceEntries { get; } = Sorted<ServiceEntryObject>();

    /// <summary>Workload entries by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, WorkloadEntryObject> WorkloadEntries { get; } = Sorted<WorkloadEntryObject>();

    /// <summary>Gateway classes by name.</summary>
    public SortedDictionary<string, GatewayClassObject> GatewayClasses { get; } = Sorted<GatewayClassObject>();

    /// <summary>Gateways by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, GatewayObject> Gateways { get; } = Sorted<GatewayObject>();

    /// <summary>Gateways of Istio's own by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, IstioGatewayObject> IstioGateways { get; } = Sorted<IstioGatewayObject>();

    /// <summary>HTTPRoutes and GRPCRoutes by <see cref="Ambient.Mesh.HttpRoute.Key"/>.</summary>
    public SortedDictionary<string, HttpRouteObject> HttpRoutes { get; } = Sorted<HttpRouteObject>();

    /// <summary>Listener sets by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, ListenerSetObject> ListenerSets { get; } = Sorted<ListenerSetObject>();

    /// <summary>TLS and TCP routes by <c>kind namespace/name</c>.</summary>
    public SortedDictionary<string, StreamRouteObject> StreamRoutes { get; } = Sorted<StreamRouteObject>();

    /// <summary>Secrets with a certificate by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, TlsSecretObject> TlsSecrets { get; } = Sorted<TlsSecretObject>();

    /// <summary>ConfigMaps with authorities by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, CertificateBundleObject> CertificateBundles { get; } = Sorted<CertificateBundleObject>();

    /// <summary>Reference grants by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, ReferenceGrantObject> ReferenceGrants { get; } = Sorted<ReferenceGrantObject>();

    /// <summary>Authorization policies by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, AuthorizationPolicyObject> AuthorizationPolicies { get; } = Sorted<AuthorizationPolicyObject>();

    /// <summary>Request authentications by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, RequestAuthenticationObject> RequestAuthentications { get; } = Sorted<RequestAuthenticationObject>();

    /// <summary>Telemetries by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, TelemetryObject> Telemetries { get; } = Sorted<TelemetryObject>();

    /// <summary>Peer authentications by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, PeerAuthenticationObject> PeerAuthentications { get; } = Sorted<PeerAuthenticationObject>();

    /// <summary>Backend TLS policies by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, BackendTlsPolicyObject> BackendTlsPolicies { get; } = Sorted<BackendTlsPolicyObject>();

    /// <summary>Destination rules by <c>namespace/name</c>.</summary>
    public SortedDictionary<string, DestinationRuleObject> DestinationRules { get; } = Sorted<DestinationRuleObject>();

    /// <summary>MeshConfigs by <c>namespace/name</c> of their ConfigMaps.</summary>
    public SortedDictionary<string, MeshConfigObject> MeshConfigs { get; } = Sorted<MeshConfigObject>();

    /// <summary>All of them.</summary>
    public IEnumerable<KubernetesObject> All =>
    [
        .. Namespaces.Values, .. Nodes.Values, .. Pods.Values, .. PodControllers.Values, .. Services.Values, .. ServiceAccounts.Values,
        .. EndpointSlices.Values, .. Endpoints.Values, .. ServiceEntries.Values, .. WorkloadEntries.Values, .. GatewayClasses.Values, .. Gateways.Values,
        .. HttpRoutes.Values, .. ReferenceGrants.Values, .. AuthorizationPolicies.Values, .. PeerAuthentications.Values,
        .. IstioGateways.Values, .. BackendTlsPolicies.Values, .. DestinationRules.Values, .. MeshConfigs.Values,
        .. RequestAuthentications.Values, .. ListenerSets.Values, .. StreamRoutes.Values, .. TlsSecrets.Values, .. CertificateBundles.Values, .. Telemetries.Values,
    ];

    /// <summary>Adds an object; the one of the same kind and key that is there already, or null when it was added.</summary>
    public KubernetesObject? Add(KubernetesObject added) => added switch
    {
        NamespaceObject o => Add(Namespaces, o),
        NodeObject o => Add(Nodes, o),
        PodObject o => Add(Pods, o),
        PodControllerObject o => Add(PodControllers, o.Key, o),
        ServiceObject o => Add(Services, o),
        ServiceAccountObject o => Add(ServiceAccounts, o),
        EndpointSliceObject o => Add(EndpointSlices, o),
        EndpointsObject o => Add(Endpoints, o),
        ServiceEntryObject o => Add(ServiceEntries, o),
        WorkloadEntryObject o => Add(WorkloadEntries, o),
        GatewayClassObject o => Add(GatewayClasses, o),
        GatewayObject o => Add(Gateways, o),
        IstioGatewayObject o => Add(IstioGateways, o),
        HttpRouteObject o => Add(HttpRoutes, o.Route.Key, o),
        ListenerSetObject o => Add(ListenerSets, o),
        StreamRouteObject o => Add(StreamRoutes, $"{o.Meta.Kind} {o.Meta.Key}", o),
        TlsSecretObject o => Add(TlsSecrets, o),
        CertificateBundleObject o => Add(CertificateBundles, o),
        ReferenceGrantObject o => Add(ReferenceGrants, o),
        AuthorizationPolicyObject o => Add(AuthorizationPolicies, o),
        PeerAuthenticationObject o => Add(PeerAuthentications, o),
        BackendTlsPolicyObject o => Add(BackendTlsPolicies, o),
        DestinationRuleObject o => Add(DestinationRules, o),
        RequestAuthenticationObject o => Add(RequestAuthentications, o),
        TelemetryObject o => Add(Telemetries, o),
        MeshConfigObject o => Add(MeshConfigs, o),
        _ => throw new ArgumentException($"no place for {added.Meta.Kind}", nameof(added)),
    };

    private static T? Add<T>(SortedDictionary<string, T> all, T added)
        where T : KubernetesObject => Add(all, added.Meta.Key, added);

    private static T? Add<T>(SortedDictionary<string, T> all, string key, T added)
        where T : KubernetesObject
    {
        if (all.TryGetValue(key, out var existing))
        {
            return existing;
        }

        all.Add(key, added);
        return null;
    }

    private static SortedDictionary<string, T> Sorted<T>() => new(StringComparer.Ordinal);
}
