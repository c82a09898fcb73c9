using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Ambient.Http;

/// <summary>Which characters may stand where in a message (RFC 9110 sections 5.5 and 5.6.2).</summary>
public static class HttpSyntax
{
    private static readonly SearchValues<byte> s_token = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private static readonly SearchValues<char> s_tokenText = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    private static readonly SearchValues<char> s_visibleText = SearchValues.Create([.. Enumerable.Range(' ', '~' - ' ' + 1).Select(static c => (char)c)]);
    private static readonly SearchValues<char> s_valueText = SearchValues.Create([.. Enumerable.Range(0, 256).Select(static c => (char)c).Where(IsFieldValue)]);

    private static readonly SearchValues<byte> s_target = SearchValues.Create([.. Enumerable.Range('!', '~' - '!' + 1).Where(static c => c != '#').Select(static c => (byte)c)]);
    private static readonly SearchValues<char> s_targetText = SearchValues.Create([.. Enumerable.Range('!', '~' - '!' + 1).Where(static c => c != '#').Select(static c => (char)c)]);
    private static readonly SearchValues<char> s_digits = SearchValues.Create("0123456789");

    // A registered name (RFC 3986 section 3.2.2): unreserved characters, sub-delimiters, and what is percent-encoded.
    private static readonly SearchValues<char> s_host = SearchValues.Create("-._~!$&'()*+,;=%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    private static readonly SearchValues<char> s_ipv6 = SearchValues.Create(".:0123456789ABCDEFabcdef");

    // Up to here it costs less to look at each than to call a search.
    private const int Short = 16;

    // A host name has at most 253 characters, percent-encoded three times as many.
    private const int MaxAuthority = 1024;

    /// <summary>Whether a character may be part of a token: a method, a field name.</summary>
    public static bool IsToken(char c) => c < 128 && s_token.Contains((byte)c);

    /// <summary>Whether bytes are a token: at least one, and token characters alone.</summary>
    public static bool IsToken(ReadOnlySpan<byte> bytes) => !bytes.IsEmpty && !bytes.ContainsAnyExcept(s_token);

    /// <summary>Whether a character may be part of a field value: visible, a blank, a tab, or one of 128 to 255.</summary>
    public static bool IsFieldValue(char c) => c is '\t' or (>= ' ' and < (char)0x7F) or (>= (char)0x80 and <= (char)0xFF);

    /// <summary>Whether bytes are a field value: no control characters but tabs.</summary>
    public static bool IsFieldValue(ReadOnlySpan<byte> bytes)
    {
        // Most values are shorter than what it costs to call a general search. The last bytes are read together with some of those before them.
        if (bytes.Length >= Vector128<byte>.Count)
        {
            for (var i = 0; i < bytes.Length - Vector128<byte>.Count; i += Vector128<byte>.Count)
            {
                if (HasControl(Vector128.Create(bytes[i..])))
                {
                    return false;
                }
            }

            return !HasControl(Vector128.Create(bytes[^Vector128<byte>.Count..]));
        }

        if (bytes.Length >= sizeof(ulong))
        {
            return !HasControl(Vector128.Create(MemoryMarshal.Read<ulong>(bytes), MemoryMarshal.Read<ulong>(bytes[^sizeof(ulong)..])).AsByte());
        }

        foreach (var b in bytes)
        {
            if (!IsFieldValue((char)b))
            {
                return false;
            }
        }

        return true;
    }

    private static bool HasControl(Vector128<byte> bytes) =>
        (Vector128.AndNot(Vector128.LessThan(bytes, Vector128.Create((byte)' ')), Vector128.Equals(bytes, Vector128.Create((byte)'\t')))
            | Vector128.Equals(bytes, Vector128.Create((byte)0x7F))) != Vector128<byte>.Zero;

    /// <summary>Whether text is a field value of Latin-1: no control characters but tabs.</summary>
    internal static bool IsFieldValue(ReadOnlySpan<char> text) => !text.ContainsAnyExcept(s_visibleText) || !text.ContainsAnyExcept(s_valueText);

    /// <summary>Whether text is a token.</summary>
    public static bool IsToken(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Length > 0 && (IsPlain(text) || !text.AsSpan().ContainsAnyExcept(s_tokenText));
    }

    // Methods are a few letters.
    private static bool IsPlain(string text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiLetter(c))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Whether bytes may be the target of a request: visible ASCII, without a fragment, which is not sent (RFC 9110 section 7.1). Characters that
    /// RFC 3986 does not allow in a path or query, such as braces, are common and pass.
    /// </summary>
    public static bool IsTarget(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length is 0 or > Short)
        {
            return !bytes.IsEmpty && !bytes.ContainsAnyExcept(s_target);
        }

        foreach (var b in bytes)
        {
            if (!IsTarget((char)b))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether text may be the target of a request.</summary>
    public static bool IsTarget(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length is 0 or > Short)
        {
            return text.Length > 0 && !text.AsSpan().ContainsAnyExcept(s_targetText);
        }

        foreach (var c in text)
        {
            if (!IsTarget(c))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsTarget(char c) => c is > ' ' and <= '~' and not '#';

    /// <summary>
    /// Whether bytes are a host with or without a port (RFC 9110 section 7.2, RFC 3986 section 3.2): a name, an IPv4 address, or one of IPv6 in
    /// brackets. There are no credentials, and an empty port, which some take for none and some do not, is not one.
    /// </summary>
    public static bool IsAuthority(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxAuthority)
        {
            return false;
        }

        Span<char> text = stackalloc char[bytes.Length];
        System.Text.Encoding.Latin1.GetChars(bytes, text);
        return IsAuthority(text);
    }

    /// <summary>Whether text is a host with or without a port.</summary>
    public static bool IsAuthority(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return IsAuthority(text.AsSpan());
    }

    private static bool IsAuthority(ReadOnlySpan<char> text)
    {
        if (text.Length > MaxAuthority)
        {
            return false;
        }

        int end;
        if (text is ['[', ..])
        {
            end = text.IndexOf(']') + 1;
            var address = text[1..Math.Max(end - 1, 1)];
            if (address.ContainsAnyExcept(s_ipv6) || !address.Contains(':') || !System.Net.IPAddress.IsValid(address))
            {
                return false;
            }
        }
        else
        {
            // Nearly all hosts are letters, digits, dots and hyphens.
            end = 0;
            while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] is '.' or '-'))
            {
                end++;
            }

            if (end < text.Length && text[end] != ':')
            {
                var rest = text[end..];
                var colon = rest.IndexOf(':');
                rest = colon < 0 ? rest : rest[..colon];
                if (rest.ContainsAnyExcept(s_host))
                {
                    return false;
                }

                end += rest.Length;
            }

            if (end == 0)
            {
                return false;
            }
        }

        var port = text[end..];
        return port.IsEmpty || (port.Length is >= 2 and <= 6 && port[0] == ':' && !port[1..].ContainsAnyExcept(s_digits)
            && (port.Length < 6 || int.Parse(port[1..], System.Globalization.CultureInfo.InvariantCulture) <= 65_535));
    }
}
