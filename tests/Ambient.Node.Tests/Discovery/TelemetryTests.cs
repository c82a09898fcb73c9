using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;
using Ambient.Node.Requests;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Istio's Telemetry API and what MeshConfig says of telemetry: read, refused, and put over one another.</summary>
public sealed class TelemetryTests
{
    private const string Telemetry = "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\n";

    private static readonly Mesh.Gateway s_waypoint = new() { Name = "waypoint", Namespace = "app", ClassName = "istio-waypoint", Listeners = [] };

    private static readonly MeshService s_reviews = new() { Name = "reviews", Namespace = "app", Hostname = "reviews.app.svc.cluster.local" };

    [Theory]
    [InlineData("{tracing: [{randomSamplingPercentage: 101}]}", "spec.tracing[0].randomSamplingPercentage", "0 to 100")]
    [InlineData("{tracing: [{customTags: {a: {literal: {value: b}, header: {name: c}}}}]}", "spec.tracing[0].customTags.a", "exactly one of")]
    [InlineData("{tracing: [{customTags: {a: {header: {name: 'c d'}}}}]}", "spec.tracing[0].customTags.a.header.name", "not a name that a header may have")]
    [InlineData("{tracing: [{providers: [{name: a}, {name: b}]}]}", "spec.tracing[0].providers", "2 providers; one is supported")]
    [InlineData("{metrics: [{overrides: [{tagOverrides: {a: {operation: UPSERT}}}]}]}", "spec.metrics[0].overrides[0].tagOverrides.a.value", "missing")]
    [InlineData("{metrics: [{overrides: [{tagOverrides: {a: {operation: REMOVE, value: \"'b'\"}}}]}]}", "spec.metrics[0].overrides[0].tagOverrides.a.value", "not allowed with operation REMOVE")]
    [InlineData("{metrics: [{overrides: [{tagOverrides: {a-b: {value: \"'b'\"}}}]}]}", "spec.metrics[0].overrides[0].tagOverrides.a-b", "not a name that a label may have")]
    [InlineData("{accessLogging: [{disabeld: true}]}", "spec.accessLogging[0].disabeld", "did you mean \"disabled\"?")]
    [InlineData("{targetRefs: [{kind: Pod, name: a}]}", "spec.targetRefs[0].kind", "cannot carry a policy")]
    public void Wrong_IsAnErrorWithItsField(string spec, string field, string message)
    {
        var error = Assert.Single(ManifestText.Errors($"{Telemetry}metadata: {{name: a, namespace: app}}\nspec: {spec}\n"));
        Assert.Equal(field, error.Field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Equal(4, error.Line);
    }

    [Fact]
    public void NotSupported_IsNamed_AndTheRestHolds()
    {
        var load = ManifestLoader.LoadText("a.yaml", $$"""
            {{Telemetry}}metadata: {name: a, namespace: app}
            spec:
              accessLogging: [{filter: {expression: "response.flags.matches('x')"} }]
              metrics:
              - reportingInterval: 5s
                overrides:
                - match: {metric: TCP_SENT_BYTES}
                  disabled: true
                - tagOverrides: {kept: {value: "'blue'"}, host: {value: request.host}, computed: {value: size(request.headers)} }
              tracing: [{disableContextPropagation: true, customTags: {a: {formatter: {value: "%REQ(x)% %NONE%"} } } }]
            """);
        Assert.Empty(load.Errors.Items);
        Assert.Equal(
            [
                "spec.accessLogging.filter.expression: other than comparisons", "spec.metrics.overrides.tagOverrides.value: other than a literal or one attribute",
                "spec.tracing.customTags.formatter: %NONE% is not an operator that is supported",
            ],
            load.Unsupported.Select(use => use.Field));
        var requests = MeshTranslator.Translate(load.Objects, new TranslationOptions()).Requests;
        var rule = requests.Telemetries["app/a"].Metrics.Single(rule => rule.Metric != RequestMetric.TcpSentBytes);
        Assert.Equal(("[kept, blue]", "[host, request.host]"), (Assert.Single(rule.Tags).ToString(), Assert.Single(rule.Attributes).ToString()));
        var tracing = Assert.Single(requests.Telemetries["app/a"].Tracing);
        Assert.Equal((false, SpanTagSource.Format), (tracing.PropagatesContext, Assert.Single(tracing.Tags).Source));
    }

    [Fact]
    public void MeshConfig_SaysFormSamplingAndProviders()
    {
        var requests = ManifestText.Translate(MeshConfig("""
            accessLogFile: /dev/stdout
            accessLogEncoding: JSON
            defaultConfig: {tracing: {sampling: 12.5}, discoveryAddress: istiod:15012}
            defaultProviders: {tracing: [otel], accessLogging: [file]}
            extensionProviders:
            - {name: otel, opentelemetry: {service: istio-system/collector.istio-system.svc.cluster.local, port: 4317}}
            - {name: web, opentelemetry: {service: collector.example, port: 4318, http: {path: /v1/traces, timeout: 3s, headers: [{name: key, value: secret}]}}}
            - {name: file, envoyFileAccessLog: {path: /dev/stdout, omitEmptyValues: true, logFormat: {text: "%RESPONSE_CODE%"}}}
            - {name: zip, zipkin: {service: zipkin.example, port: 9411, enable64bitTraceId: true}}
            - {name: records, envoyOtelAls: {service: collector.example, port: 4317, logName: x, logFormat: {labels: {code: "%RESPONSE_CODE%"}}}}
            """)).Requests;
        var telemetry = requests.Telemetry;
        Assert.Equal((new AccessLogFormat(true, null), 12.5), (telemetry.AccessLog, telemetry.Sampling));
        Assert.Equal(["otel", "web", "file", "zip", "records"], telemetry.Providers.Select(provider => provider.Name));
        Assert.Equal((new Uri("http://collector.istio-system.svc.cluster.local:4317/"), true), (telemetry.Find("otel")!.Collector, telemetry.Find("otel")!.IsGrpc));
        Assert.Equal((new Uri("http://collector.example:4318/v1/traces"), false, TimeSpan.FromSeconds(3)), (telemetry.Find("web")!.Collector, telemetry.Find("web")!.IsGrpc, telemetry.Find("web")!.Timeout));
        Assert.Equal("secret", telemetry.Find("web")!.Headers["key"]);
        Assert.True(telemetry.Find("file")!.AccessLog!.OmitsEmptyValues);
        Assert.Equal((new Uri("http://zipkin.example:9411/api/v2/spans"), true, TimeSpan.FromSeconds(5)), (telemetry.Find("zip")!.Collector, telemetry.Find("zip")!.IsZipkin, telemetry.Find("zip")!.Timeout));
        var records = telemetry.Find("records")!.AccessLogCollector!;
        Assert.Equal((new Uri("http://collector.example:4317/"), null, "[code, %RESPONSE_CODE%]"), (records.Address, records.Body, Assert.Single(records.Attributes).ToString()));
        var place = PlaceTelemetry.Of(requests, s_waypoint, s_reviews, null);
        Assert.Equal((1250, "otel"), (place.Tracing!.Sampling, place.Tracing.Provider!.Name));
        Assert.Single(place.Logs);
        Assert.Same(place, PlaceTelemetry.Of(requests with { TrustDomain = "other" }, s_waypoint, s_reviews, place));
    }

    [Theory]
    [InlineData("accessLogFormat: \"%RESPONSE_KODE%\"", "data.mesh: accessLogFormat", "%RESPONSE_KODE% is not an operator that is supported")]
    [InlineData("accessLogEncoding: JSON\naccessLogFormat: text", "data.mesh: accessLogFormat", "not JSON")]
    [InlineData("extensionProviders: [{name: a, opentelemetry: {service: \"b c\", port: 1}}]", "data.mesh: extensionProviders[0].opentelemetry.service", "not the host name of a service")]
    [InlineData("extensionProviders: [{name: a, opentelemetry: {service: b, port: 70000}}]", "data.mesh: extensionProviders[0].opentelemetry.port", "expected a whole number from 1 to 65535")]
    [InlineData("extensionProviders: [{name: a, envoyFileAccessLog: {path: /var/log/x}}]", "data.mesh: extensionProviders[0].envoyFileAccessLog.path", "expected /dev/stdout")]
    [InlineData("defaultConfig: {tracing: {sampling: 200}}", "data.mesh: defaultConfig.tracing.sampling", "0 to 100")]
    public void MeshConfig_ThatIsWrong_IsAnErrorWithItsField(string config, string field, string message)
    {
        var error = Assert.Single(ManifestText.Errors(MeshConfig(config)));
        Assert.Equal(field, error.Field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("envoyHttpAls: {service: a, port: 9411}", "extensionProviders.envoyHttpAls")]
    [InlineData("opentelemetry: {service: a, port: 4317, resourceDetectors: {dynatrace: {}}}", "extensionProviders.opentelemetry.resourceDetectors.dynatrace")]
    [InlineData("datadog: {service: a, port: 9411}", "extensionProviders.datadog")]
    public void Provider_ThatIsNotSupported_IsNamed(string provider, string field) => Assert.Equal(
        [field], ManifestLoader.LoadText("a.yaml", MeshConfig($"extensionProviders: [{{name: a, {provider}}}]")).Unsupported.Select(use => use.Field));

    [Fact]
    public void Narrower_GoesOverWider_FieldByField_AndTheOldestOfARank()
    {
        var requests = ManifestText.Translate($$"""
            {{Of("mesh", "istio-system", "accessLogging: [{disabled: true}], tracing: [{randomSamplingPercentage: 10, customTags: {a: {literal: {value: root}}, b: {literal: {value: root}}}}]")}}
            {{Of("second", "app", "tracing: [{randomSamplingPercentage: 99}]", "creationTimestamp: \"2026-02-01T00:00:00Z\"")}}
            {{Of("first", "app", "tracing: [{randomSamplingPercentage: 20}]", "creationTimestamp: \"2026-01-01T00:00:00Z\"")}}
            {{Of("gateway", "app", "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: waypoint}], accessLogging: [{filter: {expression: response.code >= 500}}]")}}
            {{Of("service", "app", "targetRefs: [{kind: Service, name: reviews}], tracing: [{customTags: {b: {literal: {value: service}}}}], metrics: [{overrides: [{match: {metric: REQUEST_SIZE}, disabled: true}]}]")}}
            {{Of("client", "app", "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: other}], tracing: [{disableSpanReporting: true}]")}}
            """).Requests;
        var reviews = PlaceTelemetry.Of(requests, s_waypoint, s_reviews, null);
        var other = PlaceTelemetry.Of(requests, s_waypoint, s_reviews with { Name = "other", Hostname = "other.app.svc.cluster.local" }, null);
        Assert.NotNull(Assert.Single(reviews.Logs).Filter);
        Assert.Equal(2000, reviews.Tracing!.Sampling);
        Assert.Equal(["a=root", "b=service"], reviews.Tracing.Tags.Select(tag => $"{tag.Tag.Name}={tag.Tag.Key}"));
        Assert.Equal(["a=root", "b=root"], other.Tracing!.Tags.Select(tag => $"{tag.Tag.Name}={tag.Tag.Key}"));
        Assert.Null(reviews.Metrics!.Labels(RequestMetric.RequestSize, []));
        Assert.NotNull(reviews.Metrics.Labels(RequestMetric.RequestCount, []));
        Assert.Null(other.Metrics);
    }

    [Fact]
    public void Mode_IsTheServersAtAWaypoint_AndTheClientsAtAGateway()
    {
        var requests = ManifestText.Translate(Of("mesh", "istio-system", "tracing: [{match: {mode: CLIENT}, disableSpanReporting: true}], accessLogging: [{match: {mode: SERVER}, disabled: true}]")).Requests;
        var waypoint = PlaceTelemetry.Of(requests, s_waypoint, null, null);
        var gateway = PlaceTelemetry.Of(requests, s_waypoint with { ClassName = "istio" }, null, null);
        Assert.Equal((true, false), (waypoint.Tracing is not null, !waypoint.Logs.IsEmpty));
        Assert.Equal((false, true), (gateway.Tracing is not null, !gateway.Logs.IsEmpty));
    }

    [Fact]
    public void NothingSaid_IsTheDefault_AndOurOwnLine()
    {
        Assert.Same(PlaceTelemetry.Default, PlaceTelemetry.Of(RequestConfiguration.Empty, s_waypoint, s_reviews, null));
        Assert.True(Assert.Single(PlaceTelemetry.Default.Logs).IsOwnLine);
        Assert.NotNull(PlaceTelemetry.Of(ManifestText.Translate(MeshConfig("accessLogFile: /dev/stdout")).Requests, s_waypoint, null, null).Logs.Single().Template);
        Assert.Null(PlaceTelemetry.Of(ManifestText.Translate(MeshConfig("rootNamespace: istio-system\ndefaultConfig: {tracing: {sampling: 3}}")).Requests, s_waypoint, null, null).Logs.Single().Template);
    }

    private static string Of(string name, string ns, string spec, string? more = null) =>
        $"---\n{Telemetry}metadata: {{name: {name}, namespace: {ns}{(more is null ? "" : $", {more}")}}}\nspec: {{{spec}}}\n";

    private static string MeshConfig(string config) =>
        $"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    {config.ReplaceLineEndings("\n    ")}\n";
}
