using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Policy.Routing.Streams;

/// <summary>What choosing a backend of a route means, worked out beforehand: its service, or why connections are refused.</summary>
internal static class StreamBackends
{
    internal static StreamDecision Compile(MeshSnapshot mesh, StreamRoute route, ObjectReference target, string name, bool enforceGrants, bool originates)
    {
        var shown = $"{target.Kind} {target.Namespace}/{target.Name}";
        if (FindService(mesh, route, target, out var isKnownKind) is not { } service)
        {
            return StreamDecision.Refuse(name, isKnownKind ? $"backend {shown} does not exist" : $"backend {shown} is of an unknown kind");
        }

        if (enforceGrants && target.Namespace != route.Namespace
            && !ReferenceGrants.Allow(mesh.Requests, new GrantSource("gateway.networking.k8s.io", route.Kind, route.Namespace), target))
        {
            return StreamDecision.Refuse(name, $"backend {shown} is in another namespace, and no ReferenceGrant there allows it");
        }

        if (target.Port is not { } port || !service.Ports.Any(declared => declared.Port == port))
        {
            return StreamDecision.Refuse(name, target.Port is null ? $"backend {shown} names no port" : $"backend {shown} has no port {target.Port}");
        }

        return new StreamDecision
        {
            Service = service,
            Port = port,
            OriginatesTls = originates,
            Route = name,
        };
    }

    private static MeshService? FindService(MeshSnapshot mesh, StreamRoute route, ObjectReference target, out bool isKnownKind)
    {
        isKnownKind = true;
        switch (target)
        {
            case { Group: "" or "core", Kind: "Service" }:
                return mesh.Services.GetValueOrDefault($"{target.Namespace}/{target.Name}.{target.Namespace}.svc.{mesh.Requests.ClusterDomain}");
            case { Group: "networking.istio.io", Kind: "Hostname" }:
                return mesh.FindServiceByHostname(target.Name, route.Namespace);
            default:
                isKnownKind = false;
                return null;
        }
    }
}
