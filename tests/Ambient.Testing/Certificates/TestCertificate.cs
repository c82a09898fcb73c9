using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Certificates;

namespace Ambient.Testing.Certificates;

/// <summary>How a leaf deviates from a good SVID; what is left alone is right.</summary>
public sealed record TestCertificate
{
    /// <summary>OID of server authentication.</summary>
    public const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>OID of client authentication.</summary>
    public const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    /// <summary>URI SANs as written; null is the identity asked for, empty is no SAN extension unless there are DNS names.</summary>
    public ImmutableArray<string>? Uris { get; init; }

    /// <summary>DNS SANs.</summary>
    public ImmutableArray<string> DnsNames { get; init; } = [];

    /// <summary>Start of validity; null is a minute ago.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>End of validity; null is the authority's lifetime from now.</summary>
    public DateTimeOffset? NotAfter { get; init; }

    /// <summary>Extended key usages; null is no such extension.</summary>
    public ImmutableArray<string>? ExtendedKeyUsages { get; init; } = [ServerAuthentication, ClientAuthentication];

    /// <summary>Key usage; null is no such extension.</summary>
    public X509KeyUsageFlags? KeyUsage { get; init; } = X509KeyUsageFlags.DigitalSignature;

    /// <summary>Whether the leaf claims to be an authority.</summary>
    public bool IsAuthority { get; init; }

    /// <summary>The SAN extension's content, byte for byte; null is a well-formed one.</summary>
    public ImmutableArray<byte>? RawSubjectAlternativeName { get; init; }

    /// <summary>Whether the leaf's key is RSA rather than of an elliptic curve.</summary>
    public bool Rsa { get; init; }

    internal CertificateRequest Request(ImmutableArray<string> uris, AsymmetricAlgorithm key)
    {
        var nobody = new X500DistinguishedName("");
        var request = key is RSA rsa
            ? new CertificateRequest(nobody, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(nobody, (ECDsa)key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(IsAuthority, false, 0, true));
        if (RawSubjectAlternativeName is { } raw)
        {
            request.CertificateExtensions.Add(new X509Extension("2.5.29.17", raw.AsSpan(), critical: true));
        }
        else if (uris.Length + DnsNames.Length > 0)
        {
            request.CertificateExtensions.Add(SubjectAlternativeName(uris));
        }

        if (KeyUsage is { } usage)
        {
            request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, true));
        }

        if (ExtendedKeyUsages is { } extended)
        {
            var oids = new OidCollection();
            foreach (var oid in extended)
            {
                oids.Add(new Oid(oid, null));
            }

            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(oids, false));
        }

        return request;
    }

    private X509Extension SubjectAlternativeName(ImmutableArray<string> uris)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            foreach (var name in DnsNames)
            {
                writer.WriteCharacterString(UniversalTagNumber.IA5String, name, new Asn1Tag(TagClass.ContextSpecific, 2));
            }

            foreach (var uri in uris)
            {
                writer.WriteCharacterString(UniversalTagNumber.IA5String, uri, new Asn1Tag(TagClass.ContextSpecific, 6));
            }
        }

        return new X509Extension("2.5.29.17", writer.Encode(), critical: true);
    }
}
