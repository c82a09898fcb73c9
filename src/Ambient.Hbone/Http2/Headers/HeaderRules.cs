using System.Buffers;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>What names, values and authorities may be made of (RFC 9113 section 8.2, RFC 9110 section 5, RFC 3986 section 3.2).</summary>
internal static class HeaderRules
{
    private static readonly SearchValues<byte> s_token = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);
    private static readonly SearchValues<byte> s_lowerToken = SearchValues.Create("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"u8);
    private static readonly SearchValues<byte> s_authority = SearchValues.Create("!$&'()*+,-.:;=[]_~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);
    private static readonly SearchValues<byte> s_scheme = SearchValues.Create("+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);
    private static readonly SearchValues<byte> s_control = SearchValues.Create(
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127]);

    /// <summary>A name as HTTP/2 wants it: a token in lower case.</summary>
    public static bool IsName(ReadOnlySpan<byte> name) => !name.IsEmpty && !name.ContainsAnyExcept(s_lowerToken);

    /// <summary>A token, such as a method.</summary>
    public static bool IsToken(ReadOnlySpan<byte> text) => !text.IsEmpty && !text.ContainsAnyExcept(s_token);

    /// <summary>A value: no control characters but tab, no white space around it.</summary>
    public static bool IsValue(ReadOnlySpan<byte> value) =>
        value.IsEmpty || (value[0] is not ((byte)' ' or (byte)'\t') && value[^1] is not ((byte)' ' or (byte)'\t') && !value.ContainsAny(s_control));

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
}
