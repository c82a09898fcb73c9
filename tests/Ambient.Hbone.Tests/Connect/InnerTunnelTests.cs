using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Tests.Relaying;
using Ambient.Identity;

namespace Ambient.Hbone.Tests.Connect;

/// <summary>A tunnel within a tunnel: client, gateway, and the peer behind it, over real TCP and TLS twice.</summary>
public sealed class InnerTunnelTests : IAsyncDisposable
{
    private readonly HbonePair _gateway = new();
    private readonly HbonePair _remote = new();
    private readonly TaskCompletionSource<HboneConnect> _outer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<HboneConnect> _inner = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<RelayOutcome> _relayed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _remote.DisposeAsync();
    }

    private void Start(HboneConnectHandler? remote = null)
    {
        // One authority for all three: the remote pair only listens.
        _remote.ServerSvids = new HbonePair.Svids(_gateway.Authority);
        _remote.Start((connect, token) =>
        {
            _inner.TrySetResult(connect);
            return (remote ?? Echo.HandleAsync)(connect, token);
        });
        _gateway.Start(RelayToRemoteAsync);
    }

    private async ValueTask RelayToRemoteAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        _outer.TrySetResult(connect);
        using var socket = await TcpPeer.ConnectAsync(_remote.EndPoint);
        await using var tunnel = connect.Accept();
        _relayed.TrySetResult(await Relay.RunAsync(tunnel, socket, new RelayCounters(), CancellationToken.None));
    }

    private async Task<HboneTunnel> ConnectAsync(params SpiffeId[] accepted)
    {
        var request = _gateway.Request("web.ns.svc.cluster.local:80") with { Baggage = "service.name=sleep" };
        var carrier = await _gateway.ConnectAsync(request);
        return await _gateway.Client.ConnectWithinAsync(
            carrier, request with { AcceptedIdentities = [.. accepted], ForwardedNetwork = "net1" }).AsTask().WaitAsync(HbonePair.Patience);
    }

    [Fact]
    public async Task PeersOfWhomOnlyTheTrustDomainIsKnown_AreItsMembers()
    {
        Start();
        var domain = _gateway.ServerId.TrustDomain;
        var request = _gateway.Request("web.ns.svc.cluster.local:80") with { AcceptedIdentities = [], AcceptedTrustDomains = [domain], RequestSource = "waypoint" };

        await using (await _gateway.Client.ConnectWithinAsync(await _gateway.ConnectAsync(request), request with { RequestSource = null }).AsTask().WaitAsync(HbonePair.Patience))
        {
            Assert.Equal(("waypoint", null), ((await _outer.Task).RequestSource, (await _inner.Task).RequestSource));
        }

        // An identity goes before a trust domain, and a connection that was made for one is not taken for the other.
        var stranger = SpiffeId.ForServiceAccount("cluster.local", "ns", "stranger");
        await RefusedAsync(request with { AcceptedIdentities = [stranger] });
        await RefusedAsync(request with { AcceptedTrustDomains = [TrustDomain.Parse("elsewhere")] });
        await RefusedAsync(request with { AcceptedTrustDomains = [] });

        async Task RefusedAsync(HboneConnectRequest refused)
        {
            Assert.Equal(HboneFailure.TlsFailed, (await Assert.ThrowsAsync<HboneException>(() => _gateway.ConnectAsync(refused))).Failure);
            var carrier = await _gateway.ConnectAsync(request);
            Assert.Equal(HboneFailure.TlsFailed, (await Assert.ThrowsAsync<HboneException>(() => _gateway.Client.ConnectWithinAsync(carrier, refused).AsTask().WaitAsync(HbonePair.Patience))).Failure);
        }
    }

    [Fact]
    [Trait("Reference", "test_x_forwarded_network_header")]
    public async Task Inner_AsksForTheSameAuthority_AndAloneTellsTheNetwork()
    {
        Start();

        await using var tunnel = await ConnectAsync(_remote.ServerId);

        var (outer, inner) = (await _outer.Task, await _inner.Task);
        Assert.Equal(("web.ns.svc.cluster.local:80", null), (outer.Authority, outer.ForwardedNetwork));
        Assert.Equal(("web.ns.svc.cluster.local:80", "net1"), (inner.Authority, inner.ForwardedNetwork));
        Assert.Equal("service.name=sleep", inner.Baggage);
        Assert.Equal(_gateway.ClientId, inner.PeerIdentity);
        Assert.Equal(_remote.ServerId, tunnel.PeerIdentity);
        Assert.Equal(_gateway.EndPoint, tunnel.RemoteEndPoint);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(16_384)]
    [InlineData(9_000_001)]
    public async Task Bytes_BothWays_AreExact_AndEndsPassThroughBothLayers(int length)
    {
        Start();
        using var app = TcpPeer.Listen();
        using var client = await TcpPeer.ConnectAsync(app.EndPoint);
        using var accepted = await app.AcceptAsync();
        var bytes = RandomNumberGenerator.GetBytes(length);
        await using var tunnel = await ConnectAsync(_remote.ServerId);
        var counters = new RelayCounters();

        var relaying = Relay.RunAsync(accepted, tunnel, counters, CancellationToken.None).AsTask();
        var reading = TcpPeer.ReadAllAsync(client);
        await TcpPeer.SendAndEndAsync(client, bytes);

        Assert.Equal(bytes, await reading.WaitAsync(HbonePair.Patience));
        Assert.Equal(new RelayOutcome(RelayEnd.Complete, null), await relaying.WaitAsync(HbonePair.Patience));
        Assert.Equal((length, length), (counters.ClientToServer, counters.ServerToClient));
        Assert.Equal(RelayEnd.Complete, (await _relayed.Task.WaitAsync(HbonePair.Patience)).End);
    }

    [Fact]
    public async Task Stream_OfAnInnerTunnel_ReadsAndWrites_AndItsEndIsTheCarriersEnd()
    {
        Start();
        var stream = (await ConnectAsync(_remote.ServerId)).AsStream();
        await using (stream)
        {
            await stream.WriteAsync("hello"u8.ToArray());
            var buffer = new byte[5];
            await stream.ReadExactlyAsync(buffer).AsTask().WaitAsync(HbonePair.Patience);
            Assert.Equal("hello"u8.ToArray(), buffer);
        }

        await _relayed.Task.WaitAsync(HbonePair.Patience);
    }

    [Fact]
    public async Task InnerPeer_ThatRefuses_IsTold_AndTheCarrierEnds()
    {
        Start((connect, _) =>
        {
            connect.Reject(401);
            return default;
        });

        var e = await Assert.ThrowsAsync<HboneException>(() => ConnectAsync(_remote.ServerId));

        Assert.Equal((HboneFailure.Refused, 401), (e.Failure, e.StatusCode));
        Assert.Contains("within the tunnel through", e.Message, StringComparison.Ordinal);
        Assert.Equal(RelayEnd.Complete, (await _relayed.Task.WaitAsync(HbonePair.Patience)).End);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task InnerPeer_ThatIsNotAccepted_FailsTheHandshake_AndTheCarrierEnds(bool nobody)
    {
        Start();

        var e = await Assert.ThrowsAsync<HboneException>(() => nobody ? ConnectAsync() : ConnectAsync(_gateway.ClientId));

        Assert.Equal(HboneFailure.TlsFailed, e.Failure);
        Assert.Contains("within the tunnel through", e.Message, StringComparison.Ordinal);
        await _relayed.Task.WaitAsync(HbonePair.Patience);
        Assert.False(_inner.Task.IsCompleted);
    }

    [Fact]
    public async Task Connect_Cancelled_EndsTheCarrier()
    {
        using var silent = TcpPeer.Listen();
        _gateway.Start(async (connect, _) =>
        {
            using var socket = await TcpPeer.ConnectAsync(silent.EndPoint);
            await using var tunnel = connect.Accept();
            _relayed.TrySetResult(await Relay.RunAsync(tunnel, socket, new RelayCounters(), CancellationToken.None));
        });
        _remote.Start(Echo.HandleAsync);
        using var cancel = new CancellationTokenSource();
        var carrier = await _gateway.ConnectAsync();
        var connecting = _gateway.Client.ConnectWithinAsync(carrier, _gateway.Request(), cancel.Token).AsTask();

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting.WaitAsync(HbonePair.Patience));
        await carrier.Closed.AsTask().WaitAsync(HbonePair.Patience);
        using var accepted = await silent.AcceptAsync();
        accepted.Close();
        await _relayed.Task.WaitAsync(HbonePair.Patience);
    }

    [Fact]
    public async Task Carrier_ThatIsLost_IsTheInnerTunnelsFailure()
    {
        Start();
        using var app = TcpPeer.Listen();
        using var client = await TcpPeer.ConnectAsync(app.EndPoint);
        using var accepted = await app.AcceptAsync();
        await using var tunnel = await ConnectAsync(_remote.ServerId);
        var relaying = Relay.RunAsync(accepted, tunnel, new RelayCounters(), CancellationToken.None).AsTask();

        await _gateway.Listener.DisposeAsync();

        var outcome = await relaying.WaitAsync(HbonePair.Patience);
        Assert.Equal(RelayEnd.ServerDisconnected, outcome.End);
        Assert.NotNull(outcome.Error);
    }

    [Fact]
    public async Task SlowReader_HoldsTheSenderBack_ThroughBothLayers()
    {
        _gateway.ClientOptions.StreamWindowSize = _gateway.ServerOptions.StreamWindowSize = _remote.ServerOptions.StreamWindowSize = 65_535;
        var go = new TaskCompletionSource();
        Start(async (connect, token) =>
        {
            await using var tunnel = connect.Accept();
            await go.Task.WaitAsync(token);
            await Echo.ReadAllAsync(tunnel);
            await tunnel.Output.CompleteAsync();
        });
        const int length = 40_000_000;
        using var app = TcpPeer.Listen();
        using var client = await TcpPeer.ConnectAsync(app.EndPoint);
        using var accepted = await app.AcceptAsync();
        await using var tunnel = await ConnectAsync(_remote.ServerId);
        var counters = new RelayCounters();
        var relaying = Relay.RunAsync(accepted, tunnel, counters, CancellationToken.None).AsTask();
        var sending = TcpPeer.SendAndEndAsync(client, new byte[length]);

        // Until nothing moves any more.
        for (long before = -1; before != counters.ClientToServer || before < 65_535;)
        {
            before = counters.ClientToServer;
            await Task.Delay(200);
        }

        Assert.InRange(counters.ClientToServer, 65_535, length / 2);
        Assert.False(sending.IsCompleted);
        go.SetResult();
        await sending.WaitAsync(HbonePair.Patience);
        await relaying.WaitAsync(HbonePair.Patience);
        Assert.Equal(length, counters.ClientToServer);
    }
}

file static class CancellationTokens
{
    /// <summary>Completes when the token is cancelled.</summary>
    public static Task AsTask(this CancellationToken token)
    {
        var done = new TaskCompletionSource();
        token.Register(done.SetResult);
        return done.Task;
    }
}
