using System.Collections.Frozen;
using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// HTTPRoutes of one place: which rule does a request match, and which backend takes it. Hold one per place, ask it for every request,
/// and give it back when the mesh has changed: only routes that what has changed concerns are compiled then.
/// </summary>
public sealed class RequestRoutes
{
    private static readonly RuleIndex s_none = new([]);

    private readonly RuleIndex _serviceRules;
    private readonly GatewayHosts? _gateway;
    private readonly ImmutableArray<UnmetProtection> _protections;
    private readonly MeshService? _service;

    // By the callers' namespace; empty for most services.
    private readonly FrozenDictionary<string, RuleIndex> _consumerRules = FrozenDictionary<string, RuleIndex>.Empty;

    private RequestRoutes(
        ImmutableArray<CompiledRoute> routes,
        RuleIndex serviceRules,
        FrozenDictionary<string, RuleIndex> consumerRules,
        ImmutableArray<UnmetProtection> protections,
        MeshService service)
    {
        Compiled = routes;
        _serviceRules = serviceRules;
        _consumerRules = consumerRules;
        _protections = protections;
        _service = service;
    }

    private RequestRoutes(GatewayHosts gateway)
    {
        Compiled = gateway.Compiled;
        _serviceRules = s_none;
        _gateway = gateway;
    }

    /// <summary>Whether a rule says what browsers of other origins may do.</summary>
    public bool HasCors => Any(static plan => plan.Cors is not null);

    /// <summary>Whether a rule asks for faults.</summary>
    public bool HasFaults => Any(static plan => plan.Fault is not null);

    /// <summary>The routes that it is made of.</summary>
    internal ImmutableArray<CompiledRoute> Compiled { get; }

    /// <summary>
    /// Routes whose parent is <paramref name="service"/> (mesh traffic). Those of the service's own namespace are for every caller; those of
    /// another namespace are for callers from there, in place of the first at the ports that they are for, and name backends outside of that
    /// namespace, besides the service itself, only where a ReferenceGrant lets them. Their hostnames are not looked at.
    /// </summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="service">The service.</param>
    /// <param name="proxyNamespace">Namespace of the waypoint, whose VirtualServices are looked at besides those of the service's; null: it has none of its own.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again when nothing about it has changed, and else a source of what is compiled already.</param>
    public static RequestRoutes ForService(MeshSnapshot mesh, MeshService service, string? proxyNamespace = null, RequestRoutes? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(service);
        var rules = new List<CompiledRule>();
        var consumers = new Dictionary<string, List<CompiledRule>>(StringComparer.Ordinal);
        var compiler = new CompiledRoute.Compiler(mesh, new GrantRule(IsEnforced: false), earlier?.Compiled ?? default);
        foreach (var route in mesh.Requests.HttpRoutes.Values.Where(route => route.Kind != HttpRoute.VirtualService))
        {
            foreach (var parent in route.ParentRefs.Where(parent => IsParent(parent, service)))
            {
                if (route.Namespace == service.Namespace)
                {
                    rules.AddRange(compiler.Rules(route, parent.Port));
                    continue;
                }

                if (!consumers.TryGetValue(route.Namespace, out var own))
                {
                    consumers.Add(route.Namespace, own = []);
                }

                // What it sends on goes out in the waypoint's name, so the services of others are not the consumer's to choose.
                own.AddRange(compiler.Rules(route, parent.Port, new GrantRule(IsEnforced: true, service)));
            }
        }

        // A service has routes of the Gateway API, or VirtualServices.
        var sorted = rules.Count > 0 ? Sorted(rules) : default;
        if (rules.Count == 0)
        {
            foreach (var route in VirtualServices.Of(mesh, service, proxyNamespace))
            {
                rules.AddRange(compiler.Rules(route, port: null));
            }

            sorted = [.. rules];
        }

        var protections = mesh.Requests.UnmetProtections;
        return earlier is { _gateway: null } && ReferenceEquals(earlier._service, service) && compiler.AllAsEarlier
            && rules.Count == earlier._serviceRules.Rules.Length && consumers.Count == earlier._consumerRules.Count && earlier._protections.AsSpan().SequenceEqual(protections.AsSpan())
                ? earlier
                : new RequestRoutes(
                    compiler.All,
                    new RuleIndex(sorted),
                    consumers.ToFrozenDictionary(entry => entry.Key, entry => new RuleIndex(Sorted(entry.Value)), StringComparer.Ordinal),
                    protections,
                    service);
    }

    /// <summary>Routes attached to listeners of an ingress gateway.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="gateway">The gateway.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again when nothing about it has changed, and else a source of what is compiled already.</param>
    public static RequestRoutes ForGateway(MeshSnapshot mesh, Gateway gateway, RequestRoutes? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(gateway);
        return earlier?._gateway is { } before && before.HoldsFor(mesh, gateway)
            ? earlier
            : new RequestRoutes(new GatewayHosts(mesh, gateway, earlier?.Compiled ?? default));
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
            if (request.ServerName is { } serverName && _gateway.IsMisdirected(request.Port, serverName, request.Host))
            {
                return RequestRoute.Misdirected;
            }

            if (_gateway.Find(request.Port, request.Host, out var routePort) is not { } rules)
            {
                return RequestRoute.NotFound;
            }

            var asked = routePort == request.Port ? request : request with { Port = routePort };
            return rules.FirstMatch(asked) is { } matched ? matched.Decide(asked, random) : RequestRoute.NotFound;
        }

        var meant = RulesOf(request);
        if (meant.FirstMatch(request) is { } rule)
        {
            return rule.Decide(request, random);
        }

        // A service with routes for this port has nothing but its routes.
        return meant.HasRulesFor(request.Port) ? RequestRoute.NotFound
            : _service is { } service && UnmetProtection.Find(_protections, service.Hostname, request.Port) is { } askedBy
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
        var routePort = request.Port;
        var rules = _gateway is null ? RulesOf(request) : _gateway.Find(request.Port, request.Host, out routePort);
        return rules?.FirstMatch(request with { Port = routePort })?.Refusal(service, port);
    }

    internal static ImmutableArray<CompiledRule> Sorted(IEnumerable<CompiledRule> rules) => [.. rules.Order(RulePrecedence.Instance)];

    private RuleIndex RulesOf(in RouteFacts request) =>
        request.CallerNamespace is { } caller && _consumerRules.TryGetValue(caller, out var own) && own.HasRulesFor(request.Port) ? own : _serviceRules;

    private bool Any(Func<RoutePlan, bool> asks) => Compiled.Any(route => route.Rules.Any(rule => asks(rule.Plan)));

    internal static bool IsParent(ObjectReference parent, MeshService service)
    {
        var isKubernetes = service.Hostname.StartsWith($"{service.Name}.{service.Namespace}.svc.", StringComparison.Ordinal);
        return parent.Name == service.Name
            && parent.Namespace == service.Namespace
            && (isKubernetes
                ? parent is { Group: "" or "core", Kind: "Service" }
                : parent is { Group: "networking.istio.io", Kind: "ServiceEntry" });
    }
}
