namespace Ambient.Node.Connections;

/// <summary>Why the host ended a connection, rather than one of its two sides.</summary>
internal enum ConnectionEnd
{
    /// <summary>The host did not: the connection is open, or one of its sides ended it.</summary>
    None,

    /// <summary>A new or changed policy no longer allows it.</summary>
    PolicyChange,

    /// <summary>Its destination has left the mesh, or is bound to another waypoint.</summary>
    Rebound,

    /// <summary>It was silent for longer, or open for longer, than its DestinationRule says.</summary>
    TimedOut,

    /// <summary>The drain deadline of a shutdown passed.</summary>
    Drain,

    /// <summary>The workload it belongs to is gone from this node, or left the mesh.</summary>
    WorkloadGone,
}
