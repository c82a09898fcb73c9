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
    private readonly ImmutableDictionary<string, HttpRoute> _routes;
    private readonly object[] _others;
    private readonly ImmutableArray<Listener> _listeners;

    internal GatewayHosts(MeshSnapshot mesh, Gateway gateway, ImmutableArray<CompiledRoute> earlier)
    {
        (_gateway, _routes, _others) = (gateway, mesh.Requests.HttpRoutes, Others(mesh.Requests));
        var routes = mesh.Requests.HttpRoutes.Values.ToArray();
        var compiler = new CompiledRoute.Compiler(mesh, new GrantRule(IsEnforced: true), earlier);

        // Listeners that are not served have their hosts all the same, and answer nothing for them: a request must not be answered by
        // a wider listener in clear that was meant for a narrower one in TLS. Where both fit alike, the one that is served has it.
        _listeners = [.. ListenerStatus.Of(mesh.Requests, gateway)
            .Where(status => status.IsTaken)
            .OrderByDescending(status => HostName.Specificity(status.Listener.Hostname))
            .ThenByDescending(status => status.IsServed)
            .Select(status => new Listener(
                status.Listener.Port,
                status.Listener.Hostname,
                status.Listener.Protocol is "HTTPS" or "TLS",
                status.IsServed ? Hosts(mesh, gateway, status, routes, compiler) : []))];
        Compiled = compiler.All;
    }

    /// <summary>The routes that it is made of.</summary>
    internal ImmutableArray<CompiledRoute> Compiled { get; }

    /// <summary>Whether making it again would give the same.</summary>
    internal bool HoldsFor(MeshSnapshot mesh, Gateway gateway) =>
        ReferenceEquals(_gateway, gateway) && ReferenceEquals(_routes, mesh.Requests.HttpRoutes)
        && _others.AsSpan().SequenceEqual(Others(mesh.Requests), ReferenceEqualityComparer.Instance)
        && Compiled.All(route => route.HoldsFor(mesh));

    /// <summary>The rules that may answer for a host at a port, or null when there are none.</summary>
    internal RuleIndex? Find(int port, string host)
    {
        host = HostName.WithoutPort(host);
        if (FindListener(port, host, inTlsAlone: false) is { } listener)
        {
            foreach (var candidate in listener.Hosts)
            {
                if (HostName.Matches(candidate.Pattern, host))
                {
                    return candidate.Rules;
                }
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
            && !ReferenceEquals(meant, FindListener(port, serverName, inTlsAlone: true));
    }

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

    private static ImmutableArray<Host> Hosts(
        MeshSnapshot mesh, Gateway gateway, ListenerStatus status, HttpRoute[] routes, CompiledRoute.Compiler compiler)
    {
        var byPattern = new Dictionary<string, List<CompiledRule>>(StringComparer.OrdinalIgnoreCase);
        foreach (var route in routes)
        {
            if (!RouteAttachment.Attaches(mesh, gateway, status, RouteAttachment.Attaching.Of(route)))
            {
                continue;
            }

            foreach (var hostname in route.Hostnames.IsDefaultOrEmpty ? [null] : route.Hostnames.Distinct().Select(name => (string?)name))
            {
                if (!HostName.TryIntersect(hostname, status.Listener.Hostname, out var both))
                {
                    continue;
                }

                if (!byPattern.TryGetValue(both ?? "*", out var rules))
                {
                    byPattern[both ?? "*"] = rules = [];
                }

                rules.AddRange(compiler.Rules(route, port: null));
            }
        }

        return [.. byPattern
            .OrderByDescending(entry => HostName.Specificity(entry.Key))
            .Select(entry => new Host(entry.Key, new RuleIndex(RequestRoutes.Sorted(entry.Value))))];
    }

    private sealed record Listener(int Port, string? Hostname, bool IsTls, ImmutableArray<Host> Hosts);

    private sealed record Host(string Pattern, RuleIndex Rules);
}
