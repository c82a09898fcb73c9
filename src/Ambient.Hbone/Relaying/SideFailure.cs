using System.Net.Sockets;

namespace Ambient.Hbone.Relaying;

/// <summary>What a socket's error means for a relay.</summary>
internal static class SideFailure
{
    /// <summary>Whether the peer merely went away: how connections end every day, and no failure (reference 2.5).</summary>
    public static bool IsOrdinary(SocketError error) => error is
        SocketError.Success or SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown
        or SocketError.NotConnected or SocketError.Disconnecting or SocketError.OperationAborted;
}
