using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// HTTPRoutes of one place, compiled once a snapshot: which rule does a request match, and which backend takes it
/// (reference/waypoint.md 5.1 and 5.2).
/// </summary>
public sealed class RequestRoutes
{
    private readonly ImmutableArray<CompiledRule> _serviceRules;
    private readonly GatewayHosts? _gateway;
    private readonly RequestConfiguration? _configuration;
    private readonly MeshService? _service;

    private RequestRoutes(ImmutableArray<CompiledRule> serviceRules, RequestConfiguration configuration, MeshService service)
    {
        _serviceRules = serviceRules;
        _configuration = configuration;
        _service = service;
    }

    private RequestRoutes(GatewayHosts gateway)
    {
        _serviceRules = [];
        _gateway = gateway;
    }

    /// <summary>
    /// Routes whose parent is <paramref name="service"/> (mesh traffic). Only those of the service's own namespace: a
    /// waypoint does not know for which client a consumer's route would be. Their hostnames are not looked at.
    /// </summary>
    public static RequestRoutes ForService(MeshSnapshot mesh, MeshService service)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(service);
        var rules = new List<CompiledRule>();
        foreach (var route in mesh.Requests.HttpRoutes.Values)
        {
            if (route.Namespace != service.Namespace)
            {
                continue;
            }

            foreach (var parent in route.ParentRefs.Where(parent => IsParent(parent, service)))
            {
                rules.AddRange(CompiledRule.Compile(mesh, route, parent.Port, enforceGrants: false));
            }
        }

        return new RequestRoutes(Sorted(rules), mesh.Requests, service);
    }

    /// <summary>Routes attached to listeners of an ingress gateway.</summary>
    public static RequestRoutes ForGateway(MeshSnapshot mesh, Gateway gateway)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(gateway);
        return new RequestRoutes(new GatewayHosts(mesh, gateway));
    }

    /// <summary>
    /// Picks the rule and a backend for a request. Never null, never throws for what a request may hold. Backends are drawn
    /// from <paramref name="random"/> by weight.
    /// </summary>
    public RequestRoute Route(in RouteFacts request, Random random)
    {
        ArgumentNullException.ThrowIfNull(random);
        if (_gateway is not null)
        {
            return _gateway.Find(request.Port, request.Host) is { } rules && FirstMatch(rules, request, out _) is { } matched
                ? matched.Decide(request, random)
                : RequestRoute.NotFound;
        }

        if (FirstMatch(_serviceRules, request, out var anyForPort) is { } rule)
        {
            return rule.Decide(request, random);
        }

        // A service with routes for this port has nothing but its routes.
        return anyForPort ? RequestRoute.NotFound
            : _service is { } service && _configuration!.FindUnmetProtection(service.Hostname, request.Port) is { } askedBy
                ? RequestRoute.Unprotected(null, service.Hostname, askedBy)
                : RequestRoute.Default;
    }

    /// <summary>
    /// Why a request that lasts must not go on to the backend that it was sent to: the rule that it matches now refuses that backend, because
    /// a ReferenceGrant was taken back, say. Null when nothing objects; other weights, backends and rules are no objection.
    /// </summary>
    public string? Refusal(in RouteFacts request, MeshService service, int port)
    {
        ArgumentNullException.ThrowIfNull(service);
        var rules = _gateway is null ? _serviceRules : _gateway.Find(request.Port, request.Host) ?? [];
        return FirstMatch(rules, request, out _)?.Refusal(service, port);
    }

    internal static ImmutableArray<CompiledRule> Sorted(IEnumerable<CompiledRule> rules) => [.. rules.Order(RulePrecedence.Instance)];

    private static CompiledRule? FirstMatch(ImmutableArray<CompiledRule> rules, in RouteFacts request, out bool anyForPort)
    {
        anyForPort = false;
        foreach (var rule in rules.AsSpan())
        {
            if (rule.Port is null || rule.Port == request.Port)
            {
                anyForPort = true;
                if (rule.Matches(request))
                {
                    return rule;
                }
            }
        }

        return null;
    }

    private static bool IsParent(ObjectReference parent, MeshService service)
    {
        var isKubernetes = service.Hostname.StartsWith($"{service.Name}.{service.Namespace}.svc.", StringComparison.Ordinal);
        return parent.Name == service.Name
            && parent.Namespace == service.Namespace
            && (isKubernetes
                ? parent is { Group: "" or "core", Kind: "Service" }
                : parent is { Group: "networking.istio.io", Kind: "ServiceEntry" });
    }
}
