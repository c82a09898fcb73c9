using System.Net.Sockets;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Relaying;

namespace Ambient.Hbone.Tests.Sockets;

/// <summary>A way onto an event loop: what waits for a socket goes on there.</summary>
internal sealed class LoopPlace : IDisposable
{
    private readonly TcpPeer _listener = TcpPeer.Listen();
    private readonly Socket _client;
    private readonly Socket _server;
    private readonly SocketChannel _channel;

    /// <param name="loop">Which.</param>
    public LoopPlace(EventLoop? loop)
    {
        _client = TcpPeer.Connect(_listener.EndPoint);
        _server = _listener.Accept();
        _channel = new SocketChannel(_server, loop);
    }

    public async ValueTask EnterAsync()
    {
        var buffer = new byte[1];
        do
        {
            while (_channel.TryReceive(buffer, out _) > 0)
            {
            }

            var wait = _channel.WaitToReceiveAsync();
            while (wait.IsCompleted)
            {
                // Told of something else, such as room to send.
                await wait.ConfigureAwait(false);
                wait = _channel.WaitToReceiveAsync();
            }

            _ = Task.Delay(50).ContinueWith(_ => _client.Send(new byte[1]), TaskScheduler.Default);
            await wait.ConfigureAwait(false);
        }
        while (EventLoop.Current is null); // The byte came before anybody waited for it.
    }

    public void Dispose()
    {
        _channel.DetachToClose();
        _client.Dispose();
        _server.Dispose();
        _listener.Dispose();
    }
}
