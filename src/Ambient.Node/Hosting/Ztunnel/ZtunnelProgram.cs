using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;
using Ambient.Node.Hosting.Variables;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>The ztunnel process: arguments, settings from the environment, start, drain, exit code.</summary>
public static class ZtunnelProgram
{
    private static readonly HostProgram<ZtunnelOptions> s_program = new()
    {
        Name = "ztunnel",
        Proxy = "runs",
        Read = ZtunnelVariables.Read,
        HostOf = static options => options.Host,
        PurposeOf = static options => $"mode {options.Mode}, node {options.Host.NodeName ?? "(all nodes)"}",
        SettingsOf = ZtunnelOptionsDump.Line,
        NeedsMachineRoots = static options => options.Host.UsesMachineRoots,
        Start = static async (options, loggers, shutdown, time) =>
            await ZtunnelHost.StartAsync(options, loggers, shutdown, time, shutdown.Draining).ConfigureAwait(false),
    };

    /// <summary>Runs the process.</summary>
    /// <param name="args">Command line.</param>
    /// <returns>Exit code: 0 after a shutdown, 1 when it could not start or go on.</returns>
    public static Task<int> RunAsync(string[] args) => s_program.RunAsync(args);
}
