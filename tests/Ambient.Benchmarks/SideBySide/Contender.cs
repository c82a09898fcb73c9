namespace Ambient.Benchmarks.SideBySide;

/// <summary>Proxies between the client's and the server's namespace, running.</summary>
internal sealed class Contender(string name, IReadOnlyList<BenchProcess> processes, string httpHost, int httpPort, string bulkHost, int bulkPort) : IAsyncDisposable
{
    internal string Name { get; } = name;

    /// <summary>The client's side first, then the server's, then others.</summary>
    internal IReadOnlyList<BenchProcess> Processes { get; } = processes;

    internal string HttpHost { get; } = httpHost;

    internal int HttpPort { get; } = httpPort;

    internal string BulkHost { get; } = bulkHost;

    internal int BulkPort { get; } = bulkPort;

    /// <summary>How many connections it can hold at once.</summary>
    internal int MostConnections { get; init; } = int.MaxValue;

    /// <summary>Done before each of its turns, and undone after it: what only one of several can have.</summary>
    internal (Func<Task> Before, Func<Task> After)? Turn { get; init; }

    internal string Url => $"http://{HttpHost}:{HttpPort}/";

    /// <summary>CPU time of all its processes so far.</summary>
    internal TimeSpan Cpu => Processes.Aggregate(TimeSpan.Zero, (sum, process) => sum + process.Cpu);

    public async ValueTask DisposeAsync()
    {
        foreach (var process in Processes)
        {
            await process.DisposeAsync();
        }
    }
}
