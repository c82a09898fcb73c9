using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Logging;

/// <summary>
/// Which lines are written: a level for all, and levels for targets with a given prefix, the longest of which wins. Read from
/// the form that <c>RUST_LOG</c> and <c>POST /logging</c> use: <c>info,access=debug</c>. Immutable.
/// </summary>
internal sealed class LogFilter
{
    private readonly string _text;
    private readonly LogLevel _default;
    private readonly (string Target, LogLevel Level)[] _targets;

    private LogFilter(string text, LogLevel level, (string, LogLevel)[] targets)
    {
        _text = text;
        _default = level;
        _targets = targets;
    }

    /// <summary>Everything from information up.</summary>
    public static LogFilter Info { get; } = new("info", LogLevel.Information, []);

    /// <summary>The lowest level that is written for a target.</summary>
    public LogLevel LevelOf(string target)
    {
        var (best, level) = (-1, _default);
        foreach (var (prefix, its) in _targets)
        {
            if (prefix.Length > best && target.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            {
                (best, level) = (prefix.Length, its);
            }
        }

        return level;
    }

    /// <summary>Reads a filter; when it cannot be read, <paramref name="error"/> says which part.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out LogFilter? filter, [NotNullWhen(false)] out string? error)
    {
        filter = null;
        error = null;
        var level = LogLevel.Information;
        var targets = new Dictionary<string, LogLevel>(StringComparer.OrdinalIgnoreCase);
        var parts = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        foreach (var part in parts)
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (!TryParseLevel(part.AsSpan(equals + 1), out var its))
            {
                error = part;
                return false;
            }

            if (equals < 0)
            {
                level = its;
            }
            else
            {
                targets[part[..equals]] = its;
            }
        }

        filter = new LogFilter(parts.Length == 0 ? "info" : Render(level, targets), level, [.. targets.Select(pair => (pair.Key, pair.Value))]);
        return true;
    }

    /// <summary>This filter with more appended; of two levels for one target the later wins.</summary>
    public bool TryAppend(string more, [NotNullWhen(true)] out LogFilter? filter, [NotNullWhen(false)] out string? error) =>
        TryParse($"{_text},{more}", out filter, out error);

    /// <summary>The form that it is read from.</summary>
    public override string ToString() => _text;

    private static string Render(LogLevel level, Dictionary<string, LogLevel> targets) =>
        string.Join(',', targets.Select(pair => $"{pair.Key}={LogLevels.NameOf(pair.Value)}").Append(LogLevels.NameOf(level)));

    private static bool TryParseLevel(ReadOnlySpan<char> text, out LogLevel level)
    {
        (var known, level) = text switch
        {
            _ when text.Equals("error", StringComparison.OrdinalIgnoreCase) => (true, LogLevel.Error),
            _ when text.Equals("warn", StringComparison.OrdinalIgnoreCase) => (true, LogLevel.Warning),
            _ when text.Equals("info", StringComparison.OrdinalIgnoreCase) => (true, LogLevel.Information),
            _ when text.Equals("debug", StringComparison.OrdinalIgnoreCase) => (true, LogLevel.Debug),
            _ when text.Equals("trace", StringComparison.OrdinalIgnoreCase) => (true, LogLevel.Trace),
            _ when text.Equals("off", StringComparison.OrdinalIgnoreCase) => (true, LogLevel.None),
            _ => (false, LogLevel.None),
        };
        return known;
    }
}
