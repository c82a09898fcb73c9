using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>
/// What an authority signs and its signature (RFC 5280, 4.1.1 and 5.1.1): certificates and revocation lists have the same outer shape.
/// ECDSA, RSASSA-PKCS1-v1_5 and RSASSA-PSS, each with SHA-256, SHA-384 or SHA-512; nothing else verifies.
/// </summary>
internal sealed class DerSignature
{
    private const string Pss = "1.2.840.113549.1.1.10";
    private readonly ReadOnlyMemory<byte> _signed;
    private readonly ReadOnlyMemory<byte> _signature;
    private readonly Scheme? _scheme;

    private DerSignature(ReadOnlyMemory<byte> signed, ReadOnlyMemory<byte> signature, ReadOnlyMemory<byte> algorithm)
    {
        _signed = signed;
        _signature = signature;
        Algorithm = algorithm;
        _scheme = SchemeOf(algorithm);
    }

    /// <summary>What is signed, as DER.</summary>
    public ReadOnlyMemory<byte> Signed => _signed;

    /// <summary>The algorithm's identifier, as DER: what is signed repeats it.</summary>
    public ReadOnlyMemory<byte> Algorithm { get; }

    /// <summary>Whether the algorithm is one of those that can verify here.</summary>
    public bool IsSupported => _scheme is not null;

    /// <summary>Reads the outer sequence.</summary>
    /// <exception cref="AsnContentException">It is none.</exception>
    public static DerSignature Read(ReadOnlyMemory<byte> der)
    {
        var outer = new AsnReader(der, AsnEncodingRules.DER);
        var sequence = outer.ReadSequence();
        outer.ThrowIfNotEmpty();
        var signed = sequence.ReadEncodedValue();
        var algorithm = sequence.ReadEncodedValue();
        var signature = sequence.ReadBitString(out var unused);
        sequence.ThrowIfNotEmpty();
        return unused == 0 ? new DerSignature(signed, signature, algorithm) : throw new AsnContentException("the signature is not a whole number of bytes");
    }

    /// <summary>Whether the key of a certificate made the signature. The one dear operation here.</summary>
    public bool IsBy(X509Certificate2 issuer)
    {
        if (_scheme is not { } scheme)
        {
            return false;
        }

        try
        {
            if (scheme.Padding is null)
            {
                using var elliptic = issuer.GetECDsaPublicKey();
                return elliptic is not null && elliptic.VerifyData(_signed.Span, _signature.Span, scheme.Hash, DSASignatureFormat.Rfc3279DerSequence);
            }

            using var rsa = issuer.GetRSAPublicKey();
            return rsa is not null && rsa.VerifyData(_signed.Span, _signature.Span, scheme.Hash, scheme.Padding);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static Scheme? SchemeOf(ReadOnlyMemory<byte> algorithm)
    {
        try
        {
            var outer = new AsnReader(algorithm, AsnEncodingRules.DER);
            var identifier = outer.ReadSequence();
            return identifier.ReadObjectIdentifier() switch
            {
                "1.2.840.10045.4.3.2" => new(HashAlgorithmName.SHA256, null),
                "1.2.840.10045.4.3.3" => new(HashAlgorithmName.SHA384, null),
                "1.2.840.10045.4.3.4" => new(HashAlgorithmName.SHA512, null),
                "1.2.840.113549.1.1.11" => new(HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
                "1.2.840.113549.1.1.12" => new(HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1),
                "1.2.840.113549.1.1.13" => new(HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1),
                Pss => PssSchemeOf(identifier.ReadSequence()),
                _ => null,
            };
        }
        catch (AsnContentException)
        {
            return null;
        }
    }

    /// <summary>RFC 4055, 3.1: one hash for both uses and a salt of its length, which is what TLS and every authority make.</summary>
    private static Scheme? PssSchemeOf(AsnReader parameters)
    {
        var hash = HashOf(parameters.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 0)).ReadSequence());
        var mask = parameters.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 1)).ReadSequence();
        var isMgf1 = mask.ReadObjectIdentifier() == "1.2.840.113549.1.1.8";
        var maskHash = HashOf(mask.ReadSequence());
        var salt = parameters.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 2)).ReadInteger();
        return isMgf1 && hash is { } found && maskHash?.Name == found.Name && salt == found.Size && !parameters.HasData
            ? new(found.Name, RSASignaturePadding.Pss)
            : null;
    }

    private static (HashAlgorithmName Name, int Size)? HashOf(AsnReader identifier) => identifier.ReadObjectIdentifier() switch
    {
        "2.16.840.1.101.3.4.2.1" => (HashAlgorithmName.SHA256, 32),
        "2.16.840.1.101.3.4.2.2" => (HashAlgorithmName.SHA384, 48),
        "2.16.840.1.101.3.4.2.3" => (HashAlgorithmName.SHA512, 64),
        _ => null,
    };

    private sealed record Scheme(HashAlgorithmName Hash, RSASignaturePadding? Padding);
}
