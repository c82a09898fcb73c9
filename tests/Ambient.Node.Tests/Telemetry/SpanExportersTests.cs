using System.Diagnostics;
using Ambient.Mesh;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Telemetry.Tracing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Telemetry;

public sealed class SpanExportersTests
{
    private static readonly TelemetryProvider s_provider = new() { Name = "collector", Collector = new Uri("http://collector.app.svc.cluster.local:4317") };

    // Two waypoints in one process: the second one's endpoints are not told of traces because the first one has a collector.
    [Fact]
    public async Task ExporterOfAHost_HearsTheSpansOfThatHostAlone()
    {
        await using var first = Create();
        await using var second = Create();

        _ = first.Of(s_provider);

        Assert.True(first.AreHeard);
        Assert.False(second.AreHeard);
        Assert.Null(second.Source.StartActivity("request", ActivityKind.Server));
        using var span = first.Source.StartActivity("request", ActivityKind.Server);
        Assert.NotNull(span);
    }

    private static SpanExporters Create() =>
        new(new MetricRegistry(), static (_, _, _) => new ValueTask<Stream?>((Stream?)null), NullLogger.Instance, TimeProvider.System);
}
