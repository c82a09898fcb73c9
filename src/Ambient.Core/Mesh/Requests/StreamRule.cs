using System.Collections.Immutable;
using System.Net;

namespace Ambient.Mesh;

/// <summary>Where connections go that match: a rule of a VirtualService.</summary>
public sealed record StreamRule
{
    /// <summary>Whether it is for TLS that nobody ends, which is found by its server name.</summary>
    public bool IsTls { get; init; }

    /// <summary>Matches, ORed; empty: every connection.</summary>
    public ImmutableArray<StreamMatch> Matches { get; init; } = [];

    /// <summary>Weighted backends. One without a port means the one that was asked for, or the only one that the service has.</summary>
    public ImmutableArray<StreamRouteBackend> Backends { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(StreamRule? other) =>
        other is not null && IsTls == other.IsTls && StructuralEquality.Same(Matches, other.Matches) && StructuralEquality.Same(Backends, other.Backends);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(IsTls, Matches.Length, Backends.Length);
}

/// <summary>One way to match a connection; every given field must hold.</summary>
public sealed record StreamMatch
{
    /// <summary>Port that was asked for: the service's at a waypoint, the server's at a gateway; null: any.</summary>
    public int? Port { get; init; }

    /// <summary>Server names of TLS, of which one may have a wildcard first label; empty: any.</summary>
    public ImmutableArray<string> ServerNames { get; init; } = [];

    /// <summary>Ranges of which one has the address that was asked for; empty: any.</summary>
    public ImmutableArray<IPNetwork> DestinationSubnets { get; init; } = [];

    /// <summary>Range that has the client's address; null: any.</summary>
    public IPNetwork? SourceSubnet { get; init; }

    /// <summary>
    /// Gateways (<c>namespace/name</c>) for whose connections this is, <c>mesh</c> for those of the mesh. Empty: for all that the VirtualService is attached to.
    /// </summary>
    public ImmutableArray<string> Gateways { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(StreamMatch? other) =>
        other is not null
        && Port == other.Port
        && SourceSubnet.Equals(other.SourceSubnet)
        && StructuralEquality.Same(ServerNames, other.ServerNames)
        && StructuralEquality.Same(DestinationSubnets, other.DestinationSubnets)
        && StructuralEquality.Same(Gateways, other.Gateways);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Port, ServerNames.Length, DestinationSubnets.Length, SourceSubnet, Gateways.Length);
}
