using System.Buffers.Binary;

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
    /// <param name="known">A token of letters in lower case, digits and hyphens.</param>
    public static bool AreEqual(ReadOnlySpan<byte> name, ReadOnlySpan<byte> known)
    {
        if (name.Length != known.Length)
        {
            return false;
        }

        // Longer ones are compared eight at a time; the last eight may be some of those before again.
        var last = known.Length - sizeof(ulong);
        if (last >= 0)
        {
            for (var i = 0; i < last; i += sizeof(ulong))
            {
                if (!AreEightEqual(name[i..], known[i..]))
                {
                    return false;
                }
            }

            return AreEightEqual(name[last..], known[last..]);
        }

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

    // Of what may be known only letters have the bit beside the one that tells cases apart: at those alone the case of the name is lost.
    private static bool AreEightEqual(ReadOnlySpan<byte> name, ReadOnlySpan<byte> known)
    {
        var eight = BinaryPrimitives.ReadUInt64LittleEndian(known);
        return (BinaryPrimitives.ReadUInt64LittleEndian(name) | ((eight >> 1) & 0x2020_2020_2020_2020)) == eight;
    }
}
