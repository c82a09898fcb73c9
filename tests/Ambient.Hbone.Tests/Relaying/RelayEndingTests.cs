using System.Net.Sockets;
using Ambient.Hbone.Relaying;

namespace Ambient.Hbone.Tests.Relaying;

/// <summary>Each direction of a relay ends alone, and every way to end has a name.</summary>
public sealed class RelayEndingTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task HalfClose_ByOneSide_LeavesTheOtherDirectionOpen(bool clientFirst)
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint);
        using var client = await TcpPeer.ConnectAsync(proxies.EndPoint);
        using var server = await app.AcceptAsync();
        var (first, second) = clientFirst ? (client, server) : (server, client);

        await first.SendAsync("bye"u8.ToArray());
        first.Shutdown(SocketShutdown.Send);
        Assert.Equal("bye"u8.ToArray(), await TcpPeer.ReadAllAsync(second).WaitAsync(HbonePair.Patience));

        // Seen the end of one direction; the other still carries.
        for (var i = 0; i < 3; i++)
        {
            await second.SendAsync("more"u8.ToArray());
            var buffer = new byte[4];
            var count = 0;
            while (count < 4)
            {
                count += await first.ReceiveAsync(buffer.AsMemory(count)).AsTask().WaitAsync(HbonePair.Patience);
            }

            Assert.Equal("more"u8.ToArray(), buffer);
        }

        Assert.False(proxies.OutboundOutcome.IsCompleted);
        second.Shutdown(SocketShutdown.Send);
        Assert.Empty(await TcpPeer.ReadAllAsync(first).WaitAsync(HbonePair.Patience));
        Assert.Equal(RelayEnd.Complete, (await proxies.OutboundOutcome.WaitAsync(HbonePair.Patience)).End);
        Assert.Equal(RelayEnd.Complete, (await proxies.InboundOutcome.WaitAsync(HbonePair.Patience)).End);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Reset_ByOneSide_EndsBothRelaysWithoutAnError(bool byClient)
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint);
        var client = await TcpPeer.ConnectAsync(proxies.EndPoint);
        var server = await app.AcceptAsync();
        var (first, second) = byClient ? (client, server) : (server, client);
        await client.SendAsync("x"u8.ToArray());
        await server.ReceiveAsync(new byte[1].AsMemory()).AsTask().WaitAsync(HbonePair.Patience);

        first.LingerState = new LingerOption(true, 0);
        first.Dispose();
        try
        {
            await TcpPeer.ReadAllAsync(second).WaitAsync(HbonePair.Patience);
        }
        catch (SocketException)
        {
            // A reset may arrive as one.
        }

        second.Dispose();
        Assert.Equal(RelayEnd.Complete, (await proxies.OutboundOutcome.WaitAsync(HbonePair.Patience)).End);
        Assert.Equal(RelayEnd.Complete, (await proxies.InboundOutcome.WaitAsync(HbonePair.Patience)).End);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Abort_ResetsBothEnds(bool byToken)
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint);
        using var client = await TcpPeer.ConnectAsync(proxies.EndPoint);
        using var server = await app.AcceptAsync();

        // The server's socket is there before the tunnel is: only bytes that came through it say that both relays run.
        await client.SendAsync("x"u8.ToArray());
        await server.ReceiveAsync(new byte[1].AsMemory()).AsTask().WaitAsync(HbonePair.Patience);

        if (byToken)
        {
            proxies.Abort();
        }
        else
        {
            proxies.OutboundCounters.Abort();
            proxies.OutboundCounters.Abort();
        }


        Assert.Equal(RelayEnd.Aborted, (await proxies.OutboundOutcome.WaitAsync(HbonePair.Patience)).End);
        foreach (var socket in new[] { client, server })
        {
            var failure = await Assert.ThrowsAsync<SocketException>(() => socket.ReceiveAsync(new byte[1].AsMemory()).AsTask().WaitAsync(HbonePair.Patience));
            Assert.Equal(SocketError.ConnectionReset, failure.SocketErrorCode);
        }
    }

    [Fact]
    public async Task Abort_BeforeTheRelayBegins_EndsItAsItBegins()
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint);
        proxies.OutboundCounters.Abort();
        using var client = await TcpPeer.ConnectAsync(proxies.EndPoint);

        Assert.Equal(RelayEnd.Aborted, (await proxies.OutboundOutcome.WaitAsync(HbonePair.Patience)).End);
        await Assert.ThrowsAsync<SocketException>(() => TcpPeer.ReadAllAsync(client).WaitAsync(HbonePair.Patience));
    }

    [Fact]
    public async Task LostConnection_NamesTheTunnelsSide()
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint);
        using var client = await TcpPeer.ConnectAsync(proxies.EndPoint);
        using var server = await app.AcceptAsync();

        // The server's socket is there before the tunnel is: only bytes that came through it say that both relays run.
        await client.SendAsync("x"u8.ToArray());
        await server.ReceiveAsync(new byte[1].AsMemory()).AsTask().WaitAsync(HbonePair.Patience);
        await proxies.Hbone.Listener.DisposeAsync();

        var outcome = await proxies.OutboundOutcome.WaitAsync(HbonePair.Patience);
        Assert.True(outcome.End is RelayEnd.ServerFailed or RelayEnd.ServerDisconnected, outcome.ToString());

        // What was cut off must not look complete to the client.
        var failure = await Assert.ThrowsAsync<SocketException>(() => client.ReceiveAsync(new byte[1].AsMemory()).AsTask().WaitAsync(HbonePair.Patience));
        Assert.Equal(SocketError.ConnectionReset, failure.SocketErrorCode);
    }

    [Fact]
    public async Task SlowReader_HoldsTheSenderBack_AndLosesNothing()
    {
        using var app = TcpPeer.Listen();
        await using var proxies = ProxyPair.Start(app.EndPoint, pair =>
        {
            pair.ServerOptions.StreamWindowSize = 256 * 1024;
            pair.ClientOptions.StreamWindowSize = 256 * 1024;
        });
        using var client = await TcpPeer.ConnectAsync(proxies.EndPoint);
        using var server = await app.AcceptAsync();
        var sent = new byte[64_000_000];
        Random.Shared.NextBytes(sent);

        var sending = TcpPeer.SendAndEndAsync(client, sent);

        // Nobody reads: what is on the way is bounded by kernel buffers and the window, far from everything. Until nothing moves any more.
        for (long before = -1; before != proxies.InboundCounters.ClientToServer || before == 0;)
        {
            before = proxies.InboundCounters.ClientToServer;
            await Task.Delay(300);
        }

        Assert.False(sending.IsCompleted);
        Assert.InRange(proxies.OutboundCounters.ClientToServer, 1, 40_000_000);

        // Another tunnel of the same connection is not held back with it.
        using var other = await TcpPeer.ConnectAsync(proxies.EndPoint);
        using var otherServer = await app.AcceptAsync();
        await other.SendAsync("hi"u8.ToArray());
        Assert.Equal(2, await otherServer.ReceiveAsync(new byte[2].AsMemory()).AsTask().WaitAsync(HbonePair.Patience));

        var received = await TcpPeer.ReadAllAsync(server).WaitAsync(HbonePair.Patience);
        await sending.WaitAsync(HbonePair.Patience);
        Assert.True(received.AsSpan().SequenceEqual(sent));
    }

    [Fact]
    [Trait("Reference", "copy")]
    public async Task Passthrough_BetweenSockets_IsByteExactAndCounts()
    {
        using var front = TcpPeer.Listen();
        using var back = TcpPeer.Listen();
        using var client = await TcpPeer.ConnectAsync(front.EndPoint);
        using var proxyClient = await front.AcceptAsync();
        using var proxyServer = await TcpPeer.ConnectAsync(back.EndPoint);
        using var server = await back.AcceptAsync();
        var counters = new RelayCounters();
        var relay = Relay.RunAsync(proxyClient, proxyServer, counters, null, default).AsTask();
        var up = new byte[3_000_000];
        var down = new byte[5_000_000];
        Random.Shared.NextBytes(up);
        Random.Shared.NextBytes(down);

        var results = await Task.WhenAll(
            TcpPeer.SendAndEndAsync(client, up), TcpPeer.SendAndEndAsync(server, down), TcpPeer.ReadAllAsync(server), TcpPeer.ReadAllAsync(client)).WaitAsync(HbonePair.Patience);

        Assert.True(results[2].AsSpan().SequenceEqual(up));
        Assert.True(results[3].AsSpan().SequenceEqual(down));
        Assert.Equal(RelayEnd.Complete, (await relay.WaitAsync(HbonePair.Patience)).End);
        Assert.Equal((up.Length, down.Length), (counters.ClientToServer, counters.ServerToClient));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Passthrough_Reset_EndsWithoutAnError(bool byClient)
    {
        using var front = TcpPeer.Listen();
        using var back = TcpPeer.Listen();
        var client = await TcpPeer.ConnectAsync(front.EndPoint);
        using var proxyClient = await front.AcceptAsync();
        using var proxyServer = await TcpPeer.ConnectAsync(back.EndPoint);
        var server = await back.AcceptAsync();
        var relay = Relay.RunAsync(proxyClient, proxyServer, new RelayCounters(), null, default).AsTask();

        var first = byClient ? client : server;
        first.LingerState = new LingerOption(true, 0);
        first.Dispose();

        Assert.Equal(RelayEnd.Complete, (await relay.WaitAsync(HbonePair.Patience)).End);
        client.Dispose();
        server.Dispose();
    }

    [Fact]
    public async Task Passthrough_Abort_IsNamed()
    {
        using var front = TcpPeer.Listen();
        using var client = await TcpPeer.ConnectAsync(front.EndPoint);
        using var proxyClient = await front.AcceptAsync();
        using var proxyServer = await TcpPeer.ConnectAsync(front.EndPoint);
        using var server = await front.AcceptAsync();
        using var abort = new CancellationTokenSource();
        var relay = Relay.RunAsync(proxyClient, proxyServer, new RelayCounters(), null, abort.Token).AsTask();

        await abort.CancelAsync();

        Assert.Equal(RelayEnd.Aborted, (await relay.WaitAsync(HbonePair.Patience)).End);
    }
}
