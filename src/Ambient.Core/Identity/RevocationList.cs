using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>One certificate revocation list (RFC 5280, 5): which serial numbers of an issuer are revoked.</summary>
internal sealed class RevocationList
{
    private const int MostEntries = 1_000_000;
    private readonly HashSet<string> _serials;
    private readonly DerSignature _signature;

    private RevocationList(string issuer, HashSet<string> serials, DerSignature signature)
    {
        Issuer = issuer;
        _serials = serials;
        _signature = signature;
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
    public bool IsSignedBy(X509Certificate2 issuer) => _signature.IsBy(issuer);

    /// <summary>Reads a list.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static RevocationList Read(ReadOnlyMemory<byte> der)
    {
        try
        {
            // A copy: the list outlives the file's content.
            var signature = DerSignature.Read(der.ToArray());
            var (issuer, serials) = ReadSigned(new AsnReader(signature.Signed, AsnEncodingRules.DER).ReadSequence());
            return new RevocationList(issuer, serials, signature);
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
