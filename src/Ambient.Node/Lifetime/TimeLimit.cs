namespace Ambient.Node.Lifetime;

/// <summary>
/// A token that is cancelled when a time has passed or another token is. It can be disposed of at any moment: a timer that fires just then,
/// or the other token, finds nothing to cancel. (A timer of one's own that calls <see cref="CancellationTokenSource.Cancel()"/> throws there,
/// on a thread where nobody catches it, and takes the process along.)
/// </summary>
internal sealed class TimeLimit : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly CancellationTokenRegistration _link;
    private readonly CancellationToken _other;

    /// <summary>Begins to count.</summary>
    /// <param name="limit">How long; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="time">Clock.</param>
    /// <param name="other">Cancels as well.</param>
    public TimeLimit(TimeSpan limit, TimeProvider time, CancellationToken other)
    {
        _other = other;
        _source = new CancellationTokenSource(limit, time);
        _link = other.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), _source);
    }

    /// <summary>Cancelled by the time or by the other token.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Whether the time has passed, and the other token had nothing to do with it.</summary>
    public bool HasPassed => _source.IsCancellationRequested && !_other.IsCancellationRequested;

    /// <summary>Stops counting; the other token still cancels.</summary>
    public void Lift() => _source.CancelAfter(Timeout.InfiniteTimeSpan);

    /// <summary>Waits for the other token's callback when it is running, so that it does not meet a source that is gone.</summary>
    public void Dispose()
    {
        _link.Dispose();
        _source.Dispose();
    }
}
