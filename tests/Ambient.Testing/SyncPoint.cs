namespace Ambient.Testing;

/// <summary>A place in a callback where a test can wait for the code to arrive, and hold it there, in place of sleeping.</summary>
public sealed class SyncPoint
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Test: waits until the code is there.</summary>
    public Task WaitUntilReachedAsync() => _reached.Task.WaitAsync(s_patience);

    /// <summary>Test: lets the code go on.</summary>
    public void Release() => _released.TrySetResult();

    /// <summary>Code: says that it is here, and waits to be released.</summary>
    public Task ReachAsync()
    {
        _reached.TrySetResult();
        return _released.Task.WaitAsync(s_patience);
    }

    /// <summary>Code: says that it is here, and goes on.</summary>
    public void Reach() => _reached.TrySetResult();
}
