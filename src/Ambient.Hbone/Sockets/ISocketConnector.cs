using System.Net;
using System.Net.Sockets;

namespace Ambient.Hbone.Sockets;

/// <summary>Makes outgoing TCP connections: the seam for socket marks, source addresses and namespaces.</summary>
public interface ISocketConnector
{
    /// <summary>Connects. The socket has NODELAY and keepalive set.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="source">Address to connect from, or null for the system's choice.</param>
    /// <param name="cancellationToken">Gives up.</param>
    ValueTask<Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken);
}
