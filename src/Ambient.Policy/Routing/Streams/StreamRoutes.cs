using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Policy.Routing.Streams;

/// <summary>
/// TLSRoutes, TCPRoutes and VirtualServices' rules of one place: which backend takes a connection. Hold one per place, ask it for every connection, and give it back when
/// the mesh has changed.
/// </summary>
public sealed class StreamRoutes
{
    private readonly object[] _inputs;
    private readonly ImmutableArray<Entrance> _entrances;

    private StreamRoutes(object[] inputs, ImmutableArray<Entrance> entrances)
    {
        _inputs = inputs;
        _entrances = entrances;
        AsksForServerName = entrances.Any(entrance => entrance.Hosts.Any(host => host.Pattern is not null));
    }

    /// <summary>Whether any route asks for the server name of TLS.</summary>
    public bool AsksForServerName { get; }

    /// <summary>Whether there is no route at all.</summary>
    public bool IsEmpty => _entrances.IsEmpty;

    /// <summary>Routes attached to the listeners of an ingress gateway, as far as these do not carry HTTP.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="gateway">The gateway.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again when nothing about it has changed.</param>
    public static StreamRoutes ForGateway(MeshSnapshot mesh, Gateway gateway, StreamRoutes? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(gateway);
        object[] inputs = [mesh.Requests, mesh.Services, gateway];
        if (earlier is not null && earlier.HoldsFor(inputs))
        {
            return earlier;
        }

        var entrances = ImmutableArray.CreateBuilder<Entrance>();
        foreach (var status in ListenerStatus.Of(mesh.Requests, gateway).Where(status => status is { IsServed: true, Listener.Protocol: "TLS" or "TCP" }))
        {
            var passesThrough = status.Listener is { Protocol: "TLS", TerminatesTls: false };
            var hosts = new List<StreamHost>();
            var within = status.Listener.Protocol == "TCP" ? null : status.Listener.Hostname;
            foreach (var route in (status.Set is { IsIstio: true } ? Oldest(mesh.Requests.VirtualStreams) : InOrder(mesh.Requests))
                .Where(route => RouteAttachment.Attaches(mesh, gateway, status, RouteAttachment.Attaching.Of(route, mesh.Requests.ClusterDomain))))
            {
                if (status.Set is { IsIstio: true } set)
                {
                    AddRules(hosts, mesh, route, set.Key, within, passesThrough);
                }
                else
                {
                    AddHosts(hosts, mesh, route, status.Listener.Hostname, enforceGrants: true, originates: !passesThrough);
                }
            }

            entrances.Add(new Entrance(status.Listener.Port, within, Sorted(hosts)) { RoutePort = status.Listener.Server?.Port ?? status.Listener.Port });
        }

        return new StreamRoutes(inputs, [.. entrances.OrderByDescending(entrance => HostName.Specificity(entrance.Hostname))]);
    }

    /// <summary>
    /// Routes whose parent is <paramref name="service"/>, of its own namespace; at ports without any, VirtualServices that are about it. Without either,
    /// connections go to the service itself, as do those that no VirtualService matches.
    /// </summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="service">The service.</param>
    /// <param name="proxyNamespace">Namespace of the waypoint, whose VirtualServices are looked at besides those of the service's; null: it has none of its own.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again when nothing about it has changed.</param>
    public static StreamRoutes ForService(MeshSnapshot mesh, MeshService service, string? proxyNamespace, StreamRoutes? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(service);
        object[] inputs = [mesh.Requests, mesh.Services, service];
        if (earlier is not null && earlier.HoldsFor(inputs))
        {
            return earlier;
        }

        if (mesh.Requests.Places.GetValueOrDefault(service.Key) is { } place)
        {
            return new StreamRoutes(inputs, ForPlace(mesh, place));
        }

        var ofPorts = new Dictionary<int, List<StreamHost>>();
        foreach (var route in InOrder(mesh.Requests).Where(route => route.Namespace == service.Namespace))
        {
            foreach (var port in route.ParentRefs.Where(parent => RequestRoutes.IsParent(parent, service)).SelectMany(
                parent => service.Ports.Where(port => parent.Port is null || parent.Port == port.Port)).Select(port => port.Port).Distinct())
            {
                if (!ofPorts.TryGetValue(port, out var hosts))
                {
                    ofPorts[port] = hosts = [];
                }

                AddHosts(hosts, mesh, route, null, enforceGrants: false, originates: route.Kind == "TCPRoute");
            }
        }

        var entrances = ofPorts.Select(entry => new Entrance(entry.Key, null, Sorted(entry.Value))).ToList();
        var virtualServices = VirtualServices.StreamsOf(mesh, service, proxyNamespace).ToArray();
        foreach (var port in service.Ports.Select(port => port.Port).Distinct().Where(port => virtualServices.Length > 0 && !ofPorts.ContainsKey(port)))
        {
            var hosts = new List<StreamHost>();
            foreach (var forTls in new[] { true, false })
            {
                foreach (var route in virtualServices)
                {
                    AddRules(hosts, mesh, route, HttpRoute.Mesh, null, forTls);
                }
            }

            entrances.Add(new Entrance(port, null, Sorted([.. hosts.Where(host => host.Condition?.Port is null || host.Condition.Port == port)])) { FallsThrough = true });
        }

        return new StreamRoutes(inputs, [.. entrances]);
    }

    /// <summary>
    /// Picks the backend of a connection, drawn from <paramref name="random"/> by weight. Null: nothing is configured for the port, so the
    /// connection goes to the service that was addressed.
    /// </summary>
    /// <param name="facts">The connection.</param>
    /// <param name="random">Draws by weight.</param>
    public StreamDecision? Route(in StreamFacts facts, Random random)
    {
        ArgumentNullException.ThrowIfNull(random);
        var (port, serverName) = (facts.Port, facts.ServerName);
        var known = false;
        foreach (var entrance in _entrances)
        {
            if (entrance.Port != port || !HostName.Matches(entrance.Hostname, serverName ?? ""))
            {
                known |= entrance.Port == port;
                continue;
            }

            // As requests do, a connection belongs to exactly one listener.
            foreach (var host in entrance.Hosts)
            {
                if (HostName.Matches(host.Pattern, serverName ?? "") && host.Takes(facts, entrance.RoutePort))
                {
                    return host.Draw(random);
                }
            }

            return entrance.FallsThrough ? null : StreamDecision.Refuse(null, string.IsNullOrEmpty(serverName) ? $"no route for port {port}" : $"no route for the server name {serverName} at port {port}");
        }

        return known ? StreamDecision.Refuse(null, $"no listener for the server name {serverName} at port {port}") : null;
    }

    /// <summary>What a control plane has worked out for the ports of a service: where their connections go, and which are closed.</summary>
    private static ImmutableArray<Entrance> ForPlace(MeshSnapshot mesh, PlaceConfiguration place) =>
    [
        .. place.Blocked.Select(blocked => new Entrance(blocked.Key, null, [new StreamHost(null, [], StreamDecision.Refuse(null, blocked.Value))])),
        .. place.Streams.Where(stream => !place.Blocked.ContainsKey(stream.Key)).Select(stream => new Entrance(
            stream.Key, null, [StreamHost.Compile(mesh, stream.Value, stream.Value.Backends, $"{stream.Value.Kind} {stream.Value.Key}", enforceGrants: false, originates: true)])),
    ];

    private bool HoldsFor(object[] inputs) => _inputs.AsSpan().SequenceEqual(inputs, ReferenceEqualityComparer.Instance);

    /// <summary>TLSRoutes before TCPRoutes, and the oldest first: of two that want the same connections the first one has them.</summary>
    private static IEnumerable<StreamRoute> InOrder(RequestConfiguration configuration) =>
        Oldest(configuration.TlsRoutes).Concat(Oldest(configuration.TcpRoutes));

    private static IEnumerable<StreamRoute> Oldest(ImmutableDictionary<string, StreamRoute> routes) =>
        routes.Values.OrderBy(route => route.CreationTime).ThenBy(route => route.Key, StringComparer.Ordinal);

    private static void AddHosts(
        List<StreamHost> hosts, MeshSnapshot mesh, StreamRoute route, string? within, bool enforceGrants, bool originates)
    {
        StreamHost? compiled = null;
        foreach (var hostname in route.Hostnames.IsDefaultOrEmpty ? [null] : route.Hostnames.Select(name => (string?)name))
        {
            if (HostName.TryIntersect(hostname, within, out var both) && !hosts.Any(host => IsSame(host.Pattern, both)))
            {
                compiled ??= StreamHost.Compile(mesh, route, route.Backends, $"{route.Kind} {route.Key}", enforceGrants, originates);
                hosts.Add(compiled with { Pattern = both });
            }
        }
    }

    /// <summary>The rules that a VirtualService has for a gateway (<c>namespace/name</c>, or <see cref="HttpRoute.Mesh"/>), for TLS that is passed through or for the rest.</summary>
    private static void AddRules(List<StreamHost> hosts, MeshSnapshot mesh, StreamRoute route, string gateway, string? within, bool forTls)
    {
        for (var i = 0; i < route.Rules.Length; i++)
        {
            var rule = route.Rules[i];
            if (rule.IsTls != forTls)
            {
                continue;
            }

            var compiled = StreamHost.Compile(mesh, route, rule.Backends, $"{route.Kind} {route.Key} rule {i}", enforceGrants: false, originates: !forTls);
            foreach (var match in rule.Matches.IsDefaultOrEmpty ? [new StreamMatch()] : rule.Matches)
            {
                if (!match.Gateways.IsDefaultOrEmpty && !match.Gateways.Contains(gateway))
                {
                    continue;
                }

                foreach (var name in match.ServerNames.IsDefaultOrEmpty ? [null] : match.ServerNames.Select(name => (string?)name))
                {
                    if (HostName.TryIntersect(name, within, out var both))
                    {
                        hosts.Add(compiled with { Pattern = both, Condition = match });
                    }
                }
            }
        }
    }

    private static bool IsSame(string? left, string? right) => string.Equals(left ?? "*", right ?? "*", StringComparison.OrdinalIgnoreCase);

    // The sort keeps the order of those of one pattern.
    private static ImmutableArray<StreamHost> Sorted(List<StreamHost> hosts) => [.. hosts.OrderByDescending(host => HostName.Specificity(host.Pattern))];

    /// <summary>One listener, or one port of a service.</summary>
    private sealed record Entrance(int Port, string? Hostname, ImmutableArray<StreamHost> Hosts)
    {
        /// <summary>The port that rules compare.</summary>
        public int RoutePort { get; init; } = Port;

        /// <summary>Whether what no route takes goes to the service that was addressed.</summary>
        public bool FallsThrough { get; init; }
    }
}
