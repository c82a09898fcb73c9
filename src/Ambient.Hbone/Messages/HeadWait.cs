using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Ambient.Http;

namespace Ambient.Hbone.Messages;

/// <summary>
/// The wait for a head, which nearly every request comes to: one object for all of an exchange, in place of a state that is filled, moved and emptied each
/// time. One wait at a time.
/// </summary>
internal abstract class HeadWait : IValueTaskSource<ResponseHead>
{
    private readonly Action _goOn;
    private ManualResetValueTaskSourceCore<bool> _core;
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _awaiter;

    protected HeadWait()
    {
        _goOn = () =>
        {
            if (!TryFinish(_awaiter))
            {
                Wait();
            }
        };
    }

    /// <summary>Completes with the head, or fails with what broke the exchange off.</summary>
    public ValueTask<ResponseHead> BeginAsync()
    {
        _core.Reset();
        var version = _core.Version;
        Wait();
        return new ValueTask<ResponseHead>(this, version);
    }

    public ResponseHead GetResult(short token)
    {
        _core.GetResult(token);
        return Head;
    }

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    /// <summary>The head, once it was taken.</summary>
    protected abstract ResponseHead Head { get; }

    /// <summary>Completes when there may be more.</summary>
    protected abstract ValueTask WaitAsync();

    /// <summary>Takes the head; false: more has to come.</summary>
    protected abstract bool TryTake();

    /// <summary>What the caller is told of a failure.</summary>
    protected virtual Exception Explain(Exception failure) => failure;

    private void Wait()
    {
        while (true)
        {
#pragma warning disable CA2012 // It is asked for its result once: here, or when it goes on.
            var awaiter = WaitAsync().ConfigureAwait(false).GetAwaiter();
#pragma warning restore CA2012
            if (!awaiter.IsCompleted)
            {
                // It may go on elsewhere before this call is over, so nothing comes after it.
                _awaiter = awaiter;
                awaiter.UnsafeOnCompleted(_goOn);
                return;
            }

            if (TryFinish(awaiter))
            {
                return;
            }
        }
    }

    /// <summary>False: more has to come.</summary>
    private bool TryFinish(ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter awaiter)
    {
        Exception? failure = null;
        try
        {
            awaiter.GetResult();
            if (!TryTake())
            {
                return false;
            }
        }
        catch (Exception e)
        {
            failure = Explain(e);
        }

        if (failure is null)
        {
            _core.SetResult(true);
        }
        else
        {
            _core.SetException(failure);
        }

        return true;
    }
}
