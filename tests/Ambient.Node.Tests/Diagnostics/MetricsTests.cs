using System.Text;
using Ambient.Identity;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Routing.Connections;
using Ambient.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Diagnostics;

public sealed class MetricsTests
{
    private readonly MetricRegistry _registry = new();

    [Fact]
    public void Families_WithoutSamples_AreLeftOut()
    {
        _registry.Add(new CounterFamily("unused", "Not used."));
        _registry.Add(new CounterFamily("used", "Used.")).Series(MetricLabels.Of(("a", "x\"y\\z\n"))).Add(3);

        Assert.Equal("# HELP used Used.\n# TYPE used counter\nused_total{a=\"x\\\"y\\\\z\\n\"} 3\n# EOF\n", Scrape());
    }

    [Fact]
    public void Histogram_HasCumulativeBuckets()
    {
        var histogram = _registry.Add(new HistogramFamily("h", "Seconds.", [0.5, 1])).Series(MetricLabels.Of(("a", "b")));

        histogram.Observe(0.5);
        histogram.Observe(0.75);
        histogram.Observe(7);

        Assert.Equal(
            "# HELP h Seconds.\n# TYPE h histogram\nh_bucket{a=\"b\",le=\"0.5\"} 1\nh_bucket{a=\"b\",le=\"1\"} 2\nh_bucket{a=\"b\",le=\"+Inf\"} 3\nh_sum{a=\"b\"} 8.25\nh_count{a=\"b\"} 3\n# EOF\n",
            Scrape());
    }

    [Fact]
    public void Tcp_LabelsAreIstiosInTheirOrder()
    {
        var metrics = new TcpMetrics(_registry, NullLoggerFactory.Instance);

        metrics.SeriesOf(DiagnosticsKit.Outbound).Opened!.Increment();

        Assert.Contains(
            "istio_tcp_connections_opened_total{reporter=\"source\",source_workload=\"sleep\",source_canonical_service=\"sleep\",source_canonical_revision=\"latest\","
            + "source_workload_namespace=\"default\",source_principal=\"spiffe://cluster.local/ns/default/sa/sleep\",source_app=\"sleep\",source_version=\"latest\",source_cluster=\"Kubernetes\","
            + "destination_service=\"productpage.default.svc.cluster.local\",destination_service_namespace=\"default\",destination_service_name=\"productpage\","
            + "destination_workload=\"productpage-v1\",destination_canonical_service=\"productpage\",destination_canonical_revision=\"v1\",destination_workload_namespace=\"default\","
            + "destination_principal=\"spiffe://cluster.local/ns/default/sa/bookinfo-productpage\",destination_app=\"productpage\",destination_version=\"v1\",destination_cluster=\"Kubernetes\","
            + "request_protocol=\"tcp\",response_flags=\"-\",connection_security_policy=\"mutual_tls\",source_region=\"unknown\",source_zone=\"unknown\",destination_region=\"r1\",destination_zone=\"z1\"} 1\n",
            Scrape(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Tcp_PartiesNobodyKnows_HaveNoLocalities()
    {
        var metrics = new TcpMetrics(_registry, NullLoggerFactory.Instance);

        metrics.SeriesOf(DiagnosticsKit.Outbound with { SourceWorkload = null, DestinationWorkload = null, Service = null, SourceIdentity = null }).Closed(ResponseFlag.Connect);

        var text = Scrape();
        Assert.Contains("response_flags=\"CONNECT\",connection_security_policy=\"unknown\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("istio_tcp_connections_failed_total{", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Tcp_PeersBaggage_LabelsTheSourceWhereTheMeshDoesNotKnowIt()
    {
        var metrics = new TcpMetrics(_registry, NullLoggerFactory.Instance);

        metrics.SeriesOf(DiagnosticsKit.Outbound with
        {
            SourceWorkload = null,
            SourceBaggage = new PeerBaggage { WorkloadName = "w", CanonicalName = "s", CanonicalRevision = "v", Namespace = "n", ClusterId = "c" },
        }).Opened!.Increment();

        Assert.Contains(
            "source_workload=\"w\",source_canonical_service=\"s\",source_canonical_revision=\"v\",source_workload_namespace=\"n\",source_principal=\"spiffe://cluster.local/ns/default/sa/sleep\",source_app=\"w\",source_version=\"v\",source_cluster=\"c\"",
            Scrape(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Tcp_SeriesThatPeersInvent_AreBounded()
    {
        var metrics = new TcpMetrics(_registry, NullLoggerFactory.Instance);

        for (var i = 0; i < TcpMetrics.MaxSeries + 50; i++)
        {
            metrics.SeriesOf(DiagnosticsKit.Outbound with { SourceWorkload = null, SourceBaggage = new PeerBaggage { WorkloadName = $"w{i}" } }).Opened!.Increment();
        }

        var opened = Scrape().Split('\n').Where(line => line.StartsWith("istio_tcp_connections_opened_total", StringComparison.Ordinal)).ToList();
        Assert.Equal(TcpMetrics.MaxSeries + 1, opened.Count);
        Assert.Contains(opened, line => line.Contains("source_workload=\"unknown\"", StringComparison.Ordinal) && line.EndsWith(" 50", StringComparison.Ordinal));
    }

    [Fact]
    public void Tcp_SeriesOfTheSameParties_IsTheSameAndCountingAllocatesNothing()
    {
        var metrics = new TcpMetrics(_registry, NullLoggerFactory.Instance);
        var series = metrics.SeriesOf(DiagnosticsKit.Outbound);
        series.Closed(ResponseFlag.None);
        Assert.Same(series, metrics.SeriesOf(DiagnosticsKit.Outbound with { Source = System.Net.IPEndPoint.Parse("10.77.0.2:1") }));

        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                var again = metrics.SeriesOf(DiagnosticsKit.Outbound);
                again.Opened!.Increment();
                again.Received!.Add(1);
                again.Closed(ResponseFlag.None);
            }
        }));
    }

    [Fact]
    public void Registry_ThatIsFull_FoldsNewSeriesAndCountsThem()
    {
        var registry = new MetricRegistry(maxSeries: 3);
        var family = registry.Add(new CounterFamily("c", "C."));
        foreach (var value in new[] { "1", "2", "3", "4", "5", "1" })
        {
            family.Series(MetricLabels.Of(("a", value))).Increment();
        }

        var lines = registry.Text().Split('\n').Where(line => !line.StartsWith('#') && line.Length > 0).Order(StringComparer.Ordinal);
        Assert.Equal(["ambient_metrics_folded_total 2", "c_total{a=\"1\"} 2", "c_total{a=\"2\"} 1", "c_total{a=\"3\"} 1", "c_total{overflow=\"true\"} 2"], lines);
    }

    [Fact]
    public void Registry_IsBoundedInBytesToo()
    {
        var registry = new MetricRegistry(maxBytes: 100_000);
        var family = registry.Add(new HistogramFamily("h", "H.", [1]));
        for (var i = 0; i < 1000; i++)
        {
            family.Series(MetricLabels.Of(("a", $"{i}{new string('x', 2000)}"))).Observe(1);
        }

        Assert.InRange(registry.Budget.Series, 10, 25);
        Assert.InRange(registry.Budget.Bytes, 50_000, 100_000);
        Assert.Equal(1000 - registry.Budget.Series, registry.Budget.Folded);
        Assert.Contains($"h_count{{overflow=\"true\"}} {1000 - registry.Budget.Series}\n", registry.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public void Tcp_FullRegistry_KeepsCountingUnderUnknown()
    {
        var registry = new MetricRegistry(maxSeries: 4);
        var metrics = new TcpMetrics(registry, NullLoggerFactory.Instance);
        metrics.SeriesOf(DiagnosticsKit.Outbound).Opened!.Increment();

        metrics.SeriesOf(DiagnosticsKit.Outbound with { Service = null }).Opened!.Increment();

        var opened = registry.Text().Split('\n').Where(line => line.StartsWith("istio_tcp_connections_opened_total", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, opened.Count);
        Assert.Contains(opened, line => line.Contains("source_workload=\"unknown\"", StringComparison.Ordinal) && line.EndsWith(" 1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Scrape_IsSentInPieces()
    {
        var family = _registry.Add(new CounterFamily("many", "Many."));
        for (var i = 0; i < 10_000; i++)
        {
            family.Series(MetricLabels.Of(("label", $"{i} of a length that is about what a label has"))).Increment();
        }

        using var pieces = new PieceStream();
        await _registry.WriteAsync(pieces, CancellationToken.None);

        Assert.Equal(Scrape(), Encoding.UTF8.GetString(pieces.ToArray()));
        Assert.InRange(pieces.Longest, 1, 32 * 1024);
    }

    private sealed class PieceStream : MemoryStream
    {
        public int Longest { get; private set; }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Longest = Math.Max(Longest, buffer.Length);
            return base.WriteAsync(buffer, cancellationToken);
        }
    }

    private string Scrape()
    {
        var text = new Utf8TextBuilder();
        _registry.Write(text);
        return Encoding.UTF8.GetString(text.Written);
    }
}
