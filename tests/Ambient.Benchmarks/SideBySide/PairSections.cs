namespace Ambient.Benchmarks.SideBySide;

/// <summary>The sections that compare pairs of proxies: contenders take turns at every measurement.</summary>
internal sealed class PairSections(SideBySideOptions options, Loads loads, Figures figures, string clientNamespace, CancellationToken cancellationToken)
{
    internal static readonly int[] ThroughputConnections = [1, 8];
    internal static readonly int[] RequestConnections = [1, 8, 32, 64];
    internal static readonly int[] NewConnections = [1, 32];
    private const string Busy = "busy";
    internal static readonly string[] Sides = ["client", "server"];

    /// <summary>How long a process is left alone before its memory at rest is read.</summary>
    internal static readonly TimeSpan Rest = TimeSpan.FromSeconds(6);

    internal async Task ThroughputAsync(IReadOnlyList<Contender> contenders)
    {
        foreach (var c in ThroughputConnections)
        {
            await TurnsAsync(contenders, async contender =>
            {
                var before = contender.Cpu;
                var (bytes, bits) = await loads.ThroughputAsync(contender.BulkHost, contender.BulkPort, c);
                figures.Add($"throughput {c}", contender.Name, bits / 1e9, $"{bits / 1e9:0.00} Gbit/s");
                var cpu = (contender.Cpu - before).TotalSeconds / (bytes / 1e9);
                figures.Add($"CPU per GB {c}", contender.Name, cpu, $"{cpu:0.00} s/GB, both proxies");
            });
        }
    }

    internal async Task RequestsAsync(IReadOnlyList<Contender> contenders)
    {
        foreach (var c in RequestConnections)
        {
            await TurnsAsync(contenders, contender => RequestsAsync(contender, contender.Name, contender.Url, c));
        }
    }

    internal async Task RequestsAsync(Contender contender, string name, string url, int connections)
    {
        var before = contender.Processes.Select(p => p.Cpu).ToArray();
        var got = await loads.RequestsAsync(url, connections);
        figures.Add($"requests {connections}", name, got.PerSecond, $"{got.PerSecond:0} requests/s {got.Errors}");
        figures.Add($"p50 {connections}", name, got.P50, $"{got.P50 / 1e3:0.00} ms");
        figures.Add($"p99 {connections}", name, got.P99, $"{got.P99 / 1e3:0.00} ms");
        var each = contender.Processes.Select((p, i) => (p.Name, Micros: (p.Cpu - before[i]).TotalMicroseconds / got.Total)).ToArray();
        var sum = each.Sum(e => e.Micros);
        figures.Add($"CPU per request {connections}", name, sum, $"{sum:0.0} us ({string.Join(", ", each.Select(e => $"{e.Name} {e.Micros:0.0}"))})");
        foreach (var (process, micros) in each)
        {
            figures.Add($"CPU per request {connections} of {process}", name, micros, text: null);
        }
    }

    internal async Task ConnectionsAsync(IReadOnlyList<Contender> contenders)
    {
        foreach (var c in NewConnections)
        {
            await TurnsAsync(contenders, async contender =>
            {
                var (rate, failed) = await loads.ConnectionsAsync(contender.Url, c);
                figures.Add($"new connections {c}", contender.Name, rate, $"{rate:0} connections/s, {failed} failed");
            });
        }
    }

    internal async Task IdleAsync(IReadOnlyList<Contender> contenders)
    {
        foreach (var contender in contenders)
        {
            // Code and tables that every first request needs are no cost of a connection. Both readings are of processes at rest.
            await loads.ConnectionsAsync(contender.Url, 4, requests: 200);
            await Task.Delay(Rest, cancellationToken);
            var before = contender.Processes.Select(p => p.Resident).ToArray();
            var count = Math.Min(options.Idle, contender.MostConnections);
            var held = await IdleClient.WhileHoldingAsync(
                clientNamespace,
                contender.HttpHost,
                contender.HttpPort,
                count,
                async () =>
                {
                    await Task.Delay(Rest, cancellationToken);
                    return contender.Processes.Select(p => p.Resident).ToArray();
                },
                cancellationToken);
            foreach (var (process, a, b) in contender.Processes.Select((p, i) => (p, before[i], held[i])))
            {
                var each = (b - a) / count / 1024;
                figures.Add($"idle {Side(process)}", contender.Name, each, $"{each:0.0} KB a connection ({Megabytes(a)} -> {Megabytes(b)} with {count})");
            }
        }
    }

    /// <summary>
    /// Resident memory as the load ends, and once the processes have been idle: a host that gives memory back does so then, and
    /// a node is idle most of the time. Both are shown, so that neither flatters.
    /// </summary>
    internal async Task ResidentAfterAsync(IReadOnlyList<Contender> contenders)
    {
        Resident(contenders, Busy);
        await Task.Delay(Rest, cancellationToken);
        Resident(contenders, "after");
    }

    /// <summary>Resident memory now, as "resident {when} {side}".</summary>
    internal void Resident(IReadOnlyList<Contender> contenders, string when)
    {
        foreach (var (contender, process) in contenders.SelectMany(c => c.Processes.Select(p => (c, p))))
        {
            figures.Add($"resident {when} {Side(process)}", contender.Name, process.Resident / 1e6, Megabytes(process.Resident));
            if (when == Busy)
            {
                figures.Add($"private {when} {Side(process)}", contender.Name, process.Private / 1e6, $"{Megabytes(process.Private)} of it private");
            }
        }
    }

    internal async Task TurnsAsync(IReadOnlyList<Contender> contenders, Func<Contender, Task> measure)
    {
        for (var round = 0; round < options.Rounds; round++)
        {
            foreach (var contender in contenders)
            {
                await (contender.Turn?.Before() ?? Task.CompletedTask);
                try
                {
                    await measure(contender);
                }
                finally
                {
                    await (contender.Turn?.After() ?? Task.CompletedTask);
                }

                // The next one must not pay for what this one left to clean up.
                await Task.Delay(300, cancellationToken);
            }
        }
    }

    private static string Side(BenchProcess process) => process.Name[(process.Name.IndexOf('-', StringComparison.Ordinal) + 1)..];

    private static string Megabytes(double bytes) => $"{bytes / 1e6:0.0} MB";
}
