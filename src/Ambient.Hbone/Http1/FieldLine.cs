using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>One line of a header or trailer section (RFC 9112 section 5).</summary>
internal static class FieldLine
{
    /// <summary>Splits a line, without its CRLF, into name and value.</summary>
    /// <exception cref="Http1Exception">The name is not a token, as when blanks stand before the line or the colon, or the value has control characters.</exception>
    public static void Split(ReadOnlySpan<byte> line, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        // Names are short: to look for the colon and to check what is before it is one walk.
        var lower = TokenBytes.Lower;
        var colon = 0;
        while (colon < line.Length && lower[line[colon]] != 0)
        {
            colon++;
        }

        if (colon == 0 || colon == line.Length || line[colon] != ':')
        {
            throw new Http1Exception(400, line[0] is (byte)' ' or (byte)'\t'
                ? "a line of the head begins with a blank, which continues the one before (RFC 9112 section 5.2)"
                : line.Contains((byte)':') ? "the name of a field is not a token" : "a field has no colon");
        }

        name = line[..colon];
        value = TrimBlanks(line[(colon + 1)..]);
        if (!HttpSyntax.IsFieldValue(value))
        {
            throw new Http1Exception(400, "the value of a field has control characters");
        }
    }

    /// <summary>Bytes without the blanks and tabs around them.</summary>
    public static ReadOnlySpan<byte> TrimBlanks(ReadOnlySpan<byte> bytes)
    {
        // Nearly all have one blank before them, and none behind.
        var rest = bytes is [(byte)' ', ..] ? bytes[1..] : bytes;
        return rest.Length == 0 || (rest[0] > ' ' && rest[^1] > ' ') ? rest : rest.Trim(" \t"u8);
    }
}
