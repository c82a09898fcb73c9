using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Routes;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>A filter chain: what becomes of connections that it has.</summary>
internal sealed record EnvoyChain
{
    /// <summary>Name; empty at a gateway.</summary>
    public required string Name { get; init; }

    /// <summary>Server names of TLS that it is for; empty: any.</summary>
    public ImmutableArray<string> ServerNames { get; init; } = [];

    /// <summary>TLS that it ends; null: it ends none.</summary>
    public ChainTls? Tls { get; init; }

    /// <summary>Why it must not be served; null: it may.</summary>
    public string? Blocked { get; init; }

    /// <summary>Policies, in the order of its filters.</summary>
    public ImmutableArray<RequestAuthorizationPolicy> Policies { get; init; } = [];

    /// <summary>Which tokens requests may carry; null: nothing is said.</summary>
    public RequestAuthentication? Tokens { get; init; }

    /// <summary>External authorizers that its policies name.</summary>
    public ImmutableArray<ExternalAuthorizer> Authorizers { get; init; } = [];

    /// <summary>Its HTTP; null: it has none.</summary>
    public ChainHttp? Http { get; init; }

    /// <summary>Clusters for bytes, with their shares; empty: it is for HTTP.</summary>
    public ImmutableArray<(string Cluster, int Weight)> Clusters { get; init; } = [];

    /// <summary>What is logged, counted and traced of its requests or connections; null: nothing is known of it, and the defaults hold.</summary>
    public TrafficTelemetry? Telemetry { get; init; }

    /// <summary>Limits of its connections, where they are for bytes and it says any.</summary>
    public StreamLimits? Limits { get; init; }

    /// <summary>What its connections hash by, where they are for bytes; null: nothing.</summary>
    public ConsistentHash? Hash { get; init; }

    /// <summary>Whether its requests or connections are logged.</summary>
    public bool IsLogged => Telemetry is not { Logs.IsEmpty: true };

    /// <summary>Whether it must not be served because its whole listener must not.</summary>
    public bool IsOfBlockedListener { get; init; }

    /// <summary>Names of its filters that come by themselves, in their order.</summary>
    public ImmutableArray<string> Extensions { get; init; } = [];

    /// <summary>Its bytes, where it is read again as these come; else null.</summary>
    public ByteString? Source { get; init; }

    /// <summary>Whether both are equal, collections by content.</summary>
    public bool Equals(EnvoyChain? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && (Name, Blocked, IsOfBlockedListener) == (other.Name, other.Blocked, other.IsOfBlockedListener)
            && (Tls, Tokens, Http, Telemetry, Limits, Hash) == (other.Tls, other.Tokens, other.Http, other.Telemetry, other.Limits, other.Hash)
            && ServerNames.AsSpan().SequenceEqual(other.ServerNames.AsSpan())
            && Policies.AsSpan().SequenceEqual(other.Policies.AsSpan())
            && Authorizers.AsSpan().SequenceEqual(other.Authorizers.AsSpan())
            && Clusters.AsSpan().SequenceEqual(other.Clusters.AsSpan())
            && Extensions.AsSpan().SequenceEqual(other.Extensions.AsSpan())
            && Equals(Source, other.Source));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Blocked, ServerNames.Length, Policies.Length, Http is null, Clusters.Length);
}

/// <summary>HTTP of a chain.</summary>
/// <param name="Routes">Its routes; null: they come by <paramref name="RouteName"/>.</param>
/// <param name="RouteName">Name of its routes; null: they are here.</param>
/// <param name="Normalization">What is done to paths.</param>
/// <param name="IsHttp2">Whether the port is declared to speak HTTP/2.</param>
/// <param name="TrustedHops">Proxies in front of it whose word for a client's address is taken.</param>
internal sealed record ChainHttp(RouteTable? Routes, string? RouteName, PathNormalization Normalization, bool IsHttp2, int TrustedHops)
{
    /// <summary>Headers of its own that the proxy sets.</summary>
    public ProxyHeaders Headers { get; init; } = ProxyHeaders.Default;
}

/// <summary>TLS that a chain ends.</summary>
/// <param name="Certificates">Names of secrets.</param>
/// <param name="Authorities">Name of the secret with authorities of clients; null: none.</param>
/// <param name="RequiresClient">Whether a client must show a certificate.</param>
/// <param name="AcceptsUntrusted">Whether one that does not verify is let in all the same.</param>
internal sealed record ChainTls(ImmutableArray<string> Certificates, string? Authorities, bool RequiresClient, bool AcceptsUntrusted)
{
    /// <summary>Names of which a client's certificate must have one; empty: any.</summary>
    public ImmutableArray<string> ClientNames { get; init; } = [];

    /// <summary>Whether clients must speak TLS 1.3.</summary>
    public bool RequiresTls13 { get; init; }

    /// <summary>Whether clients must not speak TLS 1.3.</summary>
    public bool ForbidsTls13 { get; init; }

    /// <summary>Whether it asks for cipher suites of its own.</summary>
    public bool NamesCipherSuites { get; init; }

    /// <summary>Whether both are equal, collections by content.</summary>
    public bool Equals(ChainTls? other) =>
        other is not null
        && (Authorities, RequiresClient, AcceptsUntrusted) == (other.Authorities, other.RequiresClient, other.AcceptsUntrusted)
        && (RequiresTls13, ForbidsTls13, NamesCipherSuites) == (other.RequiresTls13, other.ForbidsTls13, other.NamesCipherSuites)
        && Certificates.AsSpan().SequenceEqual(other.Certificates.AsSpan()) && ClientNames.AsSpan().SequenceEqual(other.ClientNames.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Certificates.Length, Authorities, RequiresClient);
}
