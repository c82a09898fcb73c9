using Ambient.Node.Hosting.Options;

namespace Ambient.Node.Hosting.Builder;

/// <summary>What the configuration sections <c>Ambient:Ztunnel</c> and <c>Ambient:Waypoint</c> may say; everything else is set in code. Null: as it is.</summary>
internal sealed class NodeSection
{
    /// <summary>How a ztunnel catches connections.</summary>
    public ZtunnelMode? Mode { get; set; }

    /// <summary>Threads that move a ztunnel's bytes.</summary>
    public int? WorkerThreads { get; set; }

    /// <summary>Name of the Gateway that a waypoint serves.</summary>
    public string? GatewayName { get; set; }

    /// <summary>Added to a gateway's listener ports when binding.</summary>
    public int? ListenerPortOffset { get; set; }

    /// <summary>Added to 15000, 15020 and 15021.</summary>
    public int? PortOffset { get; set; }

    /// <summary>Whether sockets listen on IPv6 as well.</summary>
    public bool? IPv6Enabled { get; set; }
}
