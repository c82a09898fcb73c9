using Ambient.Node.Discovery.Documents;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery.Sources;

/// <summary>What discovery tells operators.</summary>
internal static partial class DiscoveryLog
{
    [LoggerMessage(2000, LogLevel.Information, "mesh read from {Source}: {Counts}{Changes}")]
    public static partial void Loaded(ILogger logger, string source, string counts, string changes);

    [LoggerMessage(2001, LogLevel.Debug, "mesh read again from {Source}: {Counts}; nothing changed")]
    public static partial void Unchanged(ILogger logger, string source, string counts);

    [LoggerMessage(2002, LogLevel.Warning, "{Kind}{Field} is known, but not supported here: used by {Count} object(s), first by {Object} at {Place}")]
    public static partial void NotSupported(ILogger logger, string kind, string field, int count, string @object, string place);

    [LoggerMessage(2003, LogLevel.Information, "the errors in {Source} have been fixed")]
    public static partial void Mended(ILogger logger, string source);

    [LoggerMessage(2004, LogLevel.Error, "configuration error: {Error}")]
    public static partial void ConfigurationError(ILogger logger, string error);

    [LoggerMessage(2005, LogLevel.Error, "{Source} has errors ({Count}) and is not applied; the mesh stays as it was until they are fixed")]
    public static partial void KeptLastGood(ILogger logger, string source, int count);

    [LoggerMessage(2006, LogLevel.Error, "{Source} has errors ({Count}); there is no mesh yet, and nothing is served until they are fixed")]
    public static partial void WaitingForFirst(ILogger logger, string source, int count);

    [LoggerMessage(2007, LogLevel.Information, "skipped {Count} object(s) of kind {Kind} in {Source}: the mesh does not use them")]
    public static partial void SkippedKind(ILogger logger, string kind, int count, string source);

    [LoggerMessage(2008, LogLevel.Warning, "{Source} cannot be watched ({Reason}); it is checked every {Interval} instead")]
    public static partial void CannotWatch(ILogger logger, string source, string reason, TimeSpan interval);

    [LoggerMessage(2009, LogLevel.Warning, "{Source} keeps changing while it is being read; it will be applied once it has been quiet for {Quiet}")]
    public static partial void KeepsChanging(ILogger logger, string source, TimeSpan quiet);

    [LoggerMessage(2010, LogLevel.Error, "{Source} cannot be read: {Reason}; the mesh stays as it was")]
    public static partial void CannotRead(ILogger logger, string source, string reason);

    [LoggerMessage(2011, LogLevel.Warning, "{File} contains no Kubernetes object and is skipped")]
    public static partial void NoManifest(ILogger logger, string file);

    [LoggerMessage(2012, LogLevel.Information, "{File} is not read: {Reason}")]
    public static partial void LeftOut(ILogger logger, string file, string reason);

    [LoggerMessage(2013, LogLevel.Warning, "object repeated: {Place}")]
    public static partial void Repeated(ILogger logger, string place);

    [LoggerMessage(2015, LogLevel.Warning, "{Notice} (at {Place})")]
    public static partial void Ineffective(ILogger logger, string notice, string place);

    [LoggerMessage(2014, LogLevel.Warning, "the mesh from {Source} is empty now: its manifest files ({Count}) contain no workloads and no services any more")]
    public static partial void EmptyMesh(ILogger logger, string source, int count);

    [LoggerMessage(2016, LogLevel.Information, "{Source} has no workloads and no services yet (manifest files: {Count}): they are read as soon as they are written there")]
    public static partial void NothingYet(ILogger logger, string source, int count);
}
