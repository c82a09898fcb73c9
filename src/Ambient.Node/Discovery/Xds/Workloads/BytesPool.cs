using System.Buffers.Binary;
using System.Numerics;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>
/// What the recurring parts of messages mean, by their bytes: of a hundred thousand workloads, most name the same few
/// services, localities and waypoints. Bounded in parts and in bytes of each. Not thread-safe.
/// </summary>
internal sealed class BytesPool<T>
    where T : class
{
    private const int Most = 16384;
    private const int MostBytes = 512;
    private readonly Dictionary<ulong, (byte[] Bytes, T Value)> _known = [];

    /// <summary>What these bytes were found to mean, or null.</summary>
    public T? Find(ReadOnlySpan<byte> bytes) =>
        _known.TryGetValue(HashOf(bytes), out var known) && bytes.SequenceEqual(known.Bytes) ? known.Value : null;

    /// <summary>Remembers what bytes mean. Of two with one hash the last is known; only time depends on it.</summary>
    public void Add(ReadOnlySpan<byte> bytes, T value)
    {
        if (bytes.Length > MostBytes)
        {
            return;
        }

        if (_known.Count == Most)
        {
            _known.Clear();
        }

        _known[HashOf(bytes)] = (bytes.ToArray(), value);
    }

    // Eight bytes at a time: this is done to several parts of each of a hundred thousand workloads.
    private static ulong HashOf(ReadOnlySpan<byte> bytes)
    {
        const ulong factor = 0x9E3779B97F4A7C15;
        var hash = (ulong)bytes.Length * factor;
        while (bytes.Length >= sizeof(ulong))
        {
            hash = BitOperations.RotateLeft((hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes)) * factor, 29);
            bytes = bytes[sizeof(ulong)..];
        }

        var rest = 0UL;
        foreach (var b in bytes)
        {
            rest = (rest << 8) | b;
        }

        hash = (hash ^ rest) * factor;
        return hash ^ (hash >> 32);
    }
}
