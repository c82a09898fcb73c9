using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Relaying;

public sealed class RelayTests
{
    [Fact]
    public async Task Relay_ThroughBothProxies_IsByteExactBothWays()
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint);
        await ExchangeAsync(app, proxies);
    }

    [Fact]
    public async Task RelayInAHost_ReceivesSeveralPiecesAtOnce_AndIsByteExactBothWays()
    {
        if (!EventLoop.IsSupported)
        {
            return;
        }

        // As hosts have it: all of a relay runs on its loop.
        using var io = new HboneIo(1) { RunsInline = true };
        var loop = io.NextLoop()!;
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint, pair => pair.ServerOptions.Io = pair.ClientOptions.Io = io);
        await ExchangeAsync(app, proxies);
        Assert.InRange(loop.ScatteredReceives, 1, (8_000_000 + 9_000_000) / IoBuffers.Piece);
    }

    [Fact]
    public async Task RelayInAHost_WhoseApplicationResetsInTheMiddle_Ends()
    {
        if (!EventLoop.IsSupported)
        {
            return;
        }

        using var io = new HboneIo(1) { RunsInline = true };
        var loop = io.NextLoop()!;
        using var app = TcpPeer.Listen();
        for (var i = 0; i < 20; i++)
        {
            await using var proxies = ProxyPair.Start(app.EndPoint, pair => pair.ServerOptions.Io = pair.ClientOptions.Io = io);
            using var client = await TcpPeer.ConnectAsync(proxies.EndPoint);
            var sending = TcpPeer.SendAndEndAsync(client, new byte[8_000_000]);
            var server = await app.AcceptAsync();
            var buffer = new byte[64 * 1024];
            for (var read = 0; read < 1_000_000;)
            {
                var count = await server.ReceiveAsync(buffer).WaitAsync(HbonePair.Patience);
                Assert.NotEqual(0, count);
                read += count;
            }

            server.Close(0);
            await proxies.InboundOutcome.WaitAsync(HbonePair.Patience);
            await proxies.OutboundOutcome.WaitAsync(HbonePair.Patience);

            // It fails, unless the rest was in the sockets already.
            await Record.ExceptionAsync(() => sending.WaitAsync(HbonePair.Patience));
            Assert.True(sending.IsCompleted);
        }

        Assert.True(loop.ScatteredReceives > 0);
    }

    private static async Task ExchangeAsync(TcpPeer app, ProxyPair proxies)
    {
        var up = RandomNumberGenerator.GetBytes(8_000_000);
        var down = RandomNumberGenerator.GetBytes(9_000_000);

        using var client = await TcpPeer.ConnectAsync(proxies.EndPoint);
        using var server = await app.AcceptAsync();
        var results = await Task.WhenAll(
            TcpPeer.SendAndEndAsync(client, up),
            TcpPeer.SendAndEndAsync(server, down),
            TcpPeer.ReadAllAsync(client),
            TcpPeer.ReadAllAsync(server)).WaitAsync(HbonePair.Patience);

        Assert.True(results[2].AsSpan().SequenceEqual(down));
        Assert.True(results[3].AsSpan().SequenceEqual(up));
        Assert.Equal(new RelayOutcome(RelayEnd.Complete, null), await proxies.OutboundOutcome.WaitAsync(HbonePair.Patience));
        Assert.Equal(new RelayOutcome(RelayEnd.Complete, null), await proxies.InboundOutcome.WaitAsync(HbonePair.Patience));
        Assert.Equal(up.Length, proxies.OutboundCounters.ClientToServer);
        Assert.Equal(down.Length, proxies.OutboundCounters.ServerToClient);
        Assert.Equal(up.Length, proxies.InboundCounters.ClientToServer);
        Assert.Equal(down.Length, proxies.InboundCounters.ServerToClient);
    }
}
