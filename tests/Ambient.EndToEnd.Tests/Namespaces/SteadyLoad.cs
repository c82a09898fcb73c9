using System.Diagnostics;
using System.Net.Sockets;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>New connections to an echo server at a steady rate, each with one exchange; every failure is kept.</summary>
internal sealed class SteadyLoad : IAsyncDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(10);

    private readonly CancellationTokenSource _stop = new();
    private readonly NamespaceCluster _cluster;
    private readonly string _from;
    private readonly string _to;
    private readonly List<string> _failures = [];
    private readonly List<Task> _calls = [];
    private readonly Task _loop;
    private int _done;

    public SteadyLoad(NamespaceCluster cluster, string from, string to)
    {
        _cluster = cluster;
        _from = from;
        _to = to;
        _loop = Task.Run(LoopAsync);
    }

    /// <summary>Waits for a number of further connections.</summary>
    public async Task NextAsync(int count)
    {
        var target = Volatile.Read(ref _done) + count;
        var from = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _done) < target)
        {
            Assert.True(Stopwatch.GetElapsedTime(from) < TimeSpan.FromSeconds(60), "connections take too long");
            await Task.Delay(10);
        }
    }

    /// <summary>Lets what is under way finish. Returns how many there were, and what failed.</summary>
    public async Task<(int Total, List<string> Failures)> StopAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        await Task.WhenAll(_calls);
        return (_done, _failures);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task LoopAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            _calls.RemoveAll(call => call.IsCompletedSuccessfully);
            _calls.Add(CallAsync());
            await Task.Delay(s_pause);
        }
    }

    private async Task CallAsync()
    {
        string? failure;
        try
        {
            var answer = await _cluster.CallAsync(_from, _to);
            failure = answer.Length == 22 ? null : $"ended after {answer.Length} bytes";
        }
        catch (Exception e) when (e is SocketException or TimeoutException or OperationCanceledException)
        {
            failure = e.Message;
        }

        if (failure is not null)
        {
            lock (_failures)
            {
                _failures.Add($"{DateTime.UtcNow:O} {failure}");
            }
        }

        Interlocked.Increment(ref _done);
    }
}
