using System.Text;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>
/// Texts of heads, without a string for each that came before: methods and schemes are known, authorities and targets mostly repeat the last one
/// of their connection.
/// </summary>
internal sealed class KnownText
{
    // What a connection keeps for the next request.
    private const int MaxKept = 256;

    private string _authority = "";
    private string _target = "/";

    public static string Method(scoped ReadOnlySpan<byte> method) => method.Length switch
    {
        3 when method.SequenceEqual("GET"u8) => "GET",
        3 when method.SequenceEqual("PUT"u8) => "PUT",
        4 when method.SequenceEqual("POST"u8) => "POST",
        4 when method.SequenceEqual("HEAD"u8) => "HEAD",
        5 when method.SequenceEqual("PATCH"u8) => "PATCH",
        6 when method.SequenceEqual("DELETE"u8) => "DELETE",
        7 when method.SequenceEqual("CONNECT"u8) => "CONNECT",
        7 when method.SequenceEqual("OPTIONS"u8) => "OPTIONS",
        _ => Encoding.ASCII.GetString(method),
    };

    public static string Scheme(scoped ReadOnlySpan<byte> scheme) =>
        Ascii.EqualsIgnoreCase(scheme, "http"u8) ? "http" : Ascii.EqualsIgnoreCase(scheme, "https"u8) ? "https" : Encoding.ASCII.GetString(scheme);

    public string Authority(scoped ReadOnlySpan<byte> authority) => Again(ref _authority, authority);

    public string Target(scoped ReadOnlySpan<byte> target) => Again(ref _target, target);

    private static string Again(ref string last, scoped ReadOnlySpan<byte> value)
    {
        if (Ascii.Equals(value, last))
        {
            return last;
        }

        var text = Encoding.Latin1.GetString(value);
        if (text.Length <= MaxKept)
        {
            last = text;
        }

        return text;
    }
}
