namespace Ambient.Hbone.Http1;

/// <summary>What the name of a field may be made of, and what it is in lower case, in one look (RFC 9110 section 5.6.2).</summary>
internal static class TokenBytes
{
    /// <summary>For every byte: itself, a letter in lower case, where a token may have it; 0 where not.</summary>
    public static ReadOnlySpan<byte> Lower =>
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"u8 +
        "\0!\0#$%&'\0\0*+\0-.\00123456789\0\0\0\0\0\0"u8 +
        "\0abcdefghijklmnopqrstuvwxyz\0\0\0^_"u8 +
        "`abcdefghijklmnopqrstuvwxyz\0|\0~\0"u8 +
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"u8 +
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"u8 +
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"u8 +
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"u8;

    /// <summary>Whether a name is a known one, whatever its case.</summary>
    /// <param name="name">Name.</param>
    /// <param name="known">A token in lower case.</param>
    public static bool AreEqual(ReadOnlySpan<byte> name, ReadOnlySpan<byte> known)
    {
        if (name.Length != known.Length)
        {
            return false;
        }

        // Most differ in one of the first bytes, so the loop is short.
        var lower = Lower;
        for (var i = 0; i < known.Length; i++)
        {
            if (lower[name[i]] != known[i])
            {
                return false;
            }
        }

        return true;
    }
}
