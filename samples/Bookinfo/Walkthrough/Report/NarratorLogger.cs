using Microsoft.Extensions.Logging;

namespace Ambient.Samples.Bookinfo.Walkthrough.Report;

/// <summary>What the mesh source says, among the lines of the report: warnings and errors, unless more is asked for.</summary>
internal sealed class NarratorLogger(Narrator tell) : ILogger
{
    /// <summary>The least that is told.</summary>
    public LogLevel Least { get; set; } = LogLevel.Warning;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= Least;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
        {
            tell.Seen($"manifests: {formatter(state, exception)}");
        }
    }
}
