using System.Collections.Immutable;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Listeners;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>Everything that is known of one host name.</summary>
internal sealed class HostParts
{
    /// <summary>Its clusters by name.</summary>
    public SortedDictionary<string, EnvoyCluster> Clusters { get; } = new(StringComparer.Ordinal);

    /// <summary>Chains of a waypoint for its ports.</summary>
    public ImmutableArray<HostChain> Chains { get; set; } = [];

    /// <summary>Whether nothing is known any more.</summary>
    public bool IsEmpty => Clusters.Count == 0 && Chains.IsEmpty;
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
