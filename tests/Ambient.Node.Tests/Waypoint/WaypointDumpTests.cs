using System.Text.Json;
using Ambient.Hbone;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Tests.Diagnostics;
using Ambient.Node.Tests.Requests;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Waypoint;

public sealed class WaypointDumpTests
{
    [Fact]
    public async Task Tls_IsNamedWithTheAdviceThatThereIs()
    {
        await using var mesh = new TestMesh();
        var node = await mesh.StartWaypointAsync();

        using var dump = JsonDocument.Parse(new WaypointDump(node, mesh.Store, mesh.Svids).Write());

        var tls = dump.RootElement.GetProperty("tls");
        Assert.Equal(HboneTls.Description, tls.GetProperty("engine").GetString());
        Assert.Equal(HboneTls.Advice, tls.TryGetProperty("advice", out var advice) ? advice.GetString() : null);
    }

    [Fact]
    public async Task WhatIsKnownAndNotSupported_IsListed_AtAWaypointAndAtAZtunnel()
    {
        await using var mesh = new TestMesh();
        var node = await mesh.StartWaypointAsync();
        var told = new MeshStore();
        told.Publish(new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(new RequestConfiguration
        {
            Unsupported = [new UnsupportedConfiguration("UDPRoute", "", 2, "app/dns", "a.yaml:1:1"), new UnsupportedConfiguration("HTTPRoute", "spec.useDefaultGateways", 1, "app/r", "r.yaml:7:1")],
        }).Build());
        const string Expected =
            """[{"kind":"UDPRoute","count":2,"first":"app/dns","place":"a.yaml:1:1"},{"kind":"HTTPRoute","field":"spec.useDefaultGateways","count":1,"first":"app/r","place":"r.yaml:7:1"}]""";

        using var waypoint = JsonDocument.Parse(new WaypointDump(node, told, mesh.Svids).Write());
        Assert.Equal(Expected, JsonSerializer.Serialize(waypoint.RootElement.GetProperty("notSupported")));

        var kit = new DiagnosticsKit();
        var registry = new MetricRegistry();
        var table = new ConnectionTable(new ConnectionLog(kit.Loggers), new TcpMetrics(registry, NullLoggerFactory.Instance), registry, kit.Time);
        using var text = new MemoryStream();
        await new ConfigDump(new ZtunnelOptions(), told, null, table, static () => null).WriteAsync(text, CancellationToken.None);
        using var ztunnel = JsonDocument.Parse(text.ToArray());
        Assert.Equal(Expected, JsonSerializer.Serialize(ztunnel.RootElement.GetProperty("notSupported")));
    }
}
