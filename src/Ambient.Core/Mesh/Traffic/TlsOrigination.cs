using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>Whether the proxy makes TLS to endpoints, and how (<c>trafficPolicy.tls</c> of a DestinationRule), within the tunnel where there is one.</summary>
public sealed record TlsOrigination
{
    /// <summary>How.</summary>
    public required TlsOriginationMode Mode { get; init; }

    /// <summary>Server name that is sent (RFC 6066 section 3); null: the host's own.</summary>
    public string? ServerName { get; init; }

    /// <summary>Names, DNS names or URIs, of which the certificate must have one; empty: those of the ServiceEntry, or else the server name.</summary>
    public ImmutableArray<string> SubjectAltNames { get; init; } = [];

    /// <summary>A Secret of the proxy's own namespace with authorities and, for <see cref="TlsOriginationMode.Mutual"/>, the certificate that is shown; null: files.</summary>
    public string? CredentialName { get; init; }

    /// <summary>Files at the proxy in place of a Secret.</summary>
    public TlsFiles Files { get; init; } = TlsFiles.None;

    /// <summary>Whether whatever certificate is shown is taken.</summary>
    public bool SkipsVerification { get; init; }

    /// <summary>What is asked for that this version cannot do; null: nothing. Then nothing is sent to the endpoints.</summary>
    public string? Problem { get; init; }

    /// <summary>Whether TLS is made: the other modes leave it to the mesh.</summary>
    public bool IsMade => Mode is TlsOriginationMode.Simple or TlsOriginationMode.Mutual;

    /// <summary>Whether every field is equal, names by content.</summary>
    public bool Equals(TlsOrigination? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Mode == other.Mode
            && ServerName == other.ServerName
            && CredentialName == other.CredentialName
            && Files == other.Files
            && SkipsVerification == other.SkipsVerification
            && Problem == other.Problem
            && StructuralEquality.Same(SubjectAltNames, other.SubjectAltNames));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mode, ServerName, CredentialName, Files, SkipsVerification, SubjectAltNames.Length);
}

/// <summary>How TLS to endpoints is made.</summary>
public enum TlsOriginationMode
{
    /// <summary>None besides the mesh's own.</summary>
    Disable,

    /// <summary>The endpoint shows a certificate.</summary>
    Simple,

    /// <summary>Both show one.</summary>
    Mutual,

    /// <summary>The mesh's own, which tunnels are.</summary>
    IstioMutual,
}

/// <summary>Files with certificates at a proxy, PEM text. They are read when they are needed, and again when they have changed.</summary>
/// <param name="Authorities">Authorities; null: those of the system.</param>
/// <param name="Certificates">The certificate that is shown, then those between it and the root; null: none.</param>
/// <param name="PrivateKey">Its private key.</param>
public sealed record TlsFiles(string? Authorities, string? Certificates, string? PrivateKey)
{
    /// <summary>No file.</summary>
    public static TlsFiles None { get; } = new(null, null, null);
}
