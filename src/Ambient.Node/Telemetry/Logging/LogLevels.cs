using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Logging;

/// <summary>The five level names of Istio's logs.</summary>
internal static class LogLevels
{
    /// <summary>The name of a level.</summary>
    public static string NameOf(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        LogLevel.None => "off",
        _ => "error",
    };
}
