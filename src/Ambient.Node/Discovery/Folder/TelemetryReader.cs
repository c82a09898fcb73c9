using System.Collections.Immutable;
using System.Globalization;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Kinds;
using Ambient.Node.Discovery.Objects;
using Ambient.Node.Telemetry.AccessLogs;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads and validates Telemetries of Istio's API. Expressions that are not supported are noted, and what they would say is left out.</summary>
internal static class TelemetryReader
{
    public static TelemetryObject ReadTelemetry(ObjectMeta meta, FieldReader fields, UnsupportedUses unsupported)
    {
        var spec = fields.ObjectOrEmpty("spec");
        return new TelemetryObject(meta, new RequestTelemetry
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            CreationTime = meta.CreationTime,
            Targets = PolicyTargets.Read(meta, spec),
            Selector = PolicySelectors.Read(spec)?.ToImmutableDictionary(StringComparer.Ordinal),
            AccessLogs = [.. spec.Objects("accessLogging").Select(log => ReadAccessLog(log, meta, unsupported))],
            Metrics = [.. spec.Objects("metrics").SelectMany(metrics => metrics.Objects("overrides")).SelectMany(rule => ReadMetric(rule, meta, unsupported))],
            Tracing = [.. spec.Objects("tracing").Select(ReadTracing)],
        });
    }

    /// <summary>A percentage, or null.</summary>
    public static double? Percent(FieldReader fields, string field)
    {
        if (fields.Find(field) is not { } node)
        {
            return null;
        }

        if (node is YamlScalar { IsPlain: true } scalar && double.TryParse(scalar.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 100)
        {
            return value;
        }

        fields.Error(field, $"expected a number from 0 to 100, found {node.Describe()}");
        return null;
    }

    private static AccessLogRule ReadAccessLog(FieldReader log, ObjectMeta meta, UnsupportedUses unsupported)
    {
        var filter = log.Object("filter")?.String("expression") is { Length: > 0 } expression ? expression : null;
        if (filter is not null)
        {
            try
            {
                AccessLogFilter.Of(filter);
            }
            catch (FormatException)
            {
                unsupported.Add("Telemetry", "spec.accessLogging.filter.expression: other than comparisons", meta);
                filter = null;
            }
        }

        return new AccessLogRule
        {
            Mode = Mode(log),
            IsDisabled = log.Boolean("disabled") ?? false,
            Filter = filter,
            // They all write to the one log of a process.
            Providers = Names(log),
        };
    }

    private static IEnumerable<MetricRule> ReadMetric(FieldReader rule, ObjectMeta meta, UnsupportedUses unsupported)
    {
        var match = rule.ObjectOrEmpty("match");
        RequestMetric? metric = match.String("metric") switch
        {
            "REQUEST_COUNT" => RequestMetric.RequestCount,
            "REQUEST_DURATION" => RequestMetric.RequestDuration,
            "REQUEST_SIZE" => RequestMetric.RequestSize,
            "RESPONSE_SIZE" => RequestMetric.ResponseSize,
            "GRPC_REQUEST_MESSAGES" => RequestMetric.GrpcRequestMessages,
            "GRPC_RESPONSE_MESSAGES" => RequestMetric.GrpcResponseMessages,
            "TCP_OPENED_CONNECTIONS" => RequestMetric.TcpOpenedConnections,
            "TCP_CLOSED_CONNECTIONS" => RequestMetric.TcpClosedConnections,
            "TCP_SENT_BYTES" => RequestMetric.TcpSentBytes,
            "TCP_RECEIVED_BYTES" => RequestMetric.TcpReceivedBytes,
            _ => null,
        };
        var tags = ReadTags(rule, meta, unsupported);
        if (metric is not null || (match.String("metric") is null or "" or "ALL_METRICS" && !match.Has("customMetric")))
        {
            yield return new MetricRule
            {
                Metric = metric,
                Mode = Mode(rule),
                IsDisabled = rule.Boolean("disabled"),
                Tags = tags,
            };
        }
    }

    private static ImmutableArray<KeyValuePair<string, string?>> ReadTags(FieldReader rule, ObjectMeta meta, UnsupportedUses unsupported)
    {
        var tags = ImmutableArray.CreateBuilder<KeyValuePair<string, string?>>();
        foreach (var (name, tag) in rule.ObjectMap("tagOverrides"))
        {
            if (name.Value.Length == 0 || char.IsAsciiDigit(name.Value[0]) || !name.Value.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
            {
                tag.Error("", $"\"{name.Value}\" is not a name that a label may have; expected letters, digits and '_'");
            }

            var value = tag.String("value") is { Length: > 0 } text ? text : null;
            if (tag.String("operation") == "REMOVE")
            {
                if (value is not null)
                {
                    tag.Error("value", "not allowed with operation REMOVE");
                }

                tags.Add(new(name.Value, null));
            }
            else if (value is null)
            {
                tag.Error("value", "missing; expected the label's new value, for example \"'blue'\"");
            }
            else if (Literal(value) is { } literal)
            {
                tags.Add(new(name.Value, literal));
            }
            else
            {
                unsupported.Add("Telemetry", "spec.metrics.overrides.tagOverrides.value: other than a literal", meta);
            }
        }

        return tags.ToImmutable();
    }

    /// <summary>What a literal of CEL says; null: it is an expression.</summary>
    private static string? Literal(string value) =>
        value.Length >= 2 && value[0] is '\'' or '"' && value[^1] == value[0] && !value.AsSpan(1, value.Length - 2).ContainsAny(value[0], '\\') ? value[1..^1]
        : value is "true" or "false" || long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) ? value
        : null;

    private static TracingRule ReadTracing(FieldReader tracing) => new()
    {
        Mode = Mode(tracing),
        Providers = Providers(tracing),
        Sampling = Percent(tracing, "randomSamplingPercentage"),
        IsDisabled = tracing.Boolean("disableSpanReporting"),
        UsesRequestId = tracing.Boolean("useRequestIdForTraceSampling"),
        HasIstioTags = tracing.Boolean("enableIstioTags"),
        Tags = [.. tracing.ObjectMap("customTags").Where(tag => !tag.Value.Has("formatter")).Select(tag => ReadTag(tag.Key.Value, tag.Value))],
    };

    private static SpanTag ReadTag(string name, FieldReader tag)
    {
        if ((tag.Has("literal") ? 1 : 0) + (tag.Has("environment") ? 1 : 0) + (tag.Has("header") ? 1 : 0) != 1)
        {
            tag.Error("", "expected exactly one of literal, environment and header");
        }

        if (tag.Object("header") is { } header)
        {
            var key = header.RequiredString("name");
            if (!key.All(HttpSyntax.IsToken))
            {
                header.Error("name", $"\"{key}\" is not a name that a header may have");
            }

            return new SpanTag(name, SpanTagSource.Header, key, header.String("defaultValue"));
        }

        return tag.Object("environment") is { } environment
            ? new SpanTag(name, SpanTagSource.Environment, environment.RequiredString("name"), environment.String("defaultValue"))
            : new SpanTag(name, SpanTagSource.Literal, tag.Object("literal")?.RequiredString("value") ?? "");
    }

    private static ImmutableArray<string> Providers(FieldReader fields)
    {
        var providers = Names(fields);
        if (providers.Length > 1)
        {
            fields.Error("providers", $"{providers.Length} providers; one is supported");
        }

        return providers;
    }

    private static ImmutableArray<string> Names(FieldReader fields) => [.. fields.Objects("providers").Select(provider => provider.RequiredString("name"))];

    private static TelemetryMode Mode(FieldReader fields) => fields.Object("match")?.String("mode") switch
    {
        "CLIENT" => TelemetryMode.Client,
        "SERVER" => TelemetryMode.Server,
        _ => TelemetryMode.ClientAndServer,
    };
}
