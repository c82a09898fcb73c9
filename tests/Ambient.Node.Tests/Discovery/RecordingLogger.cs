using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Keeps log lines, and lets a test wait for one.</summary>
internal sealed class RecordingLogger : ILogger
{
    private readonly ConcurrentQueue<string> _lines = new();
    private TaskCompletionSource _added = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyCollection<string> Lines => _lines;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        _lines.Enqueue($"{logLevel}: {formatter(state, exception)}");
        Interlocked.Exchange(ref _added, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    public async Task<string> WaitForAsync(string text)
    {
        var deadline = Task.Delay(TimeSpan.FromSeconds(60));
        while (true)
        {
            var added = _added.Task;
            if (_lines.FirstOrDefault(line => line.Contains(text, StringComparison.Ordinal)) is { } found)
            {
                return found;
            }

            if (await Task.WhenAny(added, deadline) == deadline)
            {
                throw new TimeoutException($"no line with \"{text}\" among:\n{string.Join("\n", _lines)}");
            }
        }
    }
}
