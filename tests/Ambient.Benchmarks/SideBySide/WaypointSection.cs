namespace Ambient.Benchmarks.SideBySide;

/// <summary>
/// The whole path: ztunnel, our waypoint, ztunnel, HBONE on both sides of the waypoint, one policy on the caller's identity, a 90/10 route;
/// and the pair alone beside it (to the pod's own address, which no waypoint stands before).
/// </summary>
internal sealed class WaypointSection(
    SideBySideOptions options, BenchNetwork network, Loads loads, Figures figures, PairSections pair, string folder, CancellationToken cancellationToken)
{
    internal const string Path = "waypoint";
    internal const string Alone = "pair alone";
    private const string Url = "http://10.96.0.20/";
    private const string Url2 = "http://10.96.0.20:81/";
    private const int Downloads = 5;
    private const string Http1 = "HTTP/1.1";
    private const string Http2 = "HTTP/2";
    private const string GrpcShaped = "gRPC-shaped";

    internal async Task RunAsync()
    {
        await using var stage = await WaypointStage.StartAsync(options, network, folder, "manifests", Manifests.WaypointMesh, Url, cancellationToken);
        var (waypoint, ztunnels) = (stage.Waypoint, stage.Ztunnels);

        // One group for the readings of CPU; it owns nothing.
        var whole = new Contender(Path, [.. ztunnels.Processes, waypoint], "10.96.0.20", 80, "", 0);
        await Task.Delay(PairSections.Rest, cancellationToken);
        figures.Add("resident at rest", Path, waypoint.Resident / 1e6, $"{waypoint.Resident / 1e6:0.0} MB");
        foreach (var c in PairSections.RequestConnections)
        {
            await pair.TurnsAsync([whole, ztunnels], contender => ReferenceEquals(contender, whole)
                ? pair.RequestsAsync(whole, Path, Url, c)
                : pair.RequestsAsync(ztunnels, Alone, ztunnels.Url, c));
        }

        await ProtocolsAsync(waypoint);
        figures.Add("resident busy", Path, waypoint.Resident / 1e6, $"{waypoint.Resident / 1e6:0.0} MB");
        await Task.Delay(PairSections.Rest, cancellationToken);
        figures.Add("resident after", Path, waypoint.Resident / 1e6, $"{waypoint.Resident / 1e6:0.0} MB");
        await pair.TurnsAsync([whole, ztunnels], async contender =>
        {
            // A seventh of a second each: one alone says little.
            var through = ReferenceEquals(contender, whole);
            for (var i = 0; i < Downloads; i++)
            {
                var rate = await loads.DownloadAsync((through ? Url : ztunnels.Url) + "big");
                figures.Add("download", through ? Path : Alone, rate / 1e9, $"{rate / 1e9:0.00} GB/s, one of {Backends.BigBytes / 1_000_000} MB");
            }
        });
        foreach (var (url, name) in ((string, string)[])[(Url, Path), (ztunnels.Url, Alone)])
        {
            var (rate, failed) = await loads.ConnectionsAsync(url, 1, requests: 20);
            figures.Add("waits for close", name, 1e3 / rate, $"{1e3 / rate:0.0} ms a request of an HTTP/1.0 client that waits for the close, {failed} failed");
        }
    }

    internal static void Report(Report report, Figures figures)
    {
        report.Begin("The waypoint's work", "waypoint", "one of our ztunnels", "ratio", "target");
        foreach (var c in PairSections.RequestConnections)
        {
            // A request through the pair alone passes two ztunnels.
            foreach (var (of, alone) in figures.Readings($"CPU per request {c} of waypoint", Path).Zip(figures.Readings($"CPU per request {c}", Alone)))
            {
                figures.Add($"hop CPU {c}", Path, of, text: null);
                figures.Add($"hop CPU {c}", Alone, alone / 2, text: null);
            }

            var most = c == 1 ? 1.6 : 1.25;
            report.Row($"CPU per request, {c}, us", $"hop CPU {c}", "0.0", ratio => ratio <= most, $"<= {most}x", Path, Alone);
        }

        report.Begin("The whole path", "with waypoint", "our pair alone", "ratio", "target");
        foreach (var c in (int[])[8, 64])
        {
            report.Row($"requests/s, {c}", $"requests {c}", "0", ratio => ratio >= 0.6, ">= 0.6x", Path, Alone);
            report.Row($"p99, {c}, us", $"p99 {c}", "0", ratio => ratio <= 2.2, "<= 2.2x", Path, Alone);
        }

        foreach (var c in PairSections.RequestConnections)
        {
            foreach (var side in PairSections.Sides)
            {
                report.Row($"CPU per request, {c}, of the {side}'s ztunnel, us", $"CPU per request {c} of ztunnel-{side}", "0.0", ratio => ratio <= 1.1, "<= 1.1x", Path, Alone);
            }
        }

        report.Row("one 100 MB download, GB/s", "download", "0.00", ratio => ratio >= 0.6, ">= 0.6x", Path, Alone);
        report.Begin("Protocols through the waypoint", "CPU per request, us", "HTTP/1.1's", "ratio", "target");
        report.Row("HTTP/2, 8 connections", "protocol CPU", "0.0", ratio => ratio <= 1.2, "<= 1.2x", Http2, Http1);
        report.Row("calls in the shape of gRPC's, 8 connections", "protocol CPU", "0.0", ratio => ratio <= 1.2, "<= 1.2x", GrpcShaped, Http1);
    }

    /// <summary>The same answers over HTTP/1.1, HTTP/2, and HTTP/2 with a small body each way, with the same load generator, by turns of a second.</summary>
    private async Task ProtocolsAsync(BenchProcess waypoint)
    {
        var call = System.IO.Path.Combine(folder, "call");
        await File.WriteAllBytesAsync(call, [0, 0, 0, 0, 27, .. new byte[27]], cancellationToken);
        for (var turn = 0; turn < options.Rounds * options.Seconds; turn++)
        {
            foreach (var (name, url, more) in ((string, string, string[])[])
                [
                    (Http1, Url, ["--h1"]),
                    (Http2, Url2, []),
                    (GrpcShaped, Url2, ["-d", call, "-H", "content-type: application/grpc", "-H", "te: trailers"]),
                ])
            {
                var before = waypoint.Cpu;
                var (total, rate) = await loads.H2LoadSecondAsync(url, 8, more);
                var micros = (waypoint.Cpu - before).TotalMicroseconds / total;
                figures.Add("protocol CPU", name, micros, $"{micros:0.0} us of the waypoint a request, {rate:0} requests/s");
            }
        }
    }
}
