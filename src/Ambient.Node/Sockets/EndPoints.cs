using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.Sockets;

/// <summary>Addresses of sockets as the mesh writes them: IPv4 is never dressed as IPv6.</summary>
internal static class EndPoints
{
    /// <summary>The peer's address.</summary>
    public static IPEndPoint Remote(Socket socket) => Unmap((IPEndPoint)socket.RemoteEndPoint!);

    /// <summary>Our own address.</summary>
    public static IPEndPoint Local(Socket socket) => Unmap((IPEndPoint)socket.LocalEndPoint!);

    /// <summary>The IPv4 form of an IPv4-mapped address.</summary>
    public static IPEndPoint Unmap(IPEndPoint endPoint) =>
        endPoint.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(endPoint.Address.MapToIPv4(), endPoint.Port) : endPoint;
}
