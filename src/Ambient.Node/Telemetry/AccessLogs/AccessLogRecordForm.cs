using System.Collections.Immutable;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Protos.Logs;
using Ambient.Node.Protos.Trace;
using Google.Protobuf;

namespace Ambient.Node.Telemetry.AccessLogs;

/// <summary>Form of the records that a collector gets of an access log: a text and attributes, compiled from texts with Envoy's operators.</summary>
internal sealed class AccessLogRecordForm
{
    private readonly AccessLogTemplate? _body;
    private readonly ImmutableArray<(string Name, AccessLogTemplate Value)> _attributes;

    /// <summary>Compiles what a collector wants. What is not known of it has no value; whoever read it has said so.</summary>
    public AccessLogRecordForm(AccessLogCollector collector)
    {
        ArgumentNullException.ThrowIfNull(collector);
        _body = collector.Body is { } body ? Compile(body) : null;
        _attributes = [.. collector.Attributes.Select(static attribute => (attribute.Key, Compile(attribute.Value)))];
    }

    /// <summary>The record of a request or connection that has ended.</summary>
    public LogRecord Record(in AccessLogEntry entry)
    {
        var text = Utf8TextBuilder.Rent();
        try
        {
            var record = new LogRecord { TimeUnixNano = Nanoseconds(entry.Started), ObservedTimeUnixNano = Nanoseconds(entry.Started + entry.Duration) };
            if (_body is not null)
            {
                record.Body = Value(_body, text, entry);
            }

            foreach (var (name, value) in _attributes.AsSpan())
            {
                record.Attributes.Add(new KeyValue { Key = name, Value = Value(value, text, entry) });
            }

            if (entry.TraceId != default)
            {
                var (trace, span) = (new byte[16], new byte[8]);
                entry.TraceId.CopyTo(trace);
                entry.SpanId.CopyTo(span);
                record.TraceId = UnsafeByteOperations.UnsafeWrap(trace);
                record.SpanId = UnsafeByteOperations.UnsafeWrap(span);
            }

            return record;
        }
        finally
        {
            text.Return();
        }
    }

    private static AccessLogTemplate Compile(string text) => AccessLogTemplate.Of(new AccessLogFormat(false, text), new List<string>(), isRaw: true);

    private static AnyValue Value(AccessLogTemplate template, Utf8TextBuilder text, in AccessLogEntry entry)
    {
        text.Truncate(0);
        template.Write(text, entry);
        return new AnyValue { StringValue = Encoding.UTF8.GetString(text.Written) };
    }

    private static ulong Nanoseconds(DateTimeOffset time) => (ulong)((time.UtcDateTime - DateTime.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick);
}
