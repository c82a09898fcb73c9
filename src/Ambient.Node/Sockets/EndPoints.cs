using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;

namespace Ambient.Node.Sockets;

/// <summary>Addresses of sockets as the mesh writes them: IPv4 is never dressed as IPv6.</summary>
internal static class EndPoints
{
    /// <summary>The peer's address.</summary>
    public static IPEndPoint Remote(Socket socket) => PlainAddress.Of((IPEndPoint)socket.RemoteEndPoint!);

    /// <summary>Our own address.</summary>
    public static IPEndPoint Local(Socket socket) => PlainAddress.Of((IPEndPoint)socket.LocalEndPoint!);
}
