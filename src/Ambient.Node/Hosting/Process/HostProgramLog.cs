using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Process;

/// <summary>What a host process says of itself.</summary>
internal static partial class HostProgramLog
{
    [LoggerMessage(7010, LogLevel.Information, "{Name} {Version}, {Purpose}, up to {Descriptors} open files")]
    public static partial void Starting(ILogger logger, string name, string version, string purpose, string descriptors);

    [LoggerMessage(7016, LogLevel.Information, "TLS: {Engine}")]
    public static partial void Tls(ILogger logger, string engine);

    [LoggerMessage(7017, LogLevel.Information, "TLS: {Advice}")]
    public static partial void TlsAdvice(ILogger logger, string advice);

    [LoggerMessage(7011, LogLevel.Debug, "settings: {Settings}")]
    public static partial void Settings(ILogger logger, string settings);

    [LoggerMessage(7012, LogLevel.Warning, "{Notice}")]
    public static partial void Notice(ILogger logger, string notice);

    [LoggerMessage(7013, LogLevel.Information, "started after {Milliseconds} ms; admin on http://{Admin}/")]
    public static partial void Started(ILogger logger, long milliseconds, string admin);

    [LoggerMessage(7014, LogLevel.Information, "stopped")]
    public static partial void Stopped(ILogger logger);

    [LoggerMessage(7015, LogLevel.Error, "{What}: {Reason}")]
    public static partial void Failed(ILogger logger, string what, string reason);
}
