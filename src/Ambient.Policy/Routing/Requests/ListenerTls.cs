using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>What a listener that ends TLS is to show its clients, and whom of them it lets in.</summary>
public sealed record ListenerTls
{
    /// <summary>Certificates with their keys, those for other kinds of keys after the first.</summary>
    public ImmutableArray<TlsSecret> Certificates { get; init; } = [];

    /// <summary>Authorities that certificates of clients may come from; empty: clients are not asked for one.</summary>
    public ImmutableArray<CertificateBundle> ClientAuthorities { get; init; } = [];

    /// <summary>Whether clients whose certificate does not verify, or who have none, are let in all the same.</summary>
    public bool AllowsInsecureFallback { get; init; }

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(ListenerTls? other) =>
        other is not null && AllowsInsecureFallback == other.AllowsInsecureFallback
        && Certificates.AsSpan().SequenceEqual(other.Certificates.AsSpan()) && ClientAuthorities.AsSpan().SequenceEqual(other.ClientAuthorities.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Certificates.Length, ClientAuthorities.Length, AllowsInsecureFallback);
}
