using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// A backend with what choosing it means, worked out beforehand: its service, or why its share is answered with 500.
/// </summary>
internal sealed record CompiledBackend(int Weight, RequestRoute Route)
{
    /// <summary>What was referred to, where it must not be asked; null where it may.</summary>
    internal ObjectReference? Refused { get; private init; }

    internal static CompiledBackend Compile(
        MeshSnapshot mesh, HttpRoute route, HttpRouteRule rule, HttpRouteBackend backend, string name, bool enforceGrants)
    {
        var target = backend.Reference;
        var shown = $"{target.Kind} {target.Namespace}/{target.Name}";
        if (!backend.Unsupported.IsDefaultOrEmpty)
        {
            return Broken($"backend {shown} needs {string.Join(", ", backend.Unsupported)}, which is not supported");
        }

        if (FindService(mesh, route, target, out var isKnownKind) is not { } service)
        {
            return Broken(isKnownKind ? $"backend {shown} does not exist" : $"backend {shown} is of an unknown kind");
        }

        if (enforceGrants && target.Namespace != route.Namespace && !IsGranted(mesh.Requests, route, target))
        {
            return Broken($"backend {shown} is in another namespace, and no ReferenceGrant there allows it");
        }

        if (target.Port is not { } port || !service.Ports.Any(declared => declared.Port == port))
        {
            return Broken(target.Port is null ? $"backend {shown} names no port" : $"backend {shown} has no port {target.Port}");
        }

        if (mesh.Requests.FindUnmetProtection(service.Hostname, port) is { } askedBy)
        {
            return new(Math.Max(0, backend.Weight), RequestRoute.Unprotected(name, service.Hostname, askedBy));
        }

        return new CompiledBackend(Math.Max(0, backend.Weight), new RequestRoute
        {
            Kind = RequestRouteKind.Forward,
            Service = service,
            Port = port,
            Rule = name,
            RequestHeaders = Both(rule.RequestHeaders, backend.RequestHeaders),
            ResponseHeaders = Both(rule.ResponseHeaders, backend.ResponseHeaders),
        });

        CompiledBackend Broken(string error) => new(Math.Max(0, backend.Weight), RequestRoute.Broken(name, error)) { Refused = target };
    }

    internal static MeshService? FindService(MeshSnapshot mesh, HttpRoute route, ObjectReference target, out bool isKnownKind)
    {
        isKnownKind = true;
        switch (target)
        {
            case { Group: "" or "core", Kind: "Service" }:
                var hostname = $"{target.Name}.{target.Namespace}.svc.{mesh.Requests.ClusterDomain}";
                return mesh.Services.GetValueOrDefault($"{target.Namespace}/{hostname}");
            case { Group: "networking.istio.io", Kind: "Hostname" }:
                return mesh.FindServiceByHostname(target.Name, route.Namespace);
            default:
                isKnownKind = false;
                return null;
        }
    }

    private static bool IsGranted(RequestConfiguration configuration, HttpRoute route, ObjectReference target) =>
        configuration.ReferenceGrants.Values.Any(grant =>
            grant.Namespace == target.Namespace
            && grant.From.Any(from => from is { Group: "gateway.networking.k8s.io", Kind: "HTTPRoute" } && from.Namespace == route.Namespace)
            && grant.To.Any(to => to.Group == target.Group && to.Kind == target.Kind && (to.Name is null || to.Name == target.Name)));

    private static System.Collections.Immutable.ImmutableArray<HeaderModification> Both(HeaderModification? rule, HeaderModification? backend) =>
        (rule, backend) switch
        {
            (null, null) => [],
            (null, _) => [backend],
            (_, null) => [rule],
            _ => [rule, backend],
        };
}
