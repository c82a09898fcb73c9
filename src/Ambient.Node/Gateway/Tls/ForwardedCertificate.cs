using System.Buffers;
using System.Formats.Asn1;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Ambient.Node.Gateway.Tls;

/// <summary>
/// What a gateway tells an endpoint of a client's certificate that it has verified: one element of <c>x-forwarded-client-cert</c>, with the keys that
/// Istio's gateways set
/// (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert).
/// </summary>
internal static class ForwardedCertificate
{
    // GeneralName ::= CHOICE { dNSName [2] IA5String, uniformResourceIdentifier [6] IA5String } (RFC 5280 section 4.2.1.6).
    private const int DnsName = 2;
    private const int Uri = 6;
    private const string SubjectAlternativeName = "2.5.29.17";
    private static readonly SearchValues<char> s_special = SearchValues.Create(",;=\"\\ ");

    /// <summary>The element.</summary>
    public static string Of(X509Certificate2 certificate)
    {
        var text = new StringBuilder("Hash=").Append(Convert.ToHexStringLower(SHA256.HashData(certificate.RawData)))
            .Append(";Cert=\"").Append(System.Uri.EscapeDataString(certificate.ExportCertificatePem() + "\n")).Append('"')
            .Append(";Subject=\"").Append(Name(certificate.SubjectName)).Append('"');
        var names = Names(certificate);
        text.Append(";URI=").Append(Value(names.FirstOrDefault(static name => name.Kind == Uri).Name ?? ""));
        foreach (var (kind, name) in names)
        {
            if (kind == DnsName)
            {
                text.Append(";DNS=").Append(Value(name));
            }
        }

        return text.ToString();
    }

    /// <summary>A name as RFC 2253 writes it: the most specific part first, what means something in it escaped, and nothing but ASCII.</summary>
    private static string Name(X500DistinguishedName name)
    {
        var text = new StringBuilder();
        Span<byte> bytes = stackalloc byte[4];
        foreach (var part in name.EnumerateRelativeDistinguishedNames(reversed: true))
        {
            if (part.HasMultipleElements)
            {
                return "";
            }

            text.Append(text.Length == 0 ? "" : ",").Append(Key(part.GetSingleElementType())).Append('=');
            var value = part.GetSingleElementValue() ?? "";
            for (var i = 0; i < value.Length; i++)
            {
                var c = value[i];
                if (c is < ' ' or > '~')
                {
                    var rune = Rune.TryGetRuneAt(value, i, out var whole) ? whole : Rune.ReplacementChar;
                    i += rune.Utf16SequenceLength - 1;
                    foreach (var b in bytes[..rune.EncodeToUtf8(bytes)])
                    {
                        text.Append(CultureInfo.InvariantCulture, $"\\{b:X2}");
                    }
                }
                else
                {
                    var first = i == 0 && c is ' ' or '#';
                    var last = i == value.Length - 1 && c == ' ';
                    text.Append(first || last || c is ',' or '+' or '"' or '\\' or '<' or '>' or ';' ? "\\" : "").Append(c);
                }
            }
        }

        return text.ToString();
    }

    private static string Key(Oid type) => type.Value switch
    {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        var other => other ?? "",
    };

    // Quoted where something in it could end the value and begin another.
    private static string Value(string value) => value.AsSpan().IndexOfAny(s_special) < 0
        ? value
        : $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    private static List<(int Kind, string Name)> Names(X509Certificate2 certificate)
    {
        var names = new List<(int, string)>();
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
                        names.Add((tag.TagValue, name));
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
