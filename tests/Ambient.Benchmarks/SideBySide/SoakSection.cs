using System.Globalization;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>The waypoint under an even load for a long time: what is resident at the end is what was resident near the beginning.</summary>
internal sealed class SoakSection(
    SideBySideOptions options, BenchNetwork network, Loads loads, Figures figures, string folder, CancellationToken cancellationToken)
{
    internal const int RequestsPerSecond = 1000;
    private const int Connections = 10;
    private const string Url = "http://10.96.0.20/";
    private const string Begin = "near the beginning";
    private const string End = "at the end";
    private const string Figure = "soak resident";

    // A tenth of the time is for the pools and tables that every load fills.
    private const int Parts = 10;

    internal async Task RunAsync()
    {
        await using var stage = await WaypointStage.StartAsync(options, network, folder, "soak", Manifests.WaypointMesh, Url, cancellationToken);
        var load = loads.EvenAsync(Url, Connections, RequestsPerSecond, options.Soak);
        var (step, readings) = (TimeSpan.FromSeconds(options.Soak) / (Parts * 10), new List<double>());
        while (!load.IsCompleted)
        {
            await Task.WhenAny(load, Task.Delay(step, cancellationToken));
            readings.Add(stage.Waypoint.Resident / 1e6);
        }

        var (total, failed) = await load;
        var part = Math.Max(1, readings.Count / Parts);
        var (begin, end) = (readings.Skip(part).Take(part).Average(), readings.TakeLast(part).Average());
        figures.Add(Figure, Begin, begin, string.Create(CultureInfo.InvariantCulture, $"{begin:0.0} MB, {total} requests in {options.Soak} s, {failed} failed"));
        figures.Add(Figure, End, end, $"{end:0.0} MB");
        figures.Add("soak most", End, readings.Max(), $"{readings.Max():0.0} MB at most");
        figures.Add("soak failed", End, failed, text: null);
        figures.Add("soak rate", End, total / options.Soak, text: null);
        figures.Add("soak CPU", End, stage.Waypoint.Cpu.TotalMicroseconds / total, $"{stage.Waypoint.Cpu.TotalMicroseconds / total:0.0} us of the waypoint a request");
    }

    internal static void Report(Report report, Figures figures)
    {
        report.Begin($"{RequestsPerSecond} requests a second through the waypoint, for long", End, Begin, "ratio", "target");
        report.Row("resident, MB", Figure, "0.0", ratio => ratio <= 1.05, "<= 1.05x", End, Begin);
        report.Row("resident at most, MB", "soak most", "0.0", limit: 40, target: "<= 40 MB", ours: End, theirs: Begin);
        report.Row("requests/s", "soak rate", "0", ours: End, theirs: Begin);
        report.Row("failed", "soak failed", "0", limit: 0, target: "none", ours: End, theirs: Begin);
        report.Row("CPU per request, us", "soak CPU", "0.0", ours: End, theirs: Begin);
    }
}
