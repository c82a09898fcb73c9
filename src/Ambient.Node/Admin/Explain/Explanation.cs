using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Admin.Explain;

/// <summary>
/// What would happen to a connection, and why: it calls the same functions as the engines, with the current snapshot. Where load
/// balancing chooses at random, the choice is repeated often enough to see every outcome.
/// </summary>
internal sealed record Explanation
{
    private const int Draws = 400;

    /// <summary>What was asked.</summary>
    public required ExplainQuestion Question { get; init; }

    /// <summary>Version of the snapshot.</summary>
    public required long Version { get; init; }

    /// <summary>The service that was addressed; null when it was a workload, or an address unknown to the mesh.</summary>
    public required MeshService? Service { get; init; }

    /// <summary>The workload that was addressed.</summary>
    public required Workload? Workload { get; init; }

    /// <summary>Endpoints of the service, chosen from or not.</summary>
    public required ImmutableArray<EndpointCandidate> Candidates { get; init; }

    /// <summary>What may happen, the most frequent first.</summary>
    public required ImmutableArray<ExplainedOutcome> Outcomes { get; init; }

    /// <summary>Explains, as a proxy of a network would decide; null: of the source's.</summary>
    public static Explanation Of(MeshSnapshot mesh, ExplainQuestion question, string? network = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(question);
        var (source, destination) = (question.Source, question.Destination);
        var workload = mesh.FindWorkload(network ?? source.Network, destination.Address);
        var service = workload is null ? mesh.FindService(network ?? source.Network, destination.Address, source.Namespace) : null;
        var outcomes = new Dictionary<string, (ConnectionRoute Route, int Count)>(StringComparer.Ordinal);
        var random = new Random(1);
        for (var i = 0; i < Draws; i++)
        {
            var route = DestinationResolver.Resolve(mesh, source, destination, random, network);
            var key = route.Error ?? $"{route.Protocol} {route.NextHop} {route.Authority}";
            outcomes[key] = outcomes.TryGetValue(key, out var seen) ? (seen.Route, seen.Count + 1) : (route, 1);
        }

        return new Explanation
        {
            Question = question,
            Version = mesh.Version,
            Service = service,
            Workload = workload,
            Candidates = service is null ? [] : DestinationResolver.Candidates(mesh, source, service, destination.Port),
            Outcomes = [.. outcomes.Values
                .OrderByDescending(outcome => outcome.Count)
                .Select(outcome => ExplainedOutcome.Of(mesh, source, outcome.Route, (double)outcome.Count / Draws))],
        };
    }
}

/// <summary>One possible outcome of a connection.</summary>
/// <param name="Route">Where it is sent, or why nowhere.</param>
/// <param name="Share">How often, from 0 to 1.</param>
/// <param name="Presented">Identity that is shown to the peer; null: none, it is plain TCP.</param>
/// <param name="Delivery">What policies at the other end are asked about; null: nobody there asks.</param>
/// <param name="Policies">Those policies, in order of evaluation.</param>
/// <param name="UnknownPolicies">Policies that the workload lists and the mesh does not have; they are skipped.</param>
/// <param name="Decision">The decision that they lead to.</param>
internal sealed record ExplainedOutcome(
    ConnectionRoute Route,
    double Share,
    SpiffeId? Presented,
    ConnectionFacts? Delivery,
    ImmutableArray<PolicyTrace> Policies,
    ImmutableArray<string> UnknownPolicies,
    AuthorizationDecision? Decision)
{
    /// <summary>Explains a route.</summary>
    public static ExplainedOutcome Of(MeshSnapshot mesh, Workload source, ConnectionRoute route, double share)
    {
        var presented = route.Protocol == ConnectionProtocol.Tcp ? null : source.Identity;

        // Behind a gateway another cluster decides; outside of the mesh nobody does.
        if (route is not { Error: null, NextHop: { } nextHop, NextHopWorkload: { Protocol: TunnelProtocol.Hbone } peer } || route.Protocol == ConnectionProtocol.DoubleHbone)
        {
            return new ExplainedOutcome(route, share, presented, null, [], [], null);
        }

        var from = new IPEndPoint(
            source.Addresses.FirstOrDefault(address => address.AddressFamily == nextHop.AddressFamily) ?? source.Addresses.FirstOrDefault() ?? IPAddress.None, 0);
        var delivered = route.Protocol == ConnectionProtocol.Tcp
            ? nextHop
            : InboundResolver.Resolve(mesh, peer, nextHop, route.Authority!).Upstream;
        if (delivered is null)
        {
            return new ExplainedOutcome(route, share, presented, null, [], [], null);
        }

        var facts = new ConnectionFacts(from, delivered, presented);
        return new ExplainedOutcome(
            route,
            share,
            presented,
            facts,
            ConnectionAuthorizer.Trace(mesh, peer, facts),
            ConnectionAuthorizer.Explain(mesh, peer, facts).UnknownPolicies,
            ConnectionAuthorizer.Authorize(mesh, peer, facts));
    }
}
