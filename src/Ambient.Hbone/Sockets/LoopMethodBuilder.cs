using System.Runtime.CompilerServices;

namespace Ambient.Hbone.Sockets;

#pragma warning disable CA1000 // The compiler asks for a static Create, and for members of the instance that need nothing of it.
#pragma warning disable CA1822

/// <summary>
/// Builds the asynchronous methods that a message or a piece of bytes goes through, by
/// <c>[AsyncMethodBuilder(typeof(LoopMethodBuilder))]</c>. What a call keeps while it waits is kept for the next one by the thread on which it ended,
/// up to 128 of each method: .NET's own pooling builder keeps one for a thread and one for a processor, which the requests of one event loop use up at once.
/// <para>
/// The task must be awaited, and once. The method goes on wherever what it waits for was completed: no context flows into it, neither
/// <see cref="ExecutionContext"/> nor <see cref="SynchronizationContext"/>, so that it is not for methods that call what an application wrote.
/// </para>
/// </summary>
public struct LoopMethodBuilder
{
    private LoopMethodBuilder<LoopMethodNothing> _builder;

    /// <summary>For the compiler.</summary>
    public static LoopMethodBuilder Create() => default;

    /// <summary>For the compiler.</summary>
    public ValueTask Task => _builder.State is { } state ? new ValueTask(state, state.Version) : default;

    /// <summary>For the compiler.</summary>
    public readonly void Start<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine => stateMachine.MoveNext();

    /// <summary>For the compiler.</summary>
    public readonly void SetStateMachine(IAsyncStateMachine stateMachine)
    {
    }

    /// <summary>For the compiler.</summary>
    public void SetResult() => _builder.SetResult(default);

    /// <summary>For the compiler.</summary>
    public void SetException(Exception exception) => _builder.SetException(exception);

    /// <summary>For the compiler.</summary>
    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => _builder.AwaitOnCompleted(ref awaiter, ref stateMachine);

    /// <summary>For the compiler.</summary>
    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => _builder.AwaitUnsafeOnCompleted(ref awaiter, ref stateMachine);
}

/// <summary><see cref="LoopMethodBuilder"/>, of methods with a result.</summary>
/// <typeparam name="TResult">The result.</typeparam>
public struct LoopMethodBuilder<TResult>
{
    private LoopMethodState<TResult>? _state;
    private TResult? _result;

    /// <summary>For the compiler.</summary>
    public static LoopMethodBuilder<TResult> Create() => default;

    /// <summary>For the compiler.</summary>
    public readonly ValueTask<TResult> Task => _state is { } state ? new ValueTask<TResult>(state, state.Version) : new ValueTask<TResult>(_result!);

    /// <summary>What the call keeps; null while it has not had to wait.</summary>
    internal readonly LoopMethodState<TResult>? State => _state;

    /// <summary>For the compiler.</summary>
    public readonly void Start<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine => stateMachine.MoveNext();

    /// <summary>For the compiler.</summary>
    public readonly void SetStateMachine(IAsyncStateMachine stateMachine)
    {
    }

    /// <summary>For the compiler.</summary>
    public void SetResult(TResult result)
    {
        if (_state is { } state)
        {
            state.SetResult(result);
        }
        else
        {
            _result = result;
        }
    }

    /// <summary>For the compiler.</summary>
    public void SetException(Exception exception) => (_state ??= new LoopMethodFailure<TResult>()).SetException(exception);

    /// <summary>For the compiler.</summary>
    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.OnCompleted(Suspend(ref stateMachine));

    /// <summary>For the compiler.</summary>
    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(Suspend(ref stateMachine));

    /// <summary>Moves the call off the stack, the first time that it waits. What continues it.</summary>
    private Action Suspend<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine
    {
        if (_state is { } state)
        {
            return state.Continue;
        }

        // This builder is a field of the state machine: it must know the state before it is copied into it.
        var suspended = LoopMethodState<TResult, TStateMachine>.Rent();
        _state = suspended;
        suspended.StateMachine = stateMachine;
        return suspended.Continue;
    }
}
