using System.Diagnostics;
using System.Globalization;
using Ambient.Mesh;
using Ambient.Node.Protos.Trace;
using Ambient.Node.Telemetry.Exporting;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Tracing;

/// <summary>Sends spans to one collector: by OTLP over gRPC or HTTP, or as Zipkin's JSON.</summary>
/// <param name="provider">Where to, and how.</param>
/// <param name="connect">Connects to services of the mesh.</param>
/// <param name="counters">Counts spans that were taken and that were not.</param>
/// <param name="logger">Log.</param>
/// <param name="time">Clock.</param>
internal sealed class SpanExporter(TelemetryProvider provider, MeshConnect connect, ExportCounters counters, ILogger logger, TimeProvider time)
    : BatchExporter<FinishedSpan>(new CollectorTarget("spans", provider.Name, provider.Collector!, provider.Timeout, provider.Headers), connect, counters, logger, time)
{
    private const string Method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    private const int MostAttributes = 64;

    private readonly KeyValue[] _environment = provider.ReadsEnvironment ? AttributesOf(Environment.GetEnvironmentVariable("OTEL_RESOURCE_ATTRIBUTES") ?? "") : [];

    /// <summary>Takes a span that has ended.</summary>
    /// <param name="span">The span.</param>
    /// <param name="service">Who made it, as <c>service.name</c>.</param>
    public void Take(Activity span, string service) => Queue(new FinishedSpan(span, service));

    /// <inheritdoc/>
    protected override HttpRequestMessage Request(List<FinishedSpan> batch) => provider.IsZipkin
        ? ZipkinRequest.Of(provider.Collector!, batch)
        : OtlpRequest.Of(provider.Collector!, provider.IsGrpc ? Method : null, Message(batch, _environment));

    /// <inheritdoc/>
    protected override string? ProblemOf(HttpResponseMessage response) => provider.IsGrpc && !provider.IsZipkin ? OtlpRequest.ProblemOf(response) : null;

    /// <summary>The message for some spans.</summary>
    internal static ExportTraceServiceRequest Message(IEnumerable<FinishedSpan> spans, params ReadOnlySpan<KeyValue> attributes)
    {
        var request = new ExportTraceServiceRequest();
        foreach (var service in spans.GroupBy(span => span.Service, StringComparer.Ordinal))
        {
            var resource = new Resource();
            resource.Attributes.Add(Attribute("service.name", service.Key));
            foreach (var attribute in attributes)
            {
                resource.Attributes.Add(attribute);
            }

            var scope = new ScopeSpans { Scope = new Scope { Name = SpanExporters.SourceName } };
            scope.Spans.AddRange(service.Select(span => Convert(span.Activity)));
            request.ResourceSpans.Add(new ResourceSpans { Resource = resource, ScopeSpans = { scope } });
        }

        return request;
    }

    private static Span Convert(Activity activity)
    {
        var start = Nanoseconds(activity.StartTimeUtc);
        var span = new Span
        {
            TraceId = Bytes(activity.TraceId),
            SpanId = Bytes(activity.SpanId),
            TraceState = activity.TraceStateString ?? "",
            ParentSpanId = activity.ParentSpanId == default ? ByteString.Empty : Bytes(activity.ParentSpanId),
            Name = activity.DisplayName,
            Kind = activity.Kind == ActivityKind.Client ? SpanKind.Client : SpanKind.Server,
            StartTimeUnixNano = start,
            EndTimeUnixNano = start + (ulong)(activity.Duration.Ticks * TimeSpan.NanosecondsPerTick),
            Flags = (uint)activity.ActivityTraceFlags,
        };
        foreach (var (key, value) in activity.EnumerateTagObjects())
        {
            if (value is not null)
            {
                span.Attributes.Add(Attribute(key, value as string ?? System.Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""));
            }
        }

        if (activity.Status == ActivityStatusCode.Error)
        {
            span.Status = new Status { Code = 2, Message = activity.StatusDescription ?? "" };
        }

        return span;
    }

    /// <summary>Attributes as a variable has them, <c>name=value</c> with commas between; a value is percent-encoded.</summary>
    private static KeyValue[] AttributesOf(string variable) =>
    [
        .. variable.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Take(MostAttributes)
            .Select(static pair => pair.Split('=', 2)).Where(static pair => pair is [{ Length: > 0 } and not "service.name", _])
            .Select(static pair => Attribute(pair[0].Trim(), Uri.UnescapeDataString(pair[1].Trim()))),
    ];

    private static KeyValue Attribute(string key, string value) => new() { Key = key, Value = new AnyValue { StringValue = value } };

    private static ulong Nanoseconds(DateTime time) => (ulong)((time - DateTime.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick);

    private static ByteString Bytes(ActivityTraceId id)
    {
        var bytes = new byte[16];
        id.CopyTo(bytes);
        return UnsafeByteOperations.UnsafeWrap(bytes);
    }

    private static ByteString Bytes(ActivitySpanId id)
    {
        var bytes = new byte[8];
        id.CopyTo(bytes);
        return UnsafeByteOperations.UnsafeWrap(bytes);
    }
}

/// <summary>A span that has ended.</summary>
/// <param name="Activity">The span.</param>
/// <param name="Service">Who made it.</param>
internal readonly record struct FinishedSpan(Activity Activity, string Service);
