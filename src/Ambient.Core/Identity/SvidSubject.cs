using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>Whom a certificate names: exactly one URI SAN, which is a SPIFFE ID (X509-SVID section 2).</summary>
internal readonly struct SvidSubject
{
    private const string SubjectAlternativeName = "2.5.29.17";

    // GeneralName ::= [6] IA5String (RFC 5280, 4.2.1.6).
    private static readonly Asn1Tag UniformResourceIdentifier = new(TagClass.ContextSpecific, 6);

    private SvidSubject(SpiffeId? id, SvidFailure failure, string? fault)
    {
        Id = id;
        Failure = failure;
        Fault = fault;
    }

    /// <summary>The identity; null when there is none that counts.</summary>
    internal SpiffeId? Id { get; }

    internal SvidFailure Failure { get; }

    internal string? Fault { get; }

    internal static SvidSubject Read(X509Certificate2 certificate)
    {
        string? uri = null;
        var uris = 0;
        try
        {
            foreach (var extension in certificate.Extensions)
            {
                if (extension.Oid?.Value == SubjectAlternativeName)
                {
                    ReadUris(extension.RawData, ref uri, ref uris);
                }
            }
        }
        catch (AsnContentException)
        {
            return new(null, SvidFailure.Malformed, "the certificate's subject alternative name cannot be read");
        }

        return uris switch
        {
            0 => new(null, SvidFailure.NoIdentity, "the certificate has no URI SAN, so it names no SPIFFE ID"),
            > 1 => new(null, SvidFailure.ManyIdentities, $"the certificate has {uris} URI SANs; an SVID has exactly one"),
            _ => SpiffeId.TryParse(uri, uri, out var id, out var fault)
                ? new(id, SvidFailure.None, null)
                : new(null, SvidFailure.NotSpiffe, $"the certificate's URI SAN {SpiffeId.Quote(uri)} is no SPIFFE ID: {fault}"),
        };
    }

    private static void ReadUris(byte[] extension, ref string? uri, ref int count)
    {
        var outer = new AsnReader(extension, AsnEncodingRules.DER);
        var names = outer.ReadSequence();
        outer.ThrowIfNotEmpty();
        while (names.HasData)
        {
            if (names.PeekTag().HasSameClassAndValue(UniformResourceIdentifier))
            {
                uri = names.ReadCharacterString(UniversalTagNumber.IA5String, UniformResourceIdentifier);
                count++;
            }
            else
            {
                names.ReadEncodedValue();
            }
        }
    }
}
