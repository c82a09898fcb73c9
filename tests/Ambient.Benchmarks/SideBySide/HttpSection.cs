namespace Ambient.Benchmarks.SideBySide;

/// <summary>
/// What a request costs the waypoint when something is asked of it, beside one of which nothing is asked: many policies, many routes, a token that was
/// verified before, an external authorizer. All in one process, by turns. And bodies of 1 MB either way.
/// </summary>
internal sealed class HttpSection(
    SideBySideOptions options, BenchNetwork network, Loads loads, Figures figures, string folder, CancellationToken cancellationToken)
{
    private const string Cpu = "http CPU";
    private const string Download = "1 MB down";
    private const string Upload = "1 MB up";
    private const int Connections = 8;

    internal async Task RunAsync()
    {
        var mesh = new HttpMesh();
        await using var stage = await WaypointStage.StartAsync(options, network, folder, "http", mesh.Text(), HttpMesh.UrlOf(HttpMesh.Plain), cancellationToken);
        var body = Path.Combine(folder, "body");
        await File.WriteAllBytesAsync(body, new byte[1_000_000], cancellationToken);
        foreach (var service in HttpMesh.Services)
        {
            // What is made for the first request of a place is no cost of the others.
            await loads.RequestsAsync(HttpMesh.UrlOf(service), 2, HeadersOf(mesh, service));
        }

        for (var round = 0; round < options.Rounds; round++)
        {
            foreach (var service in HttpMesh.Services)
            {
                var before = stage.Waypoint.Cpu;
                var got = await loads.RequestsAsync(HttpMesh.UrlOf(service), Connections, HeadersOf(mesh, service));
                if (got.Errors.Length > 0)
                {
                    throw new InvalidOperationException($"{service}: {got.Errors}; its log: {stage.Waypoint.Tail()}");
                }

                var micros = (stage.Waypoint.Cpu - before).TotalMicroseconds / got.Total;
                figures.Add(Cpu, service, micros, $"{micros:0.0} us of the waypoint a request, {got.PerSecond:0} requests/s");
            }

            await BodiesAsync(stage, Download, HttpMesh.UrlOf(HttpMesh.Plain, "/mega"));
            await BodiesAsync(stage, Upload, HttpMesh.UrlOf(HttpMesh.Plain, "/upload"), "-d", body);
        }
    }

    internal static void Report(Report report, Figures figures)
    {
        report.Begin("What a request is asked at a waypoint", "CPU per request, us", "nothing asked", "ratio", "target");
        foreach (var service in HttpMesh.Services.Except([HttpMesh.Plain, HttpMesh.ExternallyAuthorized, HttpMesh.Mirrored]))
        {
            report.Row(service, Cpu, "0.0", ratio => ratio <= 1.15, "<= 1.15x", service, HttpMesh.Plain);
        }

        report.Row(HttpMesh.Mirrored, Cpu, "0.0", ours: HttpMesh.Mirrored, theirs: HttpMesh.Plain);
        report.Row(HttpMesh.ExternallyAuthorized, Cpu, "0.0", ours: HttpMesh.ExternallyAuthorized, theirs: HttpMesh.Plain);
        report.Begin("An external authorizer", "CPU per request, us", "a copy of the request to the same service", "ratio", "target");
        report.Row("asked over HTTP", Cpu, "0.0", ratio => ratio <= 1, "<= 1x", HttpMesh.ExternallyAuthorized, HttpMesh.Mirrored);

        report.Begin("Bodies of 1 MB through the waypoint", "the waypoint's CPU a body, us", "the client's ztunnel's", "ratio", "");
        foreach (var what in (string[])[Download, Upload])
        {
            report.Row(what, what, "0", ours: WaypointSection.Path, theirs: ZtunnelPair.Name);
        }
    }

    private static string[] HeadersOf(HttpMesh mesh, string service) => service == HttpMesh.Jwt ? [$"authorization: Bearer {mesh.Token}"] : [];

    private async Task BodiesAsync(WaypointStage stage, string what, string url, params string[] more)
    {
        var before = (Waypoint: stage.Waypoint.Cpu, Client: stage.Ztunnels.Processes[0].Cpu);
        var (total, rate) = await loads.H2LoadAsync(url, Connections, ["--h1", .. more]);
        var (waypoint, client) = ((stage.Waypoint.Cpu - before.Waypoint).TotalMicroseconds / total, (stage.Ztunnels.Processes[0].Cpu - before.Client).TotalMicroseconds / total);
        figures.Add(what, WaypointSection.Path, waypoint, $"{waypoint:0} us of the waypoint each, {rate:0} a second");
        figures.Add(what, ZtunnelPair.Name, client, text: null);
    }
}
