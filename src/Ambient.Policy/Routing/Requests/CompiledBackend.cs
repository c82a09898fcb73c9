using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// A backend with what choosing it means, worked out beforehand: its service, or why its share is answered with 500.
/// </summary>
internal sealed record CompiledBackend(int Weight, RequestRoute Route)
{
    /// <summary>What was referred to, where it must not be asked; null where it may.</summary>
    internal ObjectReference? Refused { get; private init; }

    /// <summary>Change of host and path for this backend's share; null: none.</summary>
    internal UrlRewrite? Rewrite { get; private init; }

    /// <summary>A redirect that answers this backend's share; null: none.</summary>
    internal RequestRedirect? Redirect { get; private init; }

    internal static CompiledBackend Compile(
        MeshSnapshot mesh, HttpRoute route, TrafficRule rule, ForwardAction forward, TrafficBackend backend, string name, RoutePlan plan, ImmutableArray<ExternalAuthorizer> authorizers, GrantRule grants)
    {
        var target = backend.Reference;
        plan = backend.Cors is { } cors ? plan with { Cors = new CorsPolicy(cors) } : plan;
        var weight = Math.Max(0, backend.Weight);
        if (!backend.Unsupported.IsDefaultOrEmpty)
        {
            return Broken(500, $"backend {Shown(target)} needs {string.Join(", ", backend.Unsupported)}, which is not supported");
        }

        if (backend.Authorizer is { } authorizer)
        {
            if (CompiledAuthorizer.Find(mesh, route, authorizer, name, grants, out var asked) is { } unasked)
            {
                return Broken(500, $"backend {Shown(target)}: {unasked}");
            }

            authorizers = [.. authorizers, asked!];
        }

        if (backend.Redirect is not null)
        {
            return new CompiledBackend(weight, new RequestRoute
            {
                Kind = RequestRouteKind.Respond,
                Rule = name,
                Plan = plan,
                Authorizers = authorizers,
                ResponseHeaders = Both(rule.ResponseHeaders, backend.ResponseHeaders),
            })
            { Redirect = backend.Redirect };
        }

        if (Find(mesh, route, target, grants, out var service, out var port) is { } problem)
        {
            return Broken(service is null ? forward.MissingBackendStatus : 500, problem);
        }

        if (mesh.Requests.FindUnmetProtection(service!.Hostname, port) is { } askedBy)
        {
            return new(weight, RequestRoute.Unprotected(name, service.Hostname, askedBy));
        }

        return new CompiledBackend(weight, new RequestRoute
        {
            Kind = RequestRouteKind.Forward,
            Service = service,
            Port = port,
            Subset = backend.Subset,
            Rule = name,
            Plan = plan,
            Authorizers = authorizers,
            Mirrors = Mirrors(mesh, route, [.. forward.Mirrors, .. backend.Mirrors], grants),
            RequestHeaders = Both(rule.RequestHeaders, backend.RequestHeaders),
            ResponseHeaders = Both(rule.ResponseHeaders, backend.ResponseHeaders),
        })
        { Rewrite = backend.Rewrite ?? forward.Rewrite };

        CompiledBackend Broken(int status, string error) => new(weight, RequestRoute.Broken(name, error, status)) { Refused = target };
    }

    /// <summary>The service and port of a reference. Why it must not be asked, or null; without a service where there is none of that name.</summary>
    internal static string? Find(
        MeshSnapshot mesh, HttpRoute route, ObjectReference target, GrantRule grants, out MeshService? service, out int port)
    {
        var shown = Shown(target);
        port = 0;
        service = BackendServices.Find(mesh, route.Namespace, target, out var isKnownKind);
        if (service is null)
        {
            return isKnownKind ? $"backend {shown} does not exist" : $"backend {shown} is of an unknown kind";
        }

        if (grants.Needs(route, target) && !ReferenceGrants.Allow(mesh.Requests, new GrantSource("gateway.networking.k8s.io", route.Kind, route.Namespace), target))
        {
            return $"backend {shown} is in another namespace, and no ReferenceGrant there allows it";
        }

        if (target.Port is { } asked)
        {
            port = asked;
            return service.Ports.Any(declared => declared.Port == asked) ? null : $"backend {shown} has no port {asked}";
        }

        if (route.Kind == HttpRoute.VirtualService)
        {
            // The only one it has, or else the one that was asked for, which the request knows.
            port = service.Ports is [var only] ? only.Port : RequestRoute.ArrivalPort;
            return null;
        }

        return $"backend {shown} names no port";
    }

    private static ImmutableArray<RouteMirror> Mirrors(
        MeshSnapshot mesh, HttpRoute route, ImmutableArray<TrafficMirror> mirrors, GrantRule grants)
    {
        var found = ImmutableArray.CreateBuilder<RouteMirror>();
        foreach (var mirror in mirrors)
        {
            // A copy that cannot be sent is no reason to refuse the request.
            if (mirror.PartsPerMillion > 0
                && Find(mesh, route, mirror.Reference, grants, out var service, out var port) is null
                && mesh.Requests.FindUnmetProtection(service!.Hostname, port) is null)
            {
                found.Add(new RouteMirror(service, port, mirror.Subset, mirror.PartsPerMillion));
            }
        }

        return found.ToImmutable();
    }

    private static string Shown(ObjectReference target) => $"{target.Kind} {target.Namespace}/{target.Name}";

    private static ImmutableArray<HeaderModification> Both(HeaderModification? rule, HeaderModification? backend) =>
        (rule, backend) switch
        {
            (null, null) => [],
            (null, _) => [backend],
            (_, null) => [rule],
            _ => [rule, backend],
        };
}
