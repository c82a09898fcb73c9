using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// The rules of a gateway by port, listener and host name. A request belongs to exactly one listener, the most specific
/// that fits, and there to exactly one host name; what other listeners or host names would answer does not matter.
/// </summary>
internal sealed class GatewayHosts
{
    private readonly ImmutableArray<Listener> _listeners;

    internal GatewayHosts(MeshSnapshot mesh, Gateway gateway)
    {
        var routes = mesh.Requests.HttpRoutes.Values.ToArray();
        _listeners = [.. gateway.Listeners
            .Where(listener => listener.Protocol is "HTTP" or "HTTPS")
            .OrderByDescending(listener => HostName.Specificity(listener.Hostname))
            .Select(listener => new Listener(listener.Port, listener.Hostname, Hosts(mesh, gateway, listener, routes)))];
    }

    /// <summary>The rules that may answer for a host at a port, or null when there are none.</summary>
    internal ImmutableArray<CompiledRule>? Find(int port, string host)
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

    private static ImmutableArray<Host> Hosts(MeshSnapshot mesh, Gateway gateway, GatewayListener listener, HttpRoute[] routes)
    {
        var byPattern = new Dictionary<string, List<CompiledRule>>(StringComparer.OrdinalIgnoreCase);
        foreach (var route in routes)
        {
            if (!Attaches(mesh, gateway, listener, route))
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

                rules.AddRange(CompiledRule.Compile(mesh, route, port: null, enforceGrants: true));
            }
        }

        return [.. byPattern
            .OrderByDescending(entry => HostName.Specificity(entry.Key))
            .Select(entry => new Host(entry.Key, RequestRoutes.Sorted(entry.Value)))];
    }

    private static bool Attaches(MeshSnapshot mesh, Gateway gateway, GatewayListener listener, HttpRoute route) =>
        IsAllowed(mesh.Requests, gateway, listener, route.Namespace)
        && route.ParentRefs.Any(parent =>
            parent is { Group: "gateway.networking.k8s.io", Kind: "Gateway" }
            && parent.Name == gateway.Name
            && parent.Namespace == gateway.Namespace
            && (parent.SectionName is null || parent.SectionName == listener.Name)
            && (parent.Port is null || parent.Port == listener.Port));

    private static bool IsAllowed(RequestConfiguration configuration, Gateway gateway, GatewayListener listener, string ns) =>
        listener.AllowedRouteNamespaces switch
        {
            AllowedNamespaces.All => true,
            AllowedNamespaces.Same => ns == gateway.Namespace,

            // A selector that could not be read selects nothing.
            _ => listener.NamespaceSelector is { } selector
                && configuration.Namespaces.TryGetValue(ns, out var labels)
                && selector.All(wanted => labels.TryGetValue(wanted.Key, out var value) && value == wanted.Value),
        };

    private sealed record Listener(int Port, string? Hostname, ImmutableArray<Host> Hosts);

    private sealed record Host(string Pattern, ImmutableArray<CompiledRule> Rules);
}
