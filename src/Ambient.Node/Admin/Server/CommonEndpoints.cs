using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Admin.Server;

/// <summary>The endpoints that every host has: metrics, readiness, log level, shutdown.</summary>
internal static class CommonEndpoints
{
    private const string LoggingHelp =
        """
        usage: POST /logging                                   (show the current log level)
        usage: POST /logging?level=<level>                     (error, warn, info, debug, trace, off)
        usage: POST /logging?level=<target>=<level>,<level>    (per target, for example access=debug)
        usage: POST /logging?reset                             (back to the level of the start)

        """;

    /// <summary>
    /// 15020 of a waypoint or gateway, what pilot-agent answers there: metrics and readiness for all, and for this pod alone <c>POST /drain</c> (clients are led
    /// on, the process goes on) and <c>POST /quitquitquit</c> (and it ends).
    /// </summary>
    public static AdminHandler Status(MetricRegistry registry, Readiness readiness, Shutdown shutdown, Action drain)
    {
        var (metrics, ready) = (Metrics(registry), Ready(readiness));
        return (request, cancellationToken) => request.Path switch
        {
            "/healthz/ready" => ready(request, cancellationToken),
            "/drain" or "/quitquitquit" when !request.IsLocal => ValueTask.FromResult(AdminResponse.Text(403, "only requests from localhost are allowed\n")),
            "/drain" or "/quitquitquit" when AdminGuard.Refusal(request) is { } refusal => ValueTask.FromResult(AdminResponse.Text(403, refusal + "\n")),
            "/quitquitquit" => ValueTask.FromResult(Quit(request, shutdown)),
            "/drain" => ValueTask.FromResult(Drain(request, drain)),
            _ => metrics(request, cancellationToken),
        };
    }

    /// <summary>15020: <c>/metrics</c> and <c>/stats/prometheus</c>.</summary>
    public static AdminHandler Metrics(MetricRegistry registry) => (request, _) =>
    {
        if (request.Path is not ("/metrics" or "/stats/prometheus"))
        {
            return ValueTask.FromResult(AdminResponse.NotFound);
        }

        var type = request.Accept.Contains("application/openmetrics-text", StringComparison.OrdinalIgnoreCase)
            ? "application/openmetrics-text;charset=utf-8;version=1.0.0"
            : "text/plain; charset=utf-8";
        return ValueTask.FromResult(AdminResponse.Streamed(type, registry.WriteAsync, compressible: true));
    };

    /// <summary>15021: <c>/healthz/ready</c>.</summary>
    public static AdminHandler Ready(Readiness readiness) => (request, _) =>
    {
        if (request.Path != "/healthz/ready")
        {
            return ValueTask.FromResult(AdminResponse.NotFound);
        }

        if (request.Method != "GET")
        {
            return ValueTask.FromResult(AdminResponse.MethodNotAllowed);
        }

        var pending = readiness.Pending();
        return ValueTask.FromResult(pending.Length == 0
            ? AdminResponse.Text(200, "ready\n")
            : AdminResponse.Text(500, $"not ready, pending: {string.Join(", ", pending)}\n"));
    };

    private static AdminResponse Drain(AdminRequest request, Action drain)
    {
        if (request.Method != "POST")
        {
            return AdminResponse.MethodNotAllowed;
        }

        drain();
        return AdminResponse.Text(200, "OK\n");
    }

    /// <summary><c>/quitquitquit</c>: begins a graceful shutdown.</summary>
    public static AdminResponse Quit(AdminRequest request, Shutdown shutdown)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Method != "POST")
        {
            return AdminResponse.MethodNotAllowed;
        }

        shutdown.Begin("POST /quitquitquit");
        return AdminResponse.Text(200, "shutdown now\n");
    }

    /// <summary><c>/logging</c>: shows and changes what is logged.</summary>
    public static AdminResponse Logging(AdminRequest request, HostLoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Method != "POST")
        {
            return AdminResponse.Text(405, "Invalid HTTP method\n" + LoggingHelp);
        }

        var filter = request.Parameter("reset") is null ? loggers.Filter : loggers.InitialFilter;
        if (request.Parameter("level") is { Length: > 0 } level && !filter.TryAppend(level, out filter, out _))
        {
            return AdminResponse.Text(400, $"Invalid level provided: {level}\n{LoggingHelp}");
        }

        loggers.Filter = filter;
        return AdminResponse.Text(200, $"current log level is {loggers.Filter}\n");
    }
}
