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
    private readonly ImmutableDictionary<string, ImmutableDictionary<string, string>> _namespaces;
    private readonly ImmutableArray<Listener> _listeners;

    internal GatewayHosts(MeshSnapshot mesh, Gateway gateway, ImmutableArray<CompiledRoute> earlier)
    {
        (_gateway, _routes, _namespaces) = (gateway, mesh.Requests.HttpRoutes, mesh.Requests.Namespaces);
        var routes = mesh.Requests.HttpRoutes.Values.ToArray();
        var compiler = new CompiledRoute.Compiler(mesh, new GrantRule(IsEnforced: true), earlier);

        // Listeners that are not served have their hosts all the same, and answer nothing for them: a request must not be answered by
        // a wider listener in clear that was meant for a narrower one in TLS. Where both fit alike, the one that is served has it.
        _listeners = [.. ListenerStatus.Of(gateway)
            .OrderByDescending(status => HostName.Specificity(status.Listener.Hostname))
            .ThenByDescending(status => status.IsServed)
            .Select(status => new Listener(
                status.Listener.Port,
                status.Listener.Hostname,
                status.IsServed ? Hosts(mesh, gateway, status.Listener, routes, compiler) : []))];
        Compiled = compiler.All;
    }

    /// <summary>The routes that it is made of.</summary>
    internal ImmutableArray<CompiledRoute> Compiled { get; }

    /// <summary>Whether making it again would give the same.</summary>
    internal bool HoldsFor(MeshSnapshot mesh, Gateway gateway) =>
        ReferenceEquals(_gateway, gateway) && ReferenceEquals(_routes, mesh.Requests.HttpRoutes) && ReferenceEquals(_namespaces, mesh.Requests.Namespaces)
        && Compiled.All(route => route.HoldsFor(mesh));

    /// <summary>The rules that may answer for a host at a port, or null when there are none.</summary>
    internal RuleIndex? Find(int port, string host)
    {
        host = HostName.WithoutPort(host);
        foreach (var listener in _listeners)
        {
            if (listener.Port != port || !HostName.Matches(listener.Hostname, host))
            {
                continue;
            }

            foreach (var candidate in listener.Hosts)
            {
                if (HostName.Matches(candidate.Pattern, host))
                {
                    return candidate.Rules;
                }
            }

            return null;
        }

        return null;
    }

    private static ImmutableArray<Host> Hosts(
        MeshSnapshot mesh, Gateway gateway, GatewayListener listener, HttpRoute[] routes, CompiledRoute.Compiler compiler)
    {
        var byPattern = new Dictionary<string, List<CompiledRule>>(StringComparer.OrdinalIgnoreCase);
        foreach (var route in routes)
        {
            if (!RouteAttachment.Attaches(mesh, gateway, listener, route))
            {
                continue;
            }

            foreach (var hostname in route.Hostnames.IsDefaultOrEmpty ? [null] : route.Hostnames.Distinct().Select(name => (string?)name))
            {
                if (!HostName.TryIntersect(hostname, listener.Hostname, out var both))
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

    private sealed record Listener(int Port, string? Hostname, ImmutableArray<Host> Hosts);

    private sealed record Host(string Pattern, RuleIndex Rules);
}
