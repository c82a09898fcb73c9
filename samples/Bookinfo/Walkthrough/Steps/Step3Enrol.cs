using System.Net;
using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>One label, and the same requests are mutual TLS between identities. Nothing is restarted.</summary>
internal sealed class Step3Enrol : IStep
{
    private const string SleepIdentity = "spiffe://cluster.local/ns/default/sa/sleep";
    private const string NotSleepIdentity = "spiffe://cluster.local/ns/default/sa/notsleep";
    private const string GatewayIdentity = "spiffe://cluster.local/ns/default/sa/bookinfo-gateway-istio";
    private const string ProductPageIdentity = "spiffe://cluster.local/ns/default/sa/bookinfo-productpage";

    public string Title => "Enrol the namespace: HBONE with mutual TLS, nothing restarted";

    public async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        var tunnel = new IPEndPoint(stage.AddressOf("productpage-v1"), 15008);
        await using var peek = stage.Network.Peek(tunnel);
        var unenrolled = await CountAsync(stage, cancellation);
        var enrolling = stage.NodeB.Process.Mark();
        stage.Apply("namespace-ambient.yaml", "istio.io/dataplane-mode=ambient", "namespace.yaml");
        var served = await Stage.UntilAsync(async () =>
            await stage.Kubelet.AcceptsAsync(tunnel, cancellation) && await stage.Kubelet.AcceptsAsync(new IPEndPoint(stage.AddressOf("reviews-v1"), 15008), cancellation),
            Stage.Patience, cancellation);
        tell.Check(served, $"HBONE is served at {tunnel} for productpage");
        await EnrolledAsync(stage, enrolling, cancellation);

        var before = await CountAsync(stage, cancellation);
        long markA = stage.NodeA.Process.Mark(), markB = stage.NodeB.Process.Mark();
        var throughGateway = await stage.TryAsync(stage.Sleep, HttpMethod.Get, stage.GatewayUrl, cancellation);
        tell.Check(throughGateway.IsProductPage, "sleep reaches productpage through the gateway");
        var direct = await stage.TryAsync(stage.Sleep, HttpMethod.Get, Stage.ProductPageUrl, cancellation);
        tell.Check(direct.IsProductPage, "sleep reaches productpage");
        var other = await stage.TryAsync(stage.NotSleep, HttpMethod.Get, Stage.ProductPageUrl, cancellation);
        tell.Check(other.IsProductPage, "notsleep reaches productpage");

        await ShowAsync(stage, stage.NodeA, markA, "outbound", SleepIdentity, cancellation);
        await ShowAsync(stage, stage.NodeB, markB, "inbound", SleepIdentity, cancellation);
        await ShowAsync(stage, stage.NodeA, markA, "outbound", NotSleepIdentity, cancellation);
        await ShowAsync(stage, stage.NodeB, markB, "inbound", NotSleepIdentity, cancellation);
        // The gateway keeps its tunnel for the next request: it was opened once since the label came, and is not complete.
        await ShowAsync(stage, stage.NodeB, enrolling, "inbound", GatewayIdentity, cancellation);

        var after = await CountAsync(stage, cancellation);
        tell.Seen($"{stage.NodeA.Name} metrics: {Sample("source", SleepIdentity)} {after.SleepAtSource}");
        tell.Seen($"{stage.NodeB.Name} metrics: {Sample("destination", SleepIdentity)} {after.SleepAtDestination}");
        tell.Check(after.Source - before.Source == 2, "the source's ztunnel counts two more mutual TLS connections, of sleep and notsleep, with both principals");
        tell.Check(
            after.Destination - before.Destination == 2 && after.Gateway - unenrolled.Gateway >= 1,
            $"the destination's ztunnel counts the same two, and {after.Gateway - unenrolled.Gateway} of the gateway");

        if (!stage.Network.ZtunnelCarriesOutsiders)
        {
            var asked = (await stage.NodeA.ScrapeAsync(cancellation)).Sum("istio_dns_requests_total", ("source_canonical_service", "sleep"));
            tell.Seen($"{stage.NodeA.Name} metrics: istio_dns_requests_total{{source_canonical_service=\"sleep\"}} {asked}");
            tell.Check(asked > 0, "sleep's questions for names are captured, and answered by its ztunnel");
        }

        if (peek is not null)
        {
            var bytes = peek.SentTo(tunnel);
            tell.Seen($"on the wire to {tunnel}: {bytes.Length} bytes, beginning {Convert.ToHexString(bytes.AsSpan(0, Math.Min(5, bytes.Length)))} (a TLS record); no request to read");
            tell.Check(
                bytes.Length > 0 && bytes[0] is >= 0x14 and <= 0x17 && PacketPeek.FindRequestLine(bytes) is null && bytes.AsSpan().IndexOf("productpage"u8) < 0,
                "nothing readable goes between the nodes");
        }
    }

    // The label reaches three processes, each in its own moment: the step looks at requests made after all have it.
    private static async Task EnrolledAsync(Stage stage, long enrolling, CancellationToken cancellation)
    {
        foreach (var client in new[] { stage.Sleep, stage.NotSleep })
        {
            await Stage.UntilAsync(
                async () =>
                {
                    var mark = stage.NodeA.Process.Mark();
                    var answer = await client.SendAsync(HttpMethod.Get, Stage.ProductPageUrl, cancellation);
                    return answer.IsProductPage && await stage.NodeA.WaitForAccessAsync(
                        mark, line => line["direction"] == "outbound" && line["dst.workload"] == stage.Pod("productpage-v1").Name, cancellation) is { HasIdentities: true };
                },
                Stage.Patience,
                cancellation);
        }

        await Stage.UntilAsync(
            async () =>
            {
                await stage.Sleep.SendAsync(HttpMethod.Get, stage.GatewayUrl, cancellation);
                return stage.NodeB.AccessLogSince(enrolling).Any(line => line["src.identity"] == GatewayIdentity);
            },
            Stage.Patience,
            cancellation);
    }

    private static async Task ShowAsync(Stage stage, Host host, long mark, string direction, string source, CancellationToken cancellation)
    {
        var line = await host.WaitForAccessAsync(
            mark,
            line => line["direction"] == direction && line["src.identity"] == source && line["dst.identity"] == ProductPageIdentity && line["error"] is null,
            cancellation);
        if (line is not null)
        {
            stage.Tell.Seen($"{host.Name} log: {line.Brief}");
        }

        stage.Tell.Check(line is not null, $"{host.Name} logs {direction} {source[(source.LastIndexOf('/') + 1)..]} -> productpage with both identities");
    }

    private static async Task<Counts> CountAsync(Stage stage, CancellationToken cancellation)
    {
        var fromA = await stage.NodeA.ScrapeAsync(cancellation);
        var fromB = await stage.NodeB.ScrapeAsync(cancellation);
        return new Counts(
            Count(fromA, "source", SleepIdentity),
            Count(fromA, "source", NotSleepIdentity),
            Count(fromB, "destination", SleepIdentity),
            Count(fromB, "destination", NotSleepIdentity),
            Count(fromB, "destination", GatewayIdentity));
    }

    private static string Sample(string reporter, string principal) =>
        $"istio_tcp_connections_opened_total{{reporter=\"{reporter}\",source_principal=\"{principal}\",destination_principal=\"{ProductPageIdentity}\",connection_security_policy=\"mutual_tls\"}}";

    private static double Count(MetricsText metrics, string reporter, string principal) => metrics.Sum(
        "istio_tcp_connections_opened_total",
        ("reporter", reporter),
        ("source_principal", principal),
        ("destination_principal", ProductPageIdentity),
        ("connection_security_policy", "mutual_tls"));

    private sealed record Counts(double SleepAtSource, double NotSleepAtSource, double SleepAtDestination, double NotSleepAtDestination, double Gateway)
    {
        public double Source => SleepAtSource + NotSleepAtSource;

        public double Destination => SleepAtDestination + NotSleepAtDestination;
    }
}
