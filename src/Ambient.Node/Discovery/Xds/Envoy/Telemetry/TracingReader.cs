using System.Collections.Immutable;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Telemetry.AccessLogs;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Telemetry;

/// <summary>Reads how the requests of a chain are traced. What cannot be done is named.</summary>
internal static class TracingReader
{
    private const string Where = "tracing";
    private const int MostTags = 256;
    private const int HttpJson = 1;

    // What Istio says of the proxy itself is known here without being told.
    private static readonly HashSet<string> s_own = ["istio.canonical_revision", "istio.canonical_service", "istio.mesh_id", "istio.namespace", "istio.cluster_id"];

    /// <summary>Reads it.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="requestId">What is said of ids of requests; empty: nothing.</param>
    /// <param name="problems">Takes what cannot be done.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    public static TrafficTracing Read(ByteString bytes, ByteString requestId, Problems problems)
    {
        var wire = Strict.Read(Tracing.Parser, bytes, out var isWhole);
        problems.NoteIf(!isWhole, Where, "a field that is not known");
        var (provider, service) = wire.Provider is { } named ? ReadProvider(named, wire, problems) : (null, null);
        problems.NoteIf(wire.CustomTags.Count > MostTags, Where, $"more than {MostTags} tags; the others are left out");
        var tags = new SortedDictionary<string, SpanTag>(StringComparer.Ordinal);
        var hasIstioTags = false;
        foreach (var tag in wire.CustomTags.Take(MostTags))
        {
            if (IsIstios(tag))
            {
                hasIstioTags = true;
            }
            else if (TagOf(tag, problems) is { } own)
            {
                tags[own.Name] = own;
            }
        }

        return new TrafficTracing
        {
            Provider = provider,
            ServiceName = service,
            Sampling = PercentOf(wire.RandomSampling),
            ClientSampling = PercentOf(wire.ClientSampling),
            OverallSampling = PercentOf(wire.OverallSampling),
            UsesRequestId = UsesRequestId(requestId),
            PropagatesContext = !wire.NoContextPropagation,
            HasIstioTags = hasIstioTags,
            Tags = [.. tags.Values],
        };
    }

    private static double PercentOf(Percent? percent) => percent is null ? 100 : double.IsNaN(percent.Value) ? 0 : Math.Clamp(percent.Value, 0, 100);

    private static bool UsesRequestId(ByteString bytes) =>
        RequestIdExtension.Parser.ParseFrom(bytes).TypedConfig is not { TypeUrl: TelemetryTypes.RequestId } config
        || UuidRequestId.Parser.ParseFrom(config.Value).UseRequestIdForTraceSampling != false;

    private static (TelemetryProvider? Provider, string? Service) ReadProvider(Tracing.Types.Provider named, Tracing wire, Problems problems)
    {
        var maxLength = (int)Math.Clamp(wire.MaxPathTagLength ?? 256u, 1, 65536);
        switch (named.TypedConfig?.TypeUrl)
        {
            case TelemetryTypes.OpenTelemetry:
                var otlp = Strict.Read(OpenTelemetryTracing.Parser, named.TypedConfig.Value, out var isWhole);
                problems.NoteIf(!isWhole, Where, "a field of OpenTelemetry's spans that is not known");
                problems.NoteIf(
                    otlp.ResourceDetectors.Any(static detector => detector.TypedConfig?.TypeUrl != TelemetryTypes.EnvironmentDetector), Where, "resource detectors other than the environment's");
                var spans = otlp.HttpService is { } http ? OfHttp(http, problems) : OfGrpc(otlp.GrpcService, problems);
                return (
                    spans is null ? null : spans with
                    {
                        IsGrpc = otlp.HttpService is null,
                        MaxTagLength = maxLength,
                        ReadsEnvironment = otlp.ResourceDetectors.Any(static detector => detector.TypedConfig?.TypeUrl == TelemetryTypes.EnvironmentDetector),
                    },
                    otlp.ServiceName is { Length: > 0 } service ? service : null);
            case TelemetryTypes.Zipkin:
                var zipkin = Strict.Read(ZipkinTracing.Parser, named.TypedConfig.Value, out isWhole);
                problems.NoteIf(!isWhole || zipkin.SharedSpanContext is not false, Where, "settings of Zipkin other than Istio's; spans are never shared with the client");
                problems.NoteIf(zipkin.CollectorEndpointVersion is not HttpJson, Where, "spans for Zipkin in another form than JSON; they go as JSON");
                return zipkin.CollectorService is { } collector && OfHttp(collector, problems) is { } sent
                    ? (sent with { IsGrpc = false, IsZipkin = true, MaxTagLength = maxLength }, null)
                    : (null, null);
            default:
                problems.NoteIf(true, Where, $"the tracer {named.Name} ({EnvoyTypes.Short(named.TypedConfig?.TypeUrl ?? "none")}): no spans go to it");
                return (null, null);
        }
    }

    private static TelemetryProvider? OfGrpc(GrpcService? service, Problems problems)
    {
        var cluster = service?.EnvoyGrpc?.ClusterName ?? "";
        if (CollectorAddress.Of(cluster) is not { } address)
        {
            problems.NoteIf(true, Where, $"the collector {cluster} is no service of the mesh; no spans go to it");
            return null;
        }

        return new TelemetryProvider { Name = address.Authority, Collector = address, Timeout = TimeoutOf(service?.Timeout?.ToTimeSpan()) };
    }

    private static TelemetryProvider? OfHttp(HttpService service, Problems problems)
    {
        var cluster = service.HttpUri?.Cluster ?? "";
        if (CollectorAddress.Of(cluster, service.HttpUri?.Uri) is not { } address)
        {
            problems.NoteIf(true, Where, $"the collector {cluster} is no service of the mesh; no spans go to it");
            return null;
        }

        var headers = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var header in service.RequestHeadersToAdd.Select(static option => option.Header).OfType<HeaderValue>())
        {
            if (header.Key.Length > 0 && header.Key.All(HttpSyntax.IsToken) && !header.Value.Any(char.IsControl))
            {
                headers[header.Key] = header.Value;
            }
            else
            {
                problems.NoteIf(true, Where, "a header for the collector that no header may be");
            }
        }

        return new TelemetryProvider { Name = address.Authority, Collector = address, Headers = headers.ToImmutable(), Timeout = TimeoutOf(service.HttpUri?.Timeout?.ToTimeSpan()) };
    }

    private static TimeSpan TimeoutOf(TimeSpan? told) => told is { } timeout && timeout > TimeSpan.Zero && timeout <= TimeSpan.FromMinutes(10) ? timeout : TimeSpan.FromSeconds(10);

    /// <summary>Whether a tag is one of Istio's own, which are made here of what is known of either party.</summary>
    private static bool IsIstios(CustomTag tag) => tag.TypeCase switch
    {
        CustomTag.TypeOneofCase.Literal => s_own.Contains(tag.Tag),
        CustomTag.TypeOneofCase.Value => tag.Tag.StartsWith("istio.", StringComparison.Ordinal) && tag.Value.Contains("stream_peer_obj:FIELD:", StringComparison.Ordinal),
        CustomTag.TypeOneofCase.Metadata => tag.Metadata.MetadataKey is { Key: "envoy.filters.http.rbac", Path: [{ Key: var key }] } && key.StartsWith("istio_dry_run_", StringComparison.Ordinal),
        _ => false,
    };

    private static SpanTag? TagOf(CustomTag tag, Problems problems)
    {
        switch (tag.TypeCase)
        {
            case CustomTag.TypeOneofCase.Literal:
                return new SpanTag(tag.Tag, SpanTagSource.Literal, tag.Literal.Value);
            case CustomTag.TypeOneofCase.Environment:
                return new SpanTag(tag.Tag, SpanTagSource.Environment, tag.Environment.Name, tag.Environment.DefaultValue is { Length: > 0 } otherwise ? otherwise : null);
            case CustomTag.TypeOneofCase.RequestHeader:
                return new SpanTag(tag.Tag, SpanTagSource.Header, tag.RequestHeader.Name, tag.RequestHeader.DefaultValue is { Length: > 0 } missing ? missing : null);
            case CustomTag.TypeOneofCase.Value:
                var unknown = new List<string>();
                AccessLogTemplate.Of(new AccessLogFormat(false, tag.Value), unknown);
                problems.NoteIf(unknown.Count > 0, Where, $"the tag {tag.Tag}: {string.Join("; ", unknown)}; it has no value");
                return new SpanTag(tag.Tag, SpanTagSource.Format, tag.Value);
            default:
                problems.NoteIf(true, Where, $"the tag {tag.Tag}, of metadata that is not known");
                return null;
        }
    }
}
