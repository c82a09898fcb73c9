using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Ambient.Http;

/// <summary>Letters of names, which are short: a general conversion costs more to call than they take.</summary>
internal static class AsciiLetters
{
    /// <summary>Copies bytes; letters of ASCII are in lower case then, and all others as they were.</summary>
    /// <param name="from">Bytes.</param>
    /// <param name="to">Where they go: as many bytes at least, which are no other part of <paramref name="from"/>.</param>
    public static void ToLower(ReadOnlySpan<byte> from, Span<byte> to)
    {
        // The last bytes are taken together with some of those before them.
        to = to[..from.Length];
        if (from.Length >= Vector128<byte>.Count)
        {
            var last = from.Length - Vector128<byte>.Count;
            for (var i = 0; i < last; i += Vector128<byte>.Count)
            {
                ToLower(Vector128.Create(from[i..])).CopyTo(to[i..]);
            }

            ToLower(Vector128.Create(from[last..])).CopyTo(to[last..]);
            return;
        }

        if (from.Length >= sizeof(ulong))
        {
            var last = from.Length - sizeof(ulong);
            var both = ToLower(Vector128.Create(MemoryMarshal.Read<ulong>(from), MemoryMarshal.Read<ulong>(from[last..])).AsByte()).AsUInt64();
            MemoryMarshal.Write(to, both.GetElement(0));
            MemoryMarshal.Write(to[last..], both.GetElement(1));
            return;
        }

        for (var i = 0; i < from.Length; i++)
        {
            var b = from[i];
            to[i] = (byte)(b is >= (byte)'A' and <= (byte)'Z' ? b | 0x20 : b);
        }
    }

    private static Vector128<byte> ToLower(Vector128<byte> bytes) =>
        bytes | (Vector128.LessThan(bytes - Vector128.Create((byte)'A'), Vector128.Create((byte)26)) & Vector128.Create((byte)0x20));
}
