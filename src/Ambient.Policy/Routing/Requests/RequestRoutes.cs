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
    private readonly RuleIndex _serviceRules;
    private readonly GatewayHosts? _gateway;
    private readonly ImmutableArray<UnmetProtection> _protections;
    private readonly MeshService? _service;
    private readonly string? _proxyNamespace;
    private readonly PlaceConfiguration? _place;

    // The newest that was found to say the same as what this was made of: only what that differs in from the next is looked at.
    private RouteInputs _seen;

    // By the callers' namespace; empty for most services.
    private readonly FrozenDictionary<string, RuleIndex> _consumerRules = FrozenDictionary<string, RuleIndex>.Empty;

    private RequestRoutes(
        ImmutableArray<CompiledRoute> routes,
        RuleIndex serviceRules,
        FrozenDictionary<string, RuleIndex> consumerRules,
        MeshSnapshot mesh,
        MeshService service,
        string? proxyNamespace)
    {
        Compiled = routes;
        _seen = new RouteInputs(mesh);
        _serviceRules = serviceRules;
        _consumerRules = consumerRules;
        _protections = mesh.Requests.UnmetProtections;
        _service = service;
        _proxyNamespace = proxyNamespace;
    }

    private RequestRoutes(ImmutableArray<CompiledRoute> routes, RuleIndex serviceRules, MeshSnapshot mesh, MeshService service, PlaceConfiguration place)
        : this(routes, serviceRules, FrozenDictionary<string, RuleIndex>.Empty, mesh, service, proxyNamespace: null) => _place = place;

    private RequestRoutes(MeshSnapshot mesh, GatewayHosts gateway)
    {
        Compiled = gateway.Compiled;
        _seen = new RouteInputs(mesh);
        _serviceRules = RuleIndex.Empty;
        _gateway = gateway;
    }

    /// <summary>Whether a rule says what browsers of other origins may do.</summary>
    public bool HasCors => Compiled.Any(static route => route.HasCors);

    /// <summary>Whether a rule asks for faults.</summary>
    public bool HasFaults => Compiled.Any(static route => route.HasFaults);

    /// <summary>Whether a rule wants an external authorizer asked.</summary>
    public bool HasAuthorizers => Compiled.Any(static route => route.HasAuthorizers);

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
        if (mesh.Requests.Places.GetValueOrDefault(service.Key) is { } place)
        {
            return ForPlace(mesh, service, place, earlier);
        }

        if (earlier is { _place: null } && ReferenceEquals(earlier._service, service) && earlier._proxyNamespace == proxyNamespace && earlier.Updated(mesh, service) is { } updated)
        {
            return updated;
        }

        var rules = new Attached();
        var compiler = new CompiledRoute.Compiler(mesh, new GrantRule(IsEnforced: false), earlier?.Compiled ?? default);
        foreach (var route in mesh.Requests.HttpRoutes.Values.Where(route => route.Kind != HttpRoute.VirtualService))
        {
            rules.Add(compiler, route, service);
        }

        // A service has routes of the Gateway API, or VirtualServices.
        var index = rules.OfService.Count > 0
            ? RuleIndex.Sorted(rules.OfService)
            : RuleIndex.InOrder(VirtualServices.Of(mesh, service, proxyNamespace).SelectMany(route => compiler.Rules(route, port: null)).ToArray());
        return earlier is { _gateway: null, _place: null } && ReferenceEquals(earlier._service, service) && compiler.AllAsEarlier
            && index.Rules.Length == earlier._serviceRules.Rules.Length && rules.OfConsumers.Count == earlier._consumerRules.Count
            && earlier._protections.AsSpan().SequenceEqual(mesh.Requests.UnmetProtections.AsSpan())
                ? earlier
                : new RequestRoutes(
                    compiler.All,
                    index,
                    rules.OfConsumers.ToFrozenDictionary(entry => entry.Key, entry => RuleIndex.Sorted(entry.Value), StringComparer.Ordinal),
                    mesh,
                    service,
                    proxyNamespace);
    }

    /// <summary>Routes that a control plane has worked out for the service's requests, in its order.</summary>
    private static RequestRoutes ForPlace(MeshSnapshot mesh, MeshService service, PlaceConfiguration place, RequestRoutes? earlier)
    {
        var compiler = new CompiledRoute.Compiler(mesh, new GrantRule(IsEnforced: false), earlier?.Compiled ?? default);
        var rules = place.Routes is { } routes ? RuleIndex.InOrder(compiler.Rules(routes, port: null).ToArray()) : RuleIndex.Empty;
        return earlier is { _place: { } before } && ReferenceEquals(before, place) && ReferenceEquals(earlier._service, service) && compiler.AllAsEarlier
            && earlier._protections.AsSpan().SequenceEqual(mesh.Requests.UnmetProtections.AsSpan())
            ? earlier
            : new RequestRoutes(compiler.All, rules, mesh, service, place);
    }

    /// <summary>Routes attached to listeners of an ingress gateway.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="gateway">The gateway.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again when nothing about it has changed, and else a source of what is compiled already.</param>
    public static RequestRoutes ForGateway(MeshSnapshot mesh, Gateway gateway, RequestRoutes? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(gateway);
        if (earlier?._gateway?.Updated(mesh, gateway, earlier._seen) is { } updated)
        {
            if (!ReferenceEquals(updated, earlier._gateway))
            {
                return new RequestRoutes(mesh, updated);
            }

            earlier._seen = new RouteInputs(mesh);
            return earlier;
        }

        return new RequestRoutes(mesh, new GatewayHosts(mesh, gateway, earlier?.Compiled ?? default));
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

        if (_place is not null && _place.Blocked.TryGetValue(request.Port, out var reason))
        {
            return RequestRoute.Broken(null, reason, 503);
        }

        // Of a wildcard that stands for names, a request says which one it means.
        if (_service is { IsOfManyNames: true } named && DynamicHost.Of(named, request.Host) is null)
        {
            return RequestRoute.NotFound;
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
    /// a ReferenceGrant was taken back, say, or asks an external authorizer that has not let it in. Null when nothing objects; other weights, backends and rules are no
    /// objection.
    /// </summary>
    /// <param name="request">The request, as its routes were asked about it.</param>
    /// <param name="service">The backend.</param>
    /// <param name="port">Its port.</param>
    /// <param name="letInBy">External authorizers of its route that have let it in, or are being asked.</param>
    public string? Refusal(in RouteFacts request, MeshService service, int port, ImmutableArray<ExternalAuthorizer> letInBy)
    {
        ArgumentNullException.ThrowIfNull(service);
        var routePort = request.Port;
        var rules = _gateway is null ? RulesOf(request) : _gateway.Find(request.Port, request.Host, out routePort);
        return rules?.FirstMatch(request with { Port = routePort }) is { } rule ? rule.Refusal(service, port) ?? rule.Unauthorized(service, port, letInBy) : null;
    }

    /// <summary>The same place in another mesh, made of what has changed; null where it has to be looked at as a whole.</summary>
    private RequestRoutes? Updated(MeshSnapshot mesh, MeshService service)
    {
        if (_seen.IsSame(mesh))
        {
            return this;
        }

        // VirtualServices are tried in written order, and are looked at only where there is no other route.
        var change = _seen.ChangeTo(mesh, Compiled);
        if (!_protections.AsSpan().SequenceEqual(mesh.Requests.UnmetProtections.AsSpan())
            || change.Gone.Concat(change.Anew).Any(static route => route.Kind == HttpRoute.VirtualService) || Compiled.Any(static route => route.Route.Kind == HttpRoute.VirtualService))
        {
            return null;
        }

        var (added, removed) = (new Attached(), new Attached());
        var compiler = new CompiledRoute.Compiler(mesh, new GrantRule(IsEnforced: false), default);
        foreach (var route in change.Anew)
        {
            added.Add(compiler, route, service);
        }

        foreach (var left in change.Left)
        {
            removed.Add(left, service);
        }

        if (change.Left.IsEmpty && compiler.All.IsEmpty)
        {
            _seen = new RouteInputs(mesh);
            return this;
        }

        var index = _serviceRules.With(removed.OfService, added.OfService);
        if (index.Rules.IsEmpty != _serviceRules.Rules.IsEmpty)
        {
            return null;
        }

        var consumers = _consumerRules.ToDictionary();
        foreach (var caller in added.OfConsumers.Keys.Union(removed.OfConsumers.Keys))
        {
            var own = consumers.GetValueOrDefault(caller, RuleIndex.Empty).With(removed.RulesFor(caller), added.RulesFor(caller));
            if (own.Rules.IsEmpty)
            {
                consumers.Remove(caller);
            }
            else
            {
                consumers[caller] = own;
            }
        }

        return new RequestRoutes(
            [.. change.Kept, .. compiler.All],
            index,
            added.OfConsumers.Count + removed.OfConsumers.Count == 0 ? _consumerRules : consumers.ToFrozenDictionary(StringComparer.Ordinal),
            mesh,
            service,
            _proxyNamespace);
    }

    private RuleIndex RulesOf(in RouteFacts request) =>
        request.CallerNamespace is { } caller && _consumerRules.TryGetValue(caller, out var own) && own.HasRulesFor(request.Port) ? own : _serviceRules;

    internal static bool IsParent(ObjectReference parent, MeshService service) =>
        parent.Name == service.Name
        && parent.Namespace == service.Namespace
        && (service.IsOfKubernetes
            ? parent is { Group: "" or "core", Kind: "Service" }
            : parent is { Group: "networking.istio.io", Kind: "ServiceEntry" });

    /// <summary>Rules of routes whose parent is a service: for every caller, or for callers of a namespace.</summary>
    private sealed class Attached
    {
        internal List<CompiledRule> OfService { get; } = [];

        internal Dictionary<string, List<CompiledRule>> OfConsumers { get; } = new(StringComparer.Ordinal);

        internal List<CompiledRule> RulesFor(string caller) => OfConsumers.GetValueOrDefault(caller) ?? [];

        internal void Add(CompiledRoute.Compiler compiler, HttpRoute route, MeshService service)
        {
            foreach (var port in route.ParentRefs.Where(parent => IsParent(parent, service)).Select(parent => parent.Port).Distinct())
            {
                // What a consumer's route sends on goes out in the waypoint's name, so the services of others are not the consumer's to choose.
                ListFor(route, service).AddRange(
                    compiler.Rules(route, port, route.Namespace == service.Namespace ? null : new GrantRule(IsEnforced: true, service)));
            }
        }

        internal void Add(CompiledRoute compiled, MeshService service) => ListFor(compiled.Route, service).AddRange(compiled.Rules);

        private List<CompiledRule> ListFor(HttpRoute route, MeshService service)
        {
            if (route.Namespace == service.Namespace)
            {
                return OfService;
            }

            if (!OfConsumers.TryGetValue(route.Namespace, out var own))
            {
                OfConsumers.Add(route.Namespace, own = []);
            }

            return own;
        }
    }
}
