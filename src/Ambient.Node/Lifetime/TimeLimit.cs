namespace Ambient.Node.Lifetime;

/// <summary>
/// A token that is cancelled when a time has passed or when another token is. It can be disposed at any moment: if the timer fires or the
/// other token is cancelled just then, nothing happens. (A separate timer that calls <see cref="CancellationTokenSource.Cancel()"/> would throw
/// on a thread where nobody catches it, and end the process.)
/// </summary>
internal sealed class TimeLimit : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly CancellationTokenRegistration _link;
    private readonly CancellationToken _other;

    /// <summary>Starts the clock.</summary>
    /// <param name="limit">How long; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
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

    /// <summary>Stops the clock; the other token still cancels.</summary>
    public void Lift() => _source.CancelAfter(Timeout.InfiniteTimeSpan);

    /// <summary>Waits for the other token's callback if it is running, so that it cannot touch a disposed source.</summary>
    public void Dispose()
    {
        _link.Dispose();
        _source.Dispose();
    }
}
