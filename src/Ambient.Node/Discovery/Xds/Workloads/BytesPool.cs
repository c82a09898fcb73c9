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
        _known.TryGetValue(BytesHash.Of(bytes), out var known) && bytes.SequenceEqual(known.Bytes) ? known.Value : null;

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

        _known[BytesHash.Of(bytes)] = (bytes.ToArray(), value);
    }
}
