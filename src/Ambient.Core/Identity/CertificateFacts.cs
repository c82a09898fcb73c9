using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>What path finding asks of a certificate, read once. Nothing here verifies a signature.</summary>
internal sealed class CertificateFacts
{
    private const string RsaKey = "1.2.840.113549.1.1.1";
    private const string EllipticKey = "1.2.840.10045.2.1";
    private const int LeastRsaBits = 2048;
    private const int MostRsaBits = 8192;
    private const int MostExponentBytes = 8;

    private CertificateFacts(X509Certificate2 certificate)
    {
        Certificate = certificate;
        Subject = certificate.SubjectName;
        Issuer = certificate.IssuerName;
        IsPlain = certificate.Version == 3;
        foreach (var extension in certificate.Extensions)
        {
            Read(extension);
        }
    }

    public X509Certificate2 Certificate { get; }

    public X500DistinguishedName Subject { get; }

    public X500DistinguishedName Issuer { get; }

    /// <summary>Basic constraints say that it may sign certificates.</summary>
    public bool IsAuthority { get; private set; }

    /// <summary>How many authorities may lie between it and a leaf; null: any number.</summary>
    public int? PathLength { get; private set; }

    /// <summary>Its key usage, where it has one, lets it sign certificates.</summary>
    public bool MaySign { get; private set; } = true;

    /// <summary>
    /// Whether it has only extensions that are judged here. Name constraints, policies, extended key usage of an authority and critical
    /// extensions that nobody knows are left to the platform's chain engine.
    /// </summary>
    public bool IsPlain { get; private set; }

    /// <summary>Whether it has an extended key usage.</summary>
    public bool HasExtendedUsage { get; private set; }

    /// <summary>Whether it names itself as its issuer.</summary>
    public bool IsSelfIssued => SameName(Subject, Issuer);

    private ReadOnlyMemory<byte>? SubjectKey { get; set; }

    private ReadOnlyMemory<byte>? IssuerKey { get; set; }

    /// <summary>Reads what is needed.</summary>
    /// <exception cref="CryptographicException">A part cannot be read.</exception>
    public static CertificateFacts Of(X509Certificate2 certificate) => new(certificate);

    /// <summary>The same; null when a part cannot be read.</summary>
    public static CertificateFacts? TryOf(X509Certificate2 certificate)
    {
        try
        {
            return new CertificateFacts(certificate);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>Whether it may have issued another one, by names and key identifiers: not by its signature.</summary>
    public bool MayHaveIssued(CertificateFacts other) =>
        SameName(Subject, other.Issuer)
        && (SubjectKey is not { } mine || other.IssuerKey is not { } named || mine.Span.SequenceEqual(named.Span));

    /// <summary>Whether its key is of a kind and size that we verify with; false with the words for it.</summary>
    public bool HasAcceptedKey(out string found)
    {
        var key = Certificate.PublicKey;
        found = key.Oid.Value ?? "unknown";
        try
        {
            switch (found)
            {
                case RsaKey:
                    var numbers = new AsnReader(key.EncodedKeyValue.RawData, AsnEncodingRules.DER).ReadSequence();
                    var modulus = numbers.ReadIntegerBytes().Span.TrimStart((byte)0);
                    var bits = modulus.IsEmpty ? 0 : (modulus.Length * 8) - System.Numerics.BitOperations.LeadingZeroCount(modulus[0]) + 24;
                    found = $"RSA of {bits} bits";
                    return bits is >= LeastRsaBits and <= MostRsaBits && numbers.ReadIntegerBytes().Span.TrimStart((byte)0).Length <= MostExponentBytes;
                case EllipticKey:
                    found = new AsnReader(key.EncodedParameters?.RawData ?? [], AsnEncodingRules.DER).ReadObjectIdentifier();
                    return found is "1.2.840.10045.3.1.7" or "1.3.132.0.34" or "1.3.132.0.35";
                default:
                    return false;
            }
        }
        catch (AsnContentException)
        {
            return false;
        }
    }

    private static bool SameName(X500DistinguishedName one, X500DistinguishedName other) =>
        one.RawData.AsSpan().SequenceEqual(other.RawData) || string.Equals(one.Name, other.Name, StringComparison.OrdinalIgnoreCase);

    private void Read(X509Extension extension)
    {
        switch (extension)
        {
            case X509BasicConstraintsExtension constraints:
                IsAuthority = constraints.CertificateAuthority;
                PathLength = constraints.HasPathLengthConstraint ? constraints.PathLengthConstraint : null;
                break;
            case X509KeyUsageExtension usage:
                MaySign = (usage.KeyUsages & X509KeyUsageFlags.KeyCertSign) != 0;
                break;
            case X509SubjectKeyIdentifierExtension identifier:
                SubjectKey = identifier.SubjectKeyIdentifierBytes;
                break;
            case X509AuthorityKeyIdentifierExtension identifier:
                IssuerKey = identifier.KeyIdentifier;
                IsPlain &= identifier.RawIssuer is null && identifier.SerialNumber is null;
                break;
            case X509EnhancedKeyUsageExtension:
                HasExtendedUsage = true;
                break;
            default:
                // Subject alternative names (without constraints they bind nobody), and what is only for information.
                IsPlain &= extension.Oid?.Value == "2.5.29.17" || (!extension.Critical && extension.Oid?.Value is "2.5.29.31" or "1.3.6.1.5.5.7.1.1" or "2.5.29.18");
                break;
        }
    }
}
