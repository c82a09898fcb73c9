using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>The names in a certificate's subjectAltName (RFC 5280 section 4.2.1.6), as far as they are DNS names and URIs.</summary>
internal static class CertificateNames
{
    // GeneralName ::= CHOICE { dNSName [2] IA5String, uniformResourceIdentifier [6] IA5String }.
    private const int DnsName = 2;
    private const int Uri = 6;
    private const string SubjectAlternativeName = "2.5.29.17";

    /// <summary>The names in their order; none where they cannot be read. Names with characters that are not printable are left out.</summary>
    public static List<(bool IsUri, string Value)> Of(X509Certificate2 certificate)
    {
        var names = new List<(bool, string)>();
        var extension = certificate.Extensions.FirstOrDefault(static extension => extension.Oid?.Value == SubjectAlternativeName);
        if (extension is null)
        {
            return names;
        }

        try
        {
            var reader = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
            while (reader.HasData)
            {
                var tag = reader.PeekTag();
                if (tag.TagClass == TagClass.ContextSpecific && tag.TagValue is DnsName or Uri)
                {
                    var name = reader.ReadCharacterString(UniversalTagNumber.IA5String, tag);
                    if (!name.AsSpan().ContainsAnyExceptInRange(' ', '~'))
                    {
                        names.Add((tag.TagValue == Uri, name));
                    }
                }
                else
                {
                    reader.ReadEncodedValue();
                }
            }
        }
        catch (AsnContentException)
        {
            // Not names at all: what cannot be read is not told.
        }

        return names;
    }
}
