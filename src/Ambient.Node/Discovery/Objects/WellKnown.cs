namespace Ambient.Node.Discovery.Objects;

/// <summary>Labels and annotations that mean something to the mesh (https://istio.io/latest/docs/reference/config/labels/).</summary>
internal static class WellKnown
{
    /// <summary>Annotation of a Service: namespaces that it is exported to, with commas between.</summary>
    public const string ExportTo = "networking.istio.io/exportTo";

    public const string DataplaneMode = "istio.io/dataplane-mode";
    public const string Redirection = "ambient.istio.io/redirection";
    public const string UseWaypoint = "istio.io/use-waypoint";
    public const string UseWaypointNamespace = "istio.io/use-waypoint-namespace";
    public const string UseWaypointCanary = "istio.io/use-waypoint-canary";
    public const string UseWaypointCanaryNamespace = "istio.io/use-waypoint-canary-namespace";
    public const string UseWaypointCanaryWeight = "istio.io/use-waypoint-canary-weight";
    public const string WaypointFor = "istio.io/waypoint-for";
    public const string PersistentSession = "istio.io/persistent-session";
    public const string PersistentSessionHeader = "istio.io/persistent-session-header";
    public const string IngressUseWaypoint = "istio.io/ingress-use-waypoint";
    public const string GatewayManaged = "gateway.istio.io/managed";
    public const string GatewayName = "gateway.networking.k8s.io/gateway-name";
    public const string GatewayClassName = "gateway.networking.k8s.io/gateway-class-name";
    public const string Tunnel = "networking.istio.io/tunnel";
    public const string InboundBinding = "ambient.istio.io/waypoint-inbound-binding";
    public const string TrafficDistribution = "networking.istio.io/traffic-distribution";
    public const string EnableAutoallocateIp = "networking.istio.io/enable-autoallocate-ip";
    public const string DryRun = "istio.io/dry-run";
    public const string SidecarStatus = "sidecar.istio.io/status";
    public const string WorkloadName = "service.istio.io/workload-name";
    public const string AutoRegistrationGroup = "istio.io/autoRegistrationGroup";
    public const string CanonicalName = "service.istio.io/canonical-name";
    public const string CanonicalRevision = "service.istio.io/canonical-revision";
    public const string ServiceName = "kubernetes.io/service-name";
    public const string NodeHostname = "kubernetes.io/hostname";
    public const string Region = "topology.kubernetes.io/region";
    public const string Zone = "topology.kubernetes.io/zone";
    public const string Subzone = "topology.istio.io/subzone";

    /// <summary>Ours: the address of a pod that this machine runs, instead of a computed one.</summary>
    public const string Address = "ambient.dev/address";

    /// <summary>Ours: connections to a service go past its waypoint while that has nothing to do for it.</summary>
    public const string SkipIdleWaypoint = "ambient.dev/skip-idle-waypoint";

    public const string ManagedByMeshController = "istio.io-mesh-controller";
    public const string ManagedByEastWestController = "istio.io-eastwest-controller";
    public const string ManagedByGatewayController = "istio.io-gateway-controller";
    public const string WaypointClass = Mesh.Gateway.WaypointClass;
    public const string GatewayClass = "istio";
}
