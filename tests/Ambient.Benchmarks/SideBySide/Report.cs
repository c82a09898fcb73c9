using System.Globalization;
using System.Text;
using Ambient.Benchmarks.SideBySide.Istiod;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>Tables, ratios and verdicts of a run: on the console, and as a markdown fragment for docs/performance.md.</summary>
internal sealed class Report(Figures figures)
{
    // What the originals reached on the machine that design.md section 6 was measured on, by connections 1, 8, 32, 64 ...
    private static readonly double[] OriginalWaypointRequests = [3300, 10000, 14600, 14500];
    private static readonly double[] OriginalWaypointP99 = [530, 1300, double.NaN, 7800];
    private static readonly double[] OriginalWaypointCpu = [double.NaN, 60.5, double.NaN, 42.5];

    // ... and what HAProxy's pair reached there: the quotient says how much faster or slower this machine is today.
    private static readonly double[] HaproxyRequestsThere = [8500, 27000, 32000, 32000];
    private const double HaproxyThroughputThere = 5.55;
    // What two runs of one binary differ by on a shared machine.
    private const double Noise = 0.15;
    private static readonly string[] s_largerIsBetter = ["throughput", "requests", "new connections", "download"];
    private const double OriginalDownload = 0.385;

    private readonly StringBuilder _text = new();
    private string[]? _head;
    private int _under;

    /// <summary>The report.</summary>
    internal string Write(SideBySideOptions options)
    {
        _text.Append(CultureInfo.InvariantCulture, $"Measured on {DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC, {Environment.ProcessorCount} cores, {Processor()}, TCP {options.Congestion ?? BenchNetwork.SystemCongestion}, {options.Rounds} round(s) of {options.Seconds} s, load average before and after {options.LoadBefore} / {LoadAverage()}. Single readings are in brackets.\n");
        Pair();
        Waypoint();
        Hop();
        InPodSection.Report(this);
        MeshSection.Report(this, figures);
        StartSection.Report(this, figures);
        IstiodSection.Report(this, figures);
        TunnelsSection.Report(this, figures);
        IdleTlsSection.Report(this, figures);
        HttpSection.Report(this, figures);
        SoakSection.Report(this, figures);
        Baseline();
        _text.Append(CultureInfo.InvariantCulture, $"\nTargets missed: {_under}.\n");
        return _text.ToString();
    }

    internal static string LoadAverage() => File.ReadAllText("/proc/loadavg").Split(' ')[0];

    /// <summary>Begins a table; its head is written with its first row, so that one without rows is not there at all.</summary>
    internal void Begin(params string[] columns) => _head = columns;

    private void Pair()
    {
        Begin("Pair of proxies", "ztunnel pair", "HAProxy TLS pair", "ratio", "target");
        Pair(ZtunnelPair.Name, HaproxyPair.Name);
        StressSections.Report(this);
    }

    /// <summary>The rows of a pair of proxies against another.</summary>
    internal void Pair(string ours, string theirs)
    {
        foreach (var c in PairSections.ThroughputConnections)
        {
            var least = c == 1 ? 1.5 : 1.3;
            Row($"throughput, {c} connection(s), Gbit/s", $"throughput {c}", "0.00", ratio => ratio >= least, $">= {least.ToString(CultureInfo.InvariantCulture)}x", ours, theirs);
            Row($"CPU per GB, {c} connection(s), both proxies, s", $"CPU per GB {c}", "0.00", ratio => ratio <= 0.75, "<= 0.75x", ours, theirs);
        }

        foreach (var c in PairSections.RequestConnections)
        {
            Row($"requests/s, {c}", $"requests {c}", "0", ratio => ratio >= 1.1, ">= 1.1x", ours, theirs);
            Row($"CPU per request, {c}, both proxies, us", $"CPU per request {c}", "0.0", ours: ours, theirs: theirs);
            Row($"p50, {c}, us", $"p50 {c}", "0", ours: ours, theirs: theirs);
            Row($"p99, {c}, us", $"p99 {c}", "0", ratio => ratio <= 1, "<= 1x", ours, theirs);
        }

        foreach (var c in PairSections.NewConnections)
        {
            Row($"new connections/s, {c} at a time", $"new connections {c}", "0", ratio => ratio >= 5, ">= 5x", ours, theirs);
        }

        foreach (var side in PairSections.Sides)
        {
            Row($"resident at rest, {side}, MB", $"resident at rest {side}", "0.0", limit: 15, target: "<= 15 MB", ours: ours, theirs: theirs);
            Row($"resident as the load ends, {side}, MB", $"resident busy {side}", "0.0", limit: 21, target: "<= 21 MB", ours: ours, theirs: theirs);
            Row($"of it private, {side}, MB", $"private busy {side}", "0.0", limit: 8, target: "<= 8 MB", ours: ours, theirs: theirs);
            Row($"resident {PairSections.Rest.TotalSeconds:0} s after the load, {side}, MB", $"resident after {side}", "0.0", limit: 21, target: "<= 21 MB", ours: ours, theirs: theirs);
            Row($"per idle connection, {side}, KB", $"idle {side}", "0.0", limit: 5, target: "<= 5 KB", ours: ours, theirs: theirs);
        }
    }

    private void Waypoint()
    {
        if (figures.Median("requests 1", WaypointSection.Path) is null)
        {
            return;
        }

        Begin("Whole path with waypoint", "with waypoint", "our pair alone", "ratio", "target (the original's figure, scaled by HAProxy's pair here against there)");
        for (var i = 0; i < PairSections.RequestConnections.Length; i++)
        {
            var c = PairSections.RequestConnections[i];
            var scale = figures.Median($"requests {c}", HaproxyPair.Name) is { } here ? here / HaproxyRequestsThere[i] : 1;
            Against($"requests/s, {c}", $"requests {c}", "0", OriginalWaypointRequests[i] * scale, larger: true);
            Against($"p50, {c}, us", $"p50 {c}", "0", double.NaN, larger: false);
            Against($"p99, {c}, us", $"p99 {c}", "0", OriginalWaypointP99[i] / scale, larger: false);
            Against($"CPU per request, {c}, of the waypoint, us", $"CPU per request {c} of waypoint", "0.0", OriginalWaypointCpu[i] / scale, larger: false);
            Against($"CPU per request, {c}, of the client's ztunnel, us", $"CPU per request {c} of ztunnel-client", "0.0", double.NaN, larger: false);
            Against($"CPU per request, {c}, of the server's ztunnel, us", $"CPU per request {c} of ztunnel-server", "0.0", double.NaN, larger: false);
        }

        Against("resident at rest, MB", "resident at rest", "0.0", double.NaN, larger: false);
        Against("resident as the load ends, MB", "resident busy", "0.0", 40, larger: false);
        Against($"resident {PairSections.Rest.TotalSeconds:0} s after, MB", "resident after", "0.0", 40, larger: false);
        var bulk = figures.Median("throughput 1", HaproxyPair.Name) is { } bits ? bits / HaproxyThroughputThere : 1;
        Against("one 100 MB download, GB/s", "download", "0.00", OriginalDownload * bulk, larger: true);
        Against("a client that waits for the close, ms a request", "waits for close", "0.0", 1000, larger: false);
        WaypointSection.Report(this, figures);
    }

    private void Hop()
    {
        if (figures.Median("requests 1", HopSection.Gateway) is null)
        {
            return;
        }

        Begin("One hop of plain HTTP", "our gateway", "HAProxy", "ratio", "target");
        foreach (var c in PairSections.RequestConnections)
        {
            Row($"requests/s, {c}", $"requests {c}", "0", ratio => ratio >= 0.9, ">= 0.9x", HopSection.Gateway, HopSection.Haproxy);
            Row($"CPU per request, {c}, us", $"CPU per request {c}", "0.0", ratio => ratio <= 1.1, "<= 1.1x", ours: HopSection.Gateway, theirs: HopSection.Haproxy);
            Row($"p99, {c}, us", $"p99 {c}", "0", ours: HopSection.Gateway, theirs: HopSection.Haproxy);
        }
    }

    /// <summary>What both versions measured, each in its turn.</summary>
    private void Baseline()
    {
        Begin("Beside the baseline", "now", "baseline", "ratio", $"no worse by more than {Noise:P0}");
        foreach (var (figure, contender) in figures.All.ToArray())
        {
            // None of either is NaN, and says nothing.
            if (contender is HaproxyPair.Name or HopSection.Haproxy or InPodSection.Theirs || figures.Ratio(figure, contender, contender + Figures.OfBaseline) is null or double.NaN)
            {
                continue;
            }

            var larger = figure == "storm" || s_largerIsBetter.Any(start => figure.StartsWith(start, StringComparison.Ordinal));
            Row($"{figure}, {contender}", figure, "0.00", r => larger ? r >= 1 / (1 + Noise) : r <= 1 + Noise, larger ? "larger is better:" : "smaller is better:", contender, contender + Figures.OfBaseline);
        }
    }

    /// <summary>A line of the pairs' table, unless neither was measured.</summary>
    internal void Row(
        string label, string figure, string format, Func<double, bool>? holds = null, string target = "", string ours = ZtunnelPair.Name, string theirs = HaproxyPair.Name, double? limit = null)
    {
        var a = figures.Median(figure, ours);
        var b = figures.Median(figure, theirs);
        if (a is null && b is null)
        {
            return;
        }

        var ratio = figures.Ratio(figure, ours, theirs);
        bool? good = limit is { } most ? a <= most : holds is null || ratio is not { } r ? null : holds(r);
        Line(label, Cell(figure, ours, format), Cell(figure, theirs, format), ratio is { } q ? $"{q:0.00}" : "", Verdict(target, a is null ? null : good));
    }

    private void Against(string label, string figure, string format, double original, bool larger)
    {
        if (figures.Median(figure, WaypointSection.Path) is not { } mine)
        {
            return;
        }

        bool? good = double.IsNaN(original) ? null : larger ? mine >= original : mine <= original;
        var target = double.IsNaN(original) ? "" : $"{(larger ? ">=" : "<=")} {original.ToString(format, CultureInfo.InvariantCulture)}";
        Line(label, Cell(figure, WaypointSection.Path, format), Cell(figure, WaypointSection.Alone, format), figures.Ratio(figure, WaypointSection.Path, WaypointSection.Alone) is { } x ? $"{x:0.00}" : "", Verdict(target, good));
    }

    private string Cell(string figure, string contender, string format)
    {
        var all = figures.Readings(figure, contender).Select(v => v.ToString(format, CultureInfo.InvariantCulture)).ToArray();
        return all.Length switch
        {
            0 => "",
            1 => all[0],
            _ => $"{figures.Median(figure, contender)!.Value.ToString(format, CultureInfo.InvariantCulture)} ({string.Join(", ", all)})",
        };
    }

    private string Verdict(string target, bool? good)
    {
        _under += good == false ? 1 : 0;
        return good switch { null => target, true => $"{target} PASS", false => $"{target} **under**" };
    }

    private void Line(params string[] cells)
    {
        if (_head is not null)
        {
            _text.Append(CultureInfo.InvariantCulture, $"\n| {string.Join(" | ", _head)} |\n|{string.Concat(Enumerable.Repeat("---|", _head.Length))}\n");
            _head = null;
        }

        _text.Append(CultureInfo.InvariantCulture, $"| {string.Join(" | ", cells)} |\n");
    }

    private static string Processor() =>
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown processor";
}
