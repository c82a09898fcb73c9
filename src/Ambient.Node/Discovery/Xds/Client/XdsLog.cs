using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>What the xDS client tells operators.</summary>
internal static partial class XdsLog
{
    [LoggerMessage(2020, LogLevel.Information, "xDS stream to {Server} is open; asking for {Held}")]
    public static partial void Opened(ILogger logger, string server, string held);

    [LoggerMessage(2021, LogLevel.Information, "mesh received from {Server}: {Workloads} workloads, {Services} services, {Policies} policies after {Milliseconds} ms")]
    public static partial void Warm(ILogger logger, string server, int workloads, int services, int policies, long milliseconds);

    [LoggerMessage(2022, LogLevel.Information, "xDS stream ended: {Reason}; opening it again in {Delay}")]
    public static partial void Reconnecting(ILogger logger, string reason, TimeSpan delay);

    [LoggerMessage(2023, LogLevel.Warning, "xDS stream ended: {Reason}; trying again in {Delay}. The mesh stays as it was last told")]
    public static partial void Ended(ILogger logger, string reason, TimeSpan delay);

    [LoggerMessage(2024, LogLevel.Error, "{Type} {Name} is refused: {Reason}. Everything else of the update is applied; what was held under that name stays")]
    public static partial void Refused(ILogger logger, string type, string name, string reason);

    [LoggerMessage(2025, LogLevel.Warning, "resources of a type that nobody asked for: {Type}; they are acknowledged and have no effect")]
    public static partial void UnknownType(ILogger logger, string type);

    [LoggerMessage(2026, LogLevel.Debug, "{Type}: {Taken} taken, {Refused} refused, {Removed} removed (decoded in {Decoding} ms, applied in {Applying} ms)")]
    public static partial void Applied(ILogger logger, string type, int taken, int refused, int removed, long decoding, long applying);
}
