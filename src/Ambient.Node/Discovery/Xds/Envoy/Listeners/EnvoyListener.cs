using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>A listener.</summary>
internal sealed record EnvoyListener
{
    /// <summary>The listener of a waypoint that finds the service.</summary>
    public const string Main = "main_internal";

    /// <summary>The listener of a waypoint that ends tunnels.</summary>
    public const string Tunnels = "connect_terminate";

    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Port that it listens on; 0: it is internal.</summary>
    public int Port { get; init; }

    /// <summary>Address that it listens on; null: the proxy's own.</summary>
    public IPAddress? Bind { get; init; }

    /// <summary>Chains.</summary>
    public ImmutableArray<EnvoyChain> Chains { get; init; } = [];

    /// <summary>Where connections of an internal listener go by their destination.</summary>
    public ImmutableArray<ChainDestination> Destinations { get; init; } = [];

    /// <summary>Whether TLS is looked into for its server name at a port.</summary>
    public TlsInspection Inspection { get; init; } = TlsInspection.Nowhere;

    /// <summary>Whether every connection begins with a header of the PROXY protocol.</summary>
    public bool ExpectsProxyHeader { get; init; }

    /// <summary>Policies for whoever opens a tunnel, whatever it is for.</summary>
    public ImmutableArray<RequestAuthorizationPolicy> TunnelPolicies { get; init; } = [];

    /// <summary>Whether it is Envoy's own plumbing, which is done here in another way.</summary>
    public static bool IsPlumbing(string name) => name is Tunnels or "connect_originate" or "inner_connect_originate" or "outer_connect_originate" or "forward_inner_connect";

    /// <summary>Trust domains whose identities may open tunnels.</summary>
    public ImmutableArray<string> TrustDomains { get; init; } = [];

    /// <summary>Whether both are equal, collections by content.</summary>
    public bool Equals(EnvoyListener? other) =>
        ReferenceEquals(this, other)
        || (other is not null && Name == other.Name && Port == other.Port && Equals(Bind, other.Bind) && ExpectsProxyHeader == other.ExpectsProxyHeader && Inspection == other.Inspection
            && Chains.AsSpan().SequenceEqual(other.Chains.AsSpan())
            && Destinations.AsSpan().SequenceEqual(other.Destinations.AsSpan())
            && TunnelPolicies.AsSpan().SequenceEqual(other.TunnelPolicies.AsSpan())
            && TrustDomains.AsSpan().SequenceEqual(other.TrustDomains.AsSpan()));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Port, Chains.Length, Destinations.Length);
}

/// <summary>Which chain has connections to an address.</summary>
/// <param name="Ranges">Addresses.</param>
/// <param name="Port">Port; null: any.</param>
/// <param name="Chain">Name of the chain.</param>
internal sealed record ChainDestination(ImmutableArray<IPNetwork> Ranges, int? Port, string Chain)
{
    /// <summary>Whether both are equal, ranges by content.</summary>
    public bool Equals(ChainDestination? other) =>
        other is not null && Port == other.Port && Chain == other.Chain && Ranges.AsSpan().SequenceEqual(other.Ranges.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Chain, Port, Ranges.Length);
}
