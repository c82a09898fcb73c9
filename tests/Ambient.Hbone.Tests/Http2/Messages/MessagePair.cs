using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>A server of messages on a loopback socket, and clients of it; everything lives on event loops of its own.</summary>
internal sealed class MessagePair : IAsyncDisposable
{
    private readonly HboneIo _io;
    private readonly Socket _listener;
    private readonly Task _accepting;
    private readonly List<MessageClientConnection> _clients = [];

    public MessagePair(Func<ServerExchange, ValueTask> handle, MessageServerOptions? options = null, int threads = 1)
    {
        _io = new HboneIo(threads);
        Handler = new ScriptedHandler(handle);
        Server = new MessageServer(Handler, options ?? new MessageServerOptions(), TimeProvider.System);
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(128);
        _accepting = AcceptAsync();
    }

    public ScriptedHandler Handler { get; }

    public MessageServer Server { get; }

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndPoint!;

    public Uri Uri => new($"http://{EndPoint}/");

    public async Task<MessageClientConnection> ConnectAsync(MessageClientOptions? options = null)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(EndPoint);
        var client = MessageClient.Open(MessageChannel.Over(socket, _io), HttpProtocolVersion.Http2, options ?? new MessageClientOptions(), TimeProvider.System);
        _clients.Add(client);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
        {
            await client.DisposeAsync();
        }

        _listener.Dispose();
        await _accepting;
        await Server.DisposeAsync();
        _io.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync();
                socket.NoDelay = true;
                _ = Server.ServeAsync(MessageChannel.Over(socket, _io), "state", null, CancellationToken.None);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }
}
