using Ambient.Identity;

namespace Ambient.Hbone.Admission;

/// <summary>What one identity has open and makes us hold, over all of its connections.</summary>
internal sealed class IdentityBudget(SpiffeId identity, long maxBytes)
{
    private long _bytes;

    public SpiffeId Identity { get; } = identity;

    /// <summary>Its open connections. Guarded by the budget's lock.</summary>
    public int Connections { get; set; }

    /// <summary>Bytes held for it at present.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Notes that so many bytes more are held for the identity.</summary>
    /// <returns>False when that is more than it may have; then nothing was noted.</returns>
    public bool TryHold(int bytes)
    {
        if (Interlocked.Add(ref _bytes, bytes) <= maxBytes)
        {
            return true;
        }

        Interlocked.Add(ref _bytes, -bytes);
        return false;
    }

    /// <summary>Bytes that were held are held no longer.</summary>
    public void Release(int bytes) => Interlocked.Add(ref _bytes, -bytes);
}
