using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Node.Lifetime;
using Ambient.Node.Membership;
using Ambient.Node.Telemetry.Logging;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Hosting.Builder;

/// <summary>A ztunnel in an application's host.</summary>
internal sealed class ZtunnelService(IServiceProvider services) : HostedNode(services, "ztunnel")
{
    private ZtunnelOptions Options => Services.GetRequiredService<IOptions<ZtunnelOptions>>().Value;

    /// <inheritdoc/>
    protected override NodeOptions Settings => Options.Host;

    /// <inheritdoc/>
    protected override async Task<IHostedProxy> StartAsync(HostLoggerFactory loggers, Shutdown shutdown, TimeProvider time, CancellationToken cancellationToken) =>
        await ZtunnelHost.StartAsync(
            Options, Options.ToMeshRuntime().WithOwnParts(Services), OwnParts.Store(Services), loggers, shutdown, time, cancellationToken).ConfigureAwait(false);
}
