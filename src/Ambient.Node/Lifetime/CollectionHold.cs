using System.Runtime;

namespace Ambient.Node.Lifetime;

/// <summary>
/// Holds collections back while a process of its own reads its first mesh. Nearly all that is read stays, so that the collector would only move it, twice, which is a quarter
/// of what the start in a large mesh costs. Until the end of it, garbage stays as well: one collection should follow, while nobody waits (<see cref="MemoryTrim"/>).
/// </summary>
internal sealed class CollectionHold
{
    /// <summary>Bytes that are allocated without a collection at most; with more, collections go on as usual.</summary>
    internal const long Most = 64 * 1024 * 1024;

    /// <summary>Bytes that a few collections of the usual kind deal with.</summary>
    internal const long TooFew = 4 * 1024 * 1024;
    private bool _isHeld;

    /// <summary>Begins, unless it is not worthwhile, has begun already, or cannot be.</summary>
    /// <param name="bytes">How many bytes are about to be allocated.</param>
    public void Begin(long bytes)
    {
        // Where they are held back already, another attempt would end it.
        if (_isHeld || bytes < TooFew || GCSettings.LatencyMode == GCLatencyMode.NoGCRegion)
        {
            return;
        }

        try
        {
            _isHeld = GC.TryStartNoGCRegion(Math.Min(bytes, Most));
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentOutOfRangeException)
        {
            // Another part of the process has done it, or the heap is limited to less than that.
        }
    }

    /// <summary>Lets collections go on, if they do not yet.</summary>
    public void End()
    {
        if (!_isHeld)
        {
            return;
        }

        _isHeld = false;
        try
        {
            if (GCSettings.LatencyMode == GCLatencyMode.NoGCRegion)
            {
                GC.EndNoGCRegion();
            }
        }
        catch (InvalidOperationException)
        {
            // More was allocated meanwhile, which has ended it.
        }
    }
}
