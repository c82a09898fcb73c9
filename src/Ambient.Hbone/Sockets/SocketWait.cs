using System.Threading.Tasks.Sources;

namespace Ambient.Hbone.Sockets;

/// <summary>
/// One direction of readiness: an event that finds nobody waiting is kept for the next wait. One waiter at a time;
/// signals come from any thread.
/// </summary>
internal sealed class SocketWait : IValueTaskSource, ILoopWork, IThreadPoolWorkItem, IAfterRead
{
    private const int None = 0;
    private const int Ready = 1;
    private const int Waiting = 2;
    private ManualResetValueTaskSourceCore<bool> _core;
    private int _state;

    /// <summary>Completes at the next signal, or at once when one came since the last wait.</summary>
    public ValueTask WaitAsync()
    {
        if (Interlocked.CompareExchange(ref _state, None, Ready) == Ready)
        {
            return default;
        }

        _core.Reset();
        var version = _core.Version;
        return Interlocked.CompareExchange(ref _state, Waiting, None) == None ? new ValueTask(this, version) : Retry();
    }

    /// <summary>A signal that nobody has waited for counts no more: what it spoke of is over.</summary>
    public void Forget()
    {
        if (Volatile.Read(ref _state) == Ready)
        {
            Interlocked.CompareExchange(ref _state, None, Ready);
        }
    }

    /// <summary>Wakes the waiter here and now, or the next one at once.</summary>
    public void Signal()
    {
        if (TakeWaiter())
        {
            _core.SetResult(true);
        }
    }

    /// <summary>
    /// The same for whoever may hold locks, or stand where the waiter must not go on: it does so on its own thread, and never within the call.
    /// </summary>
    /// <param name="loop">The loop whose thread that is; null: one of the pool.</param>
    public void SignalLater(EventLoop? loop)
    {
        if (TakeWaiter() && loop?.RunLater(this) != true)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    // A waiter that was taken is nobody else's to wake, and cannot wait anew before it is woken: so the object itself is the work.
    void ILoopWork.Run() => _core.SetResult(true);

    void IThreadPoolWorkItem.Execute() => _core.SetResult(true);

    void IAfterRead.OnReadHandled() => Signal();

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    /// <summary>True: somebody waits, and is to be woken by the caller. Else the signal is kept.</summary>
    private bool TakeWaiter()
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if (state == Ready)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _state, state == Waiting ? None : Ready, state) == state)
            {
                return state == Waiting;
            }
        }
    }

    // A signal came between the two looks.
    private ValueTask Retry()
    {
        Interlocked.CompareExchange(ref _state, None, Ready);
        return default;
    }
}
