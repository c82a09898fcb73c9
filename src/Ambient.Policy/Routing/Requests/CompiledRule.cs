using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>A match of a rule with what becomes of requests that match: a redirect, an error, or a draw among backends.</summary>
internal sealed class CompiledRule
{
    private readonly RedirectAction? _redirect;
    private readonly ImmutableArray<CompiledBackend> _backends;
    private readonly long _totalWeight;
    private readonly RequestRoute _fixed;
    private readonly bool _draws;

    private CompiledRule(HttpRoute route, int ruleIndex, int matchIndex, int? port, CompiledMatch match, RequestRoute @fixed, ImmutableArray<CompiledBackend> backends)
    {
        Route = route;
        RuleIndex = ruleIndex;
        MatchIndex = matchIndex;
        Port = port;
        Match = match;
        _fixed = @fixed;
        _redirect = route.Rules[ruleIndex].Action as RedirectAction;
        _backends = backends;
        _totalWeight = backends.Sum(backend => (long)backend.Weight);
        _draws = _totalWeight > 0;
    }

    internal HttpRoute Route { get; }

    internal int RuleIndex { get; }

    internal int MatchIndex { get; }

    internal int? Port { get; }

    internal CompiledMatch Match { get; }

    /// <summary>External authorizers that the rule itself names.</summary>
    private ImmutableArray<ExternalAuthorizer> Authorizers { get; init; } = [];

    /// <summary>Why the rule's authorizer cannot be asked; null: it can, or there is none.</summary>
    private string? Unasked { get; init; }

    /// <summary>Whether an external authorizer is asked about requests that it matches, or about some of them.</summary>
    internal bool AsksAuthorizer => !_fixed.Authorizers.IsEmpty || _backends.Any(static backend => !backend.Route.Authorizers.IsEmpty);

    /// <summary>Whether the rule or a backend says what browsers of other origins may do.</summary>
    internal bool HasCors => Plan.Cors is not null || _backends.Any(static backend => backend.Route.Plan.Cors is not null);

    /// <summary>What the rule asks besides.</summary>
    internal RoutePlan Plan => _fixed.Plan;

    /// <summary>Every match of every rule of a route, for one parent.</summary>
    internal static IEnumerable<CompiledRule> Compile(MeshSnapshot mesh, HttpRoute route, int? port, GrantRule grants)
    {
        for (var i = 0; i < route.Rules.Length; i++)
        {
            var rule = route.Rules[i];
            var name = NameOf(route, i);
            var plan = RoutePlan.Of(rule);
            ImmutableArray<CompiledBackend> backends = [];
            ImmutableArray<ExternalAuthorizer> authorizers = [];
            string? unasked = null;
            if (rule.Authorizer is { } authorizer)
            {
                unasked = CompiledAuthorizer.Find(mesh, route, authorizer, name, grants, out var asked);
                authorizers = asked is null ? [] : [asked];
            }

            RequestRoute @fixed;
            switch (rule.Action)
            {
                case var _ when !rule.Unsupported.IsDefaultOrEmpty:
                    @fixed = RequestRoute.Broken(name, $"the rule needs {string.Join(", ", rule.Unsupported)}, which is not supported", rule.UnsupportedStatus);
                    break;
                case var _ when unasked is not null:
                    @fixed = RequestRoute.Broken(name, unasked);
                    break;
                case RespondAction respond:
                    @fixed = Respond(respond.StatusCode) with { Body = respond.Body };
                    break;
                case RedirectAction redirect:
                    @fixed = Respond(redirect.Redirect.StatusCode);
                    break;
                case ForwardAction forward:
                    backends = [.. forward.Backends.Select(backend => CompiledBackend.Compile(mesh, route, rule, forward, backend, name, plan, authorizers, grants))];
                    @fixed = RequestRoute.Broken(name, backends.IsEmpty ? "the rule has no backends" : "every backend has weight 0") with { Plan = plan };
                    break;
                default:
                    throw new ArgumentException($"{name}: {rule.Action.GetType().Name} is not known", nameof(route));
            }

            var matches = rule.Matches.IsDefaultOrEmpty ? [new TrafficMatch()] : rule.Matches;
            for (var j = 0; j < matches.Length; j++)
            {
                yield return new CompiledRule(route, i, j, port, new CompiledMatch(matches[j]), @fixed, backends) { Authorizers = authorizers, Unasked = unasked };
            }

            RequestRoute Respond(int status) => new()
            {
                Kind = RequestRouteKind.Respond,
                StatusCode = status,
                Rule = name,
                Plan = plan,
                Authorizers = authorizers,
                ResponseHeaders = rule.ResponseHeaders is { } changes ? [changes] : [],
            };
        }
    }

    internal bool Matches(in RouteFacts request) => (Port is null || Port == request.Port) && Match.Matches(request);

    internal RequestRoute Decide(in RouteFacts request, Random random)
    {
        if (!_draws)
        {
            return _redirect is { Redirect: var redirect } && _fixed.Error is null ? Redirected(_fixed, redirect, request) : _fixed;
        }

        var chosen = Draw(random);
        if (chosen.Redirect is { } elsewhere)
        {
            return Redirected(chosen.Route, elsewhere, request);
        }

        return chosen.Rewrite is not { } rewrite || chosen.Route.Kind != RequestRouteKind.Forward
            ? chosen.Route
            : chosen.Route with
            {
                Host = rewrite.Hostname,
                Path = rewrite.Path is { } path ? PathRewriting.Apply(path, request.Path, Match) : null,
            };
    }

    /// <summary>Why this rule refuses a backend, or null.</summary>
    internal string? Refusal(MeshService service, int port)
    {
        foreach (var backend in _backends)
        {
            if (backend.Refused is { } refused && refused.Name == service.Name && refused.Namespace == service.Namespace && refused.Port == port)
            {
                return backend.Route.Error;
            }
        }

        return null;
    }

    /// <summary>Why a request that was sent to a backend must not go on by this rule, as far as external authorizers go: one is to be asked that has not let it in. Else null.</summary>
    internal string? Unauthorized(MeshService service, int port, ImmutableArray<ExternalAuthorizer> letInBy)
    {
        if (Unasked is not null)
        {
            return Unasked;
        }

        // Of a backend that is not among the rule's any more, what is said of the rule.
        ExternalAuthorizer? missing = MissingFrom(Authorizers, letInBy);
        foreach (var backend in _backends)
        {
            if (backend.Route.Service is { } own && own.Key == service.Key && (backend.Route.Port == port || backend.Route.Port == RequestRoute.ArrivalPort))
            {
                missing = MissingFrom(backend.Route.Authorizers, letInBy);
                if (missing is null)
                {
                    return null;
                }
            }
        }

        return missing is null ? null : $"{NameOf(Route, RuleIndex)} asks the external authorizer {missing.Name}, which has not let the request in";
    }

    private static ExternalAuthorizer? MissingFrom(ImmutableArray<ExternalAuthorizer> asked, ImmutableArray<ExternalAuthorizer> letInBy)
    {
        foreach (var authorizer in asked)
        {
            if (!letInBy.Contains(authorizer))
            {
                return authorizer;
            }
        }

        return null;
    }

    private static string NameOf(HttpRoute route, int ruleIndex) =>
        (route.Rules[ruleIndex].Origin, route.Rules[ruleIndex].Name) switch
        {
            (null, null) => $"{route.Key} rule {ruleIndex}",
            (null, var name) => $"{route.Key} rule {name}",
            (var origin, null) => origin,
            var (origin, name) => $"{origin} rule {name}",
        };

    private RequestRoute Redirected(RequestRoute route, RequestRedirect redirect, in RouteFacts request) => route with
    {
        StatusCode = redirect.StatusCode,
        Location = PathRewriting.Location(redirect, request, Match),
    };

    private CompiledBackend Draw(Random random)
    {
        if (_backends is [var only])
        {
            return only;
        }

        var draw = random.NextInt64(_totalWeight);
        foreach (var backend in _backends)
        {
            if (draw < backend.Weight)
            {
                return backend;
            }

            draw -= backend.Weight;
        }

        return _backends[^1];
    }
}
