using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Node.Requests.Upstreams;

namespace Ambient.Node.Gateway.Tls;

/// <summary>
/// What a gateway tells an endpoint of a client's certificate that it has verified: one element of <c>x-forwarded-client-cert</c>, with the keys that
/// Istio's gateways set
/// (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert).
/// </summary>
internal static class ForwardedCertificate
{
    private static readonly SearchValues<char> s_special = SearchValues.Create(",;=\"\\ ");

    /// <summary>The element.</summary>
    public static string Of(X509Certificate2 certificate)
    {
        var text = new StringBuilder("Hash=").Append(Convert.ToHexStringLower(SHA256.HashData(certificate.RawData)))
            .Append(";Cert=\"").Append(Uri.EscapeDataString(certificate.ExportCertificatePem() + "\n")).Append('"')
            .Append(";Subject=\"").Append(NameOrNone(certificate.SubjectName)).Append('"');
        var names = CertificateNames.Of(certificate);
        text.Append(";URI=").Append(Value(names.FirstOrDefault(static name => name.IsUri).Value ?? ""));
        foreach (var (isUri, name) in names)
        {
            if (!isUri)
            {
                text.Append(";DNS=").Append(Value(name));
            }
        }

        return text.ToString();
    }

    /// <summary>The name; none where it cannot be read, as where its text has characters that its type does not.</summary>
    private static string NameOrNone(X500DistinguishedName name)
    {
        try
        {
            return Name(name);
        }
        catch (CryptographicException)
        {
            return "";
        }
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
}
