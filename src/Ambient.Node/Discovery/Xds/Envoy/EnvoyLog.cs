using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery.Xds.Envoy;

/// <summary>What is said of istiod's Envoy configuration.</summary>
internal static partial class EnvoyLog
{
    [LoggerMessage(2030, LogLevel.Warning, "istiod's configuration is not understood in part, and that part is blocked: {Problem}")]
    public static partial void NotUnderstood(ILogger logger, string problem);

    [LoggerMessage(2031, LogLevel.Information, "istiod's configuration has what is passed over here, or done in another way: {Note}")]
    public static partial void PassedOver(ILogger logger, string note);
}
