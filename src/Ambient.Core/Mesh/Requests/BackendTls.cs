using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>TLS to a backend: whom the proxy asks for, and whose certificate it takes. Within a tunnel where the endpoint has one.</summary>
public sealed record BackendTls
{
    /// <summary>Kind and key of the object that asks for it, for example <c>BackendTLSPolicy app/echo</c>.</summary>
    public required string AskedBy { get; init; }

    /// <summary>
    /// Server name that is sent (RFC 6066 section 3), and that the certificate must be for where <see cref="SubjectAltNames"/> is empty. Empty: none is sent.
    /// </summary>
    public required string ServerName { get; init; }

    /// <summary>Names of which the certificate must have one; empty: <see cref="ServerName"/>.</summary>
    public ImmutableArray<SubjectAltName> SubjectAltNames { get; init; } = [];

    /// <summary>Authorities that the certificate may come from; empty: those of the system.</summary>
    public ImmutableArray<CertificateBundle> Authorities { get; init; } = [];

    /// <summary>Files at the proxy that add to <see cref="Authorities"/>, and that have the certificate which is shown where <see cref="ClientCertificate"/> is null.</summary>
    public TlsFiles Files { get; init; } = TlsFiles.None;

    /// <summary>The certificate that is shown to an endpoint that asks for one; null: that of <see cref="Files"/>, the gateway's (<see cref="ShowsGatewayCertificate"/>), or none.</summary>
    public TlsSecret? ClientCertificate { get; init; }

    /// <summary>Whether a gateway that has a certificate for backends (<see cref="Gateway.BackendClientCertificate"/>) shows it: so a BackendTLSPolicy has it, and no DestinationRule.</summary>
    public bool ShowsGatewayCertificate { get; init; }

    /// <summary>
    /// Whether it is the mesh's own, as sidecars speak it among each other: the proxy shows its own identity, the endpoint's certificate comes from the
    /// mesh's roots, and must be for one of the identities in <see cref="SubjectAltNames"/>. Authorities and files do not count.
    /// </summary>
    public bool IsOfMesh { get; init; }

    /// <summary>Protocols that are offered besides the one that is spoken (RFC 7301), where it is the mesh's own.</summary>
    public ImmutableArray<string> Protocols { get; init; } = [];

    /// <summary>Whether whatever certificate is shown is taken.</summary>
    public bool SkipsVerification { get; init; }

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(BackendTls? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && AskedBy == other.AskedBy
            && ServerName == other.ServerName
            && Files == other.Files
            && ClientCertificate == other.ClientCertificate
            && ShowsGatewayCertificate == other.ShowsGatewayCertificate
            && IsOfMesh == other.IsOfMesh
            && SkipsVerification == other.SkipsVerification
            && StructuralEquality.Same(Protocols, other.Protocols)
            && StructuralEquality.Same(SubjectAltNames, other.SubjectAltNames)
            && StructuralEquality.Same(Authorities, other.Authorities));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(AskedBy, ServerName, SubjectAltNames.Length, Authorities.Length);
}

/// <summary>A name in a certificate (RFC 5280 section 4.2.1.6).</summary>
/// <param name="IsUri">Whether it is a URI; else it is a DNS name.</param>
/// <param name="Value">The name; a DNS name may begin with <c>*.</c>, for one label.</param>
public sealed record SubjectAltName(bool IsUri, string Value);

/// <summary>TLS to the ports of one service.</summary>
/// <param name="Default">To ports that <paramref name="ByPort"/> does not have; null: none.</param>
/// <param name="ByPort">By port of the service.</param>
public sealed record BackendProtection(BackendTls? Default, ImmutableDictionary<int, BackendTls> ByPort)
{
    /// <summary>TLS to a port; null: none.</summary>
    public BackendTls? Find(int port) => ByPort.TryGetValue(port, out var tls) ? tls : Default;

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(BackendProtection? other) =>
        ReferenceEquals(this, other)
        || (other is not null && Default == other.Default && ByPort.Count == other.ByPort.Count
            && ByPort.All(entry => other.ByPort.TryGetValue(entry.Key, out var tls) && tls == entry.Value));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Default, ByPort.Count);
}
