using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;

namespace Ambient.Node.Tests.Lifetime;

/// <summary>Runs code on the threads that move bytes, each in turn: as what handles a request there.</summary>
internal sealed class IoThreads : IMessageHandler, IAsyncDisposable
{
    private readonly HboneIo _io;
    private readonly MessageServer _server;
    private Action _handle = static () => { };

    public IoThreads(HboneIo io)
    {
        _io = io;
        _server = new MessageServer(this, new MessageServerOptions(), TimeProvider.System);
    }

    public async Task<T> RunAsync<T>(Func<T> function)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _handle = () =>
        {
            if (HboneIo.CurrentThread < 0)
            {
                return;
            }

            try
            {
                done.SetResult(function());
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        };
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        while (!done.Task.IsCompleted)
        {
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(listener.LocalEndPoint!);
            _ = _server.ServeAsync(MessageChannel.Over(await listener.AcceptAsync(), _io), null, null, CancellationToken.None);

            // What comes before anybody waits for it is handled where that is seen, and is asked again.
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
            await client.ReceiveAsync(new byte[1024]);
        }

        return await done.Task;
    }

    public ValueTask HandleAsync(ServerExchange exchange)
    {
        _handle();
        return default;
    }

    public void OnRefused(in MessageRefusal refusal)
    {
    }

    public void OnFailed(ServerExchange exchange, Exception failure)
    {
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
