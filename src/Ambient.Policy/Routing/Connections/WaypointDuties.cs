using System.Runtime.CompilerServices;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Connections;

/// <summary>
/// For which services waypoints have anything to do: a route, a policy, a rule about tokens, a DestinationRule, sessions, TLS to the service. Worked out
/// once for each configuration. What concerns a Gateway or its class concerns every service behind it.
/// </summary>
internal sealed class WaypointDuties
{
    private static readonly ConditionalWeakTable<RequestConfiguration, WaypointDuties> s_known = new();

    private readonly HashSet<(string Kind, string Namespace, string Name)> _targets = [];
    private readonly List<(string Host, string Namespace)> _hosts = [];
    private readonly string _clusterDomain;

    private WaypointDuties(RequestConfiguration requests)
    {
        _clusterDomain = requests.ClusterDomain;
        foreach (var target in requests.HttpRoutes.Values.SelectMany(route => route.ParentRefs)
            .Concat(requests.TlsRoutes.Values.SelectMany(route => route.ParentRefs))
            .Concat(requests.TcpRoutes.Values.SelectMany(route => route.ParentRefs))
            .Concat(requests.AuthorizationPolicies.Values.SelectMany(policy => policy.Targets))
            .Concat(requests.RequestAuthentications.Values.SelectMany(authentication => authentication.Targets)))
        {
            // Policies of a whole class are of the root namespace, and concern waypoints of every namespace.
            _targets.Add((target.Kind, target.Kind == "GatewayClass" ? "" : target.Namespace, target.Name));
        }

        foreach (var route in requests.HttpRoutes.Values.Where(route => route.Kind == HttpRoute.VirtualService))
        {
            _hosts.AddRange(route.Hostnames.Select(host => (host, route.Namespace)));
        }

        foreach (var route in requests.VirtualStreams.Values)
        {
            _hosts.AddRange(route.Hostnames.Select(host => (host, route.Namespace)));
        }

        // Whoever they are exported to: rather asked for nothing than passed by.
        _hosts.AddRange(requests.DestinationRules.Values.Select(rule => (rule.Host, rule.Namespace)));
    }

    /// <summary>The duties of a configuration.</summary>
    internal static WaypointDuties Of(RequestConfiguration requests) => s_known.GetValue(requests, static requests => new WaypointDuties(requests));

    /// <summary>Whether the waypoints of a service have nothing to do for it.</summary>
    internal bool IsIdleFor(MeshSnapshot mesh, MeshService service) =>
        !_targets.Contains(("Service", service.Namespace, service.Name))
        && !_targets.Contains(("ServiceEntry", service.Namespace, service.Name))
        && !_targets.Contains(("Hostname", service.Namespace, service.Hostname))
        && !_hosts.Any(host => Means(host.Host, host.Namespace, service))
        && !mesh.Requests.Sessions.ContainsKey(service.Key)
        && !service.IsOfManyNames
        && mesh.Requests is { DefaultTrafficPolicy: null, ConnectionDefaults: null, LocalityDefaults: null, DefaultRetry: null }
        && !mesh.Requests.BackendProtections.ContainsKey(service.Hostname)
        && !mesh.Requests.UnmetProtections.Any(protection => protection.Concerns(service.Hostname, protection.Port ?? 0))
        && !mesh.Requests.Gateways.Values.Any(gateway => gateway.ClassName.EndsWith("waypoint", StringComparison.Ordinal)
            && (_targets.Contains(("Gateway", gateway.Namespace, gateway.Name)) || _targets.Contains(("GatewayClass", "", gateway.ClassName))));

    private bool Means(string host, string ns, MeshService service) => host switch
    {
        "*" => true,
        ['*', .. var suffix] => service.Hostname.EndsWith(suffix, StringComparison.OrdinalIgnoreCase),
        _ => string.Equals(host.Contains('.', StringComparison.Ordinal) ? host : $"{host}.{ns}.svc.{_clusterDomain}", service.Hostname, StringComparison.OrdinalIgnoreCase),
    };
}
