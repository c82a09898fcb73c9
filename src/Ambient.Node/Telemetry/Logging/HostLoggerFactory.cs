using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Logging;

/// <summary>
/// Loggers of a host: one line an event on standard error, in Istio's plain or JSON form. A few kilobytes instead of the logging
/// framework's configuration and options machinery, which a 15 MB process cannot afford.
/// </summary>
internal sealed class HostLoggerFactory : ILoggerFactory
{
    private readonly ConcurrentDictionary<string, HostLogger> _loggers = new(StringComparer.Ordinal);
    private readonly LogFilter _initial;
    private volatile LogFilter _filter;

    /// <summary>Creates a factory.</summary>
    /// <param name="writer">Where lines go; not owned.</param>
    /// <param name="format">Form of a line.</param>
    /// <param name="filter">What is written at first, and after a reset.</param>
    /// <param name="time">Clock.</param>
    public HostLoggerFactory(LogWriter writer, LogFormat format, LogFilter filter, TimeProvider time)
    {
        Writer = writer;
        Format = format;
        Time = time;
        _initial = _filter = filter;
    }

    /// <summary>Where lines go.</summary>
    public LogWriter Writer { get; }

    /// <summary>Form of a line.</summary>
    public LogFormat Format { get; }

    /// <summary>Clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>What is written at first, and after a reset.</summary>
    public LogFilter InitialFilter => _initial;

    /// <summary>What is written now. Changing it takes effect at once, for all loggers.</summary>
    public LogFilter Filter
    {
        get => _filter;
        set
        {
            _filter = value;
            foreach (var (_, logger) in _loggers)
            {
                logger.MinimumLevel = value.LevelOf(logger.Target);
            }
        }
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName)
    {
        ArgumentNullException.ThrowIfNull(categoryName);
        var logger = _loggers.GetOrAdd(categoryName, static (category, factory) => new HostLogger(factory, TargetOf(category)), this);
        logger.MinimumLevel = _filter.LevelOf(logger.Target);
        return logger;
    }

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("a host logs to standard error only");

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <summary>A category as operators see it: <c>Ambient.Node.Outbound.OutboundProxy</c> is <c>Outbound.OutboundProxy</c>.</summary>
    private static string TargetOf(string category) =>
        category.StartsWith("Ambient.Node.", StringComparison.Ordinal) ? category["Ambient.Node.".Length..]
        : category.StartsWith("Ambient.", StringComparison.Ordinal) ? category["Ambient.".Length..]
        : category;
}
