using System.Collections.Immutable;
using Ambient.Identity;
using Microsoft.Extensions.Logging;

namespace Ambient.Certificates;

// When what is fetched, and what comes of it.
public sealed partial class SvidCache
{
    private async ValueTask<X509Svid> WaitAsync(SpiffeId id, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(id);
        Task<X509Svid> pending;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_slots.TryGetValue(id, out var slot))
            {
                slot = Add_NeedsLock(id);
            }

            if (slot.Current is { } svid)
            {
                if (svid.NotAfter > _time.GetUtcNow())
                {
                    return svid;
                }

                // Its renewal is late. An expired certificate is of no use to the caller, so it waits for the next one.
                slot.Current = null;
                slot.Waiters = NewWaiters();
            }

            if (slot.Error is { } error)
            {
                // A new exception for each caller: stack traces must not pile up in a shared one.
                throw new SvidUnavailableException(error.Message, error.InnerException);
            }

            Enqueue_NeedsLock(slot, SvidPriority.RealTime);
            StartFetches_NeedsLock();
            pending = slot.Waiters!.Task;
        }

        return await pending.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private SvidSlot Add_NeedsLock(SpiffeId id)
    {
        var slot = new SvidSlot(id) { Waiters = NewWaiters() };
        _slots[id] = slot;
        return slot;
    }

    private void FetchAgain_NeedsLock(SvidSlot slot)
    {
        // A fetch that runs may have read the older one already.
        slot.Outdated = slot.Fetching;
        Enqueue_NeedsLock(slot, SvidPriority.RealTime);
        StartFetches_NeedsLock();
    }

    /// <summary>Puts a slot into the queue, or moves it forward there; leaves one that is being fetched alone.</summary>
    private void Enqueue_NeedsLock(SvidSlot slot, SvidPriority priority)
    {
        if (slot.Fetching || slot.Queued <= priority)
        {
            return;
        }

        Dequeue_NeedsLock(slot);
        slot.Queued = priority;
        _waitingWarmups += priority == SvidPriority.Warmup ? 1 : 0;
        _queue.Enqueue((slot, slot.Stamp), (priority, _sequence++));
    }

    /// <summary>Voids whatever the queue and the timetable hold of a slot.</summary>
    private void Dequeue_NeedsLock(SvidSlot slot)
    {
        _waitingWarmups -= slot.Queued == SvidPriority.Warmup ? 1 : 0;
        slot.Queued = null;
        slot.Stamp++;
    }

    private void StartFetches_NeedsLock()
    {
        while (!_disposed && _fetching < _options.MaxConcurrentFetches && _queue.TryDequeue(out var next, out _))
        {
            if (next.Stamp == next.Slot.Stamp)
            {
                Dequeue_NeedsLock(next.Slot);
                next.Slot.Fetching = true;
                _fetching++;

                // Off this thread: an authority may work before its first await, and the lock is held here.
                _ = Task.Run(() => FetchAsync(next.Slot));
            }
        }
    }

    private async Task FetchAsync(SvidSlot slot)
    {
        X509Svid? svid = null;
        Exception? failure = null;
        try
        {
            using var timeout = new CancellationTokenSource(_options.FetchTimeout, _time);
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, timeout.Token);
            var issued = await _authority.IssueAsync(slot.Id, ending.Token).ConfigureAwait(false);
            if (issued.NotAfter <= _time.GetUtcNow())
            {
                // No peer takes it, and storing it would call for the next fetch at once.
                throw new CertificateAuthorityException($"what the authority gave ended at {issued.NotAfter:u}; is this machine's clock right?");
            }

            // Built here rather than by the first handshake that presents it.
            _ = issued.TlsContext;
            svid = issued;
        }
        catch (OperationCanceledException e) when (!_stopping.IsCancellationRequested)
        {
            failure = new TimeoutException($"no answer within {_options.FetchTimeout.TotalSeconds:0.#} s", e);
        }
#pragma warning disable CA1031 // Whatever an authority throws is an SVID that was not issued; it is logged and answered to callers.
        catch (Exception e)
#pragma warning restore CA1031
        {
            failure = e;
        }

        Finish(slot, svid, failure);
    }

    private void Finish(SvidSlot slot, X509Svid? svid, Exception? failure)
    {
        TaskCompletionSource<X509Svid>? waiters;
        SvidUnavailableException? error = null;
        lock (_lock)
        {
            slot.Fetching = false;
            _fetching--;
            if (_disposed)
            {
                if (_fetching == 0)
                {
                    _stopped.TrySetResult();
                }

                return;
            }

            if (slot.Withdrawn && !slot.Forgotten)
            {
                slot.Withdrawn = slot.Outdated = false;
                Enqueue_NeedsLock(slot, SvidPriority.RealTime);
                StartFetches_NeedsLock();
                return;
            }

            waiters = slot.Waiters;
            slot.Waiters = null;
            if (!slot.Forgotten)
            {
                if (failure is null)
                {
                    Store_NeedsLock(slot, svid!);
                }
                else
                {
                    error = Fail_NeedsLock(slot, failure);
                }
            }

            if (slot.Outdated && !slot.Forgotten)
            {
                Enqueue_NeedsLock(slot, SvidPriority.RealTime);
            }

            slot.Outdated = false;
            StartFetches_NeedsLock();
        }

        if (error is not null)
        {
            Fail(waiters, error);
        }
        else
        {
            waiters?.TrySetResult(svid ?? slot.Current!);
        }
    }

    private void Store_NeedsLock(SvidSlot slot, X509Svid svid)
    {
        if (slot.Error is not null)
        {
            LogRecovered(_logger, slot.Id, svid.NotAfter);
        }

        var same = ReferenceEquals(slot.Current, svid);
        slot.Current = svid;
        slot.Error = null;
        slot.Backoff = default;

        // The same again: the authority has nothing newer yet, and tells when it has. Asking every second would bring nothing.
        // Half-life lies in the past when the authority's clock is behind ours, or when it dates back (istiod by two minutes) what lives no
        // longer than that. So never before a quarter of what is left: three more tries fit into the rest.
        var now = _time.GetUtcNow();
        var left = svid.NotAfter - now;
        var atLeast = left / 2 < TimeSpan.FromSeconds(1) ? left / 2 : TimeSpan.FromSeconds(1);
        var earliest = now + (left / 4 > atLeast ? left / 4 : atLeast);
        var due = same ? now + (left / 2) : svid.HalfLife;
        Schedule_NeedsLock(slot, due > earliest ? due : earliest);
    }

    /// <summary>Keeps the old SVID while it is valid, else records the error; tries again later either way.</summary>
    private SvidUnavailableException? Fail_NeedsLock(SvidSlot slot, Exception failure)
    {
        var now = _time.GetUtcNow();
        var retry = now + slot.Backoff.Next(now);
        if (slot.Current is { } old && old.NotAfter > now)
        {
            retry = retry < old.NotAfter ? retry : old.NotAfter;
            Schedule_NeedsLock(slot, retry);
            LogRenewalFailed(_logger, slot.Id, failure.Message, old.NotAfter, (retry - now).TotalSeconds);
            return null;
        }

        slot.Current = null;
        slot.Error = new SvidUnavailableException($"no certificate for {slot.Id}: {failure.Message}", failure);
        Schedule_NeedsLock(slot, retry);
        LogFetchFailed(_logger, slot.Id, failure.Message, (retry - now).TotalSeconds);
        return slot.Error;
    }

    private void Schedule_NeedsLock(SvidSlot slot, DateTimeOffset due)
    {
        Dequeue_NeedsLock(slot);
        _timetable.Enqueue((slot, slot.Stamp), due);
        SetTimer_NeedsLock();
    }

    private void SetTimer_NeedsLock()
    {
        while (_timetable.TryPeek(out var next, out var due))
        {
            if (next.Stamp == next.Slot.Stamp)
            {
                // Up to whole milliseconds, which is how timers count; at most a day, because they cannot count for longer than some weeks.
                var delay = Math.Ceiling((due - _time.GetUtcNow()).TotalMilliseconds);
                _timer.Change(TimeSpan.FromMilliseconds(Math.Clamp(delay, 0, TimeSpan.MillisecondsPerDay)), Timeout.InfiniteTimeSpan);
                return;
            }

            _timetable.Dequeue();
        }
    }

    private void StartDue()
    {
        lock (_lock)
        {
            var now = _time.GetUtcNow();
            while (!_disposed && _timetable.TryPeek(out var next, out var due) && (due <= now || next.Stamp != next.Slot.Stamp))
            {
                _timetable.Dequeue();
                if (next.Stamp == next.Slot.Stamp)
                {
                    Enqueue_NeedsLock(next.Slot, SvidPriority.Background);
                }
            }

            StartFetches_NeedsLock();
            SetTimer_NeedsLock();
        }
    }

    private static TaskCompletionSource<X509Svid> NewWaiters() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static void Fail(TaskCompletionSource<X509Svid>? waiters, SvidUnavailableException error)
    {
        if (waiters is not null && waiters.TrySetException(error))
        {
            // A warm-up may have nobody waiting; its error is in the log and in the slot, not an unobserved one.
            _ = waiters.Task.Exception;
        }
    }

    [LoggerMessage(110, LogLevel.Warning, "no certificate for {Identity}: {Reason}; its connections fail; next try in {Retry:0.0} s")]
    private static partial void LogFetchFailed(ILogger logger, SpiffeId identity, string reason, double retry);

    [LoggerMessage(111, LogLevel.Warning, "certificate of {Identity} not renewed: {Reason}; the present one is used until {NotAfter:u}; next try in {Retry:0.0} s")]
    private static partial void LogRenewalFailed(ILogger logger, SpiffeId identity, string reason, DateTimeOffset notAfter, double retry);

    [LoggerMessage(112, LogLevel.Information, "certificate of {Identity} issued after failures, valid until {NotAfter:u}")]
    private static partial void LogRecovered(ILogger logger, SpiffeId identity, DateTimeOffset notAfter);
}
