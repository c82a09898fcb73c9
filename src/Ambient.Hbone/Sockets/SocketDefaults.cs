using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;

namespace Ambient.Hbone.Sockets;

/// <summary>What every TCP socket of the data path has in common, accepted or connected.</summary>
internal static class SocketDefaults
{
    private const int KeepAliveSeconds = 180;

    /// <summary>NODELAY, and keepalive so that a peer that vanished is noticed.</summary>
    public static void Apply(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, KeepAliveSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, KeepAliveSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 9);
    }

    /// <summary>Ends both directions, which wakes whoever waits. Any thread, any time.</summary>
    public static void ShutDown(Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
            // It is gone already, which is what was wanted.
        }
        catch (ObjectDisposedException)
        {
        }
    }

    /// <summary>The same address, as IPv4 when it is an IPv4-mapped IPv6 one.</summary>
    /// <exception cref="SocketException">There is none: the socket is not connected any more.</exception>
    public static IPEndPoint Unmap(EndPoint? endPoint)
    {
        return PlainAddress.Of((IPEndPoint)(endPoint ?? throw new SocketException((int)SocketError.NotConnected)));
    }
}
