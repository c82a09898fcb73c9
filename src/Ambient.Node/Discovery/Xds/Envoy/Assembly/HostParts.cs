using System.Collections.Immutable;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Listeners;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>Everything that is known of one host name.</summary>
internal sealed class HostParts
{
    private readonly SortedDictionary<string, EnvoyCluster> _clusters = new(StringComparer.Ordinal);
    private Dictionary<(int Port, string? Subset), EnvoyCluster>? _counting;

    /// <summary>Its clusters by name.</summary>
    public IReadOnlyDictionary<string, EnvoyCluster> Clusters => _clusters;

    /// <summary>Chains of a waypoint for its ports.</summary>
    public ImmutableArray<HostChain> Chains { get; set; } = [];

    /// <summary>Whether nothing is known any more.</summary>
    public bool IsEmpty => _clusters.Count == 0 && Chains.IsEmpty;

    /// <summary>Sets a cluster.</summary>
    public void Set(EnvoyCluster cluster) => (_clusters[cluster.Name], _counting) = (cluster, null);

    /// <summary>A cluster is gone.</summary>
    public void Remove(string name)
    {
        _clusters.Remove(name);
        _counting = null;
    }

    /// <summary>Endpoints of a cluster came for the first time, or went.</summary>
    public void Recount() => _counting = null;

    /// <summary>Whether a cluster is the one, of those for its port and subset whose endpoints have come, that says who they are.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="hasEndpoints">Whether endpoints of a cluster have come.</param>
    public bool Counts(EnvoyCluster cluster, Func<EnvoyCluster, bool> hasEndpoints)
    {
        _counting ??= _clusters.Values.Where(hasEndpoints).GroupBy(static candidate => (candidate.Meaning.Port, candidate.Meaning.Subset))
            .ToDictionary(static group => group.Key, static group => RuleAssembly.Counting(group)!);
        return _counting.TryGetValue((cluster.Meaning.Port, cluster.Meaning.Subset), out var counting) && counting.Name == cluster.Name;
    }

    /// <summary>Clusters for the port and subset of one.</summary>
    public IEnumerable<EnvoyCluster> Beside(EnvoyCluster cluster) =>
        _clusters.Values.Where(other => other.Meaning.Port == cluster.Meaning.Port && other.Meaning.Subset == cluster.Meaning.Subset);
}

/// <summary>A chain of a waypoint, for one port of a host.</summary>
/// <param name="Name">What its name says.</param>
/// <param name="Chain">The chain.</param>
/// <param name="Destinations">Where it is led to from.</param>
/// <param name="IsTls">Whether TLS is looked into at the port.</param>
internal sealed record HostChain(ClusterName Name, EnvoyChain Chain, ImmutableArray<ChainDestination> Destinations, bool IsTls)
{
    /// <summary>Whether it is the same chain, led to from the same places.</summary>
    public bool IsSame(HostChain other) =>
        ReferenceEquals(Chain, other.Chain) && IsTls == other.IsTls && Name == other.Name
        && Destinations.Length == other.Destinations.Length
        && Destinations.Zip(other.Destinations).All(pair => pair.First.Port == pair.Second.Port && pair.First.Ranges.AsSpan().SequenceEqual(pair.Second.Ranges.AsSpan()));
}
