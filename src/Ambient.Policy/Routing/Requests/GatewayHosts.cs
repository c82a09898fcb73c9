using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// The rules of a gateway by port, listener and host name. A request belongs to exactly one listener, the most specific
/// that fits, and there to exactly one host name; what other listeners or host names would answer does not matter.
/// </summary>
internal sealed class GatewayHosts
{
    private readonly Gateway _gateway;
    private readonly object[] _others;
    private readonly ImmutableArray<Listener> _listeners;

    internal GatewayHosts(MeshSnapshot mesh, Gateway gateway, ImmutableArray<CompiledRoute> earlier)
    {
        (_gateway, _others) = (gateway, Others(mesh.Requests));
        var compiler = new CompiledRoute.Compiler(mesh, new GrantRule(IsEnforced: true), earlier);

        // Listeners that are not served have their hosts all the same, and answer nothing for them: a request must not be answered by
        // a wider listener in clear that was meant for a narrower one in TLS. Where both fit alike, the one that is served has it.
        var taken = ListenerStatus.Of(mesh.Requests, gateway).Where(status => status.IsTaken).ToArray();
        var isolated = taken.Where(status => !IsShared(status))
            .OrderByDescending(status => HostName.Specificity(status.Listener.Hostname))
            .ThenByDescending(status => status.IsServed)
            .Select(status => Isolated(mesh, gateway, status, compiler))
            .ToArray();

        // Servers of Istio's own that share a port in clear are one: a host is answered for by every VirtualService that any of them lets in.
        var shared = taken.Where(status => IsShared(status) && status.IsServed).GroupBy(status => status.Listener.Port)
            .Select(statuses => new Listener(statuses.Key, null, IsTls: false, VirtualHosts(mesh, gateway, [.. statuses], compiler))
            {
                RoutePort = statuses.First().Listener.Server!.Port,
                IsShared = true,
            });
        _listeners = [.. isolated.Where(listener => listener.Hostname is not null), .. shared, .. isolated.Where(listener => listener.Hostname is null)];
        Compiled = compiler.All;
    }

    private GatewayHosts(GatewayHosts earlier, ImmutableArray<Listener> listeners, ImmutableArray<CompiledRoute> compiled) =>
        (_gateway, _others, _listeners, Compiled) = (earlier._gateway, earlier._others, listeners, compiled);

    /// <summary>The routes that it is made of.</summary>
    internal ImmutableArray<CompiledRoute> Compiled { get; }

    /// <summary>
    /// The same gateway in another mesh, made of what has changed: this one where nothing of it has; null where it has to be looked at as a whole.
    /// </summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="gateway">The gateway.</param>
    /// <param name="seen">What this was made of.</param>
    internal GatewayHosts? Updated(MeshSnapshot mesh, Gateway gateway, RouteInputs seen)
    {
        if (!ReferenceEquals(_gateway, gateway) || !_others.AsSpan().SequenceEqual(Others(mesh.Requests), ReferenceEqualityComparer.Instance))
        {
            return null;
        }

        if (seen.IsSame(mesh))
        {
            return this;
        }

        // Rules of Istio's own are tried in written order, over all that are let in.
        if (_listeners.Any(listener => listener.Status is null))
        {
            return seen.HasSameRoutes(mesh) && Compiled.All(route => route.HoldsFor(mesh)) ? this : null;
        }

        var change = seen.ChangeTo(mesh, Compiled);
        var compiler = new CompiledRoute.Compiler(mesh, new GrantRule(IsEnforced: true), default);
        ImmutableArray<Listener> listeners = [.. _listeners.Select(listener => listener.With(mesh, gateway, change.Left, change.Anew, compiler))];
        var compiled = compiler.All;
        return change.Left.IsEmpty && compiled.IsEmpty ? this : new GatewayHosts(this, listeners, [.. change.Kept, .. compiled]);
    }

    /// <summary>The rules that may answer for a host at a port, or null when there are none.</summary>
    /// <param name="port">Port that the request arrived at.</param>
    /// <param name="host">Host of the request.</param>
    /// <param name="routePort">The port that rules compare.</param>
    internal RuleIndex? Find(int port, string host, out int routePort)
    {
        routePort = port;
        var name = HostName.WithoutPort(host.AsSpan());
        foreach (var listener in _listeners)
        {
            if (listener.Port != port || !HostName.Matches(listener.Hostname, name))
            {
                continue;
            }

            if (listener.Hosts.Find(name) is { } rules)
            {
                routePort = listener.RoutePort ?? port;
                return rules;
            }

            if (!listener.IsShared)
            {
                return null;
            }
        }

        return null;
    }

    /// <summary>
    /// Whether a request names a host of another listener than the one that its connection was made to: a certificate of one must not answer for
    /// another (RFC 9110 section 15.5.20).
    /// </summary>
    /// <param name="port">Port.</param>
    /// <param name="serverName">Server name of the connection's TLS; empty when it had none.</param>
    /// <param name="host">Host of the request.</param>
    internal bool IsMisdirected(int port, string serverName, string host)
    {
        host = HostName.WithoutPort(host);
        return !string.Equals(serverName, host, StringComparison.OrdinalIgnoreCase)
            && FindListener(port, host, inTlsAlone: false) is { } meant
            && FindListener(port, serverName, inTlsAlone: true) is var asked
            && !ReferenceEquals(meant, asked)
            && (meant.Server is null || meant.Server != asked?.Server);
    }

    private static bool IsShared(ListenerStatus status) => status.Listener is { Server: not null, Protocol: "HTTP" };

    private Listener? FindListener(int port, string host, bool inTlsAlone)
    {
        foreach (var listener in _listeners)
        {
            if (listener.Port == port && (listener.IsTls || !inTlsAlone) && HostName.Matches(listener.Hostname, host))
            {
                return listener;
            }
        }

        return null;
    }

    /// <summary>What listeners follow from besides the Gateway.</summary>
    private static object[] Others(RequestConfiguration configuration) =>
        [configuration.Namespaces, configuration.ListenerSets, configuration.Secrets, configuration.CertificateBundles, configuration.ReferenceGrants];

    private static Listener Isolated(MeshSnapshot mesh, Gateway gateway, ListenerStatus status, CompiledRoute.Compiler compiler)
    {
        var listener = new Listener(status.Listener.Port, status.Listener.Hostname, status.Listener.Protocol is "HTTPS" or "TLS", HostTable.Empty);
        if (status.Listener.Server is null)
        {
            return (listener with { Status = status }).With(mesh, gateway, [], mesh.Requests.HttpRoutes.Values, compiler);
        }

        // The hosts of one server show one certificate, and are one to each other.
        return listener with
        {
            Hosts = status.IsServed ? VirtualHosts(mesh, gateway, [status], compiler) : HostTable.Empty,
            Server = (status.Set!.Key, status.Listener.Server.Index),
            RoutePort = status.Listener.Server.Port,
        };
    }

    /// <summary>Hosts of servers of Istio's own.</summary>
    private static HostTable VirtualHosts(MeshSnapshot mesh, Gateway gateway, ImmutableArray<ListenerStatus> statuses, CompiledRoute.Compiler compiler)
    {
        var routes = mesh.Requests.HttpRoutes.Values.OrderBy(route => route.CreationTime).ThenBy(route => route.Key, StringComparer.Ordinal).ToArray();
        var byPattern = new Dictionary<string, List<CompiledRule>>(StringComparer.OrdinalIgnoreCase);
        var redirected = new Dictionary<string, ListenerStatus>(StringComparer.OrdinalIgnoreCase);
        foreach (var status in statuses)
        {
            var redirects = status.Listener.Server is { RedirectsToHttps: true };
            if (redirects)
            {
                redirected[status.Listener.Hostname ?? "*"] = status;
            }

            foreach (var route in routes)
            {
                var attaching = RouteAttachment.Attaching.Of(route, mesh.Requests.ClusterDomain);
                if (!RouteAttachment.Attaches(mesh, gateway, status, attaching))
                {
                    continue;
                }

                foreach (var hostname in attaching.Hostnames.IsDefaultOrEmpty ? [null] : attaching.Hostnames.Distinct().Select(name => (string?)name))
                {
                    if (!HostName.TryIntersect(hostname, status.Listener.Hostname, out var both))
                    {
                        continue;
                    }

                    if (redirects)
                    {
                        redirected[both ?? "*"] = status;
                        continue;
                    }

                    if (!byPattern.TryGetValue(both ?? "*", out var rules))
                    {
                        byPattern[both ?? "*"] = rules = [];
                    }

                    var set = status.Set!.Key;
                    var added = compiler.Rules(VirtualServices.At(mesh, route, set), port: null, at: set);

                    // Several hosts of a server may let in the same rule.
                    rules.AddRange(added.Where(rule => !rules.Contains(rule)));
                }
            }
        }

        foreach (var (pattern, status) in redirected)
        {
            byPattern[pattern] = [.. compiler.Rules(ToHttps(status), port: null, at: "https")];
        }

        // These are tried in written order.
        return HostTable.Of(byPattern.Select(entry => KeyValuePair.Create(entry.Key, RuleIndex.InOrder(entry.Value))));
    }

    /// <summary>What a server that redirects to https is.</summary>
    private static HttpRoute ToHttps(ListenerStatus status) => new()
    {
        Kind = HttpRoute.VirtualService,
        Name = status.Set!.Name,
        Namespace = status.Set.Namespace,
        Rules =
        [
            new TrafficRule
            {
                Name = "httpsRedirect",
                Matches = [new TrafficMatch { Path = new PathMatch(PathMatchKind.TextPrefix, "/") }],
                Action = new RedirectAction(new RequestRedirect("https", null, null, null, 301) { KeepsRequestPort = true }),
            },
        ],
    };

    private sealed record Listener(int Port, string? Hostname, bool IsTls, HostTable Hosts)
    {
        /// <summary>The listener of the Gateway API that it is; null: it is of servers of Istio's own.</summary>
        public ListenerStatus? Status { get; init; }

        /// <summary>The server of Istio's own that it is of; null: it is one of the Gateway API.</summary>
        public (string Gateway, int Index)? Server { get; init; }

        /// <summary>The port that rules compare; null: its own.</summary>
        public int? RoutePort { get; init; }

        /// <summary>Whether hosts that it does not have may be those of another listener.</summary>
        public bool IsShared { get; init; }

        /// <summary>The listener of the Gateway API without some routes, and with those of others that attach to it.</summary>
        internal Listener With(MeshSnapshot mesh, Gateway gateway, ImmutableArray<CompiledRoute> left, IEnumerable<HttpRoute> anew, CompiledRoute.Compiler compiler)
        {
            if (Status is not { IsServed: true } status)
            {
                return this;
            }

            var editor = new HostTable.Editor(Hosts);
            foreach (var route in left)
            {
                foreach (var pattern in Patterns(route.Route))
                {
                    editor.Remove(pattern, route);
                }
            }

            foreach (var route in anew)
            {
                foreach (var pattern in Patterns(route))
                {
                    editor.Add(pattern, compiler.Route(route, port: null));
                }
            }

            var hosts = editor.ToTable();
            return ReferenceEquals(hosts, Hosts) ? this : this with { Hosts = hosts };

            // Host names under which a route answers here.
            HashSet<string> Patterns(HttpRoute route)
            {
                var patterns = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
                var attaching = RouteAttachment.Attaching.Of(route, mesh.Requests.ClusterDomain);
                if (RouteAttachment.Attaches(mesh, gateway, status, attaching))
                {
                    foreach (var hostname in attaching.Hostnames.IsDefaultOrEmpty ? [null] : attaching.Hostnames.Select(name => (string?)name))
                    {
                        if (HostName.TryIntersect(hostname, Hostname, out var both))
                        {
                            patterns.Add(both ?? "*");
                        }
                    }
                }

                return patterns;
            }
        }
    }
}
