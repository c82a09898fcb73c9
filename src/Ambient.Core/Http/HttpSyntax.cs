using System.Buffers;

namespace Ambient.Http;

/// <summary>Which characters may stand where in a message (RFC 9110 sections 5.5 and 5.6.2).</summary>
public static class HttpSyntax
{
    private static readonly SearchValues<byte> s_token = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);
    private static readonly SearchValues<byte> s_notInValue = SearchValues.Create(
        [.. Enumerable.Range(0, 32).Where(static c => c != '\t').Select(static c => (byte)c), 0x7F]);

    /// <summary>Whether a character may be part of a token: a method, a field name.</summary>
    public static bool IsToken(char c) => c < 128 && s_token.Contains((byte)c);

    /// <summary>Whether bytes are a token: at least one, and token characters alone.</summary>
    public static bool IsToken(ReadOnlySpan<byte> bytes) => !bytes.IsEmpty && !bytes.ContainsAnyExcept(s_token);

    /// <summary>Whether a character may be part of a field value: visible, a blank, a tab, or one of 128 to 255.</summary>
    public static bool IsFieldValue(char c) => c is '\t' or (>= ' ' and < (char)0x7F) or (>= (char)0x80 and <= (char)0xFF);

    /// <summary>Whether bytes are a field value: no control characters but tabs.</summary>
    public static bool IsFieldValue(ReadOnlySpan<byte> bytes) => !bytes.ContainsAny(s_notInValue);
}
