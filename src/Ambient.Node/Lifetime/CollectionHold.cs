using System.Runtime;

namespace Ambient.Node.Lifetime;

/// <summary>
/// Holds collections back while a process of its own reads its first mesh. Nearly all that is read stays, so that the collector would only move it, twice, which is a quarter
/// of what the start in a large mesh costs. Until the end of it, garbage stays as well: one collection should follow, while nobody waits (<see cref="MemoryTrim"/>). Only where
/// memory is plentiful, since it is set aside for this at the beginning, and a heap with a limit (that of a container too) would have nothing left. Each instance begins once at most.
/// </summary>
/// <param name="available">Bytes that the process may use; null: as the collector sees it.</param>
internal sealed class CollectionHold(long? available = null)
{
    /// <summary>Bytes that are allocated without a collection at most, large objects included; with more, collections go on as usual.</summary>
    internal const long Most = 96 * 1024 * 1024;

    /// <summary>Bytes that a few collections of the usual kind deal with.</summary>
    internal const long TooFew = 4 * 1024 * 1024;

    /// <summary>Bytes that there have to be for the process: what is set aside is a small part of them.</summary>
    internal const long Plenty = 1024 * 1024 * 1024;
    private bool _hasBegun;
    private bool _isHeld;

    /// <summary>Begins, unless it is not worthwhile, has begun before, or cannot be.</summary>
    /// <param name="bytes">How many bytes are about to be allocated.</param>
    public void Begin(long bytes)
    {
        // Where they are held back already, another attempt would end it.
        if (_hasBegun || bytes < TooFew || GCSettings.LatencyMode == GCLatencyMode.NoGCRegion
            || (available ?? GC.GetGCMemoryInfo(GCKind.Any).TotalAvailableMemoryBytes) < Plenty)
        {
            return;
        }

        _hasBegun = true;
        var total = Math.Min(bytes, Most);
        try
        {
            // Without a part of its own for large objects, as much again would be set aside for them.
            _isHeld = GC.TryStartNoGCRegion(total, total / 3);
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentOutOfRangeException)
        {
            // Another part of the process has done it, or no heap of this kind can be so large.
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
