using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>A number for bytes, eight of them at a time: it is made of several parts of each of a hundred thousand workloads.</summary>
internal static class BytesHash
{
    private const ulong Factor = 0x9E3779B97F4A7C15;

    // Names are chosen by whoever may create objects in a cluster, who must not know which of them meet.
    private static readonly ulong s_seed = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(sizeof(ulong)));

    /// <summary>The same number for the same bytes in this process; nearly always another for others.</summary>
    public static ulong Of(ReadOnlySpan<byte> bytes)
    {
        var hash = s_seed ^ ((ulong)bytes.Length * Factor);
        while (bytes.Length >= sizeof(ulong))
        {
            hash = BitOperations.RotateLeft((hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes)) * Factor, 29);
            bytes = bytes[sizeof(ulong)..];
        }

        var rest = 0UL;
        foreach (var b in bytes)
        {
            rest = (rest << 8) | b;
        }

        hash = (hash ^ rest) * Factor;
        return hash ^ (hash >> 32);
    }
}
