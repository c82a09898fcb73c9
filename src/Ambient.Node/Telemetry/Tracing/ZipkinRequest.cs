using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Ambient.Node.Telemetry.Tracing;

/// <summary>Spans as Zipkin takes them (https://zipkin.io/zipkin-api/, version 2), in JSON.</summary>
internal static class ZipkinRequest
{
    private static readonly MediaTypeHeaderValue s_json = new("application/json");

    /// <summary>The request that carries spans.</summary>
    /// <param name="collector">Address, with its path.</param>
    /// <param name="spans">Spans.</param>
    public static HttpRequestMessage Of(Uri collector, IEnumerable<FinishedSpan> spans)
    {
        var bytes = new ArrayBufferWriter<byte>(4096);
        using (var writer = new Utf8JsonWriter(bytes))
        {
            writer.WriteStartArray();
            foreach (var span in spans)
            {
                Write(writer, span);
            }

            writer.WriteEndArray();
        }

        var request = new HttpRequestMessage(HttpMethod.Post, collector) { Content = new ByteArrayContent(bytes.WrittenSpan.ToArray()) };
        request.Content.Headers.ContentType = s_json;
        return request;
    }

    private static void Write(Utf8JsonWriter writer, FinishedSpan span)
    {
        var activity = span.Activity;
        writer.WriteStartObject();
        writer.WriteString("traceId"u8, activity.TraceId.ToHexString());
        writer.WriteString("id"u8, activity.SpanId.ToHexString());
        if (activity.ParentSpanId != default)
        {
            writer.WriteString("parentId"u8, activity.ParentSpanId.ToHexString());
        }

        writer.WriteString("name"u8, activity.DisplayName);
        writer.WriteString("kind"u8, activity.Kind == ActivityKind.Client ? "CLIENT"u8 : "SERVER"u8);
        writer.WriteNumber("timestamp"u8, (activity.StartTimeUtc - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);

        // The least that it knows: without any a span has no end.
        writer.WriteNumber("duration"u8, Math.Max(1, activity.Duration.Ticks / TimeSpan.TicksPerMicrosecond));
        writer.WriteStartObject("localEndpoint"u8);
        writer.WriteString("serviceName"u8, span.Service);
        writer.WriteEndObject();
        writer.WriteStartObject("tags"u8);
        foreach (var (key, value) in activity.EnumerateTagObjects())
        {
            if (value is not null)
            {
                writer.WriteString(key, value as string ?? Convert.ToString(value, CultureInfo.InvariantCulture));
            }
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}
