using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>What a listener that ends TLS is to show its clients, and whom of them it lets in.</summary>
public sealed record ListenerTls
{
    /// <summary>Certificates with their keys, those for other kinds of keys after the first.</summary>
    public ImmutableArray<TlsSecret> Certificates { get; init; } = [];

    /// <summary>Files at the gateway in place of these, and of authorities.</summary>
    public TlsFiles Files { get; init; } = TlsFiles.None;

    /// <summary>Authorities that certificates of clients may come from; empty: clients are not asked for one.</summary>
    public ImmutableArray<CertificateBundle> ClientAuthorities { get; init; } = [];

    /// <summary>Whether clients whose certificate does not verify, or who have none, are let in all the same.</summary>
    public bool AllowsInsecureFallback { get; init; }

    /// <summary>Whether clients without a certificate are let in; one that does not verify is not.</summary>
    public bool IsClientCertificateOptional { get; init; }

    /// <summary>Names, DNS names or URIs, of which a client's certificate must have one; empty: any.</summary>
    public ImmutableArray<string> ClientNames { get; init; } = [];

    /// <summary>Whether clients must speak TLS 1.3.</summary>
    public bool RequiresTls13 { get; init; }

    /// <summary>Whether clients must not speak TLS 1.3.</summary>
    public bool ForbidsTls13 { get; init; }

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(ListenerTls? other) =>
        other is not null && AllowsInsecureFallback == other.AllowsInsecureFallback
        && IsClientCertificateOptional == other.IsClientCertificateOptional && RequiresTls13 == other.RequiresTls13 && ForbidsTls13 == other.ForbidsTls13
        && Files == other.Files
        && ClientNames.AsSpan().SequenceEqual(other.ClientNames.AsSpan())
        && Certificates.AsSpan().SequenceEqual(other.Certificates.AsSpan()) && ClientAuthorities.AsSpan().SequenceEqual(other.ClientAuthorities.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Certificates.Length, ClientAuthorities.Length, AllowsInsecureFallback);
}
