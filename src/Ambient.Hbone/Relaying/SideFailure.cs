using System.Net.Sockets;

namespace Ambient.Hbone.Relaying;

/// <summary>What a socket's error means for a relay.</summary>
internal static class SideFailure
{
    /// <summary>Whether the peer merely went away: how connections end every day, and not a failure (docs/protocol.md, "Ends and aborts").</summary>
    public static bool IsOrdinary(SocketError error) => error is
        SocketError.Success or SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown
        or SocketError.NotConnected or SocketError.Disconnecting or SocketError.OperationAborted;
}
