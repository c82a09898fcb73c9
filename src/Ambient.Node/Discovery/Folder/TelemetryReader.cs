using System.Collections.Immutable;
using System.Globalization;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Kinds;
using Ambient.Node.Discovery.Objects;
using Ambient.Node.Telemetry.AccessLogs;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads and validates Telemetries of Istio's API. Expressions that are not supported are noted, and what they would say is left out.</summary>
internal static class TelemetryReader
{
    private const int MostLogs = 16;

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
            Metrics = [.. spec.Objects("metrics").SelectMany(OverridesOf).SelectMany(rule => ReadMetric(rule, meta, unsupported))],
            Tracing = [.. spec.Objects("tracing").Select(tracing => ReadTracing(tracing, meta, unsupported))],
        });
    }

    /// <summary>What is said of single metrics. How often they are reported is read and not needed: bytes are counted as they pass, and a scrape is never late.</summary>
    private static IEnumerable<FieldReader> OverridesOf(FieldReader metrics)
    {
        Durations.Read(metrics, "reportingInterval");
        return metrics.Objects("overrides");
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
            Providers = Providers(log, MostLogs),
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
        var (tags, attributes) = ReadTags(rule, meta, unsupported);
        if (metric is not null || (match.String("metric") is null or "" or "ALL_METRICS" && !match.Has("customMetric")))
        {
            yield return new MetricRule
            {
                Metric = metric,
                Mode = Mode(rule),
                IsDisabled = rule.Boolean("disabled"),
                Tags = tags,
                Attributes = attributes,
            };
        }
    }

    private static (ImmutableArray<KeyValuePair<string, string?>> Tags, ImmutableArray<KeyValuePair<string, string>> Attributes) ReadTags(
        FieldReader rule, ObjectMeta meta, UnsupportedUses unsupported)
    {
        var tags = ImmutableArray.CreateBuilder<KeyValuePair<string, string?>>();
        var attributes = ImmutableArray.CreateBuilder<KeyValuePair<string, string>>();
        foreach (var (name, tag) in rule.ObjectMap("tagOverrides"))
        {
            if (!MetricLabels.IsName(name.Value))
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
            else if (AccessLogAttributes.LiteralOf(value) is { } literal)
            {
                tags.Add(new(name.Value, literal));
            }
            else if (AccessLogAttributes.Of(value) is not null)
            {
                attributes.Add(new(name.Value, value));
            }
            else
            {
                unsupported.Add("Telemetry", "spec.metrics.overrides.tagOverrides.value: other than a literal or one attribute", meta);
            }
        }

        return (tags.ToImmutable(), attributes.ToImmutable());
    }

    private static TracingRule ReadTracing(FieldReader tracing, ObjectMeta meta, UnsupportedUses unsupported) => new()
    {
        Mode = Mode(tracing),
        Providers = Providers(tracing, 1),
        Sampling = Percent(tracing, "randomSamplingPercentage"),
        IsDisabled = tracing.Boolean("disableSpanReporting"),
        UsesRequestId = tracing.Boolean("useRequestIdForTraceSampling"),
        HasIstioTags = tracing.Boolean("enableIstioTags"),
        PropagatesContext = tracing.Boolean("disableContextPropagation") is { } disabled ? !disabled : null,
        Tags = [.. tracing.ObjectMap("customTags").Select(tag => ReadTag(tag.Key.Value, tag.Value, meta, unsupported))],
    };

    private static SpanTag ReadTag(string name, FieldReader tag, ObjectMeta meta, UnsupportedUses unsupported)
    {
        if ((tag.Has("literal") ? 1 : 0) + (tag.Has("environment") ? 1 : 0) + (tag.Has("header") ? 1 : 0) + (tag.Has("formatter") ? 1 : 0) != 1)
        {
            tag.Error("", "expected exactly one of literal, environment, header and formatter");
        }

        if (tag.Object("formatter") is { } formatter)
        {
            var (text, unknown) = (formatter.RequiredString("value"), new List<string>());
            AccessLogTemplate.Of(new AccessLogFormat(false, text), unknown);
            foreach (var operation in unknown)
            {
                unsupported.Add("Telemetry", $"spec.tracing.customTags.formatter: {operation}", meta);
            }

            return new SpanTag(name, SpanTagSource.Format, text);
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

    private static ImmutableArray<string> Providers(FieldReader fields, int most)
    {
        var providers = fields.Objects("providers").Select(provider => provider.RequiredString("name")).ToImmutableArray();
        if (providers.Length > most)
        {
            fields.Error("providers", $"{providers.Length} providers; {(most == 1 ? "one is" : $"{most} are")} supported");
        }

        return providers;
    }

    private static TelemetryMode Mode(FieldReader fields) => fields.Object("match")?.String("mode") switch
    {
        "CLIENT" => TelemetryMode.Client,
        "SERVER" => TelemetryMode.Server,
        _ => TelemetryMode.ClientAndServer,
    };
}
