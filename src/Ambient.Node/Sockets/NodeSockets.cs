using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Sockets;

/// <summary>Makes every socket of a node: marked, kept alive, and able to speak from a client's address.</summary>
internal sealed partial class NodeSockets : ISocketConnector
{
    private const int Backlog = 1024;

    private readonly NodeSocketOptions _options;
    private readonly ILogger _logger;
    private readonly PodNamespace? _network;

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
        Budget = options.Budget ?? new ConnectionBudget(NodeSocketOptions.PlainLimits);
        _fromOwnAddress = new OwnAddressDialer(this);
        _spoofing = options.OriginalSource is OriginalSource.Required or OriginalSource.Loopback ? 1 : 0;
    }

    /// <summary>Whose threads move the bytes; null: those that everybody shares.</summary>
    public HboneIo? Io => _options.Io;

    /// <summary>What accepted connections count against.</summary>
    public ConnectionBudget Budget { get; }

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
            if (address.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = address.Address.Equals(IPAddress.IPv6Any);
            }

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
    public IPAddress[] Localhost() => LoopbackFamilies.Localhost(_network, _options.IPv6Enabled);

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
        SocketConnector.ConnectAsync(Make(destination, source), destination, Io, cancellationToken);

    /// <summary>Connects a socket that only a relay will use; see <see cref="SocketConnector.ConnectInPlaceAsync"/>.</summary>
    /// <exception cref="SocketException">The connection could not be made.</exception>
    public async ValueTask<Socket> ConnectToRelayAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken)
    {
        var socket = Make(destination, source);
        await SocketConnector.ConnectInPlaceAsync(socket, destination, Io, cancellationToken).ConfigureAwait(false);
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

    [LoggerMessage(1120, LogLevel.Warning, "new connections cannot be led to the next ztunnel before this one goes ({Reason}): one that begins just then may be reset")]
    private static partial void LogNotHandedOver(ILogger logger, string reason);
}
