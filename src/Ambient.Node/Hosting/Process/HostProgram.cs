using System.Globalization;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Variables;
using Ambient.Node.Lifetime;
using Ambient.Hbone;
using Ambient.Hbone.Sockets;
using Ambient.Node.Telemetry.Logging;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Process;

/// <summary>A host process, whichever proxy it runs: command line, settings, start, drain, exit code.</summary>
/// <typeparam name="TOptions">The proxy's settings.</typeparam>
internal sealed class HostProgram<TOptions>
{
    /// <summary>Name of the program, as typed.</summary>
    public required string Name { get; init; }

    /// <summary>What the verb <c>proxy</c> does, for the usage text.</summary>
    public required string Proxy { get; init; }

    /// <summary>Reads the settings; errors stay with the reader.</summary>
    public required Func<VariableReader, TOptions> Read { get; init; }

    /// <summary>The settings that every host has.</summary>
    public required Func<TOptions, NodeOptions> HostOf { get; init; }

    /// <summary>What this process is for, for the first line of the log.</summary>
    public required Func<TOptions, string> PurposeOf { get; init; }

    /// <summary>All settings in one line, without secrets, for the log; null: they are not shown.</summary>
    public Func<TOptions, string>? SettingsOf { get; init; }

    /// <summary>Whether the machine's root store vouches for anything.</summary>
    public Func<TOptions, bool> NeedsMachineRoots { get; init; } = static _ => false;

    /// <summary>Starts the proxy.</summary>
    public required Func<TOptions, HostLoggerFactory, Shutdown, TimeProvider, Task<IHostedProxy>> Start { get; init; }

    /// <summary>Runs the process.</summary>
    /// <param name="args">Command line.</param>
    /// <returns>Exit code: 0 after a shutdown, 1 when it could not start or go on.</returns>
    public async Task<int> RunAsync(string[] args)
    {
        ArgumentNullException.ThrowIfNull(args);
        switch (args)
        {
            case [] or ["proxy", ..]:
                return await ProxyAsync(args, HboneClock.Instance).ConfigureAwait(false);
            case ["version" or "--version", ..]:
                await Console.Out.WriteLineAsync($"{Name} {HostVersion.Text}").ConfigureAwait(false);
                return 0;
            case ["help" or "--help" or "-h", ..]:
                await Console.Out.WriteAsync(Help()).ConfigureAwait(false);
                return 0;
            default:
                await Console.Error.WriteLineAsync($"{Name}: unknown command \"{args[0]}\"").ConfigureAwait(false);
                await Console.Error.WriteAsync(Help()).ConfigureAwait(false);
                return 1;
        }
    }

    private async Task<int> ProxyAsync(string[] args, TimeProvider time)
    {
        // 1. Settings; every error at once.
        var variables = new VariableReader(VariableReader.OfProcess()) { Arguments = args };
        var options = Read(variables);
        if (variables.Errors.Count > 0)
        {
            foreach (var error in variables.Errors)
            {
                await Console.Error.WriteLineAsync($"{Name}: {error}").ConfigureAwait(false);
            }

            await Console.Error.WriteLineAsync($"{Name}: not started; \"{Name} help\" lists every setting").ConfigureAwait(false);
            return 1;
        }

        // 2. The process, before its first socket and its first handshake.
        HostProcess.Prepare(NeedsMachineRoots(options));
        var host = HostOf(options);
        using var writer = LogWriter.ToStandardOutput();
        using var loggers = new HostLoggerFactory(writer, host.LogFormat, HostProcess.FilterOf(host), time);
        var logger = loggers.CreateLogger(Name);
        var descriptors = FileDescriptors.RaiseLimit();
        using var shutdown = new Shutdown(host.TerminationDeadline, time, logger);
        shutdown.ListenToSignals();
        HostProgramLog.Starting(logger, Name, HostVersion.Text, PurposeOf(options), descriptors?.ToString(CultureInfo.InvariantCulture) ?? "unknown");
        HostProgramLog.Tls(logger, HboneTls.Description);
        if (HboneTls.Advice is { } advice)
        {
            HostProgramLog.TlsAdvice(logger, advice);
        }

        // Writing JSON costs the better part of a megabyte, which a ztunnel at rest would keep.
        if (SettingsOf is { } settings && logger.IsEnabled(LogLevel.Debug))
        {
            HostProgramLog.Settings(logger, settings(options));
        }

        foreach (var notice in variables.Notices)
        {
            HostProgramLog.Notice(logger, notice);
        }

        // 3. Up, until something asks for the end.
        var begun = time.GetTimestamp();
        var started = false;
        try
        {
            var proxy = await Start(options, loggers, shutdown, time).ConfigureAwait(false);
            await using (proxy.ConfigureAwait(false))
            {
                started = true;
                HostProgramLog.Started(logger, (long)time.GetElapsedTime(begun).TotalMilliseconds, proxy.AdminEndPoint?.ToString() ?? "");
                using var idle = new MemoryTrim(time);
                await proxy.RunUntilDrainedAsync().ConfigureAwait(false);
            }

            HostProgramLog.Stopped(logger);
            return 0;
        }
        catch (Exception e) when (e is IOException or MeshSourceException or CertificateAuthorityException or SvidUnavailableException
            or UnauthorizedAccessException or InvalidOperationException or SocketException)
        {
            foreach (var reason in HostProcess.ReasonsOf(e))
            {
                HostProgramLog.Failed(logger, started ? "cannot go on" : "not started", reason);
            }

            return 1;
        }
        catch (OperationCanceledException) when (shutdown.Draining.IsCancellationRequested)
        {
            HostProgramLog.Stopped(logger);
            return 0;
        }
    }

    private string Help()
    {
        var variables = new VariableReader(new Dictionary<string, string>());
        _ = Read(variables);
        return $"""
            usage: {Name} [proxy | version | help]

              proxy     {Proxy} (the default); further arguments are ignored
              version   shows the version
              help      this text

            Settings are environment variables:

            {HostProcess.Describe(variables)}
            """;
    }
}
