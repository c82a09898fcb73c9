using System.Net.Sockets;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Tests.Http2.Connections;

namespace Ambient.Hbone.Tests.Relaying;

/// <summary>Tunnels whose applications send as much as anybody takes.</summary>
internal sealed class Floods : IAsyncDisposable
{
    private readonly List<IDisposable> _sockets = [];
    private readonly List<Task> _tasks = [];
    private readonly CancellationTokenSource _stop = new();
    private ConnectionHarness _harness = null!;
    private int _count;
    private long _sent;

    public static async Task<Floods> StartAsync(ConnectionHarness harness, int count, bool reading = true)
    {
        var floods = new Floods { _harness = harness, _count = count };
        var app = TcpPeer.Listen();
        floods._sockets.Add(app);
        var tunnels = new List<HboneTunnel>();
        for (var i = 0; i < count; i++)
        {
            tunnels.Add(reading ? await harness.AcceptAsync(1 + (2 * i)) : await AcceptUnreadAsync(1 + (2 * i)));
        }

        foreach (var tunnel in tunnels)
        {
            var client = await TcpPeer.ConnectAsync(app.EndPoint);
            var server = await app.AcceptAsync();
            floods._sockets.Add(client);
            floods._sockets.Add(server);
            floods._tasks.Add(Relay.RunAsync(tunnel, client, new RelayCounters(), floods._stop.Token).AsTask());
            floods._tasks.Add(floods.SendAsync(server));
        }

        return floods;

        async Task<HboneTunnel> AcceptUnreadAsync(int id)
        {
            await harness.Peer.SendConnectAsync(id);
            return (await harness.NextConnectAsync()).Accept();
        }
    }

    /// <summary>Until no application can send any more.</summary>
    public async Task StandStillAsync()
    {
        for (long before = -1; before != Interlocked.Read(ref _sent);)
        {
            before = Interlocked.Read(ref _sent);
            await Task.Delay(700);
        }
    }

    public async Task OpenAndReceiveAsync(int bytesEach)
    {
        await _harness.Peer.SendWindowUpdateAsync(0, _count * bytesEach);
        for (var i = 0; i < _count; i++)
        {
            await _harness.Peer.SendWindowUpdateAsync(1 + (2 * i), bytesEach);
        }

        var received = 0;
        while (received < _count * bytesEach)
        {
            received += (await _harness.Peer.ExpectAsync(FrameType.Data)).Payload.Length;
        }

        Assert.Equal(_count * bytesEach, received);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _sockets.ForEach(socket => socket.Dispose());
        await Task.WhenAll(_tasks).WaitAsync(HbonePair.Patience);
        _stop.Dispose();
    }

    private async Task SendAsync(Socket socket)
    {
        var bytes = new byte[32 * 1024];
        try
        {
            while (true)
            {
                Interlocked.Add(ref _sent, await socket.SendAsync(bytes));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }
}
