using System.Diagnostics;

namespace Ambient.Samples.Bookinfo.Walkthrough.Requests;

/// <summary>Requests for the product page without pause, each kept, so that a failure at the wrong moment is not missed.</summary>
internal sealed class RequestFlow : IDisposable
{
    private readonly CancellationTokenSource _stop;
    private readonly List<(long At, Answer Answer)> _answers = [];
    private readonly Lock _lock = new();
    private readonly Task[] _loops;

    public RequestFlow(PodClient client, int atOnce, CancellationToken cancellation)
    {
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _loops = [.. Enumerable.Range(0, atOnce).Select(_ => Task.Run(() => LoopAsync(client, _stop.Token), cancellation))];
    }

    /// <summary>Waits for a number of further answers.</summary>
    public Task NextAsync(int count, CancellationToken cancellation)
    {
        var target = Count + count;
        return Steps.Stage.UntilAsync(() => Task.FromResult(Count >= target), TimeSpan.FromSeconds(30), cancellation);
    }

    /// <summary>
    /// Waits for a row of answers as wanted. Returns the time from now to the first of the row; null when it did not come.
    /// </summary>
    public async Task<TimeSpan?> WaitForRowAsync(int length, Func<Answer, bool> wanted, TimeSpan limit, CancellationToken cancellation)
    {
        var started = Stopwatch.GetTimestamp();
        var from = Count;
        TimeSpan? found = null;
        await Steps.Stage.UntilAsync(
            () =>
            {
                lock (_lock)
                {
                    var row = 0;
                    for (var at = from; at < _answers.Count; at++)
                    {
                        row = wanted(_answers[at].Answer) ? row + 1 : 0;
                        if (row == length)
                        {
                            found = Stopwatch.GetElapsedTime(started, _answers[at - length + 1].At);
                            return Task.FromResult(true);
                        }
                    }

                    return Task.FromResult(false);
                }
            },
            limit,
            cancellation);
        return found;
    }

    /// <summary>Lets the requests under way finish. Returns how many there were, and those that failed.</summary>
    public async Task<(int Total, IReadOnlyList<Answer> Failures)> StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_loops);
        lock (_lock)
        {
            return (_answers.Count, [.. _answers.Select(entry => entry.Answer).Where(answer => !answer.IsProductPage)]);
        }
    }

    private int Count
    {
        get
        {
            lock (_lock)
            {
                return _answers.Count;
            }
        }
    }

    private async Task LoopAsync(PodClient client, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            // A request that has begun is always finished: stopping must not look like a failure.
            var answer = await client.SendAsync(HttpMethod.Get, Steps.Stage.ProductPageUrl, CancellationToken.None);
            lock (_lock)
            {
                _answers.Add((Stopwatch.GetTimestamp(), answer));
            }

            if (answer.Status is null)
            {
                // Nobody there: asking faster would only fill memory with refusals.
                await Task.Delay(20, CancellationToken.None);
            }
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }
}
