using Microsoft.Extensions.Hosting;

namespace Ambient.Node.Membership;

/// <summary>What kind of node an application is, decided while its services are configured. <c>AddAmbientMesh()</c> was called where there is one.</summary>
internal sealed class NodeRole
{
    /// <summary>Makes the node, which runs as long as the host does.</summary>
    public required Func<IServiceProvider, IHostedService> Create { get; set; }

    /// <summary>Whether it is a member: the application's own server takes the mesh's connections, and its clients call through it.</summary>
    public bool IsMember { get; set; } = true;
}
