namespace Ambient.Node.Discovery.Objects;

/// <summary>
/// The objects of one load, by kind and in order of their keys, so that whatever is made from them is the same in every
/// process that reads the same objects.
/// </summary>
internal sealed class KubernetesObjects
{
    /// <summary>Namespaces by name.</summary>
    public ObjectTable<NamespaceObject> Namespaces { get; } = new();

    /// <summary>Nodes by name.</summary>
    public ObjectTable<NodeObject> Nodes { get; } = new();

    /// <summary>Pods by <c>namespace/name</c>.</summary>
    public ObjectTable<PodObject> Pods { get; } = new();

    /// <summary>What makes pods, by <c>kind namespace/name</c>.</summary>
    public ObjectTable<PodControllerObject> PodControllers { get; } = new();

    /// <summary>Services by <c>namespace/name</c>.</summary>
    public ObjectTable<ServiceObject> Services { get; } = new();

    /// <summary>Service accounts by <c>namespace/name</c>.</summary>
    public ObjectTable<ServiceAccountObject> ServiceAccounts { get; } = new();

    /// <summary>Endpoint slices by <c>namespace/name</c>.</summary>
    public ObjectTable<EndpointSliceObject> EndpointSlices { get; } = new();

    /// <summary>Endpoints of services, in the form before slices, by <c>namespace/name</c>.</summary>
    public ObjectTable<EndpointsObject> Endpoints { get; } = new();

    /// <summary>Service entries by <c>namespace/name</c>.</summary>
    public ObjectTable<ServiceEntryObject> ServiceEntries { get; } = new();

    /// <summary>Workload entries by <c>namespace/name</c>.</summary>
    public ObjectTable<WorkloadEntryObject> WorkloadEntries { get; } = new();

    /// <summary>Gateway classes by name.</summary>
    public ObjectTable<GatewayClassObject> GatewayClasses { get; } = new();

    /// <summary>Gateways by <c>namespace/name</c>.</summary>
    public ObjectTable<GatewayObject> Gateways { get; } = new();

    /// <summary>Gateways of Istio's own by <c>namespace/name</c>.</summary>
    public ObjectTable<IstioGatewayObject> IstioGateways { get; } = new();

    /// <summary>HTTPRoutes and GRPCRoutes by <see cref="Ambient.Mesh.HttpRoute.Key"/>.</summary>
    public ObjectTable<HttpRouteObject> HttpRoutes { get; } = new();

    /// <summary>Listener sets by <c>namespace/name</c>.</summary>
    public ObjectTable<ListenerSetObject> ListenerSets { get; } = new();

    /// <summary>TLS and TCP routes by <c>kind namespace/name</c>.</summary>
    public ObjectTable<StreamRouteObject> StreamRoutes { get; } = new();

    /// <summary>Secrets with a certificate by <c>namespace/name</c>.</summary>
    public ObjectTable<TlsSecretObject> TlsSecrets { get; } = new();

    /// <summary>ConfigMaps with authorities by <c>namespace/name</c>.</summary>
    public ObjectTable<CertificateBundleObject> CertificateBundles { get; } = new();

    /// <summary>Reference grants by <c>namespace/name</c>.</summary>
    public ObjectTable<ReferenceGrantObject> ReferenceGrants { get; } = new();

    /// <summary>Authorization policies by <c>namespace/name</c>.</summary>
    public ObjectTable<AuthorizationPolicyObject> AuthorizationPolicies { get; } = new();

    /// <summary>Request authentications by <c>namespace/name</c>.</summary>
    public ObjectTable<RequestAuthenticationObject> RequestAuthentications { get; } = new();

    /// <summary>Telemetries by <c>namespace/name</c>.</summary>
    public ObjectTable<TelemetryObject> Telemetries { get; } = new();

    /// <summary>Peer authentications by <c>namespace/name</c>.</summary>
    public ObjectTable<PeerAuthenticationObject> PeerAuthentications { get; } = new();

    /// <summary>Backend TLS policies by <c>namespace/name</c>.</summary>
    public ObjectTable<BackendTlsPolicyObject> BackendTlsPolicies { get; } = new();

    /// <summary>Destination rules by <c>namespace/name</c>.</summary>
    public ObjectTable<DestinationRuleObject> DestinationRules { get; } = new();

    /// <summary>MeshConfigs by <c>namespace/name</c> of their ConfigMaps.</summary>
    public ObjectTable<MeshConfigObject> MeshConfigs { get; } = new();

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

    private static T? Add<T>(ObjectTable<T> all, T added)
        where T : KubernetesObject => Add(all, added.Meta.Key, added);

    private static T? Add<T>(ObjectTable<T> all, string key, T added)
        where T : KubernetesObject => all.TryAdd(key, added) ? null : all[key];
}
