using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authentication;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Connections;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Admin.Explain;

/// <summary>
/// What a waypoint or gateway would make of a request, and why: it calls the same functions as the engine does, with the current snapshot. Tokens are not
/// verified for a question: what asks for one is answered as for a request without.
/// </summary>
internal sealed record RequestExplanation
{
    private const int Draws = 400;

    /// <summary>What was asked.</summary>
    public required RequestQuestion Question { get; init; }

    /// <summary>The Gateway, <c>namespace/name</c>.</summary>
    public required string Gateway { get; init; }

    /// <summary>Whose requests these are: the peer's identity; null: nobody's that is known.</summary>
    public required SpiffeId? Identity { get; init; }

    /// <summary>What policies have to say, in order of evaluation.</summary>
    public required ImmutableArray<RequestPolicyTrace> Policies { get; init; }

    /// <summary>Whose tokens are looked for; empty: none are.</summary>
    public required ImmutableArray<TokenRule> Tokens { get; init; }

    /// <summary>What policies decide.</summary>
    public required AuthorizationDecision Decision { get; init; }

    /// <summary>What routes may make of it, the most frequent first.</summary>
    public required ImmutableArray<ExplainedRoute> Routes { get; init; }

    /// <summary>A request for a service, at its waypoint.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="gateway">The waypoint.</param>
    /// <param name="self">The waypoint's own workload: what is near is near to it.</param>
    /// <param name="service">The service.</param>
    /// <param name="destination">The service's address and port.</param>
    /// <param name="source">Who asks.</param>
    /// <param name="question">The request.</param>
    public static RequestExplanation AtWaypoint(
        MeshSnapshot mesh, Mesh.Gateway gateway, Workload self, MeshService service, IPEndPoint destination, Workload source, RequestQuestion question)
    {
        ArgumentNullException.ThrowIfNull(gateway);
        ArgumentNullException.ThrowIfNull(source);
        var address = source.Addresses is [var first, ..] ? first : IPAddress.Any;
        return Of(
            mesh, gateway, self, service, source.Identity, new IPEndPoint(address, 0), destination, question, RequestPolicies.ForWaypoint(mesh, gateway, service),
            RequestRoutes.ForService(mesh, service, gateway.Namespace));
    }

    /// <summary>A request from outside, at a listener of an ingress gateway.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="gateway">The gateway.</param>
    /// <param name="self">The gateway's own workload.</param>
    /// <param name="port">Port of the listener.</param>
    /// <param name="source">Who asks.</param>
    /// <param name="question">The request.</param>
    public static RequestExplanation AtGateway(MeshSnapshot mesh, Mesh.Gateway gateway, Workload self, int port, IPAddress source, RequestQuestion question)
    {
        ArgumentNullException.ThrowIfNull(self);
        return Of(
            mesh, gateway, self, null, null, new IPEndPoint(source, 0), new IPEndPoint(self.Addresses is [var own, ..] ? own : IPAddress.Any, port), question,
            RequestPolicies.ForGateway(mesh, gateway), RequestRoutes.ForGateway(mesh, gateway));
    }

    private static RequestExplanation Of(
        MeshSnapshot mesh, Mesh.Gateway gateway, Workload self, MeshService? service, SpiffeId? identity, IPEndPoint source, IPEndPoint destination,
        RequestQuestion question, RequestPolicies policies, RequestRoutes routes)
    {
        var facts = new RequestFacts
        {
            Identity = identity,
            Source = source,
            Destination = destination,
            Method = question.Method,
            Host = question.Host,
            Path = question.Path.Path,
            Query = question.Path.Query,
            Header = question.Header,
        };
        var routeFacts = new RouteFacts(destination.Port, question.Host, question.Method, question.Path.Path, question.Path.Query, question.Header);
        var random = new Random(1);
        var drawn = Enumerable.Range(0, Draws).Select(_ => routes.Route(routeFacts, random))
            .GroupBy(route => (route.Kind, route.Rule, route.Service?.Key, route.Port, route.Subset, route.StatusCode, route.Location, route.Error))
            .OrderByDescending(group => group.Count());
        return new RequestExplanation
        {
            Question = question,
            Gateway = gateway.Key,
            Identity = identity,
            Tokens = policies.Tokens.Rules,
            Policies = RequestPolicyTrace.Of(policies, facts),
            Decision = RequestAuthorizer.Authorize(policies, facts),
            Routes = [.. drawn.Select(group => ExplainedRoute.Of(mesh, self, service, destination.Port, group.First(), (double)group.Count() / Draws))],
        };
    }
}

/// <summary>One thing that routes may make of a request.</summary>
/// <param name="Route">What they make of it.</param>
/// <param name="Share">How often, from 0 to 1.</param>
/// <param name="Backend">The service that gets it; null: it is answered here.</param>
/// <param name="Port">Port of the service.</param>
/// <param name="Endpoints">Endpoints of the service, chosen from or not.</param>
internal sealed record ExplainedRoute(RequestRoute Route, double Share, MeshService? Backend, int Port, ImmutableArray<EndpointCandidate> Endpoints)
{
    /// <summary>The DestinationRule that counts towards it (<c>namespace/name</c>); null: none does.</summary>
    public string? DestinationRule { get; private init; }

    /// <summary>When it is sent again: as the rule says, or else the mesh.</summary>
    public RetryRule Retry { get; private init; } = RetryRule.Default;

    public static ExplainedRoute Of(MeshSnapshot mesh, Workload self, MeshService? addressed, int addressedPort, RequestRoute route, double share)
    {
        var (backend, port) = route.Kind switch
        {
            RequestRouteKind.Forward => (route.Service, route.Port == RequestRoute.ArrivalPort ? addressedPort : route.Port),
            RequestRouteKind.Default => (addressed, addressedPort),
            _ => (null, 0),
        };
        var policy = backend is null ? null : BackendPolicy.Of(mesh, self, backend, port, route.Subset);
        return new ExplainedRoute(route, share, backend, port, policy?.Candidates(mesh, self, backend!, port, route.Subset) ?? [])
        {
            DestinationRule = policy?.Rule,
            Retry = route.Plan.Retry ?? mesh.Requests.DefaultRetry ?? RetryRule.Default,
        };
    }
}
