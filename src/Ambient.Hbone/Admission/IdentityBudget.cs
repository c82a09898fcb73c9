using Ambient.Identity;

namespace Ambient.Hbone.Admission;

/// <summary>What one identity has open and makes us hold, over all of its connections. Thread-safe where it does not say otherwise.</summary>
internal sealed class IdentityBudget(SpiffeId identity, long maxBytes)
{
    private long _bytes;

    public SpiffeId Identity { get; } = identity;

    /// <summary>Its open connections. Guarded by the budget's lock.</summary>
    public int Connections { get; set; }

    /// <summary>Bytes held for it at present.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Whether nothing more is to be read for it beyond one small buffer a stream.</summary>
    public bool IsFull => Bytes >= maxBytes;

    /// <summary>So many bytes more (or fewer) are held.</summary>
    public void Add(long bytes) => Interlocked.Add(ref _bytes, bytes);
}
