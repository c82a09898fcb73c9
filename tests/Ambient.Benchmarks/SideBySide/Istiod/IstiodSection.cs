using System.Globalization;
using System.Text.RegularExpressions;

namespace Ambient.Benchmarks.SideBySide.Istiod;

/// <summary>
/// A native waypoint whose istiod has a large configuration for it: what the first one costs until it is in use, what a repeat of everything costs and how it
/// delays requests meanwhile, how soon one endpoint is in use, and what is left of a thousand repeats.
/// </summary>
internal sealed partial class IstiodSection(SideBySideOptions options, BenchNetwork network, Figures figures, string folder, CancellationToken cancellationToken)
{
    private const string Waypoint = "waypoint";
    private const int XdsPort = 15912;
    private const int FirstPort = 9001;
    private const int SecondPort = 9002;
    private const int Repeats = 20;
    private const int Changes = 40;

    // What a repeat leaves to be done, the collector's work and what it gives back when it is quiet again, comes within this time.
    private static readonly TimeSpan s_after = TimeSpan.FromSeconds(1.5);

    // What is in use is the same after each; what the collector has besides, up to its next full collection, is not.
    private static readonly int[] s_counts = [100, 400, 700, 1000];

    private static readonly (string Verb, string Text)[] s_kinds = [("same", "equal bytes"), ("other", "other bytes, equal meaning"), ("unknown", "received, and read by nobody")];

    internal async Task RunAsync()
    {
        for (var round = 0; round < options.Rounds; round++)
        {
            await RoundAsync(round, isLast: round == options.Rounds - 1);
        }
    }

    internal static void Report(Report report, Figures figures)
    {
        if (figures.Median("istiod in use", Waypoint) is null)
        {
            return;
        }

        report.Begin($"A waypoint of istiod's: {LargeConfiguration.Ports} HTTP ports, {LargeConfiguration.Endpoints} endpoints by HBONE, their workloads", "waypoint", "", "", "target");
        Row("first configuration: from its last byte to the first request that is served, s", "in use", "0.00", 2);
        Row("first configuration: from the first question to the first request that is served, s", "whole", "0.00", null);
        Row("resident at most until then, MB", "peak", "0", 150);
        Row($"resident {PairSections.Rest.TotalSeconds:0} s after, MB", "resident", "0", 150);
        foreach (var (verb, text) in s_kinds)
        {
            Row($"a repeat of everything, {text}: CPU, ms", $"CPU {verb}", "0.0", null);
        }

        foreach (var (verb, text) in s_kinds[..2])
        {
            Row($"of it decoding, {text}, ms", $"decoding {verb}", "0.0", null);
            Row($"of it beyond receiving and decoding, {text}, ms", $"beyond {verb}", "0.0", 50);
        }

        Row("requests, quiet: the worst of each window, median, ms", "quiet median", "0.0", null);
        Row("requests, quiet: the worst, ms", "quiet worst", "0.0", null);
        foreach (var (verb, text) in s_kinds)
        {
            Row($"requests during a repeat, {text}: the worst of each window, median, ms", $"median {verb}", "0.0", null);
            Row($"requests during a repeat, {text}: the worst, ms", $"worst {verb}", "0.0", null);
        }

        Row("added to requests by a repeat, equal bytes, ms", "added same", "0.0", 5);
        Row("added to requests by a repeat, other bytes, ms", "added other", "0.0", 5);
        Row("one endpoint: sent to its first request, median, ms", "endpoint median", "0.0", 10);
        Row("one endpoint: sent to its first request, worst, ms", "endpoint worst", "0.0", null);
        foreach (var count in s_counts)
        {
            Row($"resident after {count.ToString("N0", CultureInfo.InvariantCulture)} repeats, MB", $"resident after {count}", "0", null);
            Row("of it private, MB", $"private after {count}", "0", null);
        }

        Row("the most after more than 100 repeats, to that after 100, resident or private", "growth", "0.00", 1.1);

        void Row(string label, string figure, string format, double? most) => report.Row(
            label, $"istiod {figure}", format, target: most is { } limit ? $"<= {limit.ToString(CultureInfo.InvariantCulture)}" : "", ours: Waypoint, theirs: "", limit: most);
    }

    private async Task RoundAsync(int round, bool isLast)
    {
        var (authority, istiod) = (Path.Combine(folder, "istiod-ca"), Directory.CreateDirectory(Path.Combine(folder, "istiod")).FullName);
        await using var server = await Child.StartAsync(
            network.Waypoint, isElsewhere: true, cancellationToken, IstiodServer.Verb, Text(XdsPort), istiod, BenchNetwork.ClientAddress, Text(FirstPort), BenchNetwork.WaypointAddress);
        await using var requests = await Child.StartAsync(
            network.Client, isElsewhere: false, cancellationToken, SteadyRequests.Verb, authority, BenchNetwork.WaypointAddress, BenchNetwork.ClientAddress, Text(FirstPort), Text(SecondPort));
        var ready = requests.AskAsync("ready", cancellationToken);
        await using var waypoint = BenchProcess.Start(network.Waypoint, $"istiod-waypoint-{round}", folder, Environment(authority, istiod), options.Host("waypoint"));
        var served = (await Task.WhenAny(ready, Task.Delay(TimeSpan.FromSeconds(60), cancellationToken)) == ready ? await ready : throw new InvalidOperationException($"the waypoint serves nothing: {waypoint.Tail()}"))[0];
        var (asked, written) = await server.AskAsync("first", cancellationToken) is [var a, var b, ..] ? (a, b) : default;
        Add("in use", (served - written) / 1e6, "0.00 s");
        Add("whole", (served - asked) / 1e6, "0.00 s");
        Add("peak", waypoint.ResidentPeak / 1e6, "0 MB");
        await Task.Delay(PairSections.Rest, cancellationToken);
        Add("resident", waypoint.Resident / 1e6, "0 MB");
        await MemoryAsync();
        if (!isLast)
        {
            return;
        }

        await RepeatsAsync(server, requests, waypoint);
        await EndpointAsync(server, requests);

        // Requests keep pages of the program resident, more or fewer of them, and what repeats leave would not show beside those.
        await requests.DisposeAsync();
        await MemoryAsync(server, waypoint);
    }

    private async Task RepeatsAsync(Child server, Child requests, BenchProcess waypoint)
    {
        // Once each, so that nothing is done for the first time.
        foreach (var (verb, _) in s_kinds)
        {
            _ = await server.AskAsync($"{verb} 2", cancellationToken);
        }

        var quiet = new List<double>();
        var (cpu, decoding) = (new Dictionary<string, double>(), new Dictionary<string, double>());
        foreach (var (verb, text) in s_kinds)
        {
            var worst = new List<double>();
            var used = 0.0;
            var decoded = await DecodedAsync();
            for (var i = 0; i < Repeats; i++)
            {
                // A repeat and a window as long as it without one, by turns: neither has the better half of a busy minute.
                _ = await requests.AskAsync("take", cancellationToken);
                var from = waypoint.Cpu;
                var took = await server.AskAsync($"{verb} 1", cancellationToken);
                await Task.Delay(s_after, cancellationToken);
                var busy = waypoint.Cpu - from;
                worst.Add((await requests.AskAsync("take", cancellationToken))[^1] / 1e3);
                from = waypoint.Cpu;
                await Task.Delay(s_after + TimeSpan.FromMicroseconds(took[0]), cancellationToken);
                quiet.Add((await requests.AskAsync("take", cancellationToken))[^1] / 1e3);
                used += (busy - (waypoint.Cpu - from)).TotalMilliseconds;
            }

            cpu[verb] = used / Repeats;
            Add($"CPU {verb}", used / Repeats, $"0.0 ms a repeat, {text}");
            decoding[verb] = (await DecodedAsync() - decoded) / Repeats;
            Spread($"median {verb}", $"worst {verb}", worst, $"the worst request of each repeat, {text}");
        }

        Spread("quiet median", "quiet worst", quiet, "the worst request of each window without one");
        foreach (var verb in (string[])["same", "other"])
        {
            Add($"decoding {verb}", decoding[verb], "0.0 ms of decoding");
            Add($"beyond {verb}", cpu[verb] - cpu["unknown"] - decoding[verb], "0.0 ms beyond receiving and decoding");
            Add($"added {verb}", figures.Median($"istiod worst {verb}", Waypoint)!.Value - figures.Median("istiod quiet worst", Waypoint)!.Value, "0.0 ms more than the worst without a repeat");
        }
    }

    private async Task EndpointAsync(Child server, Child requests)
    {
        var took = new List<double>();
        for (var i = 0; i < Changes; i++)
        {
            var port = Text(i % 2 == 0 ? SecondPort : FirstPort);
            var reaching = requests.AskAsync($"reach {port}", cancellationToken);

            // It asks already when the change comes.
            await Task.Delay(100, cancellationToken);
            var sent = (await server.AskAsync($"endpoint {port}", cancellationToken))[0];
            took.Add(((await reaching)[0] - sent) / 1e3);
        }

        Spread("endpoint median", "endpoint worst", took, "one endpoint, sent to its first request");
    }

    private async Task MemoryAsync(Child server, BenchProcess waypoint)
    {
        var already = 0;
        foreach (var count in s_counts)
        {
            // The bytes are others each time, so that nothing is passed over.
            _ = await server.AskAsync($"other {Text(count - already)}", cancellationToken);
            already = count;
            await Task.Delay(PairSections.Rest, cancellationToken);
            Add($"resident after {count}", waypoint.Resident / 1e6, "0.0 MB");
            Add($"private after {count}", waypoint.Private / 1e6, "0.0 MB");
        }

        Add("growth", Math.Max(Growth("resident"), Growth("private")), "0.00 of that after 100");
        await MemoryAsync();

        double Growth(string kind)
        {
            var readings = s_counts.Select(count => figures.Median($"istiod {kind} after {count}", Waypoint)!.Value).ToArray();
            return readings[1..].Max() / readings[0];
        }
    }

    /// <summary>Where it is, for whoever reads the output.</summary>
    private async Task MemoryAsync() =>
        Console.WriteLine(await Shell.RunAsync($"ip netns exec {network.Waypoint} curl -sf http://127.0.0.1:15000/debug/memory", cancellationToken));

    private static Dictionary<string, string> Environment(string authority, string istiod) => new()
    {
        ["GATEWAY_NAME"] = "waypoint",
        ["POD_NAMESPACE"] = "app",
        ["POD_NAME"] = "waypoint-0",
        ["SERVICE_ACCOUNT"] = "waypoint",
        ["INSTANCE_IP"] = BenchNetwork.WaypointAddress,
        ["XDS_ADDRESS"] = $"localhost:{Text(XdsPort)}",
        ["XDS_ROOT_CA"] = Path.Combine(istiod, "root-cert.pem"),
        ["AMBIENT_CA_DIR"] = authority,
    };

    /// <summary>Milliseconds for which the waypoint has decoded so far.</summary>
    private async Task<double> DecodedAsync() =>
        Decoding().Matches(await Shell.RunAsync($"ip netns exec {network.Waypoint} curl -sf http://127.0.0.1:15020/stats/prometheus", cancellationToken))
            .Sum(static match => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)) / 1e3;

    private void Spread(string median, string worst, List<double> values, string text)
    {
        values.Sort();
        Add(median, values[values.Count / 2], null);
        figures.Add($"istiod {worst}", Waypoint, values[^1], string.Create(CultureInfo.InvariantCulture, $"{values[values.Count / 2]:0.0} ms in the middle, {values[^1]:0.0} ms at worst: {text}"));
    }

    private void Add(string figure, double value, string? format) =>
        figures.Add($"istiod {figure}", Waypoint, value, format is null ? null : $"{value.ToString(format.Split(' ')[0], CultureInfo.InvariantCulture)}{format[format.IndexOf(' ', StringComparison.Ordinal)..]}");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"ambient_xds_decoding_microseconds_total\{[^}]*\} (\d+)")]
    private static partial Regex Decoding();
}
