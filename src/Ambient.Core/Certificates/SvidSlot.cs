using Ambient.Identity;

namespace Ambient.Certificates;

/// <summary>
/// State of one identity in an <see cref="SvidCache"/>. Everything but <see cref="Current"/> is read and written under the
/// cache's lock. Exactly one of these holds: an SVID is available, a waiter is waited for (initializing), or an error is cached.
/// </summary>
internal sealed class SvidSlot(SpiffeId id)
{
    /// <summary>What the hot path hands out, without a lock; null unless available.</summary>
    internal volatile X509Svid? Current;

    /// <summary>Failures in a row.</summary>
    internal SvidBackoff Backoff;

    internal SpiffeId Id { get; } = id;

    /// <summary>Completed when the fetch that callers wait for ends. Present only while initializing.</summary>
    internal TaskCompletionSource<X509Svid>? Waiters { get; set; }

    /// <summary>Why there is none. Present only while unavailable.</summary>
    internal SvidUnavailableException? Error { get; set; }

    /// <summary>A fetch is running; another is not started beside it.</summary>
    internal bool Fetching { get; set; }

    /// <summary>The authority has a newer SVID than the running fetch may bring: fetch once more after it.</summary>
    internal bool Outdated { get; set; }

    /// <summary>What the running fetch may bring was taken back by the authority: it is thrown away, and callers wait for the next.</summary>
    internal bool Withdrawn { get; set; }

    /// <summary>Waiting for a fetch to start, with this urgency; null when not in the queue.</summary>
    internal SvidPriority? Queued { get; set; }

    /// <summary>Marks queue and timetable entries of the past as void: only those with the present stamp count.</summary>
    internal int Stamp { get; set; }

    /// <summary>Forgotten while something was under way.</summary>
    internal bool Forgotten { get; set; }

    internal string State => Current is not null ? "Available" : Error is not null ? $"Unavailable: {Error.Message}" : "Initializing";
}
