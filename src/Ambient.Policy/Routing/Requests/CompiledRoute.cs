using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// The rules of an HTTPRoute for one parent, and what they were compiled from besides the route: they hold for every mesh that has
/// the same instances of it.
/// </summary>
internal sealed class CompiledRoute
{
    private readonly GrantRule _grantRule;
    private readonly string _clusterDomain;
    private readonly ImmutableDictionary<string, ReferenceGrant> _grants;
    private readonly ImmutableArray<UnmetProtection> _protections;
    private readonly ImmutableArray<(ObjectReference Reference, MeshService? Service)> _services;

    private CompiledRoute(MeshSnapshot mesh, HttpRoute route, int? port, string at, GrantRule grantRule)
    {
        (Route, Port, At, _grantRule) = (route, port, at, grantRule);
        (_clusterDomain, _grants, _protections) = (mesh.Requests.ClusterDomain, mesh.Requests.ReferenceGrants, mesh.Requests.UnmetProtections);
        _services = [.. References(route).Select(reference => (reference, BackendServices.Find(mesh, route.Namespace, reference, out _)))];
        Rules = [.. CompiledRule.Compile(mesh, route, port, grantRule)];
        HasCors = Rules.Any(rule => rule.HasCors);
        HasFaults = Rules.Any(rule => rule.Plan.Fault is not null);
        HasAuthorizers = Rules.Any(rule => rule.AsksAuthorizer);
    }

    internal HttpRoute Route { get; }

    internal int? Port { get; }

    /// <summary>Which of several forms of the route it is: a VirtualService may have other rules for each of its gateways.</summary>
    internal string At { get; }

    /// <summary>Every match of every rule.</summary>
    internal ImmutableArray<CompiledRule> Rules { get; }

    /// <summary>Whether a rule says what browsers of other origins may do.</summary>
    internal bool HasCors { get; }

    /// <summary>Whether a rule asks for faults.</summary>
    internal bool HasFaults { get; }

    /// <summary>Whether a rule wants an external authorizer asked.</summary>
    internal bool HasAuthorizers { get; }

    /// <summary>Whether compiling the route again would give the same.</summary>
    internal bool HoldsFor(MeshSnapshot mesh)
    {
        if (_clusterDomain != mesh.Requests.ClusterDomain
            || (_grantRule.IsEnforced && !ReferenceEquals(_grants, mesh.Requests.ReferenceGrants))
            || !_protections.AsSpan().SequenceEqual(mesh.Requests.UnmetProtections.AsSpan()))
        {
            return false;
        }

        foreach (var (reference, service) in _services.AsSpan())
        {
            if (!ReferenceEquals(service, BackendServices.Find(mesh, Route.Namespace, reference, out _)))
            {
                return false;
            }
        }

        return true;
    }

    private static IEnumerable<ObjectReference> References(HttpRoute route) =>
        route.Rules.SelectMany(rule => (rule.Action is ForwardAction forward ? References(forward) : []).Concat(rule.Authorizer is { } authorizer ? [authorizer.Reference] : [])).Distinct();

    private static IEnumerable<ObjectReference> References(ForwardAction forward) =>
        forward.Backends.Select(backend => backend.Reference)
            .Concat(forward.Backends.Select(backend => backend.Authorizer?.Reference).Where(static reference => reference is not null))
            .Concat(forward.Backends.SelectMany(backend => backend.Mirrors).Concat(forward.Mirrors).Select(mirror => mirror.Reference))!;

    /// <summary>Compiles routes for one place, and takes over from an earlier compilation what still holds.</summary>
    internal sealed class Compiler
    {
        private readonly MeshSnapshot _mesh;
        private readonly GrantRule _grantRule;
        private readonly Dictionary<(string Route, int? Port, string At), CompiledRoute> _earlier = [];
        private readonly Dictionary<(string Route, int? Port, string At), CompiledRoute> _compiled = [];

        internal Compiler(MeshSnapshot mesh, GrantRule grantRule, ImmutableArray<CompiledRoute> earlier)
        {
            (_mesh, _grantRule) = (mesh, grantRule);
            foreach (var route in earlier.AsSpan())
            {
                _earlier[(route.Route.Key, route.Port, route.At)] = route;
            }
        }

        /// <summary>Every route that was asked for.</summary>
        internal ImmutableArray<CompiledRoute> All => [.. _compiled.Values];

        /// <summary>Whether these are exactly the ones that were compiled earlier.</summary>
        internal bool AllAsEarlier =>
            _compiled.Count == _earlier.Count && _compiled.All(entry => ReferenceEquals(_earlier.GetValueOrDefault(entry.Key), entry.Value));

        /// <summary>The rules of a route for a parent at a port, or at any; with a rule about grants of its own, always the same for one route.</summary>
        internal ImmutableArray<CompiledRule> Rules(HttpRoute route, int? port, GrantRule? grantRule = null, string at = "") => Route(route, port, grantRule, at).Rules;

        /// <summary>The route itself, likewise.</summary>
        internal CompiledRoute Route(HttpRoute route, int? port, GrantRule? grantRule = null, string at = "")
        {
            if (!_compiled.TryGetValue((route.Key, port, at), out var compiled))
            {
                var earlier = _earlier.GetValueOrDefault((route.Key, port, at));
                compiled = earlier is not null && IsSame(earlier.Route, route) && earlier.HoldsFor(_mesh)
                    ? earlier
                    : new CompiledRoute(_mesh, route, port, at, grantRule ?? _grantRule);
                _compiled.Add((route.Key, port, at), compiled);
            }

            return compiled;
        }

        // The rules of a VirtualService are put together anew each time, those that it delegates to among them.
        private static bool IsSame(HttpRoute earlier, HttpRoute route) =>
            ReferenceEquals(earlier, route) || (route.Kind == HttpRoute.VirtualService && earlier.Equals(route));
    }
}
