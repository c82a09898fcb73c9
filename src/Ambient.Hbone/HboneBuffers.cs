using Ambient.Hbone.Sockets;

namespace Ambient.Hbone;

/// <summary>Memory of the data path that all connections of the process share.</summary>
public static class HboneBuffers
{
    /// <summary>
    /// Lets go of the buffers (up to 4 MB) that no connection uses and that are kept for a next one. For a host that has been idle for a while
    /// and collects afterwards; what comes next makes its buffers anew. A thread that moves bytes
    /// keeps up to 16 KB until it next looks for a buffer. Safe at any time, from any thread.
    /// </summary>
    public static void Trim() => IoBuffers.Trim();
}
