using System.Net;
using System.Net.Sockets;

namespace Ambient.Attack;

/// <summary>What serves behind the ztunnel: the neighbour's echo; the attacker's sender without end, and its sink.</summary>
internal sealed class Endpoints : IDisposable
{
    public const int EchoPort = 9001;
    public const int FirehosePort = 9002;
    public const int SinkPort = 9003;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Socket> _listeners = [];

    private Endpoints()
    {
    }

    /// <summary>What an honest client talks to.</summary>
    public static Endpoints OfNeighbour()
    {
        var endpoints = new Endpoints();
        endpoints.Listen(EchoPort, endpoints.EchoAsync);
        return endpoints;
    }

    /// <summary>What takes part in attacks.</summary>
    public static Endpoints OfAttacker()
    {
        var endpoints = new Endpoints();
        endpoints.Listen(FirehosePort, endpoints.FirehoseAsync);
        endpoints.Listen(SinkPort, endpoints.SinkAsync);
        return endpoints;
    }

    public void Dispose()
    {
        _stop.Cancel();
        _listeners.ForEach(listener => listener.Dispose());
        _stop.Dispose();
    }

    private void Listen(int port, Func<Socket, Task> serve)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(IPAddress.Parse(TargetHost.Server), port));
        listener.Listen(4096);
        _listeners.Add(listener);
        _ = AcceptAsync(listener, serve);
    }

    private async Task AcceptAsync(Socket listener, Func<Socket, Task> serve)
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await listener.AcceptAsync(_stop.Token), serve);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
        }
    }

    private static async Task ServeAsync(Socket socket, Func<Socket, Task> serve)
    {
        using (socket)
        {
            try
            {
                socket.NoDelay = true;
                await serve(socket);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
            }
        }
    }

    private async Task EchoAsync(Socket socket)
    {
        var buffer = new byte[1024];
        while (await socket.ReceiveAsync(buffer, _stop.Token) is > 0 and var count)
        {
            await socket.SendAsync(buffer.AsMemory(0, count), _stop.Token);
        }
    }

    private async Task FirehoseAsync(Socket socket)
    {
        // The kernel would take 4 MB of each of them, which nobody reads: 1,600 are more than all that it has for TCP on most machines, and
        // what it does then it does to every connection, whatever the host in between does.
        socket.SendBufferSize = 64 * 1024;
        var buffer = new byte[64 * 1024];
        while (true)
        {
            await socket.SendAsync(buffer, _stop.Token);
        }
    }

    private async Task SinkAsync(Socket socket)
    {
        var buffer = new byte[64 * 1024];
        while (await socket.ReceiveAsync(buffer, _stop.Token) > 0)
        {
        }
    }
}
