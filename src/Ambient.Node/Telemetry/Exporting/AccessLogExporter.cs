using System.Collections.Immutable;
using Ambient.Node.Protos.Logs;
using Ambient.Node.Protos.Trace;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Exporting;

/// <summary>Sends records of the access log to one collector, by OTLP over gRPC.</summary>
/// <param name="key">Where to.</param>
/// <param name="connect">Connects to services of the mesh.</param>
/// <param name="counters">Counts records that were taken and that were not.</param>
/// <param name="logger">Log.</param>
/// <param name="time">Clock.</param>
internal sealed class AccessLogExporter(AccessLogExporterKey key, MeshConnect connect, ExportCounters counters, ILogger logger, TimeProvider time)
    : BatchExporter<LogRecord>(new CollectorTarget("records of the access log", key.Name, key.Address, s_timeout, ImmutableDictionary<string, string>.Empty), connect, counters, logger, time)
{
    private const string Method = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(10);

    private readonly Resource _resource = ResourceOf(key.LogName);

    /// <summary>Takes a record.</summary>
    public void Take(LogRecord record) => Queue(record);

    /// <inheritdoc/>
    protected override HttpRequestMessage Request(List<LogRecord> batch) => OtlpRequest.Of(
        key.Address, Method, new ExportLogsServiceRequest { ResourceLogs = { new ResourceLogs { Resource = _resource, ScopeLogs = { new ScopeLogs { LogRecords = { batch } } } } } });

    /// <inheritdoc/>
    protected override string? ProblemOf(HttpResponseMessage response) => OtlpRequest.ProblemOf(response);

    private static Resource ResourceOf(string? logName) =>
        logName is null ? new Resource() : new Resource { Attributes = { new KeyValue { Key = "log_name", Value = new AnyValue { StringValue = logName } } } };
}

/// <summary>What one exporter is shared by.</summary>
/// <param name="Name">Name of the collector.</param>
/// <param name="Address">Its address.</param>
/// <param name="LogName">Name of the log; null: none.</param>
internal sealed record AccessLogExporterKey(string Name, Uri Address, string? LogName);
