using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Secrets;

/// <summary>A secret: a certificate with its key, or authorities.</summary>
/// <param name="Certificate">Certificate; null: it is none.</param>
/// <param name="Authorities">Authorities; null: it is none.</param>
internal sealed record EnvoySecret(TlsSecret? Certificate, CertificateBundle? Authorities)
{
    /// <summary>Whether istiod sends secrets of a name; others are files of the pod, and the proxy's own certificate.</summary>
    public static bool IsFromControlPlane(string name) => name.Contains("://", StringComparison.Ordinal);

    /// <summary>Authorities as a Secret that has nothing else; null: it is a certificate.</summary>
    public TlsSecret? ToSecret() => Authorities is null ? null : new TlsSecret { Namespace = Namespace, Name = Authorities.Name, Authorities = Authorities.Certificates };

    /// <summary>Reads one. With a field that is not known, a list of what is revoked perhaps, it is neither: whoever needs it is not served.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    /// <exception cref="InvalidDataException">What it has is no certificate with its key, and no authorities: as in Envoy, the one before it stays.</exception>
    public static EnvoySecret Read(string name, ReadOnlySpan<byte> bytes, Problems problems)
    {
        var wire = Strict.Read(Secret.Parser, bytes, out var isWhole);
        ResourceNames.Same(name, wire.Name);
        if (!isWhole)
        {
            problems.Add($"secret {name}", "a field that is not known, such as a list of what is revoked");
            return new EnvoySecret(null, null);
        }

        if (wire.ValidationContext is { } context
            && (context.MatchSubjectAltNames.Count + context.MatchTypedSubjectAltNames.Count > 0 || context.TrustChainVerification != CertificateValidationContext.Types.TrustChainVerification.VerifyTrustChain))
        {
            problems.Add($"secret {name}", "names of certificates, or how they are verified, beside authorities");
            return new EnvoySecret(null, null);
        }

        return wire.TypeCase switch
        {
            Secret.TypeOneofCase.TlsCertificate => new EnvoySecret(CertificateOf(name, wire.TlsCertificate), null),
            Secret.TypeOneofCase.ValidationContext => new EnvoySecret(null, AuthoritiesOf(name, Text(wire.ValidationContext.TrustedCa))),
            _ => throw new InvalidDataException("neither a certificate nor authorities"),
        };
    }

    /// <summary>Namespace that secrets of istiod have in the mesh, where their name is their whole name.</summary>
    public const string Namespace = "istiod";

    private static TlsSecret CertificateOf(string name, TlsCertificate wire)
    {
        var (certificates, key) = (Text(wire.CertificateChain), wire.PrivateKey is { } own ? Text(own) : null);
        return PemText.ProblemOf(certificates, key) is { } problem
            ? throw new InvalidDataException(problem)
            : new TlsSecret { Namespace = Namespace, Name = name, Certificates = certificates, PrivateKey = new PrivateKeyPem(key!) };
    }

    private static CertificateBundle AuthoritiesOf(string name, string pem) => PemText.HasCertificates(pem)
        ? new CertificateBundle { Namespace = Namespace, Name = name, Certificates = pem }
        : throw new InvalidDataException("it has no certificate of an authority");

    private static string Text(DataSource? source) => source is null ? "" : source.InlineString.Length > 0 ? source.InlineString : source.InlineBytes.ToStringUtf8();
}
