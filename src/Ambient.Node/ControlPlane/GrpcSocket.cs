using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.ControlPlane;

/// <summary>
/// The sockets under gRPC channels. A stream may be silent for hours, and a server whose machine is gone never says so: TCP probes it
/// after a minute of silence, up to four times, 15 seconds apart.
/// </summary>
internal static class GrpcSocket
{
    /// <summary>Connects to a server.</summary>
    /// <param name="server">A host to be resolved, an address, or a local socket.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SocketException">The server cannot be reached.</exception>
    public static async ValueTask<Stream> ConnectAsync(EndPoint server, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(server);
        var isLocal = server.AddressFamily == AddressFamily.Unix;
        var socket = isLocal ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : server is IPEndPoint ? new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
            : new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (!isLocal)
            {
                socket.NoDelay = true;
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 60);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 15);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 4);
            }

            await socket.ConnectAsync(server, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
