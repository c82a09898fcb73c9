using System.Runtime;
using Ambient.Hbone;

namespace Ambient.Node.Lifetime;

/// <summary>
/// Gives memory back after the start and after load. The collector keeps what it once had in case it is needed again, but other processes
/// need a node's memory. Releases the pages of code that the start ran through at once, since load may come on top of them, and collects a large heap while there is no request to hold up. Then checks periodically: when the host was busy since the last check and is quiet now, pages of code are released;
/// if a good deal was allocated as well, the collector runs once, compacting, and once more a minute later, because the shared array pool gives up
/// arrays that nobody has rented for that long only when the collector runs (reading a mesh of 30 MB leaves a buffer of 32 MB there). Costs a few
/// milliseconds, at most twice for each burst of load. A large heap costs a millisecond a megabyte, in which nothing else moves: it is collected where that
/// gives a good part of it back, as after the start, and not for what the pool may have: that goes with the next collection of the collector's own. Under load that does not end, what was mapped for the start and for what is over is released
/// all the same, soon after the start and then every few minutes; what is in use comes back at once, a microsecond a page.
/// </summary>
internal sealed class MemoryTrim : IDisposable
{
    private const long WorthCollecting = 2 * 1024 * 1024;

    /// <summary>What is in use up to which a collection is quick, whatever it gives back.</summary>
    private const long QuicklyCollected = 16 * 1024 * 1024;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.7);

    /// <summary>Processor time in an interval below which the host counts as quiet: two per cent of one processor.</summary>
    private static readonly TimeSpan Quiet = Interval / 50;

    /// <summary>Processor time since the last release that makes another one worthwhile; the release itself takes half a millisecond.</summary>
    private static readonly TimeSpan SomethingHappened = TimeSpan.FromMilliseconds(5);

    /// <summary>Age after which the pool gives its arrays up.</summary>
    private static readonly TimeSpan PoolsAreOld = TimeSpan.FromSeconds(65);

    /// <summary>How long a host that is never quiet keeps pages that it may not need: first those of its start, then others.</summary>
    private static readonly TimeSpan BusyAtFirst = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BusyLater = TimeSpan.FromMinutes(5);

    private readonly TimeProvider _time;
    private readonly Func<TimeSpan> _used;
    private readonly Func<long> _release;
    private readonly ITimer _timer;
    private TimeSpan _busyFor = BusyAtFirst;
    private long _releasedTime;
    private long? _poolsFrom;
    private TimeSpan _releasedAt = -SomethingHappened;
    private TimeSpan _lookedAt;
    private long _collectedAt;
    private long _live;

    /// <summary>Starts checking.</summary>
    public MemoryTrim(TimeProvider time)
        : this(time, static () => Environment.CpuUsage.TotalTime, FilePages.Release, GC.GetTotalMemory(forceFullCollection: false))
    {
    }

    /// <summary>Starts checking.</summary>
    /// <param name="time">Clock.</param>
    /// <param name="used">Processor time so far.</param>
    /// <param name="release">Gives pages back.</param>
    /// <param name="inUse">Bytes of the heap.</param>
    internal MemoryTrim(TimeProvider time, Func<TimeSpan> used, Func<long> release, long inUse = 0)
    {
        ArgumentNullException.ThrowIfNull(time);
        (_time, _used, _release) = (time, used, release);
        _releasedTime = time.GetTimestamp();

        // The first quiet moment still looks for what else the start left.
        _ = release();
        if (inUse > QuicklyCollected && OperatingSystem.IsLinux())
        {
            Collect();
        }

        _timer = time.CreateTimer(static state => ((MemoryTrim)state!).Look(), this, Interval, Interval);
    }

    /// <summary>Stops checking.</summary>
    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        var used = _used();
        var lately = used - _lookedAt;
        _lookedAt = used;
        if (lately > Quiet)
        {
            if (_time.GetElapsedTime(_releasedTime) >= _busyFor)
            {
                _busyFor = BusyLater;
                Release();
            }

            return;
        }

        if (_poolsFrom is { } from && _time.GetElapsedTime(from) >= PoolsAreOld)
        {
            // The pool is trimmed by a finalizer after a collection; what it releases is collected by the next one.
            _poolsFrom = null;
            Collect();
            GC.WaitForPendingFinalizers();
            Collect();
            Release();
        }
        else if (used - _releasedAt >= SomethingHappened)
        {
            if (IsWorthCollecting(GC.GetTotalAllocatedBytes() - _collectedAt, _live, GC.GetGCMemoryInfo(GCKind.Any).TotalCommittedBytes))
            {
                // Before as well: the collector needs room of its own, and what load ran through would be the peak with it.
                _ = _release();
                Collect();
                _poolsFrom = _live <= QuicklyCollected ? _time.GetTimestamp() : null;
            }

            Release();
        }
    }

    /// <summary>Whether a collection gives back more than it costs.</summary>
    /// <param name="allocated">Bytes that were allocated since the last one.</param>
    /// <param name="live">Bytes that were in use after it; 0: there was none.</param>
    /// <param name="committed">Bytes that the collector has of the system.</param>
    internal static bool IsWorthCollecting(long allocated, long live, long committed) =>
        allocated >= WorthCollecting && (live <= QuicklyCollected || committed - live >= live / 2);

    private void Collect()
    {
        HboneBuffers.Trim();
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        _collectedAt = GC.GetTotalAllocatedBytes();
        _live = GC.GetGCMemoryInfo(GCKind.Any).HeapSizeBytes;
    }

    private void Release()
    {
        _ = _release();
        _releasedTime = _time.GetTimestamp();
        _releasedAt = _lookedAt = _used();
    }
}
