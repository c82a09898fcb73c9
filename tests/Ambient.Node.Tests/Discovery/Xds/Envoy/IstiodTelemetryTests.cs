using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;
using Ambient.Node.Protos.Trace;
using Ambient.Node.Tests.Requests;
using Ambient.Node.Tests.Telemetry;
using Ambient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>
/// Recorded Telemetry objects, and istiod's configuration for them as it comes over the network, give the same lines, records, spans and series for the
/// same requests and connections through a real waypoint.
/// </summary>
[Trait("Category", "Golden")]
[Collection(Alone)]
public sealed partial class IstiodTelemetryTests
{
    /// <summary>Spans of a process have one source: who listens to it for another test would have traces begun here.</summary>
    public const string Alone = "nobody else listens to spans";

    private const string Trace = "0af7651916cd43dd8448eb211c80319c";
    private const string Caller = "b7ad6b7169203331";

    /// <summary>
    /// The case, and the service of it that is asked; where that has no Telemetry of its own, as istiod has the gateway's go over that of a service for
    /// requests. Then how much the collector gets.
    /// </summary>
    public static TheoryData<string, string, int> Cases => new()
    {
        { "telemetry-logs", "c", 0 },
        { "telemetry-logs", "t", 1 },
        { "telemetry-als", "c", 2 },
        { "telemetry-metrics", "c", 0 },
        { "telemetry-tracing", "otel", 4 },
        { "telemetry-tracing", "b", 0 },
        { "telemetry-otel-http", "a", 4 },
        { "telemetry-zipkin", "a", 4 },
        { "mesh-config", "a", 0 },
        { "proxyconfig", "a", 0 },
    };

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public async Task Objects_AndRecording_AccountAlike(string name, string service, int collected)
    {
        var folder = GoldenFolder.Case("xds", name);
        var load = ManifestLoader.LoadText("input.yaml", await File.ReadAllTextAsync(Path.Combine(folder, "input.yaml")));
        Assert.Empty(load.Errors.Items);
        var translated = MeshTranslator.Translate(load.Objects, new TranslationOptions()).Requests;
        await using var istiod = await RecordedIstiod.StartAsync(Path.Combine(folder, "xds", "waypoint"));
        var told = istiod.Store.Current.Requests;
        var place = told.Places[$"app/{service}.app.svc.cluster.local"];
        Assert.NotNull(place.Telemetry);
        var isOpaque = istiod.Store.Current.Services[$"app/{service}.app.svc.cluster.local"].Ports.All(port => port.AppProtocol == AppProtocol.Tcp);

        // A detector of resources reads it where the case has one.
        Environment.SetEnvironmentVariable("OTEL_RESOURCE_ATTRIBUTES", "team=blue%20sky,service.name=other,broken");

        // The collector's name is taken: a service that has no Telemetry of its own stands for it.
        var asked = service == "otel" ? "plain" : service;
        var objects = await AccountAsync(asked, isOpaque, collected, requests => requests with
        {
            // Where a case has no mesh configuration, the recorded one had Istio's log on standard output.
            Telemetries = translated.Telemetries, Telemetry = translated.Telemetry with { AccessLog = translated.Telemetry.AccessLog ?? new AccessLogFormat(false, null) }, LogsAccess = translated.LogsAccess, RootNamespace = translated.RootNamespace,
        });
        var recorded = await AccountAsync(asked, isOpaque, collected, requests => requests with
        {
            LogsAccess = told.LogsAccess, Places = requests.Places.Add($"app/{asked}.app.svc.cluster.local", new PlaceConfiguration { Telemetry = place.Telemetry }),
        });

        Assert.Equal(objects.Lines, recorded.Lines);
        Assert.Equal(objects.Records, recorded.Records);
        Assert.Equal(objects.Spans, recorded.Spans);
        Assert.Equal(objects.Series, recorded.Series);
        Assert.NotEmpty(objects.Lines.Concat(objects.Records).Concat(objects.Spans).Concat(objects.Series));
        Expected(name, service, recorded);
    }

    /// <summary>Both could be wrong alike: what each case is there for.</summary>
    private static void Expected(string name, string service, Account account)
    {
        switch (name, service)
        {
            case ("telemetry-logs", "c"):
                Assert.Contains(account.Lines, line => line == """{"code":404,"path":"/none?q=1"}""");
                Assert.Contains(account.Lines, line => line == "TIME /none?q=1 404");
                break;
            case ("telemetry-logs", "t"):
                Assert.Empty(account.Lines);
                Assert.Equal("- m=-", Assert.Single(account.Records));
                break;
            case ("telemetry-als", _):
                Assert.Contains(account.Records, record => record == "HTTP/1.1 m=GET");
                break;
            case ("telemetry-metrics", _):
                Assert.Contains(account.Series, series => series.StartsWith("istio_requests_total{", StringComparison.Ordinal) && series.Contains("path=\"/none\"", StringComparison.Ordinal));
                Assert.DoesNotContain(account.Series, series => series.StartsWith("istio_requests_total{", StringComparison.Ordinal) && series.Contains("request_protocol", StringComparison.Ordinal));
                Assert.DoesNotContain(account.Series, series => series.StartsWith("istio_request_bytes", StringComparison.Ordinal));
                break;
            case ("telemetry-tracing", "b"):
                Assert.Equal(["told: untouched"], account.Spans);
                break;
            case ("telemetry-tracing", _):
                Assert.Contains("resource service.name=waypoint.app team=blue sky", account.Spans);
                Assert.Contains(account.Spans, span => span.Contains("env=d", StringComparison.Ordinal) && span.Contains("hdr=told", StringComparison.Ordinal) && span.Contains("lit=v", StringComparison.Ordinal));
                break;
            case ("telemetry-otel-http", _):
                Assert.Contains(account.Spans, span => span.StartsWith("otlp SERVER", StringComparison.OrdinalIgnoreCase));
                Assert.Contains("resource service.name=waypoint.app", account.Spans);
                Assert.Contains("told: untouched", account.Spans);
                break;
            case ("telemetry-zipkin", _):
                Assert.Contains(account.Spans, span => span.StartsWith("zipkin CLIENT", StringComparison.Ordinal));
                break;
            case ("mesh-config", _):
                Assert.Contains(account.Lines, line => line.Contains("\"c\":404", StringComparison.Ordinal) && line.Contains("\"m\":\"GET\"", StringComparison.Ordinal));
                break;
            default:
                Assert.Contains(account.Lines, line => line.StartsWith("[TIME] \"GET /none?q=1 HTTP/1.1\" 404", StringComparison.Ordinal));
                break;
        }
    }

    /// <summary>What a waypoint says of a few requests, or of a connection.</summary>
    private static async Task<Account> AccountAsync(string name, bool isOpaque, int collected, Func<RequestConfiguration, RequestConfiguration> configure)
    {
        await using var collector = await CollectorServer.StartAsync();
        var mesh = new TestMesh();
        string log, scrape;
        List<string> told = [];
        IPAddress vip;
        TestPod pod;
        try
        {
            var service = mesh.AddService(name);
            vip = service.Vips[0].Address;
            pod = await mesh.AddPodAsync($"{name}-0", name, name, map: app => app.MapGet("/none", () => Results.StatusCode(404)));
            AddCollector(mesh, collector);
            mesh.Configure(configure);
            await mesh.StartWaypointAsync();
            using (var client = mesh.ThroughWaypoint(TestMesh.Id("sleep"), service, isOpaque ? 81 : 80))
            {
                foreach (var path in isOpaque ? ["/"] : new[] { "/one", "/none?q=1" })
                {
                    using var request = new HttpRequestMessage(HttpMethod.Get, path);
                    request.Headers.TryAddWithoutValidation("x-request-id", "5c2e9b1a-0d3f-4a8e-9c55-2b1f0e7d6a34");
                    request.Headers.TryAddWithoutValidation("traceparent", $"00-{Trace}-{Caller}-01");
                    request.Headers.TryAddWithoutValidation("x-h", "told");
                    request.Headers.ConnectionClose = true;
                    using var response = await client.SendAsync(request);
                }
            }

            await mesh.Node!.Connections.WhenEmptyAsync().WaitAsync(TimeSpan.FromSeconds(60));
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (collector.Records.Count + collector.Spans.Count + collector.ZipkinSpans.Count < collected)
            {
                Assert.False(deadline.IsCancellationRequested, mesh.Log);
                await Task.Delay(20, CancellationToken.None);
            }

            if (!isOpaque)
            {
                told.Add(pod.Requests.First().Headers["traceparent"] == $"00-{Trace}-{Caller}-01" ? "told: untouched" : "told: a span of ours");
            }
        }
        finally
        {
            await mesh.DisposeAsync();
            log = mesh.Log;
            scrape = mesh.Scrape;
        }

        string[] Plain(IEnumerable<string> texts) => [.. texts.Select(text => Varying().Replace(text.Replace(vip.ToString(), "VIP", StringComparison.Ordinal).Replace(pod.Workload.Addresses[0].ToString(), "POD", StringComparison.Ordinal), Word)).Order(StringComparer.Ordinal)];
        return new Account(
            Plain(log.Split('\n').Where(line => line.StartsWith('[') || line.StartsWith('{') || TextLine().IsMatch(line)).Select(Sorted)),
            Plain(collector.Records.Select(record => $"{record.Body?.StringValue} {string.Join(' ', record.Attributes.Select(attribute => $"{attribute.Key}={attribute.Value.StringValue}"))}")),
            Plain(collector.Spans.Select(span => $"otlp {span.Span.Kind} {span.Service} {span.Span.Name} {Hex(span.Span.TraceId)} {string.Join(' ', span.Span.Attributes.Where(IsOfTheRequest).Select(tag => $"{tag.Key}={tag.Value.StringValue}").Order(StringComparer.Ordinal))}")
                .Concat(collector.ZipkinSpans.Select(span => $"zipkin {span.GetProperty("kind").GetString()} {span.GetProperty("name").GetString()} {span.GetProperty("traceId").GetString()} {span.GetProperty("localEndpoint").GetProperty("serviceName").GetString()}"))
                .Concat(collector.Resources.Distinct().Select(resource => $"resource {resource}"))
                .Concat(told)),
            Plain(scrape.Split('\n').Where(line => line.StartsWith("istio_request", StringComparison.Ordinal) && !line.Contains("_sum{", StringComparison.Ordinal) && !line.Contains("_bucket{", StringComparison.Ordinal))));
    }

    private static void AddCollector(TestMesh mesh, CollectorServer collector)
    {
        var service = mesh.AddService("otel", waypoint: null) with
        {
            Ports =
            [
                new ServicePort(4317, collector.Grpc.Port, AppProtocol.Http2), new ServicePort(4318, collector.Http.Port, AppProtocol.Http11),
                new ServicePort(9411, collector.Http.Port, AppProtocol.Http11),
            ],
        };
        mesh.Publish(builder => builder.Set(service));
        var endpoint = mesh.AddWorkload("otel-0", "otel", TunnelProtocol.Tcp);
        mesh.Publish(builder => builder.Set(endpoint with
        {
            Addresses = [], Hostname = "collector.example", Services = ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.Add(service.Key, []),
        }));
        mesh.ResolveNames = (host, _) => Task.FromResult<IPAddress[]>(host == "collector.example" ? [IPAddress.Loopback] : []);
    }

    // istiod's objects have no order.
    private static string Sorted(string line) => line.StartsWith('{') ? JsonSerializer.Serialize(JsonSerializer.Deserialize<SortedDictionary<string, object>>(line)) : line;

    private static bool IsOfTheRequest(KeyValue tag) => tag.Key is not ("request_size" or "response_size" or "node_id");

    private static string Word(Match match) => match.Value[0] == '[' ? "[TIME]" : match.Value[0] == ' ' ? " N N " : match.Value.StartsWith("127.", StringComparison.Ordinal) ? "ADDRESS" : "TIME";

    private static string Hex(Google.Protobuf.ByteString bytes) => Convert.ToHexStringLower(bytes.Span);

    // Times, how long it took, and addresses.
    [GeneratedRegex("\\[?20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z\\]?|(?<=\" [0-9]+ [0-9]+) [0-9]+ ([0-9]+|-) |127\\.[0-9.]+(:[0-9]+)?")]
    private static partial Regex Varying();

    [GeneratedRegex("^20[0-9-]+T[0-9:.]+Z /")]
    private static partial Regex TextLine();

    private sealed record Account(string[] Lines, string[] Records, string[] Spans, string[] Series);
}

/// <summary>Runs while nothing else does.</summary>
[CollectionDefinition(IstiodTelemetryTests.Alone, DisableParallelization = true)]
[SuppressMessage("Naming", "CA1711", Justification = "It is one of xunit's.")]
public sealed class ListeningCollection;
