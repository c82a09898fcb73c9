using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>
/// A large mesh over xDS: how long it takes to be read and what it leaves in memory, what a change costs, and what changes do to the
/// connections that are carried meanwhile.
/// </summary>
internal sealed partial class MeshSection(
    SideBySideOptions options, BenchNetwork network, Loads loads, Figures figures, string folder, CancellationToken cancellationToken)
{
    private const string Name = "mesh";
    private const string Quiet = "quiet mesh";
    private const string Changing = "changing mesh";
    private const int Port = 15912;
    private const int Services = 5000;
    private const int Rate = 100;
    private const int Batch = 100;

    // With the rest before it, longer than the ztunnel waits before it collects a second time (src/Ambient.Node/Lifetime/MemoryTrim.cs).
    private static readonly TimeSpan s_poolsAreTrimmed = TimeSpan.FromSeconds(69);

    private static readonly int[] Connections = [8, 32];

    internal async Task RunAsync()
    {
        var istiod = Directory.CreateDirectory(Path.Combine(folder, "istiod")).FullName;
        var local = Path.Combine(folder, "mesh.yaml");
        await File.WriteAllTextAsync(local, $$"""
            workloads:
            {{ZtunnelPair.Workload("client", BenchNetwork.ClientAddress)}}
            {{ZtunnelPair.Workload("server", BenchNetwork.ServerAddress)}}
            """, cancellationToken);
        var start = new ProcessStartInfo(
            "ip",
            ["netns", "exec", network.Client, Environment.ProcessPath!, MeshServer.Verb, Text(Port), istiod, Text(options.Workloads), Text(Services)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        using var server = Process.Start(start)!;
        try
        {
            if (await server.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(TimeSpan.FromMinutes(2), cancellationToken) != HeldChild.Holding)
            {
                throw new InvalidOperationException("the control plane did not start");
            }

            await using var pair = await ZtunnelPair.StartAsync(
                network, folder, options, "bench", new() { ["LOCAL_XDS_PATH"] = local }, cancellationToken, new()
                {
                    ["XDS_ADDRESS"] = $"localhost:{Port}",
                    ["XDS_ROOT_CA"] = Path.Combine(istiod, "root-cert.pem"),
                });
            await MeasureAsync(server, pair);
        }
        finally
        {
            server.StandardInput.Close();
            if (!server.WaitForExit(TimeSpan.FromSeconds(10)))
            {
                server.Kill();
            }
        }
    }

    internal static void Report(Report report, Figures figures)
    {
        if (figures.Median("mesh read", Name) is null)
        {
            return;
        }

        report.Begin("A large mesh over xDS", "ztunnel", "", "", "target");
        report.Row("read from the stream's opening, s", "mesh read", "0.00", limit: 1, target: "<= 1 s", ours: Name);
        report.Row("resident 6 s after, MB", "mesh resident soon", "0.0", ours: Name);
        report.Row("resident 75 s after, MB", "mesh resident", "0.0", limit: 100, target: "<= 100 MB", ours: Name);
        report.Row("resident at most while it was read, MB", "mesh peak", "0.0", ours: Name);
        report.Row($"an update of {Batch}, sent to acknowledged, ms", "mesh update", "0.0", limit: 10, target: "<= 10 ms", ours: Name);
        report.Begin($"Traffic while {Rate} changes a second come", Changing, Quiet, "ratio", "target");
        foreach (var c in Connections)
        {
            report.Row($"requests/s, {c}", $"requests {c}", "0", ours: Changing, theirs: Quiet);
            report.Row($"p99, {c}, us", $"p99 {c}", "0", ours: Changing, theirs: Quiet);
        }
    }

    private async Task MeasureAsync(Process server, Contender pair)
    {
        var ztunnel = pair.Processes[0];
        var read = MeshLine().Match(await ztunnel.ReadLogAsync(cancellationToken));
        if (!read.Success)
        {
            throw new InvalidOperationException($"ztunnel does not say that it has read the mesh: {ztunnel.Tail()}");
        }

        var seconds = int.Parse(read.Groups[2].Value, CultureInfo.InvariantCulture) / 1e3;
        figures.Add("mesh read", Name, seconds, $"{read.Groups[1].Value} workloads in {seconds:0.00} s");
        figures.Add("mesh peak", Name, ztunnel.ResidentPeak / 1e6, $"{ztunnel.ResidentPeak / 1e6:0.0} MB");
        await Task.Delay(PairSections.Rest, cancellationToken);
        figures.Add("mesh resident soon", Name, ztunnel.Resident / 1e6, $"{ztunnel.Resident / 1e6:0.0} MB soon after");
        await Task.Delay(s_poolsAreTrimmed, cancellationToken);
        figures.Add("mesh resident", Name, ztunnel.Resident / 1e6, $"{ztunnel.Resident / 1e6:0.0} MB");
        for (var i = 0; i < 20; i++)
        {
            // The first one finds nothing compiled and nothing warm; it counts as well.
            var micros = double.Parse(await AskAsync(server, $"update {Batch}"), CultureInfo.InvariantCulture);
            figures.Add("mesh updates", Name, micros / 1e3, text: null);
        }

        var updates = figures.Readings("mesh updates", Name).Order().ToArray();
        figures.Add("mesh update", Name, updates[updates.Length / 2], $"{updates[updates.Length / 2]:0.0} ms for {Batch} ({updates[0]:0.0} to {updates[^1]:0.0})");
        for (var round = 0; round < options.Rounds; round++)
        {
            foreach (var c in Connections)
            {
                await RequestsAsync(pair, Quiet, c);
                var streaming = AskAsync(server, $"stream {Rate} {options.Seconds + 1}");
                await RequestsAsync(pair, Changing, c);
                if (await streaming is var acknowledged && acknowledged != Text(Rate * (options.Seconds + 1)))
                {
                    throw new InvalidOperationException($"of the changes only {acknowledged} were acknowledged");
                }
            }
        }
    }

    private async Task RequestsAsync(Contender pair, string name, int connections)
    {
        var got = await loads.RequestsAsync(pair.Url, connections);
        figures.Add($"requests {connections}", name, got.PerSecond, $"{got.PerSecond:0} requests/s {got.Errors}");
        figures.Add($"p99 {connections}", name, got.P99, $"{got.P99 / 1e3:0.00} ms");
    }

    private async Task<string> AskAsync(Process server, string line)
    {
        await server.StandardInput.WriteLineAsync(line.AsMemory(), cancellationToken);
        return await server.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(TimeSpan.FromMinutes(2), cancellationToken)
            ?? throw new InvalidOperationException("the control plane ended");
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"mesh received from \S+: (\d+) workloads, \d+ services, \d+ policies after (\d+) ms")]
    private static partial Regex MeshLine();
}
