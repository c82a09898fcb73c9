using System.Collections.Immutable;
using System.Globalization;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>A Gateway that may be named as a waypoint.</summary>
/// <param name="Key"><c>namespace/name</c>.</param>
/// <param name="Namespace">Namespace.</param>
/// <param name="Address">How it is reached; null when its status has no address that can be used.</param>
/// <param name="ServesServices">Whether services may bind.</param>
/// <param name="ServesWorkloads">Whether workloads may bind.</param>
/// <param name="Allowed">Namespaces that may bind.</param>
/// <param name="NamespaceSelector">Labels of namespaces that may bind, when selected.</param>
/// <param name="InboundBinding">How its pods take traffic, when a ztunnel stands in front of them.</param>
internal sealed record Waypoint(
    string Key,
    string Namespace,
    GatewayAddress? Address,
    bool ServesServices,
    bool ServesWorkloads,
    AllowedNamespaces Allowed,
    ImmutableDictionary<string, string>? NamespaceSelector,
    ApplicationTunnel? InboundBinding);

/// <summary>
/// Which waypoint an object is bound to: the label of the object or of its namespace, the permission of the Gateway, the
/// kind of traffic it serves. A label that leads nowhere binds to nothing: it never falls
/// back to another waypoint.
/// </summary>
internal sealed class WaypointCatalog
{
    private const int HbonePort = 15008;
    private static readonly Dictionary<string, string> NoLabels = [];

    private readonly KubernetesObjects _objects;
    private readonly Dictionary<string, Waypoint> _waypoints = new(StringComparer.Ordinal);

    public WaypointCatalog(KubernetesObjects objects, TranslationOptions options, TranslationMemory memory)
    {
        _objects = objects;
        foreach (var gateway in objects.Gateways.Values)
        {
            // Any Gateway can be a waypoint as soon as a controller made it reachable; the class is not asked.
            if (gateway.StatusAddresses.Count > 0)
            {
                var gatewayClass = objects.GatewayClasses.GetValueOrDefault(gateway.ClassName);
                var waypoint = memory.Keep("waypoint", gateway.Meta.Key, [gateway, gatewayClass], () => Describe(gateway, gatewayClass, options));
                _waypoints.Add(waypoint.Key, waypoint);
            }
        }
    }

    /// <summary>Every waypoint, in the order of their keys.</summary>
    public IReadOnlyCollection<Waypoint> All => _waypoints.Values;

    /// <summary>The waypoint of a Service or ServiceEntry, or null.</summary>
    public Waypoint? OfService(ObjectMeta meta)
    {
        // The services of waypoints themselves: binding them would be a loop.
        return meta.Label(WellKnown.GatewayManaged) is WellKnown.ManagedByMeshController or WellKnown.ManagedByEastWestController
            ? null
            : Bound(meta) is { ServesServices: true } waypoint ? waypoint : null;
    }

    /// <summary>The waypoint of a workload with this namespace and these labels, or null.</summary>
    public Waypoint? OfWorkload(ObjectMeta meta) =>
        InstanceOf(meta) is null && Bound(meta) is { ServesWorkloads: true } waypoint ? waypoint : null;

    /// <summary>The waypoint that a pod is an instance of, or null.</summary>
    public Waypoint? InstanceOf(ObjectMeta meta) =>
        meta.Label(WellKnown.GatewayName) is { Length: > 0 } name ? _waypoints.GetValueOrDefault($"{meta.Namespace}/{name}") : null;

    /// <summary>Primary and canary with their shares, or none when no valid canary is declared.</summary>
    public ImmutableArray<WeightedWaypoint> WeightedOf(ObjectMeta meta, Waypoint? primary)
    {
        if (primary?.Address is null || CanaryOf(meta) is not var (key, weight) || key == primary.Key
            || !_waypoints.TryGetValue(key, out var canary) || canary is not { Address: not null, ServesServices: true }
            || !Allows(canary, meta.Namespace))
        {
            return [];
        }

        return [new WeightedWaypoint(primary.Address, 100 - weight), new WeightedWaypoint(canary.Address, weight)];
    }

    /// <summary>Whether ingress gateways send through the waypoint: label of the object, else of its namespace.</summary>
    public bool IngressUsesWaypoint(ObjectMeta meta, Waypoint? primary)
    {
        var value = meta.Label(WellKnown.IngressUseWaypoint) ?? NamespaceLabels(meta.Namespace).GetValueOrDefault(WellKnown.IngressUseWaypoint);
        return primary is not null && value is "1" or "t" or "T" or "true" or "TRUE" or "True";
    }

    private Waypoint? Bound(ObjectMeta meta)
    {
        var labels = meta.Labels.ContainsKey(WellKnown.UseWaypoint) ? meta.Labels : NamespaceLabels(meta.Namespace);
        return NamedBy(labels, WellKnown.UseWaypoint, WellKnown.UseWaypointNamespace, meta.Namespace) is { } key
            && _waypoints.TryGetValue(key, out var waypoint) && Allows(waypoint, meta.Namespace)
                ? waypoint
                : null;
    }

    private (string Key, uint Weight)? CanaryOf(ObjectMeta meta)
    {
        // The canary is inherited from the namespace only where the primary is, and "none" does not count as a primary of one's own.
        var own = meta.Label(WellKnown.UseWaypoint) is not (null or "none");
        var ns = own ? null : _objects.Namespaces.GetValueOrDefault(meta.Namespace)?.Meta;
        var labels = meta.Labels.ContainsKey(WellKnown.UseWaypointCanary) || ns is null ? meta.Labels : ns.Labels;
        if (NamedBy(labels, WellKnown.UseWaypointCanary, WellKnown.UseWaypointCanaryNamespace, meta.Namespace) is not { Length: > 0 } key)
        {
            return null;
        }

        var text = meta.Annotation(WellKnown.UseWaypointCanaryWeight) ?? ns?.Annotation(WellKnown.UseWaypointCanaryWeight) ?? "0";
        return uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var weight) && weight <= 100 ? (key, weight) : null;
    }

    private static string? NamedBy(Dictionary<string, string> labels, string nameLabel, string namespaceLabel, string ownNamespace) =>
        labels.GetValueOrDefault(nameLabel) is { Length: > 0 } name and not "none"
            ? $"{labels.GetValueOrDefault(namespaceLabel) ?? ownNamespace}/{name}"
            : null;

    private bool Allows(Waypoint waypoint, string ns) => waypoint.Allowed switch
    {
        AllowedNamespaces.All => true,
        AllowedNamespaces.Selector => waypoint.NamespaceSelector is { } selector && LabelSelection.Selects(selector, NamespaceLabels(ns)),
        _ => waypoint.Namespace == ns,
    };

    private Dictionary<string, string> NamespaceLabels(string ns) => _objects.Namespaces.GetValueOrDefault(ns)?.Meta.Labels ?? NoLabels;

    private static Waypoint Describe(GatewayObject gateway, GatewayClassObject? gatewayClass, TranslationOptions options)
    {
        var serves = gateway.Meta.Label(WellKnown.WaypointFor) ?? gatewayClass?.Meta.Label(WellKnown.WaypointFor) ?? "service";
        var binding = ReadBinding(gateway.Meta.Annotation(WellKnown.InboundBinding) ?? gatewayClass?.Meta.Annotation(WellKnown.InboundBinding));
        var listener = AttachmentListener(gateway, binding);
        return new Waypoint(
            gateway.Meta.Key,
            gateway.Meta.Namespace,
            AddressOf(gateway, options),
            serves is "service" or "all",
            serves is "workload" or "all",
            listener?.AllowedRouteNamespaces ?? AllowedNamespaces.Same,
            listener?.NamespaceSelector,
            binding);
    }

    private static GatewayAddress? AddressOf(GatewayObject gateway, TranslationOptions options)
    {
        // A hostname goes before addresses: it stays when addresses are given out anew, and has all of them.
        foreach (var address in gateway.StatusAddresses)
        {
            if (address.Hostname is { } hostname)
            {
                return GatewayAddress.ByHostname(gateway.Meta.Namespace, hostname, HbonePort);
            }
        }

        foreach (var address in gateway.StatusAddresses)
        {
            if (address.Address is { } ip)
            {
                return GatewayAddress.ByAddress(new NetworkAddress(options.Network, ip), HbonePort);
            }
        }

        return null;
    }

    /// <summary>The listener whose permission counts: the one behind the inbound binding, else HBONE on 15008.</summary>
    private static GatewayListener? AttachmentListener(GatewayObject gateway, ApplicationTunnel? binding)
    {
        var bound = binding switch
        {
            { Port: > 0 } => gateway.Listeners.FirstOrDefault(listener => listener.Port == binding.Port),
            { Protocol: ApplicationTunnelProtocol.Proxy } => gateway.Listeners.FirstOrDefault(listener => listener.Protocol == "istio.io/PROXY"),
            _ => null,
        };
        return bound ?? gateway.Listeners.FirstOrDefault(listener => listener is { Protocol: "HBONE", Port: HbonePort });
    }

    private static ApplicationTunnel? ReadBinding(string? annotation)
    {
        if (string.IsNullOrEmpty(annotation))
        {
            return null;
        }

        var parts = annotation.Split('/');
        ApplicationTunnelProtocol? protocol = parts[0] switch
        {
            "NONE" => ApplicationTunnelProtocol.None,
            "PROXY" => ApplicationTunnelProtocol.Proxy,
            _ => null,
        };
        if (protocol is null || parts.Length > 2)
        {
            return null;
        }

        var port = parts.Length == 2 && ushort.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
        return new ApplicationTunnel(protocol.Value, port);
    }
}
