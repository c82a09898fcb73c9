using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.Tests.Hosting;

/// <summary>Sends back every byte, and remembers who connected.</summary>
internal sealed class EchoServer : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<IPAddress> _clients = [];

    public EchoServer(IPEndPoint address)
    {
        _listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(address);
        _listener.Listen();
        Address = (IPEndPoint)_listener.LocalEndPoint!;
        _ = AcceptAsync();
    }

    public IPEndPoint Address { get; }

    /// <summary>Addresses that connected, in order.</summary>
    public IPAddress[] Clients
    {
        get
        {
            lock (_clients)
            {
                return [.. _clients];
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var client = await _listener.AcceptAsync(_stop.Token);
                lock (_clients)
                {
                    _clients.Add(((IPEndPoint)client.RemoteEndPoint!).Address);
                }

                _ = EchoAsync(client);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task EchoAsync(Socket client)
    {
        using (client)
        {
            var buffer = new byte[4096];
            try
            {
                while (await client.ReceiveAsync(buffer, _stop.Token) is > 0 and var count)
                {
                    await client.SendAsync(buffer.AsMemory(0, count), _stop.Token);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException)
            {
                // The other side broke off.
            }
        }
    }
}
