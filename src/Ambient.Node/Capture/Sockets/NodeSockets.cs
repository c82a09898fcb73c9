using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Sockets;
using Ambient.Node.Capture.PodNetwork;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.Sockets;

/// <summary>Makes every socket of a node: marked, kept alive, and able to speak from a client's address.</summary>
internal sealed partial class NodeSockets : ISocketConnector
{
    private const int Backlog = 1024;

    private readonly NodeSocketOptions _options;
    private readonly ILogger _logger;
    private readonly PodNamespace? _network;
    private readonly OwnAddressDialer _fromOwnAddress;
    private int _spoofing;
    private int _spoofingFailureLogged;

    /// <summary>Creates the factory.</summary>
    /// <param name="options">How sockets are set up.</param>
    /// <param name="logger">Told what the kernel does not allow.</param>
    /// <param name="network">Network that they are made in; null: the process's own. Once made, a socket works on any thread.</param>
    public NodeSockets(NodeSocketOptions options, ILogger logger, PodNamespace? network = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _logger = logger;
        _network = network;
        _fromOwnAddress = new OwnAddressDialer(this);
        _spoofing = options.OriginalSource is OriginalSource.Required or OriginalSource.Loopback ? 1 : 0;
    }

    /// <summary>Whether connections to workloads come from the client's address.</summary>
    public bool KeepsSource => Volatile.Read(ref _spoofing) != 0;

    /// <summary>
    /// Connections on behalf of workloads that are not deliveries: HBONE and plain TCP to other nodes. Inside a pod's network the
    /// kernel picks the pod's address by itself; on loopback it has to be bound.
    /// </summary>
    public ISocketConnector Dialer => _options.OriginalSource == OriginalSource.Loopback ? this : _fromOwnAddress;

    /// <summary>The wildcard address: <c>[::]</c> for both families, or <c>0.0.0.0</c>.</summary>
    public IPAddress Any => _options.IPv6Enabled && Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any;

    /// <summary>Binds and listens.</summary>
    /// <param name="name">What it is, for the error.</param>
    /// <param name="address">Where.</param>
    /// <param name="transparent">Whether to ask for IP_TRANSPARENT, whose success decides whether sources are kept.</param>
    /// <exception cref="IOException">The address cannot be had; the message names it and the listener.</exception>
    public Socket Listen(string name, IPEndPoint address, bool transparent)
    {
        ArgumentNullException.ThrowIfNull(address);
        var socket = New(address.AddressFamily);
        try
        {
            if (address.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = address.Address.Equals(IPAddress.IPv6Any);
            }

            Mark(socket);
            if (transparent)
            {
                MakeTransparent(socket);
            }

            SetUp(socket);
            if (_options.ReusePort && OperatingSystem.IsLinux())
            {
                Set(socket, SocketOptionNumbers.LevelSocket, SocketOptionNumbers.ReusePort, 1);
            }

            socket.Bind(address);
            socket.Listen(Backlog);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"{name}: cannot listen on {address}: {ErrorText.Of(e)}", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Binds a socket for datagrams.</summary>
    /// <exception cref="IOException">The address cannot be had; the message names it and the listener.</exception>
    public Socket ListenDatagram(string name, IPEndPoint address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var socket = Datagram(address.AddressFamily);
        try
        {
            if (_options.ReusePort && OperatingSystem.IsLinux())
            {
                Set(socket, SocketOptionNumbers.LevelSocket, SocketOptionNumbers.ReusePort, 1);
            }

            socket.Bind(address);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"{name}: cannot listen on {address} (UDP): {ErrorText.Of(e)}", e);
        }
    }

    /// <summary>Makes a socket for datagrams, marked.</summary>
    public Socket Datagram(AddressFamily family)
    {
        var socket = _network is null
            ? new Socket(family, SocketType.Dgram, ProtocolType.Udp)
            : _network.Run(() => new Socket(family, SocketType.Dgram, ProtocolType.Udp));
        try
        {
            Mark(socket);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Addresses of "localhost" in the network that sockets are made in: IPv6's only where it is on there.</summary>
    public IPAddress[] Localhost()
    {
        var v6 = _options.IPv6Enabled && Socket.OSSupportsIPv6 && (_network is null ? HasLoopbackV6() : _network.Run(HasLoopbackV6));
        return v6 ? [IPAddress.Loopback, IPAddress.IPv6Loopback] : [IPAddress.Loopback];
    }

    private static bool HasLoopbackV6()
    {
        // Answers for the network of the thread that reads it.
        const string Off = "/proc/sys/net/ipv6/conf/lo/disable_ipv6";
        return !File.Exists(Off) || File.ReadAllText(Off).Trim() != "1";
    }

    /// <summary>
    /// Leads connections that begin from now on to the listener that came after this one on the same port, if there is one: this one only
    /// sees those through that have begun. Returns whether ports are shared, so that there may be one.
    /// </summary>
    public bool HandOver(Socket listener)
    {
        ArgumentNullException.ThrowIfNull(listener);
        if (!_options.ReusePort || !OperatingSystem.IsLinux())
        {
            return false;
        }

        try
        {
            ReusePortFilter.AttachSecond(listener);
        }
        catch (SocketException e)
        {
            LogNotHandedOver(_logger, ErrorText.Of(e));
        }

        return true;
    }

    /// <summary>Sets up an accepted socket. On Linux it has inherited everything from its listener, which saves five system calls each.</summary>
    public void Accepted(Socket socket)
    {
        if (!OperatingSystem.IsLinux())
        {
            SetUp(socket);
        }
    }

    /// <inheritdoc/>
    public ValueTask<Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken) =>
        SocketConnector.ConnectAsync(Make(destination, source), destination, cancellationToken);

    /// <summary>Connects a socket that only a relay will use; see <see cref="SocketConnector.ConnectInPlaceAsync"/>.</summary>
    /// <exception cref="SocketException">The connection could not be made.</exception>
    public async ValueTask<Socket> ConnectToRelayAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken)
    {
        var socket = Make(destination, source);
        await SocketConnector.ConnectInPlaceAsync(socket, destination, cancellationToken).ConfigureAwait(false);
        return socket;
    }

    private Socket New(AddressFamily family) => _network is null
        ? new Socket(family, SocketType.Stream, ProtocolType.Tcp)
        : _network.Run(() => new Socket(family, SocketType.Stream, ProtocolType.Tcp));

    private Socket Make(IPEndPoint destination, IPAddress? source)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var socket = New(destination.AddressFamily);
        try
        {
            SetUp(socket);
            Mark(socket);
            if (source is not null && MayConnectFrom(source, destination.Address))
            {
                BindTo(socket, source);
            }

            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

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

    private void Mark(Socket socket)
    {
        if (_options.PacketMark is { } mark && OperatingSystem.IsLinux())
        {
            Set(socket, SocketOptionNumbers.LevelSocket, SocketOptionNumbers.SocketMark, mark);
        }
    }

    private void SetUp(Socket socket)
    {
        socket.NoDelay = true;
        if (!_options.KeepAlive)
        {
            return;
        }

        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, (int)_options.KeepAliveTime.TotalSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, (int)_options.KeepAliveInterval.TotalSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, _options.KeepAliveRetries);
        if (_options.UserTimeout && OperatingSystem.IsLinux())
        {
            Set(socket, SocketOptionNumbers.LevelTcp, SocketOptionNumbers.TcpUserTimeout,
                (int)(_options.KeepAliveTime + (_options.KeepAliveRetries * _options.KeepAliveInterval)).TotalMilliseconds);
        }
    }

    private static void Set(Socket socket, int level, int option, int value) =>
        socket.SetRawSocketOption(level, option, System.Runtime.InteropServices.MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in value)));

    [LoggerMessage(1, LogLevel.Warning, "cannot connect from {Source} on a client's behalf: {Reason}. Workloads see this node's address as the source; further failures are not logged")]
    private static partial void LogSourceNotKept(ILogger logger, IPAddress source, string reason);

    [LoggerMessage(2, LogLevel.Information, "IP_TRANSPARENT is not allowed ({Reason}): workloads see this node's address as the source. Grant CAP_NET_ADMIN, or set ENABLE_ORIG_SRC=false to leave it so")]
    private static partial void LogNotTransparent(ILogger logger, string reason);

    [LoggerMessage(3, LogLevel.Warning, "new connections cannot be led to the next ztunnel before this one goes ({Reason}): one that begins just then may be reset")]
    private static partial void LogNotHandedOver(ILogger logger, string reason);

    private sealed class OwnAddressDialer(NodeSockets sockets) : ISocketConnector
    {
        public ValueTask<Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken) =>
            sockets.ConnectAsync(destination, null, cancellationToken);
    }
}
