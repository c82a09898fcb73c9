using System.Text;
using Ambient.Node.Admin.Server;
using Ambient.Node.Telemetry.Logging;

namespace Ambient.Node.Admin.Envoy;

/// <summary>
/// <c>/logging</c> as Envoy answers it: the loggers with their levels. <c>level=LEVEL</c> sets all, <c>LOGGER=LEVEL</c> one, <c>paths=LOGGER:LEVEL,...</c> several;
/// <c>reset</c> goes back to the start. Loggers are this program's own.
/// </summary>
internal static class EnvoyLogging
{
    /// <summary>Answers.</summary>
    public static AdminResponse Answer(HostLoggerFactory loggers, AdminRequest request)
    {
        ArgumentNullException.ThrowIfNull(loggers);
        ArgumentNullException.ThrowIfNull(request);
        if (request.Method != "POST")
        {
            return AdminResponse.Text(405, "Method Not Allowed\n");
        }

        var filter = request.Parameter("reset") is null ? loggers.Filter : loggers.InitialFilter;
        foreach (var pair in request.Query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var name = Uri.UnescapeDataString(pair.Split('=')[0]);
            if (name == "reset")
            {
                continue;
            }

            var value = request.Parameter(name) ?? "";
            var changes = name switch
            {
                // All of them: what was said of one before is over.
                "level" when !value.Contains('=', StringComparison.Ordinal) => string.Join(',', loggers.Levels.Select(logger => $"{logger.Name}={LevelOf(value)}").Prepend(LevelOf(value))),
                "level" => value,
                "paths" => string.Join(',', value.Split(',').Select(path => path.Split(':') is [var logger, var level] ? $"{logger}={LevelOf(level)}" : path)),
                _ => $"{name}={LevelOf(value)}",
            };
            if (name is not ("level" or "paths") && !loggers.Levels.Any(logger => logger.Name.Equals(name, StringComparison.OrdinalIgnoreCase)))
            {
                return AdminResponse.Text(400, $"error: unknown logger {name}\n{Text(loggers)}");
            }

            if (!filter.TryAppend(changes, out var changed, out var wrong))
            {
                return AdminResponse.Text(400, $"error: invalid level {wrong}\n{Text(loggers)}");
            }

            filter = changed;
        }

        loggers.Filter = filter;
        return AdminResponse.Text(200, Text(loggers));
    }

    private static string Text(HostLoggerFactory loggers)
    {
        var text = new StringBuilder("active loggers:\n");
        foreach (var (name, level) in loggers.Levels)
        {
            text.Append("  ").Append(name).Append(": ").Append(level == "warn" ? "warning" : level).Append('\n');
        }

        return text.Append('\n').ToString();
    }

    /// <summary>Our word for a level of Envoy's.</summary>
    private static string LevelOf(string level) => level switch
    {
        "warning" => "warn",
        "critical" => "error",
        _ => level,
    };
}
