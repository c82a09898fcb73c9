using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Ambient.Mesh;
using Ambient.Node.Tests.Gateway;
using Ambient.Node.Tests.Requests;
using Microsoft.AspNetCore.Builder;

namespace Ambient.Node.Tests.Telemetry;

/// <summary>Lines about opaque connections, at waypoint and gateway, in the forms that MeshConfig and Telemetry ask for; and spans that go through the mesh.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed partial class StreamTelemetryTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task Waypoint_LogsConnections_AsEnvoysTcpProxy()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.SetPolicy("viewer", "a", ["cluster.local/ns/app/sa/sleep"], []);
        _mesh.Configure(requests => requests with { Telemetry = new MeshTelemetry { AccessLog = new AccessLogFormat(false, null) } });
        await _mesh.StartWaypointAsync();
        using (var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, 81))
        {
            client.DefaultRequestHeaders.ConnectionClose = true;
            await client.GetStringAsync(new Uri("http://a:81/"));
        }

        using (var denied = _mesh.ThroughWaypoint(TestMesh.Id("other"), service, 81))
        {
            await Assert.ThrowsAnyAsync<HttpRequestException>(() => denied.GetStringAsync(new Uri("http://a:81/")));
        }

        await _mesh.LoggedAsync("rbac_access_denied");
        var (vip, at) = (service.Vips[0].Address, pod.Workload.Addresses[0]);
        var lines = Lines();
        Assert.Matches(
            $"^\\[TIME\\] \"- - -\" 0 - - - \"-\" [1-9][0-9]* [1-9][0-9]* [0-9]+ - \"-\" \"-\" \"-\" \"-\" \"envoy://connect_originate/{Regex.Escape($"{at}:8080")}\" "
            + $"inbound-vip\\|81\\|tcp\\|a\\.app\\.svc\\.cluster\\.local envoy://internal_client_address/ {Regex.Escape($"{vip}:81")} 127\\.0\\.0\\.1:[0-9]+ - -$",
            lines[0]);
        Assert.StartsWith("[TIME] \"- - -\" 0 - - rbac_access_denied_matched_policy[none] \"-\" 0 0 ", lines[1], StringComparison.Ordinal);
        Assert.DoesNotContain("connection complete", _mesh.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waypoint_SaysWhyNoEndpointIsReached_InJson()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a", TunnelProtocol.Tcp);
        _mesh.Configure(requests => requests with { Telemetry = new MeshTelemetry { AccessLog = new AccessLogFormat(true, null) } });
        await _mesh.StartWaypointAsync();
        await pod.DisposeAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, 81);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetStringAsync(new Uri("http://a:81/")));
        await _mesh.LoggedAsync("UF,URX");
        using var line = JsonDocument.Parse(_mesh.Log.Split('\n').Single(text => text.StartsWith('{')));
        var root = line.RootElement;
        Assert.Equal((0, "UF,URX", "inbound-vip|81|tcp|a.app.svc.cluster.local"), (root.GetProperty("response_code").GetInt32(), root.GetProperty("response_flags").GetString(), root.GetProperty("upstream_cluster").GetString()));
        Assert.Contains("refused", root.GetProperty("upstream_transport_failure_reason").GetString(), StringComparison.OrdinalIgnoreCase);
        Assert.Equal((JsonValueKind.Null, JsonValueKind.Null), (root.GetProperty("method").ValueKind, root.GetProperty("protocol").ValueKind));
    }

    [Fact]
    public async Task Waypoint_WithoutAnEndpoint_SaysSo()
    {
        var service = _mesh.AddService("a");
        _mesh.Configure(requests => requests with { Telemetry = new MeshTelemetry { AccessLog = new AccessLogFormat(true, null) } });
        await _mesh.StartWaypointAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, 81);

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetStringAsync(new Uri("http://a:81/")));

        await _mesh.LoggedAsync("\"response_flags\":\"UH\"");
    }

    [Theory]
    [InlineData("response.code == 0", false, 1)]
    [InlineData("response.code >= 400", false, 0)]
    [InlineData(null, true, 0)]
    public async Task Telemetry_FiltersConnectionsAndTurnsThemOff(string? filter, bool off, int lines)
    {
        foreach (var name in new[] { "a", "b" })
        {
            _mesh.AddService(name);
            await _mesh.AddPodAsync($"{name}-0", name, name);
        }

        _mesh.Configure(requests => requests with
        {
            Telemetries = requests.Telemetries.SetItem("app/t", new RequestTelemetry
            {
                Name = "t",
                Namespace = "app",
                Targets = [new ObjectReference("", "Service", "app", "a")],
                AccessLogs = [new AccessLogRule { Filter = filter, IsDisabled = off }],
            }),
        });
        await _mesh.StartWaypointAsync();
        foreach (var name in new[] { "a", "b" })
        {
            using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), _mesh.Store.Current.Services[$"app/{name}.app.svc.cluster.local"], 81);
            client.DefaultRequestHeaders.ConnectionClose = true;
            await client.GetStringAsync(new Uri($"http://{name}:81/"));

            // The line of the other one, which is always written, comes after whatever is written of the first.
            await _mesh.Node!.Connections.WhenEmptyAsync().WaitAsync(TimeSpan.FromSeconds(60));
        }

        await _mesh.LoggedAsync("dst.service=\"b.app.svc.cluster.local\"");
        Assert.Equal(lines, _mesh.Log.Split('\n').Count(line => line.Contains("connection complete", StringComparison.Ordinal) && line.Contains("dst.service=\"a.app.svc.cluster.local\"", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Gateway_LogsConnections_AsEnvoysTcpProxy()
    {
        await using var gateway = new ManifestGateway();
        gateway.AddEcho("echo");
        await gateway.StartAsync($$"""
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: gw, namespace: app}
            spec:
              gatewayClassName: istio
              {{gateway.Infrastructure}}
              listeners: [{name: tcp, port: 9001, protocol: TCP}, {name: none, port: 9002, protocol: TCP}, {name: empty, port: 9003, protocol: TCP}]
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: TCPRoute
            metadata: {name: tcp, namespace: app}
            spec: {parentRefs: [{name: gw, port: 9001}], rules: [{backendRefs: [{name: echo, port: 81}]}]}
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: TCPRoute
            metadata: {name: empty, namespace: app}
            spec: {parentRefs: [{name: gw, port: 9003}], rules: [{backendRefs: [{name: empty, port: 81}]}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: empty, namespace: app}
            spec: {ports: [{port: 81, name: tcp}], selector: {app: nobody} }
            ---
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: istio, namespace: istio-system}
            data:
              mesh: |
                accessLogFile: /dev/stdout
                accessLogFormat: "[%START_TIME%] %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% %DOWNSTREAM_LOCAL_ADDRESS% %PROTOCOL%"

            """);
        Assert.Equal("echo\nabc", await gateway.TalkInClearAsync(9001, "abc"));
        Assert.Equal("", await gateway.TalkInClearAsync(9002, "abc"));
        await gateway.Mesh.LoggedAsync(" NR 0 0 - ");
        Assert.Equal("", await gateway.TalkInClearAsync(9003, "abc"));
        await gateway.Mesh.LoggedAsync(" UH 0 0 outbound|81||empty.app.svc.cluster.local ");
        Assert.Contains($"] - 3 8 outbound|81||echo.app.svc.cluster.local {gateway.Address}:9001 -\n", gateway.Mesh.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_OfConnections_AreLeftOutAndRelabelled()
    {
        foreach (var name in new[] { "a", "b" })
        {
            _mesh.AddService(name);
            await _mesh.AddPodAsync($"{name}-0", name, name);
        }

        _mesh.Configure(requests => requests with
        {
            Telemetries = requests.Telemetries.SetItem("app/t", new RequestTelemetry
            {
                Name = "t",
                Namespace = "app",
                Targets = [new ObjectReference("", "Service", "app", "a")],
                Metrics =
                [
                    new MetricRule { Metric = RequestMetric.TcpSentBytes, IsDisabled = true },
                    new MetricRule { Metric = RequestMetric.TcpClosedConnections, Tags = [new("source_app", null), new("destination_app", "other"), new("team", "blue")] },
                ],
            }),
        });
        await _mesh.StartWaypointAsync();
        foreach (var name in new[] { "a", "b" })
        {
            using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), _mesh.Store.Current.Services[$"app/{name}.app.svc.cluster.local"], 81);
            client.DefaultRequestHeaders.ConnectionClose = true;
            await client.GetStringAsync(new Uri($"http://{name}:81/"));
            await _mesh.Node!.Connections.WhenEmptyAsync().WaitAsync(TimeSpan.FromSeconds(60));
        }

        await _mesh.LoggedAsync("dst.service=\"b.app.svc.cluster.local\"");
        var scrape = _mesh.Scrape.Split('\n');
        var closed = Assert.Single(scrape, line => line.StartsWith("istio_tcp_connections_closed_total{", StringComparison.Ordinal) && line.Contains("destination_service=\"a.app", StringComparison.Ordinal));
        Assert.EndsWith("} 1", closed, StringComparison.Ordinal);
        Assert.Contains("reporter=\"waypoint\"", closed, StringComparison.Ordinal);
        Assert.Contains("destination_app=\"other\"", closed, StringComparison.Ordinal);
        Assert.Contains("team=\"blue\"", closed, StringComparison.Ordinal);
        Assert.DoesNotContain("source_app", closed, StringComparison.Ordinal);
        Assert.DoesNotContain(scrape, line => line.StartsWith("istio_tcp_sent_bytes_total{", StringComparison.Ordinal) && line.Contains("destination_service=\"a.app", StringComparison.Ordinal));
        Assert.Single(scrape, line => line.StartsWith("istio_tcp_received_bytes_total{", StringComparison.Ordinal) && line.Contains("destination_service=\"a.app", StringComparison.Ordinal));

        // Another service's have all their labels.
        var other = Assert.Single(scrape, line => line.StartsWith("istio_tcp_sent_bytes_total{", StringComparison.Ordinal) && line.Contains("destination_service=\"b.app", StringComparison.Ordinal));
        foreach (var label in new[] { "source_app", "source_principal=\"spiffe://cluster.local/ns/app/sa/sleep\"", "destination_workload=\"b\"", "destination_principal=\"spiffe://cluster.local/ns/app/sa/b\"", "connection_security_policy=\"mutual_tls\"", "request_protocol=\"tcp\"", "response_flags=\"-\"" })
        {
            Assert.Contains(label, other, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Spans_GoThroughTheMesh_ToACollectorThatIsPartOfIt()
    {
        var got = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.AddService("collector", waypoint: null);
        var collector = await _mesh.AddPodAsync("collector-0", "collector", "collector", map: app => app.MapPost("/v1/traces", () => got.TrySetResult()));
        _mesh.Configure(requests => requests with
        {
            Telemetry = new MeshTelemetry
            {
                Providers = [new TelemetryProvider { Name = "otel", Collector = new Uri("http://collector.app.svc.cluster.local:80/v1/traces"), IsGrpc = false }],
                TracingProviders = ["otel"],
                Sampling = 100,
            },
        });
        await _mesh.StartWaypointAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        await client.GetStringAsync(new Uri("/", UriKind.Relative));
        await got.Task.WaitAsync(TimeSpan.FromSeconds(60));
        var tunnel = Assert.Single(collector.Tunnels);
        Assert.Equal((TestMesh.Id("waypoint"), $"{collector.Workload.Addresses[0]}:8080"), (tunnel.Identity, tunnel.Authority));
    }

    private string[] Lines() => [.. _mesh.Log.Split('\n').Where(line => line.StartsWith('[')).Select(line => Time().Replace(line, "[TIME]"))];

    [GeneratedRegex(@"^\[[0-9T:.Z-]+\]")]
    private static partial Regex Time();
}
