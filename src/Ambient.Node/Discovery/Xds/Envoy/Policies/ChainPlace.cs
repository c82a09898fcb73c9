using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Xds.Envoy.Policies;

/// <summary>Which connections the policies of a chain are for.</summary>
/// <param name="Port">Port.</param>
/// <param name="ServerNames">Server names of TLS; empty: any that no other chain of the port has.</param>
/// <param name="Policies">The policies.</param>
internal readonly record struct ChainPlace(int Port, ImmutableArray<string> ServerNames, ImmutableArray<RequestAuthorizationPolicy> Policies)
{
    /// <summary>Whether both have the same policies in the same order.</summary>
    public bool HasSamePolicies(ChainPlace other) => Policies == other.Policies || Policies.AsSpan().SequenceEqual(other.Policies.AsSpan());
}
