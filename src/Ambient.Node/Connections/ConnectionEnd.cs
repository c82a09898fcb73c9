namespace Ambient.Node.Connections;

/// <summary>Why a host ends a connection that its two sides did not.</summary>
internal enum ConnectionEnd
{
    /// <summary>It did not: the connection runs, or its sides ended it.</summary>
    None,

    /// <summary>A policy that is new or has changed no longer lets it in.</summary>
    PolicyChange,

    /// <summary>What it was for has left the mesh, or stands behind another waypoint.</summary>
    Rebound,

    /// <summary>The drain deadline of a shutdown passed.</summary>
    Drain,

    /// <summary>The workload it belongs to is gone from this node, or left the mesh.</summary>
    WorkloadGone,
}
