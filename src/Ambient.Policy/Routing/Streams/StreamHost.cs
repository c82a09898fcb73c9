using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Streams;

/// <summary>The route of a server name, with what choosing each of its backends means.</summary>
/// <param name="Pattern">The server name, or a wildcard; null: any, or none.</param>
/// <param name="Backends">Backends by weight.</param>
/// <param name="Fixed">What becomes of every connection, where nothing is drawn; else null.</param>
internal sealed record StreamHost(string? Pattern, ImmutableArray<(int Weight, StreamDecision Decision)> Backends, StreamDecision? Fixed)
{
    /// <summary>What a connection must be besides; null: nothing.</summary>
    internal StreamMatch? Condition { get; init; }

    internal static StreamHost Compile(MeshSnapshot mesh, StreamRoute route, ImmutableArray<StreamRouteBackend> written, string name, bool enforceGrants, bool originates)
    {
        ImmutableArray<(int Weight, StreamDecision Decision)> backends =
            [.. written.Select(backend => (Math.Max(0, backend.Weight), StreamBackends.Compile(mesh, route, backend, name, enforceGrants, originates)))];
        return new StreamHost(null, backends, backends.Sum(backend => (long)backend.Weight) == 0
            ? StreamDecision.Refuse(name, backends.IsEmpty ? "the route has no backends" : "every backend has weight 0")
            : null);
    }

    /// <summary>Whether a connection to the port that routes compare is for this one, but for its server name.</summary>
    internal bool Takes(in StreamFacts facts, int routePort) => Condition is not { } condition
        || ((condition.Port is null || condition.Port == routePort)
            && (condition.SourceSubnet is not { } clients || IsIn(clients, facts.Source))
            && (condition.DestinationSubnets.IsDefaultOrEmpty || IsInAny(condition.DestinationSubnets, facts.Destination)));

    internal StreamDecision Draw(Random random)
    {
        if (Fixed is not null)
        {
            return Fixed;
        }

        var draw = random.NextInt64(Backends.Sum(backend => (long)backend.Weight));
        foreach (var (weight, decision) in Backends)
        {
            if (draw < weight)
            {
                return decision;
            }

            draw -= weight;
        }

        return Backends[^1].Decision;
    }

    private static bool IsInAny(ImmutableArray<IPNetwork> ranges, IPAddress? address)
    {
        foreach (var range in ranges)
        {
            if (IsIn(range, address))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsIn(IPNetwork range, IPAddress? address) => address is not null && range.Contains(address);
}
