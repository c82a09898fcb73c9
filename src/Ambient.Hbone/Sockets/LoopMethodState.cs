using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Ambient.Hbone.Sockets;

/// <summary>The result of a method without one.</summary>
internal readonly struct LoopMethodNothing;

/// <summary>What a call of an asynchronous method keeps while it waits (<see cref="LoopMethodBuilder"/>), and the task that it returned.</summary>
internal abstract class LoopMethodState<TResult> : IValueTaskSource<TResult>, IValueTaskSource
{
    private ManualResetValueTaskSourceCore<TResult> _core;

    /// <summary>Number of the call, of those that had this state one after another.</summary>
    public short Version => _core.Version;

    /// <summary>Goes on with the call.</summary>
    public Action Continue { get; protected init; } = static () => { };

    public void SetResult(TResult result) => _core.SetResult(result);

    public void SetException(Exception exception) => _core.SetException(exception);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    public TResult GetResult(short token)
    {
        if (_core.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            throw new InvalidOperationException("the call has not completed; await its task before asking for the result");
        }

        try
        {
            return _core.GetResult(token);
        }
        finally
        {
            _core.Reset();
            Free();
        }
    }

    void IValueTaskSource.GetResult(short token) => GetResult(token);

    /// <summary>Keeps this for the next call.</summary>
    protected abstract void Free();
}

/// <summary>The outcome of a call that failed before it had to wait.</summary>
internal sealed class LoopMethodFailure<TResult> : LoopMethodState<TResult>
{
    protected override void Free()
    {
    }
}

/// <summary>The same, for one method.</summary>
internal sealed class LoopMethodState<TResult, TStateMachine> : LoopMethodState<TResult>
    where TStateMachine : IAsyncStateMachine
{
    private const int MostKept = 128;

    [ThreadStatic]
    private static LoopMethodState<TResult, TStateMachine>? t_kept;

    private LoopMethodState<TResult, TStateMachine>? _next;
    private int _count;

    private LoopMethodState() => Continue = () => StateMachine!.MoveNext();

    /// <summary>The method's own fields.</summary>
    public TStateMachine? StateMachine;

    public static LoopMethodState<TResult, TStateMachine> Rent()
    {
        var kept = t_kept;
        if (kept is null)
        {
            return new LoopMethodState<TResult, TStateMachine>();
        }

        t_kept = kept._next;
        kept._next = null;
        return kept;
    }

    protected override void Free()
    {
        StateMachine = default;
        var kept = t_kept;
        var count = kept is null ? 1 : kept._count + 1;
        if (count <= MostKept)
        {
            (_next, _count) = (kept, count);
            t_kept = this;
        }
    }
}
