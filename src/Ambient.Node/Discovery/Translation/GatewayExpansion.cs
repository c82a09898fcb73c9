using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>The instance of a Gateway that nobody else deploys: service account, service, one pod (what istiod's gateway deployer makes: istio/istio, <c>pilot/pkg/config/kube/gateway</c>).</summary>
internal static class GatewayExpansion
{
    private const int HbonePort = 15008;

    /// <summary>Name of what is generated for a Gateway: its own for a waypoint, with the class appended otherwise.</summary>
    public static string InstanceName(string gatewayName, string className) =>
        className == WellKnown.WaypointClass ? gatewayName : $"{gatewayName}-{className}";

    /// <summary>Adds the instance of <paramref name="gateway"/>, if it is of a class that we serve.</summary>
    public static void AddInstance(KubernetesObjects objects, GatewayObject gateway, TranslationOptions options, TranslationMemory memory)
    {
        if (gateway.ClassName is not (WellKnown.WaypointClass or WellKnown.GatewayClass))
        {
            return;
        }

        var instance = memory.Keep("instance of a gateway", gateway.Meta.Key, [gateway], () => Describe(gateway, options));
        objects.Add(instance.Account);
        objects.Add(instance.Service);
        objects.Add(instance.Pod);
        objects.Gateways[gateway.Meta.Key] = instance.Gateway;
    }

    private static Instance Describe(GatewayObject gateway, TranslationOptions options)
    {
        var isWaypoint = gateway.ClassName == WellKnown.WaypointClass;
        var name = InstanceName(gateway.Meta.Name, gateway.ClassName);
        var labels = new Dictionary<string, string>(gateway.InfrastructureLabels, StringComparer.Ordinal)
        {
            [WellKnown.GatewayName] = gateway.Meta.Name,
            [WellKnown.GatewayClassName] = gateway.ClassName,
            [WellKnown.GatewayManaged] = isWaypoint ? WellKnown.ManagedByMeshController : WellKnown.ManagedByGatewayController,
        };
        var account = new ServiceAccountObject(Generated(gateway, "ServiceAccount", name, labels));
        var service = new ServiceObject(Generated(gateway, "Service", name, labels))
        {
            Ports = isWaypoint ? [new ServicePortSpec("mesh", HbonePort, HbonePort, "", AppProtocol.Unknown)] : ListenerPorts(gateway),
            Selector = new Dictionary<string, string>(StringComparer.Ordinal) { [WellKnown.GatewayName] = gateway.Meta.Name },
        };

        var podLabels = new Dictionary<string, string>(labels, StringComparer.Ordinal)
        {
            [WellKnown.DataplaneMode] = "none",
            [WellKnown.CanonicalName] = name,
            [WellKnown.CanonicalRevision] = "latest",
        };
        if (isWaypoint)
        {
            // Our waypoint terminates HBONE itself, without a ztunnel in front.
            podLabels[WellKnown.Tunnel] = "http";
        }

        var pod = new PodObject(Generated(gateway, "Pod", $"{name}-0", podLabels)) { ServiceAccount = name, WorkloadName = name };
        var hostname = $"{name}.{gateway.Meta.Namespace}.svc.{options.ClusterDomain}";
        return new Instance(account, service, pod, isWaypoint ? gateway with { StatusAddresses = [new GatewayStatusAddress(hostname, null)] } : gateway);
    }

    private static List<ServicePortSpec> ListenerPorts(GatewayObject gateway) =>
    [
        .. gateway.Listeners.DistinctBy(listener => listener.Port).Select(listener => new ServicePortSpec(
            listener.Name, listener.Port, listener.Port, "", AppProtocols.Parse(listener.Protocol))),
    ];

    private static ObjectMeta Generated(GatewayObject gateway, string kind, string name, Dictionary<string, string> labels) =>
        gateway.Meta with { Kind = kind, Name = name, Labels = labels, Annotations = gateway.InfrastructureAnnotations };

    private sealed record Instance(ServiceAccountObject Account, ServiceObject Service, PodObject Pod, GatewayObject Gateway);
}
