using System.Threading.Tasks.Sources;

namespace Ambient.Hbone.Sockets;

/// <summary>
/// One of the threads of an <see cref="HboneIo"/>, for whoever was led away from it and wants to come back: what is kept for each thread is found again
/// there, and nobody else runs beside it.
/// </summary>
public readonly struct HboneThread : IEquatable<HboneThread>
{
    private readonly EventLoop? _loop;

    private HboneThread(EventLoop? loop) => _loop = loop;

    /// <summary>The thread that asks; where that is none of these, one that is returned to by staying.</summary>
    public static HboneThread Current => new(EventLoop.Current);

    /// <summary>Whether both are the same.</summary>
    public static bool operator ==(HboneThread left, HboneThread right) => left.Equals(right);

    /// <summary>Whether they are not the same.</summary>
    public static bool operator !=(HboneThread left, HboneThread right) => !left.Equals(right);

    /// <summary>
    /// Completes on the thread; at once where it is the one that asks, or none. Where the thread has ended meanwhile, on one of the pool. What is awaited
    /// must be, and once.
    /// </summary>
    public ValueTask ReturnAsync() => _loop is null || _loop == EventLoop.Current ? default : new ValueTask(new Return(_loop), 0);

    /// <inheritdoc/>
    public bool Equals(HboneThread other) => ReferenceEquals(_loop, other._loop);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is HboneThread other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _loop?.GetHashCode() ?? 0;

    /// <summary>Is never over before somebody waits, so that whoever does goes on there and not here.</summary>
    private sealed class Return(EventLoop loop) : IValueTaskSource, ILoopWork
    {
        private Action<object?>? _continuation;
        private object? _state;

        public void Run() => _continuation!(_state);

        public void GetResult(short token)
        {
        }

        public ValueTaskSourceStatus GetStatus(short token) => EventLoop.Current == loop ? ValueTaskSourceStatus.Succeeded : ValueTaskSourceStatus.Pending;

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        {
            (_continuation, _state) = (continuation, state);
            if (!loop.Post(this))
            {
                ThreadPool.UnsafeQueueUserWorkItem(continuation, state, preferLocal: false);
            }
        }
    }
}
