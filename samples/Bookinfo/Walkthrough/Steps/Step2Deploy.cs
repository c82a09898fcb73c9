using System.Net;
using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Samples.Bookinfo.Walkthrough.Evidence;

namespace Ambient.Samples.Bookinfo.Walkthrough.Steps;

/// <summary>Bookinfo and its clients, outside the mesh: everything works, and everyone can read along.</summary>
internal sealed class Step2Deploy : IStep
{
    public string Title => "Deploy Bookinfo, sleep and notsleep, outside the mesh";

    public async Task RunAsync(Stage stage, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        stage.Apply("bookinfo.yaml", "productpage, details, ratings, reviews v1 v2 v3");
        stage.Apply("bookinfo-versions.yaml", "a Service for each version");
        stage.Apply("sleep.yaml", "a client");
        stage.Apply("notsleep.yaml", "another client");
        stage.Apply("bookinfo-gateway.yaml", "Gateway and HTTPRoute");
        await stage.SettleAsync(
            mesh => mesh.Workloads.Values.Count(pod => pod.WorkloadName is "sleep" or "notsleep" || pod.Name.EndsWith("-v1-0", StringComparison.Ordinal)) >= 6,
            cancellation);
        await stage.Kubelet.WaitForAppsAsync(TimeSpan.FromSeconds(60), cancellation);
        tell.Note($"six services run, a process each, on addresses of their own in {stage.Network.PodRange}");

        var productpage = new IPEndPoint(stage.AddressOf("productpage-v1"), 9080);
        await using var peek = stage.Network.Peek(productpage);
        long markA = stage.NodeA.Process.Mark(), markB = stage.NodeB.Process.Mark();

        var warm = await stage.TryUntilAsync(stage.Sleep, HttpMethod.Get, Stage.ProductPageUrl, answer => answer.IsProductPage, cancellation, 30);
        tell.Check(warm.IsProductPage, "sleep reaches productpage");
        var throughGateway = await stage.TryUntilAsync(stage.Sleep, HttpMethod.Get, stage.GatewayUrl, answer => answer.IsProductPage, cancellation);
        tell.Check(throughGateway.IsProductPage, "sleep reaches productpage through the gateway");
        var other = await stage.TryAsync(stage.NotSleep, HttpMethod.Get, Stage.ProductPageUrl, cancellation);
        tell.Check(other.IsProductPage, "notsleep reaches productpage");

        await ShowPlaintextAsync(stage, markA, markB, productpage, peek, cancellation);
    }

    private static async Task ShowPlaintextAsync(
        Stage stage, long markA, long markB, IPEndPoint productpage, PacketPeek? peek, CancellationToken cancellation)
    {
        var tell = stage.Tell;
        if (stage.Network.ZtunnelCarriesOutsiders)
        {
            var line = await stage.NodeA.WaitForAccessAsync(
                markA, line => line["direction"] == "outbound" && line["src.workload"] == stage.Pod("sleep").Name && line["dst.workload"] == stage.Pod("productpage-v1").Name, cancellation);
            if (line is not null)
            {
                tell.Seen($"{stage.NodeA.Name} log: {line.Brief}");
            }

            tell.Check(line is { HasIdentities: false } && line["src.identity"] is null, "the access log has the connection, and no identity in it");
        }

        var authenticated = stage.NodeA.AccessLogSince(markA).Concat(stage.NodeB.AccessLogSince(markB))
            .Count(entry => entry["src.identity"] is not null);
        tell.Check(authenticated == 0, "no line in either ztunnel's access log has an identity");

        double plain = 0, mutual = 0;
        foreach (var host in new[] { stage.NodeA, stage.NodeB })
        {
            var metrics = await host.ScrapeAsync(cancellation);
            plain += metrics.Sum("istio_tcp_connections_opened_total", ("connection_security_policy", "unknown"));
            mutual += metrics.Sum("istio_tcp_connections_opened_total", ("connection_security_policy", "mutual_tls"));
        }

        tell.Seen($"istio_tcp_connections_opened_total, both ztunnels: {plain} with connection_security_policy=\"unknown\", {mutual} with \"mutual_tls\"");
        tell.Check(
            (plain > 0) == stage.Network.ZtunnelCarriesOutsiders && mutual == 0,
            stage.Network.ZtunnelCarriesOutsiders ? "the metrics count plaintext connections only" : "none of it went through a ztunnel");
        tell.Check(!await stage.Kubelet.AcceptsAsync(new IPEndPoint(productpage.Address, 15008), cancellation), "nobody serves HBONE on productpage's address");

        if (peek is null)
        {
            tell.Note("(as root, the walkthrough would also read the packets)");
            return;
        }

        var request = PacketPeek.FindRequestLine(peek.SentTo(productpage));
        tell.Seen($"on the wire to {productpage}: {request ?? "nothing readable"}");
        tell.Check(request is not null, "the request can be read from the packets");
    }
}
