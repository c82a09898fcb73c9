using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>A match of a rule with what becomes of requests that match: a redirect, an error, or a draw among backends.</summary>
internal sealed class CompiledRule
{
    private readonly CompiledMatch _match;
    private readonly HttpRouteRule _rule;
    private readonly ImmutableArray<CompiledBackend> _backends;
    private readonly long _totalWeight;
    private readonly RequestRoute? _fixed;
    private readonly string _name;

    private CompiledRule(
        HttpRoute route, int ruleIndex, int matchIndex, int? port, HttpRouteMatch match, ImmutableArray<CompiledBackend> backends)
    {
        Route = route;
        RuleIndex = ruleIndex;
        MatchIndex = matchIndex;
        Port = port;
        Match = match;
        _rule = route.Rules[ruleIndex];
        _match = new CompiledMatch(match);
        _backends = backends;
        _totalWeight = backends.Sum(backend => (long)backend.Weight);
        _name = NameOf(route, ruleIndex);
        _fixed = !_rule.Unsupported.IsDefaultOrEmpty
            ? RequestRoute.Broken(_name, $"the rule needs {string.Join(", ", _rule.Unsupported)}, which is not supported")
            : _rule.Redirect is null && _totalWeight == 0
                ? RequestRoute.Broken(_name, backends.IsEmpty ? "the rule has no backends" : "every backend has weight 0")
                : null;
    }

    internal HttpRoute Route { get; }

    internal int RuleIndex { get; }

    internal int MatchIndex { get; }

    internal int? Port { get; }

    internal HttpRouteMatch Match { get; }

    internal int PathLength => _match.PathLength;

    internal int HeaderCount => _match.HeaderCount;

    internal int QueryCount => _match.QueryCount;

    /// <summary>Every match of every rule of a route, for one parent.</summary>
    internal static IEnumerable<CompiledRule> Compile(MeshSnapshot mesh, HttpRoute route, int? port, bool enforceGrants)
    {
        for (var i = 0; i < route.Rules.Length; i++)
        {
            var rule = route.Rules[i];
            var name = NameOf(route, i);
            ImmutableArray<CompiledBackend> backends = [.. rule.Backends.Select(
                backend => CompiledBackend.Compile(mesh, route, rule, backend, name, enforceGrants))];
            var matches = rule.Matches.IsDefaultOrEmpty ? [new HttpRouteMatch()] : rule.Matches;
            for (var j = 0; j < matches.Length; j++)
            {
                yield return new CompiledRule(route, i, j, port, matches[j], backends);
            }
        }
    }

    internal bool Matches(in RouteFacts request) => _match.Matches(request);

    internal RequestRoute Decide(in RouteFacts request, Random random)
    {
        if (_fixed is not null)
        {
            return _fixed;
        }

        if (_rule.Redirect is { } redirect)
        {
            return new RequestRoute
            {
                Kind = RequestRouteKind.Respond,
                StatusCode = redirect.StatusCode,
                Rule = _name,
                Location = PathRewriting.Location(redirect, request, _match.BeyondPrefix(request.Path)),
                ResponseHeaders = _rule.ResponseHeaders is { } changes ? [changes] : [],
            };
        }

        var chosen = Draw(random);
        return _rule.Rewrite is not { } rewrite || chosen.Kind != RequestRouteKind.Forward
            ? chosen
            : chosen with
            {
                Host = rewrite.Hostname,
                Path = rewrite.Path is { } path ? PathRewriting.Apply(path, _match.BeyondPrefix(request.Path)) : null,
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

    private static string NameOf(HttpRoute route, int ruleIndex) => $"{route.Key} rule {ruleIndex}";

    private RequestRoute Draw(Random random)
    {
        if (_backends is [var only])
        {
            return only.Route;
        }

        var draw = random.NextInt64(_totalWeight);
        foreach (var backend in _backends)
        {
            if (draw < backend.Weight)
            {
                return backend.Route;
            }

            draw -= backend.Weight;
        }

        return _backends[^1].Route;
    }
}
