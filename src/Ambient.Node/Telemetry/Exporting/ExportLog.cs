using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Exporting;

/// <summary>What exporters say in the log.</summary>
internal static partial class ExportLog
{
    /// <summary>A collector does not take what it is sent.</summary>
    [LoggerMessage(1020, LogLevel.Warning, "{What} are dropped: provider {Provider} at {Collector} does not take them: {Reason}")]
    public static partial void Failed(ILogger logger, string what, string provider, Uri collector, string reason);
}
