using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>One certificate revocation list (RFC 5280, 5): which serial numbers of an issuer are revoked.</summary>
internal sealed class RevocationList
{
    private const int MostEntries = 1_000_000;
    private readonly HashSet<string> _serials;
    private readonly byte[] _signed;
    private readonly byte[] _signature;
    private readonly string _algorithm;

    private RevocationList(string issuer, HashSet<string> serials, byte[] signed, byte[] signature, string algorithm)
    {
        Issuer = issuer;
        _serials = serials;
        _signed = signed;
        _signature = signature;
        _algorithm = algorithm;
    }

    /// <summary>Name of the issuer, as a key.</summary>
    public string Issuer { get; }

    /// <summary>How many are revoked.</summary>
    public int Count => _serials.Count;

    /// <summary>The key of a name.</summary>
    public static string NameKey(ReadOnlySpan<byte> name) => Convert.ToHexString(name);

    /// <summary>The key of a serial number: leading zeros say nothing.</summary>
    public static string SerialKey(ReadOnlySpan<byte> serial) => Convert.ToHexString(serial.TrimStart((byte)0));

    /// <summary>Whether a serial number is revoked.</summary>
    public bool Contains(string serial) => _serials.Contains(serial);

    /// <summary>Whether an authority's key signed the list: another one may have the same name.</summary>
    public bool IsSignedBy(X509Certificate2 issuer)
    {
        HashAlgorithmName? hash = _algorithm switch
        {
            "1.2.840.10045.4.3.2" or "1.2.840.113549.1.1.11" => HashAlgorithmName.SHA256,
            "1.2.840.10045.4.3.3" or "1.2.840.113549.1.1.12" => HashAlgorithmName.SHA384,
            "1.2.840.10045.4.3.4" or "1.2.840.113549.1.1.13" => HashAlgorithmName.SHA512,
            _ => null,
        };
        if (hash is not { } name)
        {
            return false;
        }

        try
        {
            using var elliptic = issuer.GetECDsaPublicKey();
            if (elliptic is not null)
            {
                return elliptic.VerifyData(_signed, _signature, name, DSASignatureFormat.Rfc3279DerSequence);
            }

            using var rsa = issuer.GetRSAPublicKey();
            return rsa is not null && rsa.VerifyData(_signed, _signature, name, RSASignaturePadding.Pkcs1);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>Reads a list.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static RevocationList Read(ReadOnlyMemory<byte> der)
    {
        try
        {
            var outer = new AsnReader(der, AsnEncodingRules.DER);
            var list = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            var signed = list.PeekEncodedValue().ToArray();
            var (issuer, serials) = ReadSigned(list.ReadSequence());
            var algorithm = list.ReadSequence().ReadObjectIdentifier();
            var signature = list.ReadBitString(out var unused);
            list.ThrowIfNotEmpty();
            return unused == 0 ? new RevocationList(issuer, serials, signed, signature, algorithm) : throw new FormatException("its signature is no whole number of bytes");
        }
        catch (AsnContentException e)
        {
            throw new FormatException($"no certificate revocation list: {e.Message}", e);
        }
    }

    private static (string Issuer, HashSet<string> Serials) ReadSigned(AsnReader list)
    {
        if (list.PeekTag().HasSameClassAndValue(Asn1Tag.Integer))
        {
            list.ReadInteger();
        }

        list.ReadSequence();
        var issuer = NameKey(list.ReadEncodedValue().Span);
        ReadTime(list);
        if (list.HasData && (list.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) || list.PeekTag().HasSameClassAndValue(Asn1Tag.GeneralizedTime)))
        {
            ReadTime(list);
        }

        var serials = new HashSet<string>(StringComparer.Ordinal);
        if (list.HasData && list.PeekTag().HasSameClassAndValue(Asn1Tag.Sequence))
        {
            var entries = list.ReadSequence();
            while (entries.HasData)
            {
                if (serials.Count >= MostEntries)
                {
                    throw new FormatException($"more than {MostEntries} entries");
                }

                serials.Add(SerialKey(entries.ReadSequence().ReadIntegerBytes().Span));
            }
        }

        return (issuer, serials);
    }

    private static void ReadTime(AsnReader list)
    {
        if (list.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime))
        {
            list.ReadUtcTime();
        }
        else
        {
            list.ReadGeneralizedTime();
        }
    }
}
