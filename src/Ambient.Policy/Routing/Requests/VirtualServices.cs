using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// Which VirtualServices are about the requests of a service, in the order in which their rules are tried, and with the rules of those that they delegate
/// to (https://istio.io/latest/docs/reference/config/networking/virtual-service/).
/// </summary>
internal static class VirtualServices
{
    // One that delegates to one that delegates is not followed, as Istio has it.
    private const int Depth = 1;

    /// <summary>Those that are about a service's requests at a waypoint: of its namespace and of the waypoint's, oldest first.</summary>
    internal static IEnumerable<HttpRoute> Of(MeshSnapshot mesh, MeshService service, string? proxyNamespace) => mesh.Requests.HttpRoutes.Values
        .Where(route => route.Kind == HttpRoute.VirtualService && !route.Rules.IsEmpty
            && IsAbout(mesh, service, proxyNamespace, route.Namespace, route.ParentRefs, route.ExportTo, route.Hostnames))
        .OrderBy(route => route.CreationTime).ThenBy(route => route.Key, StringComparer.Ordinal)
        .Select(route => At(mesh, route, HttpRoute.Mesh));

    /// <summary>The same for what they say of TLS and TCP.</summary>
    internal static IEnumerable<StreamRoute> StreamsOf(MeshSnapshot mesh, MeshService service, string? proxyNamespace) => mesh.Requests.VirtualStreams.Values
        .Where(route => IsAbout(mesh, service, proxyNamespace, route.Namespace, route.ParentRefs, route.ExportTo, route.Hostnames))
        .OrderBy(route => route.CreationTime).ThenBy(route => route.Key, StringComparer.Ordinal);

    /// <summary>One with the rules that it has for a gateway (<c>namespace/name</c>, or <see cref="HttpRoute.Mesh"/>), those that it delegates to among them.</summary>
    internal static HttpRoute At(MeshSnapshot mesh, HttpRoute route, string gateway) => route with { Rules = [.. Expanded(mesh, route, gateway, Depth)] };

    private static bool IsAbout(
        MeshSnapshot mesh, MeshService service, string? proxyNamespace, string ns, ImmutableArray<ObjectReference> parents, ImmutableArray<string> exportTo, ImmutableArray<string> hosts) =>
        (ns == service.Namespace || ns == proxyNamespace)
        && parents.Any(static parent => parent.Kind == "Mesh")
        && IsExported(exportTo, proxyNamespace ?? service.Namespace)
        && hosts.Any(host => HostName.Matches(HostName.InFull(host, ns, mesh.Requests.ClusterDomain), service.Hostname));

    /// <summary>Whether one is there for a namespace: that of the proxy, and of what delegates to it.</summary>
    internal static bool IsExported(ImmutableArray<string> exportTo, string ns) => exportTo.IsDefaultOrEmpty || exportTo.Contains("*") || exportTo.Contains(ns);

    private static IEnumerable<TrafficRule> Expanded(MeshSnapshot mesh, HttpRoute route, string gateway, int depth)
    {
        foreach (var written in route.Rules)
        {
            ImmutableArray<TrafficMatch> matches = [.. written.Matches.Where(match => match.Gateways.IsDefaultOrEmpty || match.Gateways.Contains(gateway))];
            if (matches.IsEmpty)
            {
                continue;
            }

            var rule = written with { Matches = matches };
            if (rule.Action is not DelegateAction elsewhere)
            {
                yield return rule;
            }
            else if (depth > 0
                && mesh.Requests.HttpRoutes.GetValueOrDefault($"{HttpRoute.VirtualService} {elsewhere.Namespace}/{elsewhere.Name}") is { Hostnames.IsDefaultOrEmpty: true } delegated
                && IsExported(delegated.ExportTo, route.Namespace))
            {
                foreach (var inner in Expanded(mesh, delegated, gateway, depth - 1))
                {
                    if (Joined(rule, inner) is { Matches.IsEmpty: false } both)
                    {
                        yield return both;
                    }
                }
            }
        }
    }

    /// <summary>The inner rule where the outer one matches as well; what the outer one asks besides takes precedence.</summary>
    private static TrafficRule Joined(TrafficRule outer, TrafficRule inner) => inner with
    {
        Name = inner.Name ?? outer.Name,
        Matches = [.. outer.Matches.SelectMany(first => inner.Matches.Select(second => Joined(first, second))).Where(static match => match is not null)!],
        RequestHeaders = outer.RequestHeaders ?? inner.RequestHeaders,
        ResponseHeaders = outer.ResponseHeaders ?? inner.ResponseHeaders,
        Cors = outer.Cors ?? inner.Cors,
        Fault = outer.Fault ?? inner.Fault,
    };

    /// <summary>A match for what both match; null where that is nothing.</summary>
    private static TrafficMatch? Joined(TrafficMatch outer, TrafficMatch inner) =>
        PathOf(outer.Path, inner.Path) is { } path
        && Fits(outer.Method, inner.Method) && Fits(outer.Scheme, inner.Scheme) && Fits(outer.Authority, inner.Authority) && Fits(outer.Port, inner.Port)
            ? inner with
            {
                Path = path,
                Method = outer.Method ?? inner.Method,
                Scheme = outer.Scheme ?? inner.Scheme,
                Authority = outer.Authority ?? inner.Authority,
                Port = outer.Port ?? inner.Port,
                Headers = [.. outer.Headers, .. inner.Headers],
                QueryParams = [.. outer.QueryParams, .. inner.QueryParams],
                Claims = [.. outer.Claims, .. inner.Claims],
            }
            : null;

    private static bool Fits<T>(T? outer, T? inner)
        where T : struct => outer is null || inner is null || outer.Equals(inner);

    private static PathMatch? PathOf(PathMatch outer, PathMatch inner) => (outer, inner) switch
    {
        ({ Kind: PathMatchKind.TextPrefix, Value: "/" }, _) => inner,
        (_, { Kind: PathMatchKind.TextPrefix, Value: "/" }) => outer,
        ({ Kind: PathMatchKind.TextPrefix }, { Kind: PathMatchKind.TextPrefix or PathMatchKind.Exact }) when inner.Value.StartsWith(outer.Value, StringComparison.Ordinal) => inner,
        _ => outer == inner ? outer : null,
    };
}
