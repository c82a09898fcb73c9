using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Whether routes attach to the listeners of a gateway, and why not.</summary>
/// <param name="Route">The route, <c>namespace/name</c>.</param>
/// <param name="Problem">Why it answers nothing at this gateway, or not everything that it should.</param>
public sealed record RouteAttachment(string Route, string Problem)
{
    private const string GatewayGroup = "gateway.networking.k8s.io";
    private const string IstioGroup = "networking.istio.io";

    /// <summary>Kind of the route.</summary>
    public string Kind { get; init; } = "HTTPRoute";

    /// <summary>
    /// Every route that names the gateway, or a ListenerSet of it, as its parent and that a listener it means does not take. Listeners that are
    /// not served count: a route of theirs answers nothing.
    /// </summary>
    public static ImmutableArray<RouteAttachment> Refused(MeshSnapshot mesh, Gateway gateway)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(gateway);
        var statuses = ListenerStatus.Of(mesh.Requests, gateway);
        var refused = ImmutableArray.CreateBuilder<RouteAttachment>();
        var domain = mesh.Requests.ClusterDomain;
        var routes = mesh.Requests.HttpRoutes.Values.Where(route => route.Kind != HttpRoute.VirtualService || !route.Rules.IsEmpty).Select(route => Attaching.Of(route, domain))
            .Concat(mesh.Requests.TlsRoutes.Values.Concat(mesh.Requests.TcpRoutes.Values).Concat(mesh.Requests.VirtualStreams.Values).Select(route => Attaching.Of(route, domain)));
        foreach (var route in routes.OrderBy(route => route.Key, StringComparer.Ordinal))
        {
            foreach (var parent in route.ParentRefs.Where(parent => IsParent(parent, gateway, statuses)))
            {
                if (ProblemOf(mesh, gateway, statuses, route, parent) is { } problem)
                {
                    refused.Add(new RouteAttachment(route.Key, problem) { Kind = route.Kind });
                }
            }
        }

        return refused.ToImmutable();
    }

    /// <summary>Whether a listener takes a route.</summary>
    internal static bool Attaches(MeshSnapshot mesh, Gateway gateway, ListenerStatus listener, in Attaching route)
    {
        foreach (var parent in route.ParentRefs)
        {
            if (Means(parent, gateway, listener))
            {
                return Refusal(mesh, gateway, listener, route) is null;
            }
        }

        return false;
    }

    private static string? ProblemOf(
        MeshSnapshot mesh, Gateway gateway, ImmutableArray<ListenerStatus> statuses, Attaching route, ObjectReference parent)
    {
        var meant = statuses.Where(status => Means(parent, gateway, status)).ToArray();
        if (meant.Length == 0)
        {
            return $"no listener {(parent.SectionName is { } name ? $"is named {name}" : $"has port {parent.Port}")}"
                + (parent is { SectionName: not null, Port: not null } ? $" on port {parent.Port}" : "");
        }

        // Attached to one of several is attached; which of them refuse is their own business.
        var problems = meant.Select(status => status.Problem is { } unserved
            ? $"listener {status.Title} is not served: {unserved}"
            : Refusal(mesh, gateway, status, route) is { } refusal ? $"listener {status.Title} {refusal}" : null).ToArray();
        return problems.Any(problem => problem is null) ? null : string.Join("; ", problems);
    }

    private static string? Refusal(MeshSnapshot mesh, Gateway gateway, ListenerStatus status, in Attaching route)
    {
        var listener = status.Listener;
        var kind = new RouteKind(GatewayGroup, route.Kind);
        if (!listener.AllowedKinds.IsDefaultOrEmpty && !listener.AllowedKinds.Contains(kind))
        {
            return $"takes only {string.Join(", ", listener.AllowedKinds.Select(allowed => allowed.Kind))} (allowedRoutes.kinds)";
        }

        if (!IsFor(route, status))
        {
            return $"has protocol {listener.Protocol}, which {(route is { Kind: HttpRoute.VirtualService, IsOfStreams: true } ? "tcp and tls of a VirtualService are" : $"{route.Kind} is")} not for";
        }

        if (listener.Server is { } server)
        {
            if (!server.RouteNamespaces.IsEmpty && !server.RouteNamespaces.Contains(route.Namespace))
            {
                return $"takes no VirtualServices of namespace {route.Namespace} (hosts)";
            }

            if (!VirtualServices.IsExported(route.ExportTo, gateway.Namespace))
            {
                return $"is in namespace {gateway.Namespace}, which the VirtualService is not exported to (exportTo)";
            }
        }
        else if (!NamespaceSelection.Allows(
            mesh.Requests, listener.AllowedRouteNamespaces, listener.NamespaceSelector, status.Set?.Namespace ?? gateway.Namespace, route.Namespace))
        {
            return $"takes no routes of namespace {route.Namespace} (allowedRoutes.namespaces)";
        }

        var hostnames = route.Hostnames;
        return hostnames.IsDefaultOrEmpty || hostnames.Any(hostname => HostName.TryIntersect(hostname, listener.Hostname, out _))
            ? null
            : $"is for {listener.Hostname}, and the route for {string.Join(", ", hostnames)}";
    }

    /// <summary>Whether a kind of route is for listeners of a protocol.</summary>
    private static bool IsFor(in Attaching route, ListenerStatus status) => (status.Listener.Protocol, status.Set is { IsIstio: true }) switch
    {
        ("TLS" or "TCP", true) => route is { Kind: HttpRoute.VirtualService, IsOfStreams: true },
        (_, true) => route is { Kind: HttpRoute.VirtualService, IsOfStreams: false },
        ("TLS", _) => route.Kind == "TLSRoute" || (route.Kind == "TCPRoute" && status.Listener.TerminatesTls),
        ("TCP", _) => route.Kind == "TCPRoute",
        _ => route.Kind is "HTTPRoute" or "GRPCRoute" or HttpRoute.VirtualService,
    };

    private static bool IsParent(ObjectReference parent, Gateway gateway, ImmutableArray<ListenerStatus> statuses) => parent.Kind switch
    {
        "Gateway" when parent.Group == GatewayGroup => IsGateway(parent, gateway),
        "Gateway" or "ListenerSet" => statuses.Any(status => status.Set is { } set && IsSet(parent, set)),
        _ => false,
    };

    private static bool IsSet(ObjectReference parent, ListenerSet set) =>
        (set.IsIstio ? parent is { Group: IstioGroup, Kind: "Gateway" } : parent is { Group: GatewayGroup, Kind: "ListenerSet" })
        && parent.Name == set.Name && parent.Namespace == set.Namespace;

    private static bool IsGateway(ObjectReference parent, Gateway gateway) =>
        parent is { Group: GatewayGroup, Kind: "Gateway" } && parent.Name == gateway.Name && parent.Namespace == gateway.Namespace;

    /// <summary>Whether a reference means a listener. One to the Gateway means none of a ListenerSet, whatever its name.</summary>
    private static bool Means(ObjectReference parent, Gateway gateway, ListenerStatus status) =>
        (status.Set is { } set
            ? IsSet(parent, set)
            : IsGateway(parent, gateway))
        && (parent.SectionName is null || parent.SectionName == status.Listener.Name)
        && (parent.Port is null || parent.Port == status.Listener.Port);

    /// <summary>What attaching asks of a route, whatever its kind.</summary>
    internal readonly record struct Attaching(
        string Kind, string Key, string Namespace, ImmutableArray<ObjectReference> ParentRefs, ImmutableArray<string> Hostnames)
    {
        /// <summary>Whether it is for connections whose bytes are not looked into.</summary>
        internal bool IsOfStreams { get; private init; }

        /// <summary>Namespaces of the proxies that it is for; empty: all.</summary>
        internal ImmutableArray<string> ExportTo { get; private init; } = [];

        internal static Attaching Of(HttpRoute route, string clusterDomain) =>
            new(route.Kind, route.Key, route.Namespace, route.ParentRefs, InFull(route.Kind, route.Hostnames, route.Namespace, clusterDomain)) { ExportTo = route.ExportTo };

        internal static Attaching Of(StreamRoute route, string clusterDomain) =>
            new(route.Kind, route.Key, route.Namespace, route.ParentRefs, InFull(route.Kind, route.Hostnames, route.Namespace, clusterDomain)) { IsOfStreams = true, ExportTo = route.ExportTo };

        private static ImmutableArray<string> InFull(string kind, ImmutableArray<string> hosts, string ns, string clusterDomain) =>
            kind == HttpRoute.VirtualService ? [.. hosts.Select(host => HostName.InFull(host, ns, clusterDomain))] : hosts;
    }
}
