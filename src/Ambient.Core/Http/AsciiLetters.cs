using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Ambient.Http;

/// <summary>Letters of names, which are short: a general conversion costs more to call than they take.</summary>
internal static class AsciiLetters
{
    private const ulong Each = 0x0101_0101_0101_0101;

    /// <summary>Copies bytes; letters of ASCII are in lower case then, and all others as they were.</summary>
    /// <param name="from">Bytes.</param>
    /// <param name="to">Where they go: as many bytes at least, which are no other part of <paramref name="from"/>.</param>
    public static void ToLower(ReadOnlySpan<byte> from, Span<byte> to)
    {
        to = to[..from.Length];
        if (from.Length < sizeof(ulong))
        {
            for (var i = 0; i < from.Length; i++)
            {
                var b = from[i];
                to[i] = (byte)(b is >= (byte)'A' and <= (byte)'Z' ? b | 0x20 : b);
            }

            return;
        }

        // Eight at a time; the last eight may be some of those before again.
        var last = from.Length - sizeof(ulong);
        for (var i = 0; i < last; i += sizeof(ulong))
        {
            LowerEight(from[i..], to[i..]);
        }

        LowerEight(from[last..], to[last..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LowerEight(ReadOnlySpan<byte> from, Span<byte> to)
    {
        // The highest bit of a byte says what the byte is; nothing is carried from one to the next.
        var eight = BinaryPrimitives.ReadUInt64LittleEndian(from);
        var low = eight & (0x7F * Each);
        var fromA = low + ((0x80 - 'A') * Each);
        var beyondZ = low + ((0x7F - 'Z') * Each);
        var capitals = fromA & ~beyondZ & ~eight & (0x80 * Each);
        BinaryPrimitives.WriteUInt64LittleEndian(to, eight | (capitals >> 2));
    }
}
