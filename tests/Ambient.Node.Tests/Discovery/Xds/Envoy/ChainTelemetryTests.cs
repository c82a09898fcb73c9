using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Telemetry;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Requests;
using Ambient.Node.Telemetry;
using Ambient.Node.Telemetry.AccessLogs;
using Ambient.Testing;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using AccessLogFilter = Ambient.Node.Protos.Envoy.AccessLogFilter;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>What is logged, counted and traced of a chain: read part by part, what cannot be done named once, and nobody kept out for it.</summary>
public sealed class ChainTelemetryTests
{
    private const string Web = "web.ns.svc.cluster.local";
    private const string Shop = "shop.ns.svc.cluster.local";
    private const string Collector = "outbound|4317||otel.ns.svc.cluster.local";

    private static readonly AccessLogEntry s_entry = new() { Code = 404, Flags = "UF,URX", OriginalTarget = "/a?b", BytesSent = 7 };

    private readonly RecordingLogger _log = new();
    private readonly MeshStore _store = new();
    private readonly EnvoySession _session;

    public ChainTelemetryTests()
    {
        _session = new EnvoySession(_store, EnvoyKit.Node, _log);
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Tunnels());
    }

    [Fact]
    public void UnknownOperators_HaveNoValue_AndAreSaidOnceForAllChains()
    {
        Tell(http => http.AccessLog.Add(File(text: "%NOBODY_KNOWS% %REQ(:PATH)% %WHAT(x)% %RESPONSE_CODE% 100% sure\n")));

        Assert.Equal("- - - 404 100% sure", LineOf(Web));
        Assert.Single(_log.Lines, line => line.Contains("%NOBODY_KNOWS% is not an operator that is supported", StringComparison.Ordinal));
        Assert.Single(_log.Lines, line => line.Contains("%WHAT(x)%", StringComparison.Ordinal));
        Assert.Single(_log.Lines, line => line.Contains("does not end", StringComparison.Ordinal));
        Assert.DoesNotContain(_log.Lines, line => line.Contains("blocked", StringComparison.Ordinal));
    }

    [Fact]
    public void Objects_AreWritten_FieldByField_AndEmptyOnesLeftOut()
    {
        var form = new Struct
        {
            Fields =
            {
                ["path"] = Value.ForString("%REQ(:PATH)%"), ["code"] = Value.ForString("%RESPONSE_CODE%"), ["fixed"] = Value.ForNumber(3), ["odd"] = Value.ForNumber(double.NaN),
                ["in"] = Value.ForStruct(new Struct { Fields = { ["flags"] = Value.ForString("<%RESPONSE_FLAGS%>"), ["host"] = Value.ForString("%UPSTREAM_HOST%") } }),
                ["list"] = Value.ForList(Value.ForString("%BYTES_SENT%"), Value.ForBool(true)),
            },
        };
        Tell(http => http.AccessLog.Add(File(json: form)));
        Assert.Equal("""{"code":404,"fixed":3,"in":{"flags":"<UF,URX>","host":null},"list":[7,true],"odd":null,"path":null}""", LineOf(Web));

        Tell(http => http.AccessLog.Add(File(json: form, omits: true)));
        Assert.Equal("""{"code":404,"fixed":3,"in":{"flags":"<UF,URX>"},"list":[7,true],"odd":null}""", LineOf(Web));
    }

    [Theory]
    [InlineData("UF", null, true)]
    [InlineData("URX", null, true)]
    [InlineData("U", null, false)]
    [InlineData(null, 400, true)]
    [InlineData(null, 405, false)]
    public void Filters_OfFlagsAndStatus_ChooseWhatIsLogged(string? flag, int? atLeast, bool isLogged)
    {
        AccessLogFilter filter = flag is not null
            ? new() { ResponseFlagFilter = new() { Flags = { flag } } }
            : new() { StatusCodeFilter = new() { Comparison = new() { Op = AccessLogFilter.Types.Comparison.Types.Op.Ge, Value = new() { DefaultValue = (uint)atLeast! } } } };
        Tell(http => http.AccessLog.Add(File(filter: new AccessLogFilter { AndFilter = new() { Filters = { filter, Expression("response.code == 404") } } })));

        Assert.Equal(isLogged, Assert.Single(TelemetryOf(Web).Logs).Filter!.Takes(s_entry));
    }

    [Fact]
    public void Expression_ThatIsNotSupported_IsNamed_AndEverythingIsLogged()
    {
        Tell(http => http.AccessLog.Add(File(filter: Expression("response.flags.matches('x')"))));

        Assert.Null(Assert.Single(TelemetryOf(Web).Logs).Filter);
        Assert.Single(_log.Lines, line => line.Contains("the filter response.flags.matches('x')", StringComparison.Ordinal));
    }

    [Fact]
    public void LogsThatAreNotWritten_AreNamed_AndRequestsHaveOurOwnLine()
    {
        Tell(http => http.AccessLog.Add(new AccessLog
        {
            Name = "envoy.access_loggers.http_grpc",
            TypedConfig = EnvoyKit.Pack("type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig", new Empty()),
        }.ToByteString()));

        Assert.True(Assert.Single(TelemetryOf(Web).Logs).IsOwnLine);
        Assert.Single(_log.Lines, line => line.Contains("envoy.access_loggers.http_grpc", StringComparison.Ordinal));

        Tell(http => http.AccessLog.Add(File(path: "/var/log/access.log")));
        Assert.Single(_log.Lines, line => line.Contains("/var/log/access.log is not written", StringComparison.Ordinal));
        Assert.True(_store.Current.Requests.LogsAccess);

        Tell(_ => { });
        Assert.Empty(TelemetryOf(Web).Logs);
        Assert.False(_store.Current.Requests.LogsAccess);
    }

    [Fact]
    public void Tracing_IsRead_AndWhatCannotBeDoneIsNamed()
    {
        Tell(http => http.Tracing = new Tracing
        {
            RandomSampling = new() { Value = 12.5 },
            OverallSampling = new() { Value = 10 },
            NoContextPropagation = true,
            MaxPathTagLength = 99,
            CustomTags =
            {
                new CustomTag { Tag = "lit", Literal = new() { Value = "v" } },
                new CustomTag { Tag = "hdr", RequestHeader = new() { Name = "x-h", DefaultValue = "none" } },
                new CustomTag { Tag = "code", Value = "is %RESPONSE_CODE%" },
                new CustomTag { Tag = "istio.source_app", Value = "%FILTER_STATE(downstream_peer_obj:FIELD:app)%" },
                new CustomTag { Tag = "odd", Metadata = new() { MetadataKey = new() { Key = "some.filter" } } },
            },
            Provider = new()
            {
                Name = "envoy.tracers.opentelemetry",
                TypedConfig = EnvoyKit.Pack(TelemetryTypes.OpenTelemetry, new OpenTelemetryTracing { ServiceName = "web.ns", GrpcService = new() { EnvoyGrpc = new() { ClusterName = Collector } } }),
            },
        }.ToByteString());

        var tracing = TelemetryOf(Web).Tracing!;
        Assert.Equal((new Uri("http://otel.ns.svc.cluster.local:4317/"), true, 99, "web.ns"), (tracing.Provider!.Collector, tracing.Provider.IsGrpc, tracing.Provider.MaxTagLength, tracing.ServiceName));
        Assert.Equal((1000, 1000, false, true), (tracing.Sampling, tracing.OverallSampling, tracing.PropagatesContext, tracing.HasIstioTags));
        Assert.Equal(["code", "hdr", "lit"], tracing.Tags.Select(tag => tag.Tag.Name));
        Assert.True(tracing.NeedsEntry);
        Assert.Single(_log.Lines, line => line.Contains("the tag odd, of metadata", StringComparison.Ordinal));
    }

    [Fact]
    public void Tracer_ThatIsNotKnown_IsNamed_AndTracesGoOn()
    {
        Tell(http => http.Tracing = new Tracing { Provider = new() { Name = "envoy.tracers.datadog", TypedConfig = EnvoyKit.Pack("type.googleapis.com/envoy.config.trace.v3.DatadogConfig", new Empty()) } }.ToByteString());

        Assert.Null(TelemetryOf(Web).Tracing!.Provider);
        Assert.Single(_log.Lines, line => line.Contains("envoy.tracers.datadog", StringComparison.Ordinal));

        Tell(http => http.Tracing = new Tracing
        {
            Provider = new() { Name = "otel", TypedConfig = EnvoyKit.Pack(TelemetryTypes.OpenTelemetry, new OpenTelemetryTracing { GrpcService = new() { EnvoyGrpc = new() { ClusterName = "elsewhere" } } }) },
        }.ToByteString());
        Assert.Single(_log.Lines, line => line.Contains("the collector elsewhere is no service of the mesh", StringComparison.Ordinal));
    }

    [Fact]
    public void Metrics_AreChanged_OrAreNotThere()
    {
        Tell(http => http.HttpFilters.Insert(0, EnvoyKit.Stats(new StatsPlugin
        {
            DisableHostHeaderFallback = true,
            Reporter = StatsPlugin.Types.Reporter.ServerGateway,
            Metrics =
            {
                new MetricConfig { Name = "request_bytes", Drop = true },
                new MetricConfig { Name = "requests_total", TagsToRemove = { "source_app" }, Dimensions = { ["team"] = "'blue'", ["path"] = "request.url_path", ["odd"] = "size(request.headers)" } },
                new MetricConfig { Name = "of_somebody_else" },
            },
        })));

        var metrics = TelemetryOf(Web).Metrics!;
        Assert.Null(metrics.Labels(RequestMetric.RequestSize, []));
        Assert.Equal(
            "kept=\"1\",path=\"/a\",team=\"blue\"",
            metrics.Labels(RequestMetric.RequestCount, [("source_app", "x"), ("kept", "1")], metrics.ValuesOf(s_entry))!.Value.Text);
        Assert.Single(_log.Lines, line => line.Contains("the label odd as size(request.headers)", StringComparison.Ordinal));
        Assert.Single(_log.Lines, line => line.Contains("of_somebody_else is not known", StringComparison.Ordinal));
        Assert.DoesNotContain(_log.Lines, line => line.Contains("reporter", StringComparison.Ordinal));

        Tell(_ => { });
        Assert.Null(TelemetryOf(Web).Metrics!.Labels(RequestMetric.RequestCount, []));
    }

    [Fact]
    public void WhatCannotBeRead_BlocksNothing_AndTheDefaultsHold()
    {
        Tell(http => http.Tracing = ByteString.CopyFrom([0x0a, 0xff]));

        Assert.Same(PlaceTelemetry.Default, TelemetryOf(Web));
        Assert.Single(_log.Lines, line => line.Contains("telemetry: it cannot be read", StringComparison.Ordinal));
        Assert.Empty(_session.Problems);
        Assert.Empty(_store.Current.Requests.Places[$"ns/{Web}"].Blocked);
    }

    [Fact]
    public void ChainsThatSayTheSame_ShareWhatIsCompiled_AndPortsMayDiffer()
    {
        Tell(http => http.AccessLog.Add(File(text: "%RESPONSE_CODE%")));
        Assert.Same(TelemetryOf(Web), TelemetryOf(Shop));

        var other = EnvoyKit.ChainOf(Web, 81, new HttpConnectionManager { AccessLog = { File(text: "other") } });
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Web, 81, "web"));
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.ChainOf(Web, 80, new HttpConnectionManager { AccessLog = { File(text: "first") } })), ("10.9.0.1", 81, other)));
        Assert.Equal(("first", "other"), (LineOf(Web), LineOf(Web, 81)));
    }

    [SkippableFact]
    public void Gateway_IsToldByPort()
    {
        var (store, _) = MoreRecordingsTests.Take(Path.Combine(GoldenFolder.Case("xds", "gw-tls"), "xds", "gateway"));
        var requests = store.Current.Requests;
        var told = PlaceTelemetries.Of(requests, Assert.Single(requests.Gateways.Values), null, null);

        Assert.True(requests.LogsAccess);
        Assert.NotNull(Assert.Single(told.Requests(80).Logs).Template);
        Assert.NotNull(Assert.Single(told.Connections(5000).Logs).Template);
        Assert.Equal(100, told.Requests(443).Tracing!.Sampling);
        Assert.Null(told.Connections(5000).Tracing);
        Assert.Null(told.Requests(80).Metrics);
    }

    private void Tell(Action<HttpConnectionManager> change)
    {
        var (web, shop) = (new HttpConnectionManager(), new HttpConnectionManager());
        change(web);
        change(shop);
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Shop, 80, "shop"));
        var answer = _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.ChainOf(Web, 80, web)), ("10.9.0.2", 80, EnvoyKit.ChainOf(Shop, 80, shop))));
        Assert.Null(answer.Answer.ErrorDetail);
    }

    private PlaceTelemetry TelemetryOf(string host, int port = 80)
    {
        var mesh = _store.Current;
        return PlaceTelemetries.Of(mesh.Requests, mesh.Requests.Gateways[EnvoyKit.Node.GatewayKey], mesh.Services[$"ns/{host}"], null).Requests(port);
    }

    private string LineOf(string host, int port = 80)
    {
        var line = Utf8TextBuilder.Rent();
        Assert.Single(TelemetryOf(host, port).Logs).Template!.Write(line, s_entry);
        var text = System.Text.Encoding.UTF8.GetString(line.Written);
        line.Return();
        return text;
    }

    private static ByteString File(string? text = null, Struct? json = null, bool omits = false, string path = "/dev/stdout", AccessLogFilter? filter = null)
    {
        var form = json is not null ? new FormatString { JsonFormat = json, OmitEmptyValues = omits } : new FormatString { TextFormatSource = new DataSource { InlineString = text ?? "%PROTOCOL%" }, OmitEmptyValues = omits };
        return new AccessLog { Name = "envoy.access_loggers.file", Filter = filter, TypedConfig = EnvoyKit.Pack(TelemetryTypes.FileLog, new FileAccessLog { Path = path, LogFormat = form }) }.ToByteString();
    }

    private static AccessLogFilter Expression(string expression) => new()
    {
        ExtensionFilter = new() { Name = "cel", TypedConfig = EnvoyKit.Pack(TelemetryTypes.Expression, new AccessLogFilter.Types.Expression { Expression_ = expression }) },
    };
}
