namespace Ambient.Node.Inbound;

/// <summary>Settings of inbound connections. Immutable.</summary>
internal sealed class InboundOptions
{
    /// <summary>Whether answers carry the workload's baggage, and baggage of peers is read (<c>ENABLE_RESPONSE_BAGGAGE</c>).</summary>
    public bool ResponseBaggage { get; init; } = true;

    /// <summary>
    /// Whether an application that takes tunnels with the PROXY protocol is reached on the pod's loopback
    /// (<c>LOCALHOST_APP_TUNNEL</c>), else on the pod's address. Off where workloads have no network of their own.
    /// </summary>
    public bool LocalhostTunnel { get; init; }

    /// <summary>
    /// Whether metrics and log name the service that an inbound connection was meant for. Off when the mesh comes from ztunnel's
    /// local file alone: the reference does not keep a workload's services then, and its recordings show none.
    /// </summary>
    public bool AttributeServices { get; init; } = true;
}
