using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Ambient.EndToEnd.Tests.Cluster;

namespace Ambient.EndToEnd.Tests.Waypoint;

/// <summary>Requests at a steady rate from several clients, none of which is sent twice; every one that is not answered with 200 is kept.</summary>
internal sealed class SteadyRequests : IAsyncDisposable
{
    private readonly CancellationTokenSource _over = new();
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly List<Task> _tasks = [];
    private int _answered;
    private int _closed;

    /// <summary>How many are over, in whatever way.</summary>
    public int Answered => Volatile.Read(ref _answered);

    /// <summary>Answers over HTTP/1.1 that said that they were their connection's last.</summary>
    public int Closed => Volatile.Read(ref _closed);

    /// <summary>Asks one request after the other, on one connection or on one each.</summary>
    public void Add(Func<StrictClient> connect, string host, bool keep) => _tasks.Add(Task.Run(async () =>
    {
        var client = connect();
        for (var i = 0; !_over.IsCancellationRequested; i++)
        {
            var text = i.ToString(CultureInfo.InvariantCulture);
            var closed = client.Closed;
            try
            {
                using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
                var answer = await client.PostAsync(host, text, patience.Token);
                if (answer != (200, text))
                {
                    Failed($"{answer} to {text}");
                }
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
                Failed(e.Message);
                client.Dispose();
                client = connect();
            }

            Interlocked.Add(ref _closed, client.Closed - closed);
            Interlocked.Increment(ref _answered);
            if (!keep)
            {
                client.Dispose();
                client = connect();
            }

            await Task.Delay(2);
        }

        client.Dispose();
    }));

    /// <summary>Asks one request after the other over HTTP/2 with prior knowledge.</summary>
    public void Add(HttpClient client, Uri http2) => _tasks.Add(Task.Run(async () =>
    {
        while (!_over.IsCancellationRequested)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, http2) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
                using var response = await client.SendAsync(request);
                if (response.StatusCode != HttpStatusCode.OK)
                {
                    Failed($"HTTP/2: {response.StatusCode}");
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException or SocketException or OperationCanceledException)
            {
                Failed($"HTTP/2: {e.Message}");
            }

            Interlocked.Increment(ref _answered);
            await Task.Delay(2);
        }
    }));

    /// <summary>Waits for a number of further answers.</summary>
    public async Task AnsweredAsync(int further, RunningHost host)
    {
        var target = Volatile.Read(ref _answered) + further;
        var from = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _answered) < target)
        {
            Assert.True(Stopwatch.GetElapsedTime(from) < TimeSpan.FromSeconds(60), $"requests take too long:\n{host.Log}");
            await Task.Delay(10);
        }
    }

    /// <summary>Ends the load. Fails when a request was lost, with what hosts say of it.</summary>
    public async Task EndAsync(IEnumerable<RunningHost> hosts)
    {
        await StopAsync();
        var said = string.Join('\n', hosts.SelectMany(host => host.Log.Split('\n').Where(line => line.Contains(" error=", StringComparison.Ordinal)).Take(10).Select(line => $"{host.Name}: {line}")));
        Assert.True(_failures.IsEmpty, $"{_failures.Count} of {_answered} requests were lost: {string.Join("; ", _failures.Take(10))}\n{said}");
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _over.Dispose();
    }

    private async Task StopAsync()
    {
        await _over.CancelAsync();
        await Task.WhenAll(_tasks);
    }

    private void Failed(string what) => _failures.Enqueue($"{DateTime.UtcNow:mm:ss.fff} {what}");
}
