using System.Diagnostics.CodeAnalysis;
using Ambient.Mesh;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;
using Ambient.Node.Lifetime;
using Ambient.Node.Membership;
using Ambient.Node.Telemetry.Logging;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Hosting.Builder;

/// <summary>What makes one kind of node of its options.</summary>
/// <typeparam name="TOptions">The node's options.</typeparam>
/// <param name="Name">What the node is called in the log.</param>
/// <param name="HostOf">The settings that every node has.</param>
/// <param name="MembershipOf">Where its mesh and certificates come from.</param>
/// <param name="Start">Starts it.</param>
internal sealed record NodeKind<TOptions>(
    string Name,
    Func<TOptions, NodeOptions> HostOf,
    Func<TOptions, MeshRuntimeOptions> MembershipOf,
    Func<TOptions, MeshRuntimeOptions, MeshStore, HostLoggerFactory, Shutdown, TimeProvider, CancellationToken, Task<IHostedProxy>> Start);

/// <summary>A ztunnel, waypoint or gateway in an application's host.</summary>
internal sealed class NodeService<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] TOptions>(IServiceProvider services, NodeKind<TOptions> kind) : HostedNode(services, kind.Name)
    where TOptions : class
{
    private TOptions Options => Services.GetRequiredService<IOptions<TOptions>>().Value;

    /// <inheritdoc/>
    protected override NodeOptions Settings => kind.HostOf(Options);

    /// <inheritdoc/>
    protected override Task<IHostedProxy> StartAsync(HostLoggerFactory loggers, Shutdown shutdown, TimeProvider time, CancellationToken cancellationToken) =>
        kind.Start(Options, kind.MembershipOf(Options).WithOwnParts(Services), OwnParts.Store(Services), loggers, shutdown, time, cancellationToken);
}
