using System.Threading.Tasks.Sources;

namespace Ambient.Hbone.Sockets;

/// <summary>Lets one busy flow give way to the others of its loop. One waiter at a time.</summary>
internal sealed class LoopTurn : IValueTaskSource, ILoopWork
{
    private ManualResetValueTaskSourceCore<bool> _core;

    /// <summary>Completes in the loop's next turn; at once on any other thread, which nobody else waits for.</summary>
    public ValueTask NextAsync()
    {
        if (EventLoop.Current is not { } loop)
        {
            return default;
        }

        _core.Reset();
        loop.NextTurn(this);
        return new ValueTask(this, _core.Version);
    }

    void ILoopWork.Run() => _core.SetResult(true);

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
