using System.Diagnostics;
using System.Globalization;
using Ambient.Certificates;
using Ambient.Node.Diagnostics.Logging;
using Ambient.Node.Discovery;
using Ambient.Node.Lifetime;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting;

/// <summary>The ztunnel process: arguments, settings from the environment, start, drain, exit code.</summary>
public static partial class ZtunnelProgram
{
    private const string Usage =
        """
        usage: ztunnel [proxy | version | help]

          proxy     runs (the default); further arguments are ignored
          version   shows the version
          help      this text

        Settings are environment variables:

        """;

    /// <summary>Runs the process.</summary>
    /// <param name="args">Command line.</param>
    /// <returns>Exit code: 0 after a shutdown, 1 when it could not start.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        ArgumentNullException.ThrowIfNull(args);
        switch (args)
        {
            case [] or ["proxy", ..]:
                return await ProxyAsync(TimeProvider.System).ConfigureAwait(false);
            case ["version" or "--version", ..]:
                await Console.Out.WriteLineAsync($"ztunnel {HostVersion.Text}").ConfigureAwait(false);
                return 0;
            case ["help" or "--help" or "-h", ..]:
                await Console.Out.WriteAsync(Help()).ConfigureAwait(false);
                return 0;
            default:
                await Console.Error.WriteLineAsync($"ztunnel: unknown command \"{args[0]}\"").ConfigureAwait(false);
                await Console.Error.WriteAsync(Help()).ConfigureAwait(false);
                return 1;
        }
    }

    private static async Task<int> ProxyAsync(TimeProvider time)
    {
        // 1. Settings; every error at once.
        var variables = new VariableReader(VariableReader.OfProcess());
        var options = ZtunnelVariables.Read(variables);
        if (variables.Errors.Count > 0)
        {
            foreach (var error in variables.Errors)
            {
                await Console.Error.WriteLineAsync($"ztunnel: {error}").ConfigureAwait(false);
            }

            await Console.Error.WriteLineAsync("ztunnel: not started; \"ztunnel help\" lists every setting").ConfigureAwait(false);
            return 1;
        }

        // 2. The process, before its first socket and its first handshake.
        HostProcess.Prepare();
        using var writer = LogWriter.ToStandardError();
        using var loggers = new HostLoggerFactory(writer, options.Host.LogFormat, HostProcess.FilterOf(options.Host), time);
        var logger = loggers.CreateLogger("ztunnel");
        var descriptors = FileDescriptors.RaiseLimit();
        using var shutdown = new Shutdown(options.Host.TerminationDeadline, time, logger);
        shutdown.ListenToSignals();
        LogStarting(logger, HostVersion.Text, options.Mode, options.Host.NodeName ?? "(all nodes)", descriptors?.ToString(CultureInfo.InvariantCulture) ?? "unknown");
        foreach (var notice in variables.Notices)
        {
            LogNotice(logger, notice);
        }

        // 3. Up, until something asks for the end.
        var begun = time.GetTimestamp();
        try
        {
            var ztunnel = await Ztunnel.StartAsync(options, loggers, shutdown, time, shutdown.Draining).ConfigureAwait(false);
            await using (ztunnel.ConfigureAwait(false))
            {
                LogReady(logger, (long)time.GetElapsedTime(begun).TotalMilliseconds, ztunnel.AdminEndPoint?.ToString() ?? "");
                using var idle = new MemoryTrim(time);
                await ztunnel.RunUntilDrainedAsync().ConfigureAwait(false);
            }

            LogStopped(logger);
            return 0;
        }
        catch (Exception e) when (e is IOException or MeshSourceException or CertificateAuthorityException or UnauthorizedAccessException or System.Net.Sockets.SocketException)
        {
            LogNotStarted(logger, e.Message);
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
        _ = ZtunnelVariables.Read(variables);
        return Usage + HostProcess.Describe(variables);
    }

    [LoggerMessage(1, LogLevel.Information, "ztunnel {Version}, mode {Mode}, node {Node}, up to {Descriptors} open files")]
    private static partial void LogStarting(ILogger logger, string version, ZtunnelMode mode, string node, string descriptors);

    [LoggerMessage(2, LogLevel.Warning, "{Notice}")]
    private static partial void LogNotice(ILogger logger, string notice);

    [LoggerMessage(3, LogLevel.Information, "ready after {Milliseconds} ms; admin on http://{Admin}/")]
    private static partial void LogReady(ILogger logger, long milliseconds, string admin);

    [LoggerMessage(4, LogLevel.Information, "stopped")]
    private static partial void LogStopped(ILogger logger);

    [LoggerMessage(5, LogLevel.Error, "not started: {Reason}")]
    private static partial void LogNotStarted(ILogger logger, string reason);
}
