using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Ambient.Hbone.Relaying;

namespace Ambient.Hbone.Tests.Relaying;

public sealed class RelayTests
{
    [Fact]
    public async Task Relay_ThroughBothProxies_IsByteExactBothWays()
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint);
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
