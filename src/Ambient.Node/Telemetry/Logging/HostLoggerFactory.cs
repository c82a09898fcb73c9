using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Logging;

/// <summary>
/// Loggers of a host: one line per event on standard output, in Istio's plain or JSON form. A few kilobytes instead of the logging
/// framework's configuration and options machinery, which a 15 MB process cannot afford.
/// </summary>
internal sealed class HostLoggerFactory : ILoggerFactory
{
    private static readonly EventId s_access = new(1010, "Access");
    private readonly ConcurrentDictionary<string, HostLogger> _loggers = new(StringComparer.Ordinal);
    private readonly ILoggerFactory? _application;
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
        writer.DropNotice = DropNotice;
    }

    /// <summary>Where lines go; null where an application's own loggers take them.</summary>
    public LogWriter? Writer { get; }

    private HostLoggerFactory(ILoggerFactory application, TimeProvider time)
    {
        _application = application;
        Time = time;
        _initial = _filter = LogFilter.TryParse("trace", out var everything, out _) ? everything : LogFilter.Info;
    }

    /// <summary>
    /// Loggers of an application that hosts a node: every event, access-log lines too, goes to its own loggers, under
    /// <c>Ambient.Node.</c> and the target's name, and its own filters decide what is written.
    /// </summary>
    /// <param name="application">The application's; not owned.</param>
    /// <param name="time">Clock.</param>
    public static HostLoggerFactory Over(ILoggerFactory application, TimeProvider time) => new(application, time);

    /// <summary>Begins an access-log line, which <see cref="End"/> must complete.</summary>
    public AccessLogLine Begin(LogLevel level, string target, string message) => _application is null
        ? new AccessLogLine(Utf8TextBuilder.Rent(), Format, level, Time.GetUtcNow(), target, message)
        : new AccessLogLine(Utf8TextBuilder.Rent(), message);

    /// <summary>Completes and writes a line begun by <see cref="Begin"/>.</summary>
    public void End(LogLevel level, ILogger logger, AccessLogLine line)
    {
        if (Writer is { } writer)
        {
            writer.Append(line.End());
        }
        else if (logger.IsEnabled(level))
        {
            logger.Log(level, s_access, System.Text.Encoding.UTF8.GetString(line.Text.Written), null, static (text, _) => text);
        }

        line.Text.Return();
    }

    /// <summary>Writes a line that has neither level nor target, as it is.</summary>
    public void Line(LogLevel level, ILogger logger, Utf8TextBuilder text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (Writer is { } writer)
        {
            writer.Append(text.Append("\n"u8).Written);
        }
        else if (logger.IsEnabled(level))
        {
            logger.Log(level, s_access, System.Text.Encoding.UTF8.GetString(text.Written), null, static (line, _) => line);
        }
    }

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

    /// <summary>Every logger that was used so far, and the lowest level that it writes.</summary>
    public IReadOnlyList<(string Name, string Level)> Levels =>
        [.. _loggers.Values.Select(logger => logger.Target).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Select(target => (target, LogLevels.NameOf(_filter.LevelOf(target))))];

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName)
    {
        ArgumentNullException.ThrowIfNull(categoryName);
        var logger = _loggers.GetOrAdd(categoryName, static (category, factory) => factory.NewLogger(TargetOf(category)), this);
        logger.MinimumLevel = _filter.LevelOf(logger.Target);
        return logger;
    }

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("a host logs to standard output only");

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private HostLogger NewLogger(string target) => new(this, target, _application?.CreateLogger("Ambient.Node." + target));

    /// <summary>Writes a line of a process's own log.</summary>
    internal void Append(ReadOnlySpan<byte> line) => Writer?.Append(line);

    private byte[] DropNotice(long dropped)
    {
        var text = new Utf8TextBuilder();
        const string Message = "lines were dropped because the reader of the log did not keep up";
        if (Format == LogFormat.Json)
        {
            text.Append("{\"level\":\"warn\",\"time\":\""u8).Append(Time.GetUtcNow()).Append("\",\"scope\":\"log\",\"message\":\""u8).Append(dropped).Append(" "u8).Append(Message).Append("\"}\n"u8);
        }
        else
        {
            text.Append(Time.GetUtcNow()).Append("\twarn\tlog\t"u8).Append(dropped).Append(" "u8).Append(Message).Append("\n"u8);
        }

        return text.Written.ToArray();
    }

    /// <summary>A category as operators see it: <c>Ambient.Node.Outbound.OutboundProxy</c> is <c>Outbound.OutboundProxy</c>.</summary>
    private static string TargetOf(string category) =>
        category.StartsWith("Ambient.Node.", StringComparison.Ordinal) ? category["Ambient.Node.".Length..]
        : category.StartsWith("Ambient.", StringComparison.Ordinal) ? category["Ambient.".Length..]
        : category;
}
