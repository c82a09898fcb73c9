using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Ambient.Hbone.Sockets;

/// <summary>Connects without any special option.</summary>
public sealed class SocketConnector : ISocketConnector
{
    private readonly HboneIo? _io;

    /// <summary>Creates one.</summary>
    /// <param name="io">Whose threads wait for connections; null: <see cref="HboneIo.Default"/>'s.</param>
    public SocketConnector(HboneIo? io = null) => _io = io;

    /// <summary>One that waits on the threads of <see cref="HboneIo.Default"/>.</summary>
    public static SocketConnector Default { get; } = new();

    /// <inheritdoc/>
    public async ValueTask<Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var socket = new Socket(destination.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            SocketDefaults.Apply(socket);
            if (source is not null)
            {
                SocketDefaults.BindToConnect(socket, source);
            }

            return await ConnectAsync(socket, destination, _io, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Connects a socket whose options are set and which is bound if it has to be. For connectors of other kinds: a socket
    /// that was connected by <see cref="Socket.ConnectAsync(EndPoint)"/> wakes a thread of the sockets' own engine for
    /// every byte that a relay moves afterwards.
    /// </summary>
    /// <param name="socket">Socket; owned from here, and closed when it cannot be connected.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="io">Whose threads wait for the answer; null: <see cref="HboneIo.Default"/>'s.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The connected socket, which may be another object.</returns>
    /// <exception cref="SocketException">The connection could not be made.</exception>
    public static async ValueTask<Socket> ConnectAsync(Socket socket, IPEndPoint destination, HboneIo? io, CancellationToken cancellationToken)
    {
        await ConnectInPlaceAsync(socket, destination, io, cancellationToken).ConfigureAwait(false);
        if (!EventLoop.IsSupported)
        {
            return socket;
        }

        // The object does not know that it is connected; one that is made from a connected handle does.
        using (socket)
        {
            return Duplicate(socket);
        }
    }

    /// <summary>
    /// Connects as <see cref="ConnectAsync(Socket, IPEndPoint, HboneIo?, CancellationToken)"/> does, for sockets that nobody but this library's
    /// tunnels and relays will use. It saves a dozen system calls; the price is that the object itself does not learn that it is
    /// connected: <see cref="Socket.Connected"/> is false and a <see cref="NetworkStream"/> refuses it.
    /// </summary>
    /// <param name="socket">Socket; owned from here, and closed when it cannot be connected.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="io">Whose threads wait for the answer; null: <see cref="HboneIo.Default"/>'s.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SocketException">The connection could not be made.</exception>
    public static async ValueTask ConnectInPlaceAsync(Socket socket, IPEndPoint destination, HboneIo? io, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ArgumentNullException.ThrowIfNull(destination);
        try
        {
            if (!EventLoop.IsSupported)
            {
                await socket.ConnectAsync(destination, cancellationToken).ConfigureAwait(false);
                return;
            }

            cancellationToken.ThrowIfCancellationRequested();
            DoNotBlock(socket);
            if (!StartConnect(socket, destination))
            {
                await WaitAsync(socket, io ?? HboneIo.Default, cancellationToken).ConfigureAwait(false);
            }
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Not by way of <see cref="Socket.Blocking"/>: that makes an object for waiting in the sockets' own engine, which nothing here
    /// ever does, and each tunnel would keep one for its life.
    /// </summary>
    private static void DoNotBlock(Socket socket)
    {
        var flags = Libc.FileControl(socket.SafeHandle, Libc.GetStatusFlags, 0);
        if (flags < 0 || Libc.FileControl(socket.SafeHandle, Libc.SetStatusFlags, flags | Libc.NonBlocking) < 0)
        {
            throw new SocketException((int)Libc.ToSocketError(Marshal.GetLastPInvokeError()));
        }
    }

    private static async ValueTask WaitAsync(Socket socket, HboneIo io, CancellationToken cancellationToken)
    {
        var channel = new SocketChannel(socket, EventLoop.Current ?? io.NextLoop(), connecting: true);
        try
        {
            using var onCancel = cancellationToken.UnsafeRegister(static c => ((SocketChannel)c!).Detach(), channel);
            await channel.WaitToConnectAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
        finally
        {
            channel.Detach();
        }
    }

    private static unsafe bool StartConnect(Socket socket, IPEndPoint destination)
    {
        var target = socket.AddressFamily == AddressFamily.InterNetworkV6 && destination.AddressFamily == AddressFamily.InterNetwork
            ? new IPEndPoint(destination.Address.MapToIPv6(), destination.Port)
            : destination;
        var address = target.Serialize();
        fixed (byte* start = address.Buffer.Span)
        {
            // Asked twice: on one machine the handshake is over when the first call returns, which could only say that it had begun.
            // The second answer saves waiting for an event.
            for (var tries = 0; ; tries++)
            {
                if (Libc.Connect(socket.SafeHandle, start, address.Size) == 0)
                {
                    return true;
                }

                switch (Marshal.GetLastPInvokeError())
                {
                    case Libc.InProgress when tries == 0:
                        continue;
                    case Libc.InProgress or Libc.Already or Libc.Interrupted:
                        return false;
                    case Libc.IsConnected:
                        return true;
                    case var error:
                        throw new SocketException((int)Libc.ToSocketError(error));
                }
            }
        }
    }

    private static Socket Duplicate(Socket socket)
    {
        var handle = Libc.FileControl(socket.SafeHandle, Libc.DuplicateCloseOnExec, 0);
        return handle < 0
            ? throw new SocketException((int)Libc.ToSocketError(Marshal.GetLastPInvokeError()))
            : new Socket(new SafeSocketHandle(handle, ownsHandle: true));
    }
}
