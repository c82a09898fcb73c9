using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;

namespace Ambient.Hbone.Sockets;

/// <summary>What every TCP socket of the data path has in common, accepted or connected.</summary>
internal static class SocketDefaults
{
    private const int KeepAliveSeconds = 180;

    // ip(7).
    private const int LevelIP = 0;
    private const int BindAddressNoPort = 24;
    private static readonly byte[] s_on = [1, 0, 0, 0];

    /// <summary>NODELAY, and keepalive so that a peer that vanished is noticed.</summary>
    public static void Apply(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, KeepAliveSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, KeepAliveSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 9);
    }

    /// <summary>
    /// Binds a socket to an address from which it is to be connected. The port is chosen when connecting: one that is chosen now is nobody else's, whatever the destination, so
    /// that ten thousands of connections, those that ended within the last minute among them, use up all that an address has, and finding a free one takes longer and longer.
    /// </summary>
    /// <exception cref="SocketException">The address is not one of ours.</exception>
    public static void BindToConnect(Socket socket, IPAddress source)
    {
        if (OperatingSystem.IsLinux())
        {
            socket.SetRawSocketOption(LevelIP, BindAddressNoPort, s_on);
        }

        socket.Bind(new IPEndPoint(source, 0));
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
