using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Lifetime;
using Ambient.Node.Membership;
using Ambient.Node.Telemetry.Logging;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Hosting.Builder;

/// <summary>A waypoint or ingress gateway in an application's host.</summary>
internal sealed class WaypointService(IServiceProvider services) : HostedNode(services, "waypoint")
{
    private WaypointOptions Options => Services.GetRequiredService<IOptions<WaypointOptions>>().Value;

    /// <inheritdoc/>
    protected override NodeOptions Settings => Options.Host;

    /// <inheritdoc/>
    protected override async Task<IHostedProxy> StartAsync(HostLoggerFactory loggers, Shutdown shutdown, TimeProvider time, CancellationToken cancellationToken) =>
        await WaypointHost.StartAsync(
            Options, Options.ToMeshRuntime().WithOwnParts(Services), OwnParts.Store(Services), loggers, shutdown, time, cancellationToken).ConfigureAwait(false);
}
