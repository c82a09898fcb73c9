namespace Ambient.Node.Discovery.Xds.Envoy.Telemetry;

/// <summary>Names of the types that say what is logged, counted and traced.</summary>
internal static class TelemetryTypes
{
    private const string Prefix = "type.googleapis.com/";

    /// <summary>A log that is written to a file.</summary>
    public const string FileLog = Prefix + "envoy.extensions.access_loggers.file.v3.FileAccessLog";

    /// <summary>A log that goes to a collector of OpenTelemetry.</summary>
    public const string OpenTelemetryLog = Prefix + "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig";

    /// <summary>A condition of a log, in CEL.</summary>
    public const string Expression = Prefix + "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter";

    /// <summary>Spans by OTLP.</summary>
    public const string OpenTelemetry = Prefix + "envoy.config.trace.v3.OpenTelemetryConfig";

    /// <summary>Spans as Zipkin has them.</summary>
    public const string Zipkin = Prefix + "envoy.config.trace.v3.ZipkinConfig";

    /// <summary>Attributes of spans out of a variable.</summary>
    public const string EnvironmentDetector = Prefix + "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig";

    /// <summary>Ids of requests.</summary>
    public const string RequestId = Prefix + "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig";

    /// <summary>Istio's metrics.</summary>
    public const string Stats = Prefix + "stats.PluginConfig";
}
