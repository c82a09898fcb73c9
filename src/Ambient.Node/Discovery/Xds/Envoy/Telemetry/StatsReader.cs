using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Telemetry.AccessLogs;
using Ambient.Node.Telemetry.Metrics;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Telemetry;

/// <summary>Reads what is changed of a chain's metrics. What cannot be done is named.</summary>
internal static class StatsReader
{
    private const string Where = "metrics";

    private static readonly Dictionary<string, RequestMetric?> s_metrics = new(StringComparer.Ordinal)
    {
        [""] = null,
        ["requests_total"] = RequestMetric.RequestCount,
        ["request_duration_milliseconds"] = RequestMetric.RequestDuration,
        ["request_bytes"] = RequestMetric.RequestSize,
        ["response_bytes"] = RequestMetric.ResponseSize,
        ["request_messages_total"] = RequestMetric.GrpcRequestMessages,
        ["response_messages_total"] = RequestMetric.GrpcResponseMessages,
        ["tcp_connections_opened_total"] = RequestMetric.TcpOpenedConnections,
        ["tcp_connections_closed_total"] = RequestMetric.TcpClosedConnections,
        ["tcp_sent_bytes_total"] = RequestMetric.TcpSentBytes,
        ["tcp_received_bytes_total"] = RequestMetric.TcpReceivedBytes,
    };

    /// <summary>No metric at all: the filter that counts is not there.</summary>
    public static ImmutableArray<MetricRule> None { get; } = [new MetricRule { IsDisabled = true }];

    /// <summary>Reads it.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="isWaypoint">Whether it is a waypoint's.</param>
    /// <param name="problems">Takes what cannot be done.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    public static ImmutableArray<MetricRule> Read(ByteString bytes, bool isWaypoint, Problems problems)
    {
        var wire = Strict.Read(StatsPlugin.Parser, bytes, out var isWhole);
        problems.NoteIf(!isWhole, Where, "a field that is not known");
        problems.NoteIf((wire.Reporter == StatsPlugin.Types.Reporter.ServerGateway) != isWaypoint, Where, "another reporter than such a proxy is");
        problems.NoteIf(!wire.DisableHostHeaderFallback, Where, "the Host header in place of a service that is not known: nothing stands there");
        return [.. wire.Metrics.Select(metric => Read(metric, problems)).OfType<MetricRule>()];
    }

    private static MetricRule? Read(MetricConfig wire, Problems problems)
    {
        if (!s_metrics.TryGetValue(wire.Name, out var metric))
        {
            problems.NoteIf(true, Where, $"{wire.Name} is not known");
            return null;
        }

        var tags = ImmutableArray.CreateBuilder<KeyValuePair<string, string?>>();
        var attributes = ImmutableArray.CreateBuilder<KeyValuePair<string, string>>();
        foreach (var (name, value) in wire.Dimensions.OrderBy(static dimension => dimension.Key, StringComparer.Ordinal))
        {
            if (!MetricLabels.IsName(name))
            {
                problems.NoteIf(true, Where, $"\"{name}\" is not a name that a label may have");
            }
            else if (AccessLogAttributes.LiteralOf(value) is { } literal)
            {
                tags.Add(new(name, literal));
            }
            else if (AccessLogAttributes.Of(value) is not null)
            {
                attributes.Add(new(name, value));
            }
            else
            {
                problems.NoteIf(true, Where, $"the label {name} as {value}: other than a literal, or one attribute that is known");
            }
        }

        tags.AddRange(wire.TagsToRemove.Order(StringComparer.Ordinal).Select(static name => KeyValuePair.Create(name, (string?)null)));
        return new MetricRule { Metric = metric, IsDisabled = wire.Drop ? true : null, Tags = tags.ToImmutable(), Attributes = attributes.ToImmutable() };
    }
}
