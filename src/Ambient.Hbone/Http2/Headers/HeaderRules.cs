using System.Buffers;
using System.Text;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>What names, values and authorities may be made of (RFC 9113 section 8.2, RFC 9110 section 5, RFC 3986 section 3.2).</summary>
internal static class HeaderRules
{
    private static readonly SearchValues<byte> s_lowerToken = SearchValues.Create("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"u8);
    private static readonly SearchValues<byte> s_authority = SearchValues.Create("!$&'()*+,-.:;=[]_~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);
    private static readonly SearchValues<byte> s_scheme = SearchValues.Create("+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    /// <summary>A name as HTTP/2 wants it: a token in lower case.</summary>
    public static bool IsName(ReadOnlySpan<byte> name) => !name.IsEmpty && !name.ContainsAnyExcept(s_lowerToken);

    /// <summary>A value: no control characters but tab, no white space around it.</summary>
    public static bool IsValue(ReadOnlySpan<byte> value) =>
        value.IsEmpty || (value[0] is not ((byte)' ' or (byte)'\t') && value[^1] is not ((byte)' ' or (byte)'\t') && HttpSyntax.IsFieldValue(value));

    /// <summary>
    /// Whether this can be an authority: the characters of host and port, brackets once and around all colons but the
    /// port's. No user information (RFC 9113 section 8.3.1) and no percent-encoding, which addresses and service names
    /// do not have. Whether host and port make sense is for the reader of the authority to say.
    /// </summary>
    public static bool IsAuthority(ReadOnlySpan<byte> authority)
    {
        if (authority.IsEmpty || authority.ContainsAnyExcept(s_authority))
        {
            return false;
        }

        var afterHost = authority;
        var open = authority.IndexOf((byte)'[');
        if (open >= 0)
        {
            var close = authority.IndexOf((byte)']');
            if (open != 0 || close < 0)
            {
                return false;
            }

            afterHost = authority[(close + 1)..];
        }

        return !afterHost.ContainsAny((byte)'[', (byte)']') && afterHost.Count((byte)':') <= 1;
    }

    /// <summary>Whether this can be a scheme (RFC 3986 section 3.1).</summary>
    public static bool IsScheme(ReadOnlySpan<byte> scheme) =>
        !scheme.IsEmpty && char.IsAsciiLetter((char)scheme[0]) && !scheme.ContainsAnyExcept(s_scheme);

    /// <summary>Headers that speak of one connection have no place in HTTP/2 (RFC 9113 section 8.2.2).</summary>
    public static bool IsConnectionSpecific(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) => name.Length switch
    {
        2 => name.SequenceEqual("te"u8) && !value.SequenceEqual("trailers"u8),
        7 => name.SequenceEqual("upgrade"u8),
        10 => name.SequenceEqual("connection"u8) || name.SequenceEqual("keep-alive"u8),
        16 => name.SequenceEqual("proxy-connection"u8),
        17 => name.SequenceEqual("transfer-encoding"u8),
        _ => false,
    };

    /// <summary>What makes one field of a block malformed (RFC 9113 sections 8.2 and 8.3), or null.</summary>
    /// <param name="name">Name.</param>
    /// <param name="value">Value.</param>
    /// <param name="pseudo">Whether the name begins with a colon.</param>
    /// <param name="afterRegular">Whether a field that is not a pseudo-header came before it.</param>
    public static string? FaultOf(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool pseudo, bool afterRegular)
    {
        if (!IsValue(value))
        {
            return "a value with white space around it or control characters in it";
        }

        if (pseudo)
        {
            return afterRegular ? "a pseudo-header after a header" : null;
        }

        return !IsName(name) ? "a name that is not a lower-case token"
            : IsConnectionSpecific(name, value) ? $"connection-specific header {Encoding.ASCII.GetString(name)}"
            : null;
    }
}
