using System.Net;
using System.Text;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Diagnostics;

/// <summary>A log in memory with a clock that stands still.</summary>
#pragma warning disable CA1001 // Memory only.
internal sealed class DiagnosticsKit
#pragma warning restore CA1001
{
    private readonly MemoryStream _output = new();

    public DiagnosticsKit(LogFormat format = LogFormat.Plain, string filter = "info")
    {
        Writer = new LogWriter(_output);
        Assert.True(LogFilter.TryParse(filter, out var parsed, out _));
        Loggers = new HostLoggerFactory(Writer, format, parsed, Time);
    }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 11, 23, 9, 1, 3, TimeSpan.Zero).AddTicks(6189880));

    public LogWriter Writer { get; }

    public HostLoggerFactory Loggers { get; }

    public static Workload Sleep { get; } = new()
    {
        Uid = "Kubernetes//Pod/default/sleep", Name = "sleep", Namespace = "default", ServiceAccount = "sleep",
        WorkloadName = "sleep", CanonicalName = "sleep", CanonicalRevision = "latest", Addresses = [IPAddress.Parse("10.77.0.2")],
    };

    public static Workload ProductPage { get; } = new()
    {
        Uid = "Kubernetes//Pod/default/productpage-v1", Name = "productpage-v1", Namespace = "default", ServiceAccount = "bookinfo-productpage",
        WorkloadName = "productpage-v1", CanonicalName = "productpage", CanonicalRevision = "v1", Addresses = [IPAddress.Parse("10.77.0.3")],
        Locality = new Locality("r1", "z1", "s1"),
    };

    public static MeshService Service { get; } = new() { Name = "productpage", Namespace = "default", Hostname = "productpage.default.svc.cluster.local" };

    public static ConnectionParties Outbound { get; } = new()
    {
        Direction = TrafficDirection.Outbound,
        Source = IPEndPoint.Parse("10.77.0.2:44892"),
        SourceWorkload = Sleep,
        SourceIdentity = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep"),
        Destination = IPEndPoint.Parse("10.77.0.3:15008"),
        HboneAddress = "10.77.0.3:8080",
        DestinationWorkload = ProductPage,
        DestinationIdentity = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/bookinfo-productpage"),
        Service = Service,
    };

    public string Text()
    {
        Writer.Flush();
        return Encoding.UTF8.GetString(_output.ToArray());
    }
}
