using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;
using Ambient.Node.Hosting.Variables;

namespace Ambient.Node.Hosting.Waypoint;

/// <summary>The waypoint process: arguments, settings from the environment, start, drain, exit code.</summary>
public static class WaypointProgram
{
    private static readonly HostProgram<WaypointOptions> s_program = new()
    {
        Name = "waypoint",
        Proxy = "serves the Gateway that GATEWAY_NAME and POD_NAMESPACE name",
        Read = WaypointVariables.Read,
        HostOf = static options => options.Host,
        PurposeOf = static options => $"Gateway {options.Namespace}/{options.GatewayName}",
        Start = static async (options, loggers, shutdown, time) =>
            await WaypointHost.StartAsync(options, loggers, shutdown, time, shutdown.Draining).ConfigureAwait(false),
    };

    /// <summary>Runs the process.</summary>
    /// <param name="args">Command line.</param>
    /// <returns>Exit code: 0 after a shutdown, 1 when it could not start or go on.</returns>
    public static Task<int> RunAsync(string[] args) => s_program.RunAsync(args);
}
