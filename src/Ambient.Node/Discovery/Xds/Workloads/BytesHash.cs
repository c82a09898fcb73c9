using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>A number for bytes, eight of them at a time: it is made of several parts of each of a hundred thousand workloads.</summary>
internal static class BytesHash
{
    // Names are chosen by whoever may create objects in a cluster, who must not know which of them meet.
    private static readonly ulong s_seed = Secret();
    private static readonly ulong s_factor = Secret() | 1;

    /// <summary>The same number for the same bytes in this process; nearly always another for others.</summary>
    public static ulong Of(ReadOnlySpan<byte> bytes)
    {
        var hash = Mix(s_seed ^ (ulong)bytes.Length);
        while (bytes.Length >= sizeof(ulong))
        {
            hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }

        var rest = 0UL;
        foreach (var b in bytes)
        {
            rest = (rest << 8) | b;
        }

        return Mix(hash ^ rest);
    }

    /// <summary>Both halves of a product: the lower one alone would carry what differs in upper bits to bits that anybody knows.</summary>
    private static ulong Mix(ulong value) => Math.BigMul(value, s_factor, out var low) ^ low;

    private static ulong Secret() => BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(sizeof(ulong)));
}
