using Microsoft.Extensions.Logging;

namespace Ambient.Samples.Bookinfo.Walkthrough.Report;

/// <summary>Warnings and errors of the mesh source, among the lines of the report.</summary>
internal sealed class NarratorLogger(Narrator tell) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
        {
            tell.Seen($"manifests: {formatter(state, exception)}");
        }
    }
}
