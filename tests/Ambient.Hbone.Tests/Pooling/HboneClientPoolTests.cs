using System.Net;
using Ambient.Hbone.Connect;
using Ambient.Identity;

namespace Ambient.Hbone.Tests.Pooling;

public sealed class HboneClientPoolTests
{
    [Fact]
    [Trait("Reference", "connections_reused")]
    public async Task ConnectionsReused_SequentialAndConcurrentTunnels_ShareOneConnection()
    {
        await using var pair = new HbonePair { ClientOptions = { MaxStreamsPerConnection = 3 } }.Start(Echo.HandleAsync);

        var first = await Task.WhenAll(pair.ConnectAsync(), pair.ConnectAsync());
        await EndAsync(pair, first);
        var second = await Task.WhenAll(pair.ConnectAsync(), pair.ConnectAsync());

        Assert.Equal(1, pair.Client.PooledConnections);
        Assert.Equal(1, pair.Listener.OpenConnections);
        Assert.Single(first.Concat(second).Select(tunnel => tunnel.LocalEndPoint).Distinct());
        await pair.Client.DisposeAsync();
        await Eventually(() => pair.Listener.OpenConnections == 0);
    }

    [Fact]
    [Trait("Reference", "connection_limits")]
    public async Task ConnectionLimits_MoreTunnelsThanPlaces_OpenFurtherConnectionsAndNeverOverfillOne()
    {
        await using var pair = new HbonePair { ClientOptions = { MaxStreamsPerConnection = 2 } }.Start(Echo.HandleAsync);

        var four = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => pair.ConnectAsync()));
        Assert.Equal([2, 2], four.GroupBy(tunnel => tunnel.LocalEndPoint.Port).Select(group => group.Count()));
        var fifth = await pair.ConnectAsync();
        Assert.Equal(3, pair.Client.PooledConnections);

        // A place that is free again is used again, unlike in the reference.
        await EndAsync(pair, [four[0]]);
        await Eventually(() => pair.Listener.OpenConnections == 3);
        var sixth = await pair.ConnectAsync();
        var seventh = await pair.ConnectAsync();
        Assert.Equal(3, pair.Client.PooledConnections);
        Assert.All(
            new[] { four[1], four[2], four[3], fifth, sixth, seventh }.GroupBy(tunnel => tunnel.LocalEndPoint.Port), group => Assert.InRange(group.Count(), 1, 2));
    }

    [Fact]
    [Trait("Reference", "single_pool")]
    public async Task SinglePool_OneStreamAConnection_TwoTunnelsHaveTwoConnections()
    {
        await using var pair = new HbonePair { ClientOptions = { MaxStreamsPerConnection = 1 } }.Start(Echo.HandleAsync);

        var tunnels = await Task.WhenAll(pair.ConnectAsync(), pair.ConnectAsync());

        Assert.NotEqual(tunnels[0].LocalEndPoint, tunnels[1].LocalEndPoint);
    }

    [Fact]
    [Trait("Reference", "unique_keys_have_unique_connections")]
    public async Task UniqueKeys_DifferentSourceAddresses_HaveUniqueConnections()
    {
        await using var pair = new HbonePair().Start(Echo.HandleAsync);

        var one = await pair.ConnectAsync(pair.Request(source: IPAddress.Parse("127.0.0.11")));
        var two = await pair.ConnectAsync(pair.Request(source: IPAddress.Parse("127.0.0.12")));
        var again = await pair.ConnectAsync(pair.Request(source: IPAddress.Parse("127.0.0.11")));

        Assert.NotEqual(one.LocalEndPoint, two.LocalEndPoint);
        Assert.Equal(one.LocalEndPoint, again.LocalEndPoint);
    }

    [Fact]
    public async Task UniqueKeys_OtherOrderOfAcceptedIdentities_HasAConnectionOfItsOwn()
    {
        await using var pair = new HbonePair().Start(Echo.HandleAsync);
        var other = SpiffeId.ForServiceAccount("cluster.local", "a", "b");

        await pair.ConnectAsync(pair.Request() with { AcceptedIdentities = [pair.ServerId, other] });
        await pair.ConnectAsync(pair.Request() with { AcceptedIdentities = [other, pair.ServerId] });

        Assert.Equal(2, pair.Client.PooledConnections);
    }

    [Theory]
    [Trait("Reference", "stress_test_single_source")]
    [Trait("Reference", "stress_test_multiple_source")]
    [Trait("Reference", "stress_test_many_client_many_sources")]
    [InlineData(100, 1, 1)]
    [InlineData(40, 40, 40)]
    [InlineData(150, 3, 3)]
    public async Task Stress_ManyTunnelsAtOnce_ShareAsManyConnectionsAsThereAreSources(int tunnels, int sources, int connections)
    {
        await using var pair = new HbonePair { ClientOptions = { MaxStreamsPerConnection = 101 } }.Start(Echo.HandleAsync);

        await Task.WhenAll(Enumerable.Range(0, tunnels).Select(async i =>
        {
            await using var tunnel = await pair.ConnectAsync(pair.Request(source: new IPAddress([127, 1, 0, (byte)((i % sources) + 1)])));
            await tunnel.Output.WriteAsync(new byte[] { (byte)i });
            await tunnel.Output.CompleteAsync();
            Assert.Equal([(byte)i], await Echo.ReadAllAsync(tunnel));
        }));

        Assert.Equal(connections, pair.Client.PooledConnections);
    }

    [Fact]
    [Trait("Reference", "server_goaway")]
    public async Task ServerGoAway_PooledConnection_IsNotUsedAgain()
    {
        await using var pair = new HbonePair().Start(Echo.HandleAsync);
        await using var tunnel = await pair.ConnectAsync();

        // A draining listener says GOAWAY, and lets the open tunnel finish.
        using var deadline = new CancellationTokenSource(HbonePair.Patience);
        var draining = pair.Listener.ShutdownAsync(deadline.Token);
        HboneException? refused = null;
        while (refused is null)
        {
            try
            {
                // Until the GOAWAY has arrived the connection is as good as any.
                await (await pair.ConnectAsync()).DisposeAsync();
            }
            catch (HboneException e)
            {
                refused = e;
            }
        }

        Assert.Equal(HboneFailure.ConnectFailed, refused.Failure);
        Assert.False(draining.IsCompleted);
        await tunnel.Output.WriteAsync("still here"u8.ToArray());
        await tunnel.Output.CompleteAsync();

        Assert.Equal("still here"u8.ToArray(), await Echo.ReadAllAsync(tunnel));
        await draining.WaitAsync(HbonePair.Patience);
    }

    [Fact]
    [Trait("Reference", "idle_eviction")]
    public async Task IdleEviction_UnusedConnection_IsClosed()
    {
        await using var pair = new HbonePair { ClientOptions = { UnusedReleaseTimeout = TimeSpan.FromMilliseconds(100) } }.Start(Echo.HandleAsync);

        await EndAsync(pair, [await pair.ConnectAsync()]);

        await Eventually(() => pair.Client.PooledConnections == 0 && pair.Listener.OpenConnections == 0);
    }

    [Fact]
    [Trait("Reference", "idle_eviction_with_persistent")]
    public async Task IdleEviction_WithPersistentStream_ClosesOnlyWhenTheStreamEnds()
    {
        await using var pair = new HbonePair { ClientOptions = { UnusedReleaseTimeout = TimeSpan.FromMilliseconds(50) } }.Start(Echo.HandleAsync);
        var tunnel = await pair.ConnectAsync();

        await Task.Delay(500);
        Assert.Equal(1, pair.Listener.OpenConnections);
        await tunnel.Output.WriteAsync("x"u8.ToArray());
        await EndAsync(pair, [tunnel]);

        await Eventually(() => pair.Listener.OpenConnections == 0);
    }

    [Fact]
    public async Task FailedDial_EveryWaiterLearnsOfIt()
    {
        await using var pair = new HbonePair().Start(Echo.HandleAsync);
        var request = pair.Request() with { AcceptedIdentities = [] };

        var attempts = Enumerable.Range(0, 20).Select(_ => pair.ConnectAsync(request)).ToArray();

        foreach (var attempt in attempts)
        {
            var failure = await Assert.ThrowsAsync<HboneException>(() => attempt);
            Assert.Equal(HboneFailure.TlsFailed, failure.Failure);
        }

        Assert.Equal(0, pair.Client.PooledConnections);
    }

    [Fact]
    public async Task CancelledCaller_DoesNotTakeTheDialFromOthers()
    {
        var release = new TaskCompletionSource();
        await using var pair = new HbonePair().Start(Echo.HandleAsync);
        await using var client = new HboneClient(new HboneClientOptions(), new SlowSvids(release.Task, new HbonePair.Svids(pair.Authority)));
        using var cancel = new CancellationTokenSource();

        var first = client.ConnectAsync(pair.Request(), cancel.Token).AsTask();
        var second = client.ConnectAsync(pair.Request()).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        release.SetResult();

        Assert.NotNull(await second.WaitAsync(HbonePair.Patience));
    }

    private static async Task EndAsync(HbonePair pair, IEnumerable<HboneTunnel> tunnels)
    {
        foreach (var tunnel in tunnels)
        {
            await tunnel.Output.CompleteAsync();
            await Echo.ReadAllAsync(tunnel);
            await tunnel.DisposeAsync();
        }

        Assert.NotNull(pair);
    }

    private static async Task Eventually(Func<bool> condition)
    {
        for (var i = 0; !condition(); i++)
        {
            Assert.True(i < 1500, "it did not happen in time");
            await Task.Delay(20);
        }
    }

    private sealed class SlowSvids(Task release, Ambient.Certificates.ISvidSource inner) : Ambient.Certificates.ISvidSource
    {
        public async ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default)
        {
            await release;
            return await inner.GetSvidAsync(id, cancellationToken);
        }
    }
}
