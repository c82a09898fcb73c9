using System.Collections.Immutable;
using System.Net;
using System.Text.RegularExpressions;
using Ambient.Mesh;
using Ambient.Node.Protos.Trace;
using Ambient.Node.Tests.Requests;
using Ambient.Node.Tests.Requests.Conversations;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Ambient.Node.Tests.Telemetry;

/// <summary>What a waypoint and a gateway say of requests, over real sockets: log lines, metrics, and spans at a real collector.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed partial class WaypointTelemetryTests : IAsyncLifetime
{
    private const string Trace = "0af7651916cd43dd8448eb211c80319c";
    private const string Caller = "b7ad6b7169203331";

    private readonly TestMesh _mesh = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task AccessLog_WhereTheMeshConfigNamesAFile_IsEnvoysLine()
    {
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.SetPolicy("viewer", "a", ["cluster.local/ns/app/sa/sleep"], ["GET"]);
        _mesh.Configure(requests => requests with { Telemetry = new MeshTelemetry { AccessLog = new AccessLogFormat(false, null) } });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        client.DefaultRequestHeaders.Add("x-request-id", "5c2e9b1a-0d3f-4a8e-9c55-2b1f0e7d6a34");
        client.DefaultRequestHeaders.TryAddWithoutValidation("user-agent", "agent \"quoted\"");
        await client.GetStringAsync(new Uri("/x?q=1", UriKind.Relative));
        using var denied = await client.DeleteAsync(new Uri("/x", UriKind.Relative));
        await _mesh.LoggedAsync("DELETE /x");

        var lines = _mesh.Log.Split('\n').Where(line => line.StartsWith('[')).Select(line => Varying().Replace(line, match => match.Groups["port"].Success ? ":PORT " : match.Groups["time"].Success ? "[TIME]" : "")).ToArray();
        var vip = service.Vips[0].Address;
        Assert.Equal(
            $"[TIME] \"GET /x?q=1 HTTP/1.1\" 200 - via_upstream - \"-\" 0 14 \"-\" \"agent \\\"quoted\\\"\" \"5c2e9b1a-0d3f-4a8e-9c55-2b1f0e7d6a34\" \"a\" \"envoy://connect_originate/{pod.Workload.Addresses[0]}:8080\" "
            + $"inbound-vip|80|http|a.app.svc.cluster.local envoy://internal_client_address/ {vip}:80 127.0.0.1:PORT - default",
            lines[0]);
        Assert.StartsWith("[TIME] \"DELETE /x HTTP/1.1\" 403 - rbac_access_denied_matched_policy[none] - \"-\" 0 19", lines[1], StringComparison.Ordinal);
        Assert.DoesNotContain("request complete", _mesh.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AccessLog_OfATelemetry_IsFiltered()
    {
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        Set(new RequestTelemetry { Name = "t", Namespace = "app", AccessLogs = [new AccessLogRule { Filter = "request.url_path.startsWith('/spoken')" }] });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        await client.GetStringAsync(new Uri("/silent", UriKind.Relative));
        await client.GetStringAsync(new Uri("/spoken", UriKind.Relative));
        await _mesh.LoggedAsync("path=\"/spoken\"");
        Assert.DoesNotContain("/silent", _mesh.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_OfATelemetry_AreLeftOutAndRelabelled()
    {
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        Set(new RequestTelemetry
        {
            Name = "t",
            Namespace = "app",
            Metrics =
            [
                new MetricRule { Metric = RequestMetric.RequestSize, IsDisabled = true },
                new MetricRule { Metric = RequestMetric.RequestCount, Tags = [new("source_app", null), new("response_flags", "none"), new("team", "blue")] },
            ],
        });
        await _mesh.StartWaypointAsync();
        await _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service).GetStringAsync(new Uri("/", UriKind.Relative));
        await _mesh.LoggedAsync("request complete");
        var count = Assert.Single(_mesh.Scrape.Split('\n'), line => line.StartsWith("istio_requests_total{", StringComparison.Ordinal));
        Assert.Contains(",team=\"blue\"} 1", count, StringComparison.Ordinal);
        Assert.Contains("response_flags=\"none\"", count, StringComparison.Ordinal);
        Assert.DoesNotContain("source_app=", count, StringComparison.Ordinal);
        Assert.DoesNotContain("istio_request_bytes", _mesh.Scrape, StringComparison.Ordinal);
        Assert.Contains("istio_response_bytes_count{reporter=\"waypoint\",source_workload=\"unknown\"", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_OfTheReference_HaveTheirNamesLabelsAndBuckets()
    {
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        await _mesh.StartWaypointAsync();
        await _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service).GetStringAsync(new Uri("/", UriKind.Relative));
        await _mesh.LoggedAsync("request complete");
        var lines = _mesh.Scrape.Split('\n');
        var count = Assert.Single(lines, line => line.StartsWith("istio_requests_total{", StringComparison.Ordinal));
        Assert.Equal(
            "connection_security_policy destination_app destination_canonical_revision destination_canonical_service destination_cluster destination_principal destination_service "
            + "destination_service_name destination_service_namespace destination_version destination_workload destination_workload_namespace grpc_response_status reporter request_protocol response_code "
            + "response_flags source_app source_canonical_revision source_canonical_service source_cluster source_principal source_version source_workload source_workload_namespace",
            string.Join(' ', Label().Matches(count).Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal)));
        foreach (var name in new[] { "istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes" })
        {
            Assert.Equal(
                "0.5 1 5 10 25 50 100 250 500 1000 2500 5000 10000 30000 60000 300000 600000 1800000 3600000 +Inf",
                string.Join(' ', lines.Where(line => line.StartsWith($"{name}_bucket", StringComparison.Ordinal)).Select(line => Bound().Match(line).Groups[1].Value)));
        }

        Assert.DoesNotContain("istio_request_messages", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Entrance.Waypoint)]
    [InlineData(Entrance.Gateway)]
    public async Task Messages_OfGrpc_AreCountedBothWays(Entrance entrance)
    {
        var way = await Way.OpenAsync(_mesh, entrance, 90, app => app.MapGrpcService<Chat>(), services =>
        {
            services.AddGrpc();
            services.AddSingleton(new Chat());
        });
        var client = way.Client("sleep", HttpVersion.Version20);
        using var channel = GrpcChannel.ForAddress(client.BaseAddress!, new GrpcChannelOptions { HttpClient = client, DisposeHttpClient = true });
        using (var call = channel.CreateCallInvoker().AsyncClientStreamingCall(Chat.UploadMethod, null, default))
        {
            for (var i = 0; i < 7; i++)
            {
                await call.RequestStream.WriteAsync(new byte[i * 9000]);
            }

            await call.RequestStream.CompleteAsync();
            await call.ResponseAsync;
        }

        await _mesh.LoggedAsync("grpc_status=\"0\"");
        var scrape = _mesh.Scrape.Split('\n');
        Assert.EndsWith("} 7", Assert.Single(scrape, line => line.StartsWith("istio_request_messages_total{", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.EndsWith("} 1", Assert.Single(scrape, line => line.StartsWith("istio_response_messages_total{", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Spans_ReachTheCollector_AsServerAndClientOfOneTrace(bool grpc)
    {
        await using var collector = await CollectorServer.StartAsync();
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        Collect(grpc ? collector.Grpc : collector.Http, grpc, sampling: 0);
        Set(new RequestTelemetry
        {
            Name = "t",
            Namespace = "app",
            Tracing = [new TracingRule { Tags = [new SpanTag("fixed", SpanTagSource.Literal, "word"), new SpanTag("from", SpanTagSource.Header, "x-from", "nobody"), new SpanTag("none", SpanTagSource.Header, "x-none")] }],
        });
        await _mesh.StartWaypointAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/x?q=1");
        request.Headers.TryAddWithoutValidation("traceparent", $"00-{Trace}-{Caller}-01");
        request.Headers.TryAddWithoutValidation("tracestate", "vendor=1");
        request.Headers.TryAddWithoutValidation("x-from", "sleep");
        using var response = await _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service).SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);

        var spans = await collector.WaitAsync(spans => spans.Length == 2);
        Assert.All(spans, span => Assert.Equal("waypoint.app", span.Service));
        var server = Assert.Single(spans, span => span.Span.Kind == SpanKind.Server).Span;
        var client = Assert.Single(spans, span => span.Span.Kind == SpanKind.Client).Span;
        Assert.Equal((Trace, Caller, "vendor=1", "a.app.svc.cluster.local:80/*"), (Hex(server.TraceId), Hex(server.ParentSpanId), server.TraceState, server.Name));
        Assert.Equal((Trace, Hex(server.SpanId)), (Hex(client.TraceId), Hex(client.ParentSpanId)));
        Assert.True(server.EndTimeUnixNano >= server.StartTimeUnixNano && server.StartTimeUnixNano > 0);
        var seen = Assert.Single(pod.Requests).Headers;
        Assert.Equal(($"00-{Trace}-{Hex(client.SpanId)}-01", "vendor=1"), (seen["traceparent"], seen["tracestate"]));
        var tags = server.Attributes.ToDictionary(tag => tag.Key, tag => tag.Value.StringValue);
        Assert.Equal("GET", tags["http.method"]);
        Assert.Equal("http://a/x?q=1", tags["http.url"]);
        Assert.Equal("HTTP/1.1", tags["http.protocol"]);
        Assert.Equal("200", tags["http.status_code"]);
        Assert.Equal("-", tags["response_flags"]);
        Assert.Equal("proxy", tags["component"]);
        Assert.Equal("14", tags["response_size"]);
        Assert.Equal("inbound-vip|80|http|a.app.svc.cluster.local", tags["upstream_cluster"]);
        Assert.Equal(seen["x-request-id"], tags["guid:x-request-id"]);
        Assert.Equal('9', seen["x-request-id"][14]);
        Assert.Equal("waypoint", tags["istio.canonical_service"]);
        Assert.Equal("app", tags["istio.namespace"]);
        Assert.Equal("a", tags["istio.destination_workload"]);
        Assert.Equal("a-0", tags["istio.destination_instance_name"]);
        Assert.Equal(("word", "sleep"), (tags["fixed"], tags["from"]));
        Assert.DoesNotContain("none", tags.Keys);
        Assert.Equal($"{pod.Workload.Addresses[0]}:8080", client.Attributes.Single(tag => tag.Key == "peer.address").Value.StringValue);
        if (!grpc)
        {
            Assert.All(collector.Keys, key => Assert.Equal("application/x-protobuf secret", key));
        }
    }

    [Fact]
    public async Task Traces_AreContinuedInB3_AndWhatIsNotSampledHasNoSpan()
    {
        await using var collector = await CollectorServer.StartAsync();
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        Collect(collector.Grpc, grpc: true, sampling: 0);
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        async Task SendAsync(params (string Name, string Value)[] headers)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/");
            foreach (var (name, value) in headers)
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }

            using var response = await client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        await SendAsync();
        await SendAsync(("b3", $"{Trace}-{Caller}-0"));
        await SendAsync(("x-b3-traceid", Trace), ("x-b3-spanid", Caller), ("x-b3-sampled", "1"));
        var spans = await collector.WaitAsync(spans => spans.Length == 2);
        var sent = spans.Single(span => span.Span.Kind == SpanKind.Client).Span;
        var requests = pod.Requests.ToArray();
        Assert.Matches("^00-[0-9a-f]{32}-[0-9a-f]{16}-00$", requests[0].Headers["traceparent"]);
        Assert.Matches($"^{Trace}-[0-9a-f]{{16}}-0-{Caller}$", requests[1].Headers["b3"]);
        Assert.Matches($"^00-{Trace}-[0-9a-f]{{16}}-00$", requests[1].Headers["traceparent"]);
        Assert.Equal((Trace, Hex(sent.SpanId), "1"), (requests[2].Headers["x-b3-traceid"], requests[2].Headers["x-b3-spanid"], requests[2].Headers["x-b3-sampled"]));
        Assert.Equal('4', requests[1].Headers["x-request-id"][14]);
    }

    [Theory]
    [InlineData(100, null, 2)]
    [InlineData(0, "5c2e9b1a-0d3f-9a8e-9c55-2b1f0e7d6a34", 2)]
    [InlineData(50, "000003e8-0d3f-4a8e-9c55-2b1f0e7d6a34", 2)]
    public async Task Sampling_IsByTheRequestsId_OrByWhatItSays(int percent, string? id, int expected)
    {
        await using var collector = await CollectorServer.StartAsync();
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        Collect(collector.Grpc, grpc: true, sampling: 0);
        Set(new RequestTelemetry { Name = "t", Namespace = "istio-system", Tracing = [new TracingRule { Sampling = percent }] });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        if (id is not null)
        {
            client.DefaultRequestHeaders.TryAddWithoutValidation("x-request-id", id);
        }

        await client.GetStringAsync(new Uri("/", UriKind.Relative));
        await _mesh.LoggedAsync("request complete");
        Assert.Equal(expected, (await collector.WaitAsync(spans => spans.Length >= expected, () => _mesh.Log)).Length);
    }

    [Fact]
    public async Task Trace_ThatAClientAsksFor_IsRecorded_AndSaysWhatPoliciesOnTrialWouldDo()
    {
        await using var collector = await CollectorServer.StartAsync();
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        _mesh.SetPolicy("trial", "a", ["cluster.local/ns/app/sa/other"], ["GET"]);
        _mesh.Configure(requests => requests with { AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/trial", requests.AuthorizationPolicies["app/trial"] with { DryRun = true }) });
        Collect(collector.Grpc, grpc: true, sampling: 0);
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        await client.GetStringAsync(new Uri("/unasked", UriKind.Relative));
        client.DefaultRequestHeaders.Add("x-client-trace-id", "mine");
        await client.GetStringAsync(new Uri("/asked", UriKind.Relative));

        var spans = await collector.WaitAsync(spans => spans.Length >= 2, () => _mesh.Log);
        Assert.All(spans, span => Assert.EndsWith("/asked", Tag(span.Span, "http.url"), StringComparison.Ordinal));
        var server = Assert.Single(spans, span => span.Span.Kind == SpanKind.Server).Span;
        Assert.Equal("denied", Tag(server, "istio.authorization.dry_run.allow_policy.result"));
    }

    [Fact]
    public async Task Spans_OfDenialsAndOfTries_SayWhatBecameOfThem()
    {
        await using var collector = await CollectorServer.StartAsync();
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a", map: app => app.MapGet("/broken", () => Results.StatusCode(500)));
        _mesh.SetPolicy("viewer", "a", ["cluster.local/ns/app/sa/sleep"], ["GET"]);
        Collect(collector.Grpc, grpc: true, sampling: 100);
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        using var denied = await client.DeleteAsync(new Uri("/", UriKind.Relative));
        using var broken = await client.GetAsync(new Uri("/broken", UriKind.Relative));
        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.InternalServerError), (denied.StatusCode, broken.StatusCode));
        var spans = await collector.WaitAsync(spans => spans.Length == 3);
        var refusal = Assert.Single(spans, span => Tag(span.Span, "http.method") == "DELETE").Span;
        Assert.Equal(("403", null, SpanKind.Server, 0), (Tag(refusal, "http.status_code"), Tag(refusal, "error"), refusal.Kind, refusal.ParentSpanId.Length));
        Assert.All(spans.Where(span => Tag(span.Span, "http.method") == "GET"), span => Assert.Equal(("500", "true", 2), (Tag(span.Span, "http.status_code"), Tag(span.Span, "error"), span.Span.Status.Code)));
    }

    [Fact]
    public async Task Spans_ThatNobodyTakes_AreCounted_AndSaidOnce_AndRequestsGoOn()
    {
        await using var collector = await CollectorServer.StartAsync();
        collector.Status = 503;
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        Collect(collector.Http, grpc: false, sampling: 100);
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        await client.GetStringAsync(new Uri("/", UriKind.Relative));
        await _mesh.LoggedAsync("it answered 503");
        await client.GetStringAsync(new Uri("/", UriKind.Relative));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!_mesh.Scrape.Contains("ambient_trace_spans_dropped_total{provider=\"otel\"} 4", StringComparison.Ordinal))
        {
            Assert.False(deadline.IsCancellationRequested, _mesh.Scrape);
            await Task.Delay(20, CancellationToken.None);
        }

        Assert.Single(_mesh.Log.Split('\n'), line => line.Contains("spans are dropped", StringComparison.Ordinal));
        Assert.Contains("ambient_trace_spans_exported_total{provider=\"otel\"} 0", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Spans_ForAHostThatTheMeshHas_AreNotSentPastIt_WhereItCannotBeReached()
    {
        await using var collector = await CollectorServer.StartAsync();
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        var known = _mesh.AddService("otel", waypoint: null) with { Hostname = "localhost" };
        _mesh.Publish(builder => builder.Set(known with { Ports = [new ServicePort(collector.Http.Port, collector.Http.Port, AppProtocol.Http11)] }));
        Collect(new UriBuilder(collector.Http) { Host = "localhost" }.Uri, grpc: false, sampling: 100);
        await _mesh.StartWaypointAsync();
        await _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service).GetStringAsync(new Uri("/", UriKind.Relative));

        await _mesh.LoggedAsync("localhost has no healthy endpoint at port");
        Assert.Empty(collector.Spans);
        Assert.Contains("ambient_trace_spans_exported_total{provider=\"otel\"} 0", _mesh.Scrape, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Spans_ReachACollector_WhoseEndpointIsKnownByItsNameAlone()
    {
        await using var collector = await CollectorServer.StartAsync();
        var service = _mesh.AddService("a");
        await _mesh.AddPodAsync("a-0", "a", "a");
        var outside = _mesh.AddService("otel", waypoint: null) with { Hostname = "otel.example", Ports = [new ServicePort(4318, collector.Http.Port, AppProtocol.Http11)] };
        _mesh.Publish(builder => builder.Set(outside));
        var endpoint = _mesh.AddWorkload("otel-0", "otel", TunnelProtocol.Tcp);
        _mesh.Publish(builder => builder.Set(endpoint with
        {
            Addresses = [], Hostname = "collector.example", Services = ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.Add(outside.Key, []),
        }));
        _mesh.ResolveNames = (name, _) => Task.FromResult<IPAddress[]>(name == "collector.example" ? [IPAddress.Loopback] : []);
        Collect(new Uri("http://otel.example:4318/v1/traces"), grpc: false, sampling: 100);
        await _mesh.StartWaypointAsync();
        await _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service).GetStringAsync(new Uri("/", UriKind.Relative));

        await collector.WaitAsync(spans => spans.Length == 2, () => _mesh.Log);
    }

    [Fact]
    public async Task Trace_WhereSpansAreDisabled_PassesUntouched()
    {
        await using var collector = await CollectorServer.StartAsync();
        var service = _mesh.AddService("a");
        var pod = await _mesh.AddPodAsync("a-0", "a", "a");
        Collect(collector.Grpc, grpc: true, sampling: 100);
        Set(new RequestTelemetry { Name = "t", Namespace = "app", Tracing = [new TracingRule { IsDisabled = true }] });
        await _mesh.StartWaypointAsync();
        var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        client.DefaultRequestHeaders.TryAddWithoutValidation("traceparent", $"00-{Trace}-{Caller}-01");
        await client.GetStringAsync(new Uri("/", UriKind.Relative));
        await _mesh.LoggedAsync("request complete");
        Assert.Equal($"00-{Trace}-{Caller}-01", Assert.Single(pod.Requests).Headers["traceparent"]);
        Assert.DoesNotContain("ambient_trace_spans", _mesh.Scrape, StringComparison.Ordinal);
    }

    private void Set(RequestTelemetry telemetry) => _mesh.Configure(requests => requests with { Telemetries = requests.Telemetries.SetItem(telemetry.Key, telemetry) });

    private void Collect(Uri collector, bool grpc, double sampling) => _mesh.Configure(requests => requests with
    {
        Telemetry = new MeshTelemetry
        {
            Providers = [new TelemetryProvider { Name = "otel", Collector = collector, IsGrpc = grpc, Headers = ImmutableDictionary<string, string>.Empty.Add("x-key", "secret") }],
            TracingProviders = ["otel"],
            Sampling = sampling,
        },
    });

    private static string? Tag(Span span, string key) => span.Attributes.FirstOrDefault(tag => tag.Key == key)?.Value.StringValue;

    private static string Hex(Google.Protobuf.ByteString bytes) => Convert.ToHexStringLower(bytes.Span);

    [GeneratedRegex("^(?<time>\\[[0-9T:.-]+Z\\])|(?<=127\\.0\\.0\\.1)(?<port>:\\d+ )|(?<= 0 14) \\d+ \\d+(?= )")]
    private static partial Regex Varying();

    [GeneratedRegex("[{,]([a-z_]+)=")]
    private static partial Regex Label();

    [GeneratedRegex("le=\"([^\"]+)\"")]
    private static partial Regex Bound();
}
