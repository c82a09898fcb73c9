using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Telemetry.AccessLogs;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using AccessLogFilter = Ambient.Node.Protos.Envoy.AccessLogFilter;
using ExpressionFilter = Ambient.Node.Telemetry.AccessLogs.AccessLogFilter;

namespace Ambient.Node.Discovery.Xds.Envoy.Telemetry;

/// <summary>Reads the access logs of a chain. What cannot be written, or asked of a request, is named, and keeps nobody out.</summary>
internal static class AccessLogReader
{
    private const string Where = "access log";
    private const int MostLogs = 16;

    // What a form may have of objects in one another.
    private const int MostNested = 7;

    /// <summary>Reads them. Where there are some and none of them can be written, requests have our own line.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no logs.</exception>
    public static ImmutableArray<AccessLogOutput> Read(RepeatedField<ByteString> logs, Problems problems)
    {
        problems.NoteIf(logs.Count > MostLogs, Where, $"more than {MostLogs} of one chain; the others are not written");
        ImmutableArray<AccessLogOutput> read = [.. logs.Take(MostLogs).Select(log => Read(log, problems)).OfType<AccessLogOutput>()];
        return read.IsEmpty && logs.Count > 0 ? [new AccessLogOutput()] : read;
    }

    private static AccessLogOutput? Read(ByteString bytes, Problems problems)
    {
        var wire = Strict.Read(AccessLog.Parser, bytes, out var isWhole);
        problems.NoteIf(!isWhole, Where, "a field that is not known, of where it goes or of what it has");
        var conditions = ImmutableArray.CreateBuilder<AccessLogCondition>();
        if (wire.Filter is { } filter)
        {
            Add(filter, conditions, problems);
        }

        switch (wire.TypedConfig?.TypeUrl)
        {
            case TelemetryTypes.FileLog:
                return ReadFile(wire.TypedConfig.Value, problems) is { } format ? new AccessLogOutput { Format = format, Conditions = conditions.ToImmutable() } : null;
            case TelemetryTypes.OpenTelemetryLog:
                return ReadCollector(wire.TypedConfig.Value, problems) is { } collector ? new AccessLogOutput { Collector = collector, Conditions = conditions.ToImmutable() } : null;
            default:
                problems.NoteIf(true, Where, $"{wire.Name} ({EnvoyTypes.Short(wire.TypedConfig?.TypeUrl ?? "none")}) is not written");
                return null;
        }
    }

    /// <summary>What a filter asks for: all of it has to hold.</summary>
    private static void Add(AccessLogFilter filter, ImmutableArray<AccessLogCondition>.Builder conditions, Problems problems)
    {
        switch (filter.FilterSpecifierCase)
        {
            case AccessLogFilter.FilterSpecifierOneofCase.AndFilter:
                foreach (var part in filter.AndFilter.Filters)
                {
                    Add(part, conditions, problems);
                }

                break;
            case AccessLogFilter.FilterSpecifierOneofCase.ResponseFlagFilter:
                conditions.Add(new AccessLogCondition { Flags = [.. filter.ResponseFlagFilter.Flags] });
                break;
            case AccessLogFilter.FilterSpecifierOneofCase.StatusCodeFilter when filter.StatusCodeFilter.Comparison is { } comparison:
                conditions.Add(ConditionOf(comparison.Op, (int)Math.Min(comparison.Value?.DefaultValue ?? 0, int.MaxValue)));
                break;
            case AccessLogFilter.FilterSpecifierOneofCase.ExtensionFilter when filter.ExtensionFilter.TypedConfig?.TypeUrl == TelemetryTypes.Expression:
                Add(Strict.Read(AccessLogFilter.Types.Expression.Parser, filter.ExtensionFilter.TypedConfig.Value, out _).Expression_, conditions, problems);
                break;
            default:
                problems.NoteIf(true, Where, "a filter that is not known; what it would leave out is logged");
                break;
        }
    }

    private static void Add(string expression, ImmutableArray<AccessLogCondition>.Builder conditions, Problems problems)
    {
        try
        {
            ExpressionFilter.Of(expression);
            conditions.Add(new AccessLogCondition { Expression = expression });
        }
        catch (FormatException e)
        {
            problems.NoteIf(true, Where, $"the filter {expression}: {e.Message}; what it would leave out is logged");
        }
    }

    private static AccessLogCondition ConditionOf(AccessLogFilter.Types.Comparison.Types.Op op, int status) => op switch
    {
        AccessLogFilter.Types.Comparison.Types.Op.Ge => new AccessLogCondition { LowestStatus = status },
        AccessLogFilter.Types.Comparison.Types.Op.Le => new AccessLogCondition { HighestStatus = status },
        AccessLogFilter.Types.Comparison.Types.Op.Ne => new AccessLogCondition { OtherThanStatus = status },
        _ => new AccessLogCondition { LowestStatus = status, HighestStatus = status },
    };

    private static AccessLogFormat? ReadFile(ByteString bytes, Problems problems)
    {
        var wire = Strict.Read(FileAccessLog.Parser, bytes, out var isWhole);
        if (wire.Path is not ("/dev/stdout" or "/dev/stderr"))
        {
            problems.NoteIf(true, Where, $"{wire.Path} is not written: the log goes to /dev/stdout");
            return null;
        }

        problems.NoteIf(!isWhole, Where, "a field of its form that is not known");
        if (wire.LogFormat is not { } form)
        {
            return new AccessLogFormat(false, null);
        }

        var format = form.FormatCase switch
        {
            FormatString.FormatOneofCase.JsonFormat => new AccessLogFormat(true, Json(form.JsonFormat, problems)) { OmitsEmptyValues = form.OmitEmptyValues },
            FormatString.FormatOneofCase.TextFormatSource => new AccessLogFormat(false, TextOf(form.TextFormatSource)) { OmitsEmptyValues = form.OmitEmptyValues },
            _ => new AccessLogFormat(false, null),
        };
        Check(format, problems);
        return format;
    }

    private static AccessLogCollector? ReadCollector(ByteString bytes, Problems problems)
    {
        var wire = Strict.Read(OpenTelemetryAccessLog.Parser, bytes, out var isWhole);
        problems.NoteIf(!isWhole, Where, "a field of OpenTelemetry's log that is not known");
        var cluster = wire.CommonConfig?.GrpcService?.EnvoyGrpc?.ClusterName ?? "";
        if (CollectorAddress.Of(cluster) is not { } address)
        {
            problems.NoteIf(true, Where, $"the collector {cluster} is no service of the mesh; nothing goes to it");
            return null;
        }

        var body = wire.Body?.StringValue is { Length: > 0 } text ? text : null;
        ImmutableArray<KeyValuePair<string, string>> attributes = [.. wire.Attributes?.Values.Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.StringValue ?? "")) ?? []];
        foreach (var part in attributes.Select(static attribute => attribute.Value).Append(body ?? ""))
        {
            Check(new AccessLogFormat(false, part), problems);
        }

        return new AccessLogCollector
        {
            Name = address.Authority,
            Address = address,
            LogName = wire is { DisableBuiltinLabels: false, CommonConfig.LogName: { Length: > 0 } name } ? name : null,
            Body = body,
            Attributes = attributes,
        };
    }

    /// <summary>Names operators that are not known.</summary>
    private static void Check(AccessLogFormat format, Problems problems)
    {
        var unknown = new List<string>();
        AccessLogTemplate.Of(format, unknown);
        foreach (var operation in unknown)
        {
            problems.NoteIf(true, Where, $"{operation}; it has no value");
        }
    }

    private static string? TextOf(DataSource source) => source.SpecifierCase switch
    {
        DataSource.SpecifierOneofCase.InlineString => source.InlineString,
        DataSource.SpecifierOneofCase.InlineBytes => source.InlineBytes.ToStringUtf8(),
        _ => null,
    };

    /// <summary>An object as JSON, its fields by their names: they come in no order.</summary>
    private static string Json(Struct form, Problems problems)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes))
        {
            Write(writer, form, MostNested, problems);
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    private static void Write(Utf8JsonWriter writer, Struct form, int depth, Problems problems)
    {
        writer.WriteStartObject();
        foreach (var (name, value) in form.Fields.OrderBy(static field => field.Key, StringComparer.Ordinal))
        {
            writer.WritePropertyName(name);
            Write(writer, value, depth, problems);
        }

        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, Value value, int depth, Problems problems)
    {
        switch (value.KindCase)
        {
            case Value.KindOneofCase.StringValue:
                writer.WriteStringValue(value.StringValue);
                break;
            case Value.KindOneofCase.BoolValue:
                writer.WriteBooleanValue(value.BoolValue);
                break;
            case Value.KindOneofCase.NumberValue when double.IsFinite(value.NumberValue):
                writer.WriteNumberValue(value.NumberValue);
                break;
            case Value.KindOneofCase.StructValue when depth > 1:
                Write(writer, value.StructValue, depth - 1, problems);
                break;
            case Value.KindOneofCase.ListValue when depth > 1:
                writer.WriteStartArray();
                foreach (var item in value.ListValue.Values)
                {
                    Write(writer, item, depth - 1, problems);
                }

                writer.WriteEndArray();
                break;
            default:
                problems.NoteIf(value.KindCase is Value.KindOneofCase.StructValue or Value.KindOneofCase.ListValue, Where, "objects nested too deeply in its format; null is written for them");
                writer.WriteNullValue();
                break;
        }
    }
}
