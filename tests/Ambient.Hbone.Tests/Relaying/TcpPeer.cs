using System.Net;
using System.Net.Sockets;

namespace Ambient.Hbone.Tests.Relaying;

/// <summary>Plain TCP for tests: an application and its client.</summary>
internal sealed class TcpPeer : IDisposable
{
    private readonly Socket _listener;

    private TcpPeer(Socket listener) => _listener = listener;

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndPoint!;

    public static TcpPeer Listen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(512);
        return new TcpPeer(socket);
    }

    public static async Task<Socket> ConnectAsync(IPEndPoint endPoint)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(endPoint).WaitAsync(HbonePair.Patience);
        return socket;
    }

    /// <summary>A socket that was never used asynchronously: its blocking calls allocate nothing.</summary>
    public static Socket Connect(IPEndPoint endPoint)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect(endPoint);
        return socket;
    }

    /// <summary>The counterpart of <see cref="Connect"/>.</summary>
    public Socket Accept()
    {
        var socket = _listener.Accept();
        socket.NoDelay = true;
        return socket;
    }

    public async Task<Socket> AcceptAsync() => await _listener.AcceptAsync().WaitAsync(HbonePair.Patience);

    public static async Task<byte[]> SendAndEndAsync(Socket socket, byte[] bytes)
    {
        var random = new Random(bytes.Length);
        for (var sent = 0; sent < bytes.Length;)
        {
            var piece = Math.Min(bytes.Length - sent, random.Next(1, 300_000));
            sent += await socket.SendAsync(bytes.AsMemory(sent, piece));
        }

        socket.Shutdown(SocketShutdown.Send);
        return [];
    }

    public static async Task<byte[]> ReadAllAsync(Socket socket)
    {
        using var all = new MemoryStream();
        var random = new Random(1);
        var buffer = new byte[100_000];
        int count;
        while ((count = await socket.ReceiveAsync(buffer.AsMemory(0, random.Next(1, buffer.Length)))) > 0)
        {
            all.Write(buffer, 0, count);
        }

        return all.ToArray();
    }

    public void Dispose() => _listener.Dispose();
}
