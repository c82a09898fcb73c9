using Ambient.Node.Discovery.Documents;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery.Sources;

/// <summary>What discovery tells operators. Event ids 3000 to 3099.</summary>
internal static partial class DiscoveryLog
{
    [LoggerMessage(3000, LogLevel.Information, "mesh read from {Source}: {Counts}{Changes}")]
    public static partial void Loaded(ILogger logger, string source, string counts, string changes);

    [LoggerMessage(3008, LogLevel.Debug, "mesh read again from {Source}: {Counts}; nothing changed")]
    public static partial void Unchanged(ILogger logger, string source, string counts);

    [LoggerMessage(3009, LogLevel.Warning, "{Kind}{Field} is known and not supported here: objects {Count}, the first {Object} at {Place}")]
    public static partial void NotSupported(ILogger logger, string kind, string field, int count, string @object, string place);

    [LoggerMessage(3010, LogLevel.Information, "{Source} has no errors any more")]
    public static partial void Mended(ILogger logger, string source);

    [LoggerMessage(3001, LogLevel.Error, "configuration error: {Error}")]
    public static partial void ConfigurationError(ILogger logger, string error);

    [LoggerMessage(3002, LogLevel.Error, "{Source} has errors ({Count}) and is not applied; the mesh stays as it was until they are mended")]
    public static partial void KeptLastGood(ILogger logger, string source, int count);

    [LoggerMessage(3003, LogLevel.Error, "{Source} has errors ({Count}); there is no mesh yet, and nothing is served until they are mended")]
    public static partial void WaitingForFirst(ILogger logger, string source, int count);

    [LoggerMessage(3004, LogLevel.Information, "skipped objects of kind {Kind} ({Count}) in {Source}: the mesh does not use them")]
    public static partial void SkippedKind(ILogger logger, string kind, int count, string source);

    [LoggerMessage(3005, LogLevel.Warning, "{Source} cannot be watched ({Reason}); it is compared every {Interval} instead")]
    public static partial void CannotWatch(ILogger logger, string source, string reason, TimeSpan interval);

    [LoggerMessage(3006, LogLevel.Warning, "{Source} keeps changing while it is read; it is applied as soon as it is quiet for {Quiet}")]
    public static partial void KeepsChanging(ILogger logger, string source, TimeSpan quiet);

    [LoggerMessage(3007, LogLevel.Error, "{Source} cannot be read: {Reason}; the mesh stays as it was")]
    public static partial void CannotRead(ILogger logger, string source, string reason);
}
