using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Lifetime;

/// <summary>
/// How a host shuts down. First <see cref="Draining"/>: listeners close, open connections go on. Then, when the grace period is over,
/// <see cref="Deadline"/>: whatever is left is ended. A second SIGINT ends the process at once.
/// </summary>
internal sealed partial class Shutdown : IDisposable
{
    // Neither is ever disposed: a signal, a request or the thread that cancels may come at any time, even after the end, and cancelling a
    // disposed source would throw where nobody catches it. Without the timer there is nothing to dispose of.
#pragma warning disable CA2213
    private readonly CancellationTokenSource _draining = new();
    private readonly CancellationTokenSource _deadline;
#pragma warning restore CA2213
    private readonly Lock _lock = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly TimeSpan _grace;
    private readonly ILogger _logger;
    private bool _begun;
    private bool _disposed;

    /// <summary>Creates the shutdown of a host.</summary>
    /// <param name="grace">How long open connections may go on.</param>
    /// <param name="time">Clock.</param>
    /// <param name="logger">Says what begins and why.</param>
    public Shutdown(TimeSpan grace, TimeProvider time, ILogger logger)
    {
        _grace = grace;
        _logger = logger;
        _deadline = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
    }

    /// <summary>How long open connections may go on.</summary>
    public TimeSpan Grace => _grace;

    /// <summary>Cancelled when the drain begins.</summary>
    public CancellationToken Draining => _draining.Token;

    /// <summary>Cancelled when the grace period is over.</summary>
    public CancellationToken Deadline => _deadline.Token;

    /// <summary>Begins the drain. Later calls, and calls after disposal, have no effect.</summary>
    /// <param name="cause">What asked for it, for the log.</param>
    public void Begin(string cause)
    {
        lock (_lock)
        {
            if (_begun || _disposed)
            {
                return;
            }

            _begun = true;
            _deadline.CancelAfter(_grace);
        }

        LogDraining(_logger, cause, _grace.TotalSeconds);

        // Not on the caller's thread: it may be a signal's, or a request that asked for this and wants its answer.
        ThreadPool.UnsafeQueueUserWorkItem(static draining => draining.Cancel(), _draining, preferLocal: false);
    }

    /// <summary>Ends the grace period now.</summary>
    public void Force() => _deadline.Cancel();

    /// <summary>Completes when the drain begins.</summary>
    public async Task WaitForDrainAsync()
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = Draining.Register(static state => ((TaskCompletionSource)state!).TrySetResult(), begun);
        await begun.Task.ConfigureAwait(false);
    }

    /// <summary>Begins the drain at SIGTERM and SIGINT; a second SIGINT ends the process at once.</summary>
    public void ListenToSignals()
    {
        _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            Begin("SIGTERM");
        }));
        _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = true;
            if (Volatile.Read(ref _begun))
            {
#pragma warning disable RS0030 // Whoever sends the second signal wants exactly this.
                Environment.Exit(0);
#pragma warning restore RS0030
            }

            Begin("SIGINT");
        }));
    }

    /// <summary>Stops listening to signals and counting down. No drain begins after this, and one that has begun has no deadline.</summary>
    public void Dispose()
    {
        foreach (var signal in _signals)
        {
            signal.Dispose();
        }

        lock (_lock)
        {
            _disposed = true;
            _deadline.CancelAfter(Timeout.InfiniteTimeSpan);
        }
    }

    [LoggerMessage(1300, LogLevel.Information, "{Cause}: draining; open connections have {Seconds:0.#} s")]
    private static partial void LogDraining(ILogger logger, string cause, double seconds);
}
