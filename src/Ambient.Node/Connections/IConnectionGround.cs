using Ambient.Mesh;

namespace Ambient.Node.Connections;

/// <summary>What lets a connection or request be open: asked again whenever the mesh changes, from any thread, but never twice at a time.</summary>
internal interface IConnectionGround
{
    /// <summary>Why it may not stay open as the mesh is now; null when it may.</summary>
    ConnectionObjection? ObjectionIn(MeshSnapshot mesh);
}

/// <summary>Why something must be closed.</summary>
/// <param name="Cause">Kind of reason.</param>
/// <param name="Reason">In words, for the log: the policy, or what has moved. Null where the kind says it all.</param>
internal readonly record struct ConnectionObjection(ConnectionEnd Cause, string? Reason = null);
