using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Node.Tests.Requests;

/// <summary>The pod <c>a-0</c> of service <c>a</c>, or of another one, with a TCP server on port 8080 or another one, and a ztunnel's inbound side in front of it where it speaks HBONE.</summary>
internal sealed class RawPod : IAsyncDisposable
{
    private readonly Socket _server;
    private readonly HboneListener? _listener;

    private RawPod(Socket server, HboneListener? listener)
    {
        _server = server;
        _listener = listener;
    }

    public static Task<RawPod> StartAsync(TestMesh mesh, TunnelProtocol protocol, Func<Socket, Task> serve, string service = "a", int port = 8080)
    {
        var workload = mesh.AddWorkload($"{service}-0", service, protocol, service);
        var server = Listen(workload.Addresses[0], port);
        _ = AcceptAsync(server, serve);
        HboneListener? listener = null;
        if (protocol == TunnelProtocol.Hbone)
        {
            listener = new HboneListener(
                Listen(workload.Addresses[0], 15008), new HboneServerOptions(), mesh.Svids, (_, _) => new ValueTask<SpiffeId?>(workload.Identity), DeliverAsync);
            _ = listener.RunAsync();
        }

        return Task.FromResult(new RawPod(server, listener));
    }

    public async ValueTask DisposeAsync()
    {
        _server.Dispose();
        if (_listener is not null)
        {
            await _listener.DisposeAsync();
        }
    }

    private static Socket Listen(IPAddress address, int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, port));
        socket.Listen();
        return socket;
    }

    private static async Task AcceptAsync(Socket server, Func<Socket, Task> serve)
    {
        try
        {
            while (true)
            {
                var socket = await server.AcceptAsync();
                _ = Task.Run(async () =>
                {
                    using (socket)
                    {
                        try
                        {
                            await serve(socket);
                        }
                        catch (Exception e) when (e is SocketException or ObjectDisposedException)
                        {
                            // The other side went away.
                        }
                    }
                });
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The pod is gone.
        }
    }

    private static async ValueTask DeliverAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        using var socket = await SocketConnector.Default.ConnectAsync(IPEndPoint.Parse(connect.Authority), null, cancellationToken);
        await using var tunnel = connect.Accept();
        await Relay.RunAsync(tunnel, socket, new RelayCounters(), cancellationToken);
    }
}
