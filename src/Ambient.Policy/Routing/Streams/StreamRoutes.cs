using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Policy.Routing.Streams;

/// <summary>
/// TLSRoutes and TCPRoutes of one place: which backend takes a connection. Hold one per place, ask it for every connection, and give it back when
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
            var hosts = new Dictionary<string, Host>(StringComparer.OrdinalIgnoreCase);
            foreach (var route in InOrder(mesh.Requests).Where(route => RouteAttachment.Attaches(mesh, gateway, status, RouteAttachment.Attaching.Of(route))))
            {
                AddHosts(hosts, mesh, route, status.Listener.Hostname, enforceGrants: true, originates: !passesThrough);
            }

            entrances.Add(new Entrance(status.Listener.Port, status.Listener.Hostname, Sorted(hosts)));
        }

        return new StreamRoutes(inputs, [.. entrances.OrderByDescending(entrance => HostName.Specificity(entrance.Hostname))]);
    }

    /// <summary>Routes whose parent is <paramref name="service"/>, of its own namespace. Without any, connections go to the service itself.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="service">The service.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again when nothing about it has changed.</param>
    public static StreamRoutes ForService(MeshSnapshot mesh, MeshService service, StreamRoutes? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(service);
        object[] inputs = [mesh.Requests, mesh.Services, service];
        if (earlier is not null && earlier.HoldsFor(inputs))
        {
            return earlier;
        }

        var ofPorts = new Dictionary<int, Dictionary<string, Host>>();
        foreach (var route in InOrder(mesh.Requests).Where(route => route.Namespace == service.Namespace))
        {
            foreach (var port in route.ParentRefs.Where(parent => RequestRoutes.IsParent(parent, service)).SelectMany(
                parent => service.Ports.Where(port => parent.Port is null || parent.Port == port.Port)).Select(port => port.Port).Distinct())
            {
                if (!ofPorts.TryGetValue(port, out var hosts))
                {
                    ofPorts[port] = hosts = new(StringComparer.OrdinalIgnoreCase);
                }

                AddHosts(hosts, mesh, route, null, enforceGrants: false, originates: route.Kind == "TCPRoute");
            }
        }

        return new StreamRoutes(inputs, [.. ofPorts.Select(entry => new Entrance(entry.Key, null, Sorted(entry.Value)))]);
    }

    /// <summary>
    /// Picks the backend of a connection, drawn from <paramref name="random"/> by weight. Null: nothing is configured for the port, so the
    /// connection goes to the service that was addressed.
    /// </summary>
    /// <param name="port">Port that the connection came to: the service's at a waypoint, the listener's at a gateway.</param>
    /// <param name="serverName">Server name of TLS; empty or null when there is none.</param>
    /// <param name="random">Draws by weight.</param>
    public StreamDecision? Route(int port, string? serverName, Random random)
    {
        ArgumentNullException.ThrowIfNull(random);
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
                if (HostName.Matches(host.Pattern, serverName ?? ""))
                {
                    return host.Draw(random);
                }
            }

            return StreamDecision.Refuse(null, string.IsNullOrEmpty(serverName) ? $"no route for port {port}" : $"no route for the server name {serverName} at port {port}");
        }

        return known ? StreamDecision.Refuse(null, $"no listener for the server name {serverName} at port {port}") : null;
    }

    private bool HoldsFor(object[] inputs) => _inputs.AsSpan().SequenceEqual(inputs, ReferenceEqualityComparer.Instance);

    /// <summary>TLSRoutes before TCPRoutes, and the oldest first: of two that want the same connections the first one has them.</summary>
    private static IEnumerable<StreamRoute> InOrder(RequestConfiguration configuration) =>
        Oldest(configuration.TlsRoutes).Concat(Oldest(configuration.TcpRoutes));

    private static IEnumerable<StreamRoute> Oldest(ImmutableDictionary<string, StreamRoute> routes) =>
        routes.Values.OrderBy(route => route.CreationTime).ThenBy(route => route.Key, StringComparer.Ordinal);

    private static void AddHosts(
        Dictionary<string, Host> hosts, MeshSnapshot mesh, StreamRoute route, string? within, bool enforceGrants, bool originates)
    {
        Host? compiled = null;
        foreach (var hostname in route.Hostnames.IsDefaultOrEmpty ? [null] : route.Hostnames.Select(name => (string?)name))
        {
            if (HostName.TryIntersect(hostname, within, out var both) && !hosts.ContainsKey(both ?? "*"))
            {
                compiled ??= Host.Compile(mesh, route, enforceGrants, originates);
                hosts.Add(both ?? "*", compiled with { Pattern = both });
            }
        }
    }

    private static ImmutableArray<Host> Sorted(Dictionary<string, Host> hosts) =>
        [.. hosts.Values.OrderByDescending(host => HostName.Specificity(host.Pattern))];

    /// <summary>One listener, or one port of a service.</summary>
    private sealed record Entrance(int Port, string? Hostname, ImmutableArray<Host> Hosts);

    /// <summary>The route of a host name, with what choosing each of its backends means.</summary>
    private sealed record Host(string? Pattern, ImmutableArray<(int Weight, StreamDecision Decision)> Backends, StreamDecision? Fixed)
    {
        public static Host Compile(MeshSnapshot mesh, StreamRoute route, bool enforceGrants, bool originates)
        {
            var name = $"{route.Kind} {route.Key}";
            ImmutableArray<(int Weight, StreamDecision Decision)> backends =
                [.. route.Backends.Select(backend => (Math.Max(0, backend.Weight), StreamBackends.Compile(mesh, route, backend.Reference, name, enforceGrants, originates)))];
            return new Host(null, backends, backends.Sum(backend => (long)backend.Weight) == 0
                ? StreamDecision.Refuse(name, backends.IsEmpty ? "the route has no backends" : "every backend has weight 0")
                : null);
        }

        public StreamDecision Draw(Random random)
        {
            if (Fixed is not null)
            {
                return Fixed;
            }

            var draw = random.NextInt64(Backends.Sum(backend => (long)backend.Weight));
            foreach (var (weight, decision) in Backends)
            {
                if (draw < weight)
                {
                    return decision;
                }

                draw -= weight;
            }

            return Backends[^1].Decision;
        }
    }
}
