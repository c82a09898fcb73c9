using System.Net;
using System.Net.Sockets;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>Sends every byte back twice.</summary>
internal sealed class EchoServer : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly Task _accepting;
    private int _accepted;

    /// <summary>Serves on a listening socket, which it owns from here.</summary>
    public EchoServer(Socket listener)
    {
        _listener = listener;
        _accepting = AcceptAsync();
    }

    /// <summary>Where the last connection came from.</summary>
    public IPAddress? LastClient { get; private set; }

    /// <summary>Connections so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync();
                LastClient = (socket.RemoteEndPoint as IPEndPoint)?.Address;
                Interlocked.Increment(ref _accepted);
                _ = ServeAsync(socket);
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private static async Task ServeAsync(Socket socket)
    {
        using (socket)
        {
            var buffer = new byte[16 * 1024];
            try
            {
                while (await socket.ReceiveAsync(buffer) is > 0 and var length)
                {
                    await socket.SendAsync(buffer.AsMemory(0, length));
                    await socket.SendAsync(buffer.AsMemory(0, length));
                }
            }
            catch (SocketException)
            {
                // The client is gone.
            }
        }
    }
}
