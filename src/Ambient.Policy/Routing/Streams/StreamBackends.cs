using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Policy.Routing.Streams;

/// <summary>What choosing a backend of a route means, worked out beforehand: its service, or why connections are refused.</summary>
internal static class StreamBackends
{
    internal static StreamDecision Compile(MeshSnapshot mesh, StreamRoute route, StreamRouteBackend backend, string name, bool enforceGrants, bool originates)
    {
        var target = backend.Reference;
        var shown = $"{target.Kind} {target.Namespace}/{target.Name}";
        if (BackendServices.Find(mesh, route.Namespace, target, out var isKnownKind) is not { } service)
        {
            return StreamDecision.Refuse(name, isKnownKind ? $"backend {shown} does not exist" : $"backend {shown} is of an unknown kind");
        }

        if (enforceGrants && target.Namespace != route.Namespace
            && !ReferenceGrants.Allow(mesh.Requests, new GrantSource("gateway.networking.k8s.io", route.Kind, route.Namespace), target))
        {
            return StreamDecision.Refuse(name, $"backend {shown} is in another namespace, and no ReferenceGrant there allows it");
        }

        // Istio's own may leave it out: the only one, or else the one that was asked for.
        var isIstio = route.Kind == HttpRoute.VirtualService;
        var named = target.Port ?? (isIstio && service.Ports is [var only] ? only.Port : null);
        if (named is { } port ? !service.Ports.Any(declared => declared.Port == port) : !isIstio)
        {
            return StreamDecision.Refuse(name, target.Port is null ? $"backend {shown} names no port" : $"backend {shown} has no port {target.Port}");
        }

        return new StreamDecision
        {
            Service = service,
            Port = named ?? StreamDecision.ArrivalPort,
            Subset = backend.Subset,
            OriginatesTls = originates,
            Limits = route.Limits,
            Route = name,
        };
    }
}
