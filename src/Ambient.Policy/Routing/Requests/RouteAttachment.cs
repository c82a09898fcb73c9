using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Whether routes attach to the listeners of a gateway, and why not.</summary>
/// <param name="Route">The HTTPRoute, <c>namespace/name</c>.</param>
/// <param name="Problem">Why it answers nothing at this gateway, or not everything that it should.</param>
public sealed record RouteAttachment(string Route, string Problem)
{
    private const string GatewayGroup = "gateway.networking.k8s.io";

    /// <summary>
    /// Every HTTPRoute that names the gateway as its parent and that a listener it means does not take. Listeners that are not served
    /// count: a route of theirs answers nothing.
    /// </summary>
    public static ImmutableArray<RouteAttachment> Refused(MeshSnapshot mesh, Gateway gateway)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(gateway);
        var statuses = ListenerStatus.Of(gateway);
        var refused = ImmutableArray.CreateBuilder<RouteAttachment>();
        foreach (var route in mesh.Requests.HttpRoutes.Values.OrderBy(route => route.Key, StringComparer.Ordinal))
        {
            foreach (var parent in route.ParentRefs.Where(parent => IsGateway(parent, gateway)))
            {
                if (ProblemOf(mesh, gateway, statuses, route, parent) is { } problem)
                {
                    refused.Add(new RouteAttachment(route.Key, problem));
                }
            }
        }

        return refused.ToImmutable();
    }

    /// <summary>Whether a listener takes a route.</summary>
    internal static bool Attaches(MeshSnapshot mesh, Gateway gateway, GatewayListener listener, HttpRoute route) =>
        route.ParentRefs.Any(parent => IsGateway(parent, gateway) && Means(parent, listener)) && Refusal(mesh, gateway, listener, route) is null;

    private static string? ProblemOf(
        MeshSnapshot mesh, Gateway gateway, ImmutableArray<ListenerStatus> statuses, HttpRoute route, ObjectReference parent)
    {
        var meant = statuses.Where(status => Means(parent, status.Listener)).ToArray();
        if (meant.Length == 0)
        {
            return $"no listener {(parent.SectionName is { } name ? $"is named {name}" : $"has port {parent.Port}")}"
                + (parent is { SectionName: not null, Port: not null } ? $" on port {parent.Port}" : "");
        }

        // Attached to one of several is attached; which of them refuse is their own business.
        var problems = meant.Select(status => status.Problem is { } unserved
            ? $"listener {status.Listener.Name} is not served: {unserved}"
            : Refusal(mesh, gateway, status.Listener, route) is { } refusal ? $"listener {status.Listener.Name} {refusal}" : null).ToArray();
        return problems.Any(problem => problem is null) ? null : string.Join("; ", problems);
    }

    private static string? Refusal(MeshSnapshot mesh, Gateway gateway, GatewayListener listener, HttpRoute route)
    {
        if (!listener.AllowedKinds.IsDefaultOrEmpty && !listener.AllowedKinds.Contains(new RouteKind(GatewayGroup, route.Kind)))
        {
            return $"takes only {string.Join(", ", listener.AllowedKinds.Select(kind => kind.Kind))} (allowedRoutes.kinds)";
        }

        if (!IsAllowed(mesh.Requests, gateway, listener, route.Namespace))
        {
            return $"takes no routes of namespace {route.Namespace} (allowedRoutes.namespaces)";
        }

        return route.Hostnames.IsDefaultOrEmpty || route.Hostnames.Any(hostname => HostName.TryIntersect(hostname, listener.Hostname, out _))
            ? null
            : $"is for {listener.Hostname}, and the route for {string.Join(", ", route.Hostnames)}";
    }

    private static bool IsGateway(ObjectReference parent, Gateway gateway) =>
        parent is { Group: GatewayGroup, Kind: "Gateway" } && parent.Name == gateway.Name && parent.Namespace == gateway.Namespace;

    private static bool Means(ObjectReference parent, GatewayListener listener) =>
        (parent.SectionName is null || parent.SectionName == listener.Name) && (parent.Port is null || parent.Port == listener.Port);

    private static bool IsAllowed(RequestConfiguration configuration, Gateway gateway, GatewayListener listener, string ns) =>
        listener.AllowedRouteNamespaces switch
        {
            AllowedNamespaces.All => true,
            AllowedNamespaces.Same => ns == gateway.Namespace,

            // A selector that cannot be acted on selects nothing; one without labels, everything.
            _ => listener.NamespaceSelector is { } selector
                && (selector.IsEmpty || (configuration.Namespaces.TryGetValue(ns, out var labels)
                    && selector.All(wanted => labels.TryGetValue(wanted.Key, out var value) && value == wanted.Value))),
        };
}
