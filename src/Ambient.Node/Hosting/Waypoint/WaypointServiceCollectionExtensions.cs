using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Waypoint;

/// <summary>Runs a waypoint or ingress gateway inside a host of one's own.</summary>
public static class WaypointServiceCollectionExtensions
{
    /// <summary>
    /// Adds the waypoint or ingress gateway that <paramref name="options"/> name; it starts and drains with the host. Its log lines go to
    /// standard error, as those of the waypoint process (<see cref="WaypointProgram"/>) do.
    /// </summary>
    /// <param name="services">Services of the host.</param>
    /// <param name="options">Settings; a mesh source and an authority's folder are needed.</param>
    /// <exception cref="ArgumentException">There is no authority's folder.</exception>
    public static IServiceCollection AddWaypoint(this IServiceCollection services, WaypointOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        return options.Host.AuthorityFolder is null
            ? throw new ArgumentException("no certificate authority: set AuthorityFolder", nameof(options))
            : services.AddSingleton<IHostedService>(provider => new WaypointService(options, provider.GetService<TimeProvider>() ?? TimeProvider.System));
    }

    private sealed class WaypointService(WaypointOptions options, TimeProvider time) : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            // Not HostProcess.Prepare: it takes the machine's roots from the whole process, and the host's own clients may need them.
            using var writer = LogWriter.ToStandardOutput();
            using var loggers = new HostLoggerFactory(writer, options.Host.LogFormat, HostProcess.FilterOf(options.Host), time);
            using var shutdown = new Shutdown(options.Host.TerminationDeadline, time, loggers.CreateLogger("waypoint"));
            using var stop = stoppingToken.Register(() => shutdown.Begin("host"));
            var host = await WaypointHost.StartAsync(options, loggers, shutdown, time, stoppingToken).ConfigureAwait(false);
            await using (host.ConfigureAwait(false))
            {
                await host.RunUntilDrainedAsync().ConfigureAwait(false);
            }
        }
    }
}
