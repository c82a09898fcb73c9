using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Logging;

/// <summary>Writes one target's events, one line each.</summary>
internal sealed class HostLogger(HostLoggerFactory factory, string target, ILogger? application = null) : ILogger
{
    // An error quotes its subject, which may have come from a peer; a list of a thousand errors is cut as well.
    private const int MaxText = 32 * 1024;

    /// <summary>Name shown in lines and used in filters.</summary>
    public string Target { get; } = target;

    /// <summary>Lowest level that is written.</summary>
    public LogLevel MinimumLevel { get; set; } = LogLevel.Information;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel >= MinimumLevel && logLevel != LogLevel.None && application?.IsEnabled(logLevel) != false;

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        ArgumentNullException.ThrowIfNull(formatter);
        if (!IsEnabled(logLevel))
        {
            return;
        }

        if (application is not null)
        {
            application.Log(logLevel, eventId, state, exception, formatter);
            return;
        }

        var message = Cut(formatter(state, exception));
        var line = Utf8TextBuilder.Rent();
        if (factory.Format == LogFormat.Json)
        {
            line.Append("{\"level\":\""u8).Append(LogLevels.NameOf(logLevel))
                .Append("\",\"time\":\""u8).Append(factory.Time.GetUtcNow())
                .Append("\",\"scope\":"u8).AppendJson(Target)
                .Append(",\"message\":"u8).AppendJson(message);
            if (exception is not null)
            {
                line.Append(",\"error\":"u8).AppendJson(Cut(exception.ToString()));
            }

            line.Append("}\n"u8);
        }
        else
        {
            line.Append(factory.Time.GetUtcNow()).Append("\t"u8).Append(LogLevels.NameOf(logLevel)).Append("\t"u8)
                .Append(Target).Append("\t"u8).AppendMessage(message);
            if (exception is not null)
            {
                line.Append("\terror="u8).AppendQuoted(Cut(exception.ToString()));
            }

            line.Append("\n"u8);
        }

        factory.Append(line.Written);
        line.Return();
    }

    private static string Cut(string text) => text.Length <= MaxText ? text : string.Concat(text.AsSpan(0, MaxText), "... (cut)");
}
