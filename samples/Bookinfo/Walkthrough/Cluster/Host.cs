using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.Samples.Bookinfo.Walkthrough.Cluster;

/// <summary>A ztunnel, waypoint or gateway process, with its log and its operators' endpoints.</summary>
internal sealed class Host(string name, string place, Func<ChildProcess> start, HostPorts ports, HttpClient operators) : IAsyncDisposable
{
    /// <summary>What it is: <c>ztunnel-node-a</c>, <c>waypoint-0</c>.</summary>
    public string Name { get; } = name;

    /// <summary>The node or pod that it runs in.</summary>
    public string Place { get; } = place;

    /// <summary>Operators' ports.</summary>
    public HostPorts Ports { get; } = ports;

    /// <summary>The process; another one after a restart.</summary>
    public ChildProcess Process { get; private set; } = start();

    /// <summary>How often it was started again.</summary>
    public int Restarts { get; private set; }

    /// <summary>Waits until it says that it is ready.</summary>
    /// <exception cref="InvalidOperationException">It ended, or was not ready in time; the message says what it logged last.</exception>
    public async Task WaitReadyAsync(TimeSpan limit, CancellationToken cancellation)
    {
        var deadline = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        var last = "it does not answer";
        while (true)
        {
            if (Process.HasExited)
            {
                throw new InvalidOperationException($"{Name} ended ({Process.DescribeExit()}): {Process.LastLine()}   log: {Process.LogFile}");
            }

            try
            {
                using var response = await operators.GetAsync(new Uri($"http://127.0.0.1:{Ports.Readiness}/healthz/ready"), cancellation);
                if (response.IsSuccessStatusCode)
                {
                    return;
                }

                last = (await response.Content.ReadAsStringAsync(cancellation)).Trim();
            }
            catch (Exception notYet) when (notYet is HttpRequestException || (notYet is TaskCanceledException && !cancellation.IsCancellationRequested))
            {
                last = notYet.Message;
            }

            if (Environment.TickCount64 > deadline)
            {
                throw new InvalidOperationException($"{Name} is not ready after {limit.TotalSeconds:F0} s: {last}   log: {Process.LogFile}");
            }

            await Task.Delay(25, cancellation);
        }
    }

    /// <summary>Its metrics now.</summary>
    public async Task<MetricsText> ScrapeAsync(CancellationToken cancellation) =>
        MetricsText.Parse(await operators.GetStringAsync(new Uri($"http://127.0.0.1:{Ports.Metrics}/metrics"), cancellation));

    /// <summary>What it says would become of a request, and where it was asked.</summary>
    public async Task<(string Url, string Text)> ExplainAsync(string question, CancellationToken cancellation)
    {
        var url = $"http://127.0.0.1:{Ports.Admin}/explain?{question}";
        return (url, await operators.GetStringAsync(new Uri(url), cancellation));
    }

    /// <summary>Lines of its access log since a mark.</summary>
    public IEnumerable<AccessLogLine> AccessLogSince(long mark) =>
        Process.Since(mark).Select(AccessLogLine.Parse).OfType<AccessLogLine>();

    /// <summary>Waits for a line of the access log; null when it does not come in time.</summary>
    public async Task<AccessLogLine?> WaitForAccessAsync(long mark, Func<AccessLogLine, bool> wanted, CancellationToken cancellation)
    {
        // A connection is logged when it ends, which may be a moment after the answer was read.
        for (var tries = 0; tries < 150; tries++)
        {
            if (AccessLogSince(mark).FirstOrDefault(wanted) is { } line)
            {
                return line;
            }

            await Task.Delay(20, cancellation);
        }

        return null;
    }

    /// <summary>Starts it again after it ended.</summary>
    public async Task RestartAsync()
    {
        await Process.DisposeAsync();
        Restarts++;
        Process = start();
    }

    public ValueTask DisposeAsync()
    {
        operators.Dispose();
        return Process.DisposeAsync();
    }
}
