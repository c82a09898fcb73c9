using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Sockets;

/// <summary>Which address a connection comes from: the client's where that is kept and the kernel lets us, else what the kernel chooses.</summary>
internal sealed partial class NodeSockets
{
    private readonly OwnAddressDialer _fromOwnAddress;
    private int _spoofing;
    private int _spoofingFailureLogged;

    /// <summary>Whether connections to workloads come from the client's address.</summary>
    public bool KeepsSource => Volatile.Read(ref _spoofing) != 0;

    /// <summary>
    /// Connections on behalf of workloads that are not deliveries: HBONE and plain TCP to other nodes. Inside a pod's network the
    /// kernel picks the pod's address by itself; on loopback it has to be bound.
    /// </summary>
    public ISocketConnector Dialer => _options.OriginalSource == OriginalSource.Loopback ? this : _fromOwnAddress;

    /// <summary>A loopback address reaches loopback addresses only; out of the machine the kernel chooses.</summary>
    private bool MayConnectFrom(IPAddress source, IPAddress destination) =>
        source.AddressFamily == destination.AddressFamily && (_options.OriginalSource != OriginalSource.Loopback || IPAddress.IsLoopback(destination));

    private void BindTo(Socket socket, IPAddress source)
    {
        try
        {
            var v6 = source.AddressFamily == AddressFamily.InterNetworkV6;
            if (OperatingSystem.IsLinux())
            {
                // The port is chosen when connecting: otherwise a few ten thousand connections use up all of a source's ports.
                Set(socket, SocketOptionNumbers.LevelIP, SocketOptionNumbers.IPBindAddressNoPort, 1);
                if (_options.OriginalSource != OriginalSource.Loopback)
                {
                    var level = v6 ? SocketOptionNumbers.LevelIPv6 : SocketOptionNumbers.LevelIP;
                    Set(socket, level, v6 ? SocketOptionNumbers.IPv6Transparent : SocketOptionNumbers.IPTransparent, 1);
                    Set(socket, level, v6 ? SocketOptionNumbers.IPv6FreeBind : SocketOptionNumbers.IPFreeBind, 1);
                }
            }

            socket.Bind(new IPEndPoint(source, 0));
        }
        catch (SocketException e)
        {
            // As the reference does: the connection goes on from our own address.
            if (Interlocked.Exchange(ref _spoofingFailureLogged, 1) == 0)
            {
                LogSourceNotKept(_logger, source, ErrorText.Of(e));
            }
        }
    }

    private void MakeTransparent(Socket socket)
    {
        if (_options.OriginalSource is OriginalSource.Off or OriginalSource.Loopback || !OperatingSystem.IsLinux())
        {
            return;
        }

        try
        {
            Set(socket, SocketOptionNumbers.LevelIP, SocketOptionNumbers.IPTransparent, 1);
            Volatile.Write(ref _spoofing, 1);
        }
        catch (SocketException e) when (_options.OriginalSource == OriginalSource.BestEffort)
        {
            LogNotTransparent(_logger, ErrorText.Of(e));
        }
    }

    [LoggerMessage(1110, LogLevel.Warning, "cannot connect from {Source} on a client's behalf: {Reason}. Workloads see this node's address as the source; further failures are not logged")]
    private static partial void LogSourceNotKept(ILogger logger, IPAddress source, string reason);

    [LoggerMessage(1111, LogLevel.Information, "IP_TRANSPARENT is not allowed ({Reason}): workloads see this node's address as the source. Grant CAP_NET_ADMIN, or set ENABLE_ORIG_SRC=false to leave it so")]
    private static partial void LogNotTransparent(ILogger logger, string reason);

    private sealed class OwnAddressDialer(NodeSockets sockets) : ISocketConnector
    {
        public ValueTask<Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken) =>
            sockets.ConnectAsync(destination, null, cancellationToken);
    }
}
