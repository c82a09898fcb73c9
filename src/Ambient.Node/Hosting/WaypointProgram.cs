using Ambient.Certificates;
using Ambient.Node.Diagnostics.Logging;
using Ambient.Node.Discovery;
using Ambient.Node.Lifetime;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting;

/// <summary>The waypoint process: arguments, settings from the environment, start, drain, exit code.</summary>
public static partial class WaypointProgram
{
    private const string Usage =
        """
        usage: waypoint [proxy | version | help]

          proxy     serves the Gateway that GATEWAY_NAME and POD_NAMESPACE name (the default); further arguments are ignored
          version   shows the version
          help      this text

        Settings are environment variables:

        """;

    /// <summary>Runs the process.</summary>
    /// <param name="args">Command line.</param>
    /// <returns>Exit code: 0 after a shutdown, 1 when it could not start or a listener failed.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        ArgumentNullException.ThrowIfNull(args);
        switch (args)
        {
            case [] or ["proxy", ..]:
                return await ProxyAsync(TimeProvider.System).ConfigureAwait(false);
            case ["version" or "--version", ..]:
                await Console.Out.WriteLineAsync($"waypoint {HostVersion.Text}").ConfigureAwait(false);
                return 0;
            case ["help" or "--help" or "-h", ..]:
                await Console.Out.WriteAsync(Help()).ConfigureAwait(false);
                return 0;
            default:
                await Console.Error.WriteLineAsync($"waypoint: unknown command \"{args[0]}\"").ConfigureAwait(false);
                await Console.Error.WriteAsync(Help()).ConfigureAwait(false);
                return 1;
        }
    }

    private static async Task<int> ProxyAsync(TimeProvider time)
    {
        // 1. Settings; every error at once.
        var variables = new VariableReader(VariableReader.OfProcess());
        var options = WaypointVariables.Read(variables);
        if (variables.Errors.Count > 0)
        {
            foreach (var error in variables.Errors)
            {
                await Console.Error.WriteLineAsync($"waypoint: {error}").ConfigureAwait(false);
            }

            await Console.Error.WriteLineAsync("waypoint: not started; \"waypoint help\" lists every setting").ConfigureAwait(false);
            return 1;
        }

        // 2. The process, before its first socket and its first handshake.
        HostProcess.Prepare();
        using var writer = LogWriter.ToStandardError();
        using var loggers = new HostLoggerFactory(writer, options.Host.LogFormat, HostProcess.FilterOf(options.Host), time);
        var logger = loggers.CreateLogger("waypoint");
        FileDescriptors.RaiseLimit();
        using var shutdown = new Shutdown(options.Host.TerminationDeadline, time, logger);
        shutdown.ListenToSignals();
        LogStarting(logger, HostVersion.Text, $"{options.Namespace}/{options.GatewayName}");

        // 3. Up, until something asks for the end.
        try
        {
            var host = await WaypointHost.StartAsync(options, loggers, shutdown, time, shutdown.Draining).ConfigureAwait(false);
            await using (host.ConfigureAwait(false))
            {
                using var idle = new MemoryTrim(time);
                await host.RunUntilDrainedAsync().ConfigureAwait(false);
            }

            LogStopped(logger);
            return 0;
        }
        catch (Exception e) when (e is IOException or MeshSourceException or CertificateAuthorityException or SvidUnavailableException
            or UnauthorizedAccessException or InvalidOperationException or System.Net.Sockets.SocketException)
        {
            LogFailed(logger, e.Message);
            return 1;
        }
        catch (OperationCanceledException) when (shutdown.Draining.IsCancellationRequested)
        {
            LogStopped(logger);
            return 0;
        }
    }

    private static string Help()
    {
        var variables = new VariableReader(new Dictionary<string, string>());
        _ = WaypointVariables.Read(variables);
        return Usage + HostProcess.Describe(variables);
    }

    [LoggerMessage(1, LogLevel.Information, "waypoint {Version} for Gateway {Gateway}")]
    private static partial void LogStarting(ILogger logger, string version, string gateway);

    [LoggerMessage(2, LogLevel.Information, "stopped")]
    private static partial void LogStopped(ILogger logger);

    [LoggerMessage(3, LogLevel.Error, "cannot go on: {Reason}")]
    private static partial void LogFailed(ILogger logger, string reason);
}
