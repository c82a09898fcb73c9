using System.Collections.Concurrent;
using System.Collections.Immutable;
using Ambient.Identity;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Certificates;

/// <summary>
/// SVIDs in memory, fetched from an authority and renewed at half their life. One fetch in flight for each identity, a bounded
/// number in all, the most urgent first. A failed renewal keeps the old SVID while it is valid; without one, the error is
/// answered at once until a later try, spaced by back-off, succeeds. Safe for concurrent use; asking for an SVID that is there takes
/// no lock and allocates nothing.
/// </summary>
public sealed partial class SvidCache : ISvidSource, IAsyncDisposable
{
    private readonly ConcurrentDictionary<SpiffeId, SvidSlot> _slots = new();
    private readonly PriorityQueue<(SvidSlot Slot, int Stamp), (SvidPriority, long)> _queue = new();
    private readonly PriorityQueue<(SvidSlot Slot, int Stamp), DateTimeOffset> _timetable = new();
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ICertificateAuthority _authority;
    private readonly SvidCacheOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private long _sequence;
    private int _fetching;
    private int _waitingWarmups;
    private bool _disposed;

    /// <summary>Creates a cache.</summary>
    /// <param name="authority">Who issues; not disposed by the cache.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    /// <param name="timeProvider">Clock.</param>
    /// <param name="logger">Told of failures and recoveries.</param>
    public SvidCache(ICertificateAuthority authority, SvidCacheOptions? options = null, TimeProvider? timeProvider = null, ILogger<SvidCache>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(authority);
        _authority = authority;
        _options = options ?? new SvidCacheOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxConcurrentFetches, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(_options.MaxWaitingWarmups);
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.FetchTimeout, TimeSpan.FromMilliseconds(10));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.FetchTimeout, TimeSpan.FromDays(1));
        _time = timeProvider ?? TimeProvider.System;
        _logger = logger ?? NullLogger<SvidCache>.Instance;
        if (authority is ISvidUpdates updates)
        {
            updates.Updated = Renew;
            updates.Withdrawn = Withdraw;
        }

        _timer = _time.CreateTimer(static state => ((SvidCache)state!).StartDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">The cache is disposed.</exception>
    public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) =>
        _slots.TryGetValue(id, out var slot) && slot.Current is { } svid && svid.NotAfter > _time.GetUtcNow()
            ? new ValueTask<X509Svid>(svid)
            : WaitAsync(id, cancellationToken);

    /// <summary>
    /// Fetches an SVID before it is needed, behind those that handshakes wait for. Does nothing for an identity that is known already,
    /// or when too many warm-ups wait.
    /// </summary>
    public void Warmup(SpiffeId id)
    {
        ArgumentNullException.ThrowIfNull(id);
        lock (_lock)
        {
            if (_disposed || _slots.ContainsKey(id) || _waitingWarmups >= _options.MaxWaitingWarmups)
            {
                return;
            }

            Enqueue_NeedsLock(Add_NeedsLock(id), SvidPriority.Warmup);
            StartFetches_NeedsLock();
        }
    }

    /// <summary>
    /// Drops an identity: callers that wait for it get an error, and a fetch that ends later is thrown away. SVIDs that were handed out
    /// stay valid.
    /// </summary>
    public void Forget(SpiffeId id)
    {
        ArgumentNullException.ThrowIfNull(id);
        TaskCompletionSource<X509Svid>? waiters = null;
        lock (_lock)
        {
            if (_slots.TryRemove(id, out var slot))
            {
                Dequeue_NeedsLock(slot);
                slot.Forgotten = true;
                waiters = slot.Waiters;
                slot.Waiters = null;
            }
        }

        Fail(waiters, new SvidUnavailableException($"{id}: the identity is no longer needed"));
    }

    /// <summary>
    /// Fetches a new SVID of a known identity now rather than at half its life; the present one is handed out until then. For whoever
    /// learns that the authority has a newer one. Does nothing for an identity that nobody asked for.
    /// </summary>
    public void Renew(SpiffeId id)
    {
        ArgumentNullException.ThrowIfNull(id);
        lock (_lock)
        {
            if (!_disposed && _slots.TryGetValue(id, out var slot))
            {
                FetchAgain_NeedsLock(slot);
            }
        }
    }

    /// <summary>
    /// Stops handing out the SVID of a known identity, valid or not, and asks the authority anew; callers wait for its answer. For whoever
    /// learns that the authority takes it back. Connections that presented it go on.
    /// </summary>
    public void Withdraw(SpiffeId id)
    {
        ArgumentNullException.ThrowIfNull(id);
        lock (_lock)
        {
            if (!_disposed && _slots.TryGetValue(id, out var slot))
            {
                if (slot.Current is not null)
                {
                    slot.Current = null;
                    slot.Waiters = NewWaiters();
                }

                slot.Withdrawn = slot.Fetching;
                FetchAgain_NeedsLock(slot);
            }
        }
    }

    /// <summary>Every identity and its state, ordered by identity.</summary>
    public ImmutableArray<SvidCacheEntry> Snapshot()
    {
        lock (_lock)
        {
            return [.. _slots.Values
                .Select(slot => new SvidCacheEntry(slot.Id, slot.State, slot.Current))
                .OrderBy(entry => entry.Identity.ToString(), StringComparer.Ordinal)];
        }
    }

    /// <summary>Stops fetching, fails those who wait, and waits for fetches under way to end.</summary>
    public async ValueTask DisposeAsync()
    {
        List<TaskCompletionSource<X509Svid>> waiters = [];
        lock (_lock)
        {
            if (!_disposed)
            {
                _disposed = true;
                waiters.AddRange(_slots.Values.Where(slot => slot.Waiters is not null).Select(slot => slot.Waiters!));
                _slots.Clear();
                _queue.Clear();
                _timetable.Clear();
                if (_fetching == 0)
                {
                    _stopped.TrySetResult();
                }
            }
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        foreach (var waiter in waiters)
        {
            Fail(waiter, new SvidUnavailableException("the certificate cache is shutting down"));
        }

        await _stopped.Task.ConfigureAwait(false);
        await _timer.DisposeAsync().ConfigureAwait(false);
    }
}
