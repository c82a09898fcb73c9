using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>One line of a header or trailer section (RFC 9112 section 5).</summary>
internal static class FieldLine
{
    private static readonly bool[] s_isToken = [.. Enumerable.Range(0, 256).Select(static c => HttpSyntax.IsToken((char)c))];

    /// <summary>Splits a line, without its CRLF, into name and value.</summary>
    /// <exception cref="Http1Exception">The name is not a token, as when blanks stand before the line or the colon, or the value has control characters.</exception>
    public static void Split(ReadOnlySpan<byte> line, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        // Names are short: to look for the colon and to check what is before it is one walk.
        var colon = 0;
        while (colon < line.Length && s_isToken[line[colon]])
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
        value = line[(colon + 1)..].Trim(" \t"u8);
        if (!HttpSyntax.IsFieldValue(value))
        {
            throw new Http1Exception(400, "the value of a field has control characters");
        }
    }
}
