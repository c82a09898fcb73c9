using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>What tcp_proxy is set to holds for opaque connections: shares, what they hash by, how long they may be idle or last, and how many endpoints are tried.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class OpaqueChainTests : IAsyncLifetime
{
    private const string Web = "web.ns.svc.cluster.local";
    private const string Shop = "shop.ns.svc.cluster.local";

    private readonly ServedProxy _proxy = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _proxy.DisposeAsync();

    [Fact]
    public async Task SourceAddress_LeadsToOneEndpoint()
    {
        await StartAsync(Cluster.Types.LbPolicy.RingHash, tcp => tcp.HashPolicy.Add(new ConnectionHashPolicy { SourceIp = ByteString.Empty }), [.. Enumerable.Range(0, 6).Select(i => _proxy.AddEcho($"{i}"))]);

        var first = await _proxy.GreetingAsync(Web, 5000);
        Assert.NotEqual("", first);
        for (var i = 0; i < 12; i++)
        {
            Assert.Equal(first, await _proxy.GreetingAsync(Web, 5000));
        }
    }

    [Fact]
    public async Task Idle_IsEnded_AndWhatMovesIsNot()
    {
        await StartAsync(Cluster.Types.LbPolicy.RoundRobin, tcp => tcp.IdleTimeout = Duration.FromTimeSpan(TimeSpan.FromSeconds(1)), _proxy.AddEcho("echo"));
        await using var stream = await _proxy.TunnelAsync(Web, 5000);
        var buffer = new byte[64];
        Assert.Equal(5, await stream.ReadAtLeastAsync(buffer, 5));
        for (var i = 0; i < 8; i++)
        {
            await Task.Delay(200);
            await stream.WriteAsync("x"u8.ToArray());
            Assert.Equal(1, await stream.ReadAsync(buffer).AsTask().WaitAsync(XdsKit.Patience));
        }

        await EndedAsync(stream);
        await _proxy.Mesh.LoggedAsync("nothing moved for 1 s");
    }

    [Fact]
    public async Task Longest_IsEnded_WhateverMoves()
    {
        await StartAsync(Cluster.Types.LbPolicy.RoundRobin, tcp => tcp.MaxDownstreamConnectionDuration = Duration.FromTimeSpan(TimeSpan.FromSeconds(1)), _proxy.AddEcho("echo"));
        await using var stream = await _proxy.TunnelAsync(Web, 5000);
        await EndedAsync(stream);
        await _proxy.Mesh.LoggedAsync("it was open for 1 s");
    }

    [Theory]
    [InlineData(1u, 4)]
    [InlineData(2u, 8)]
    [InlineData(null, 8)]
    public async Task ConnectAttempts_AreSoManyEndpoints(uint? attempts, int reached)
    {
        // One of the two is nobody's, and they take turns.
        await StartAsync(Cluster.Types.LbPolicy.RoundRobin, tcp => tcp.MaxConnectAttempts = attempts, _proxy.AddEcho("echo"), _proxy.Mesh.NewAddress());
        var greetings = new List<string>();
        for (var i = 0; i < 8; i++)
        {
            greetings.Add(await _proxy.GreetingAsync(Web, 5000));
        }

        Assert.Equal(reached, greetings.Count(greeting => greeting == "echo"));
    }

    [Fact]
    public async Task Shares_AreByConnection_AndLimitsHoldForAll()
    {
        var (one, two) = (_proxy.AddEcho("one"), _proxy.AddEcho("two"));
        Tell(Cluster.Types.LbPolicy.RoundRobin, Web, one);
        Tell(Cluster.Types.LbPolicy.RoundRobin, Shop, two);
        var proxy = new TcpProxy
        {
            IdleTimeout = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(500)),
            WeightedClusters = new() { Clusters = { Share(Web, 0), Share(Shop, 1) } },
        };
        _proxy.Session.Tell(EnvoyTypes.Listener, EnvoyKit.Services((_proxy.VipOf(Web).ToString(), 5000, Chain(proxy))));
        await _proxy.StartAsync();
        Assert.Equal("two", await _proxy.GreetingAsync(Web, 5000));
        await using var stream = await _proxy.TunnelAsync(Web, 5000);
        await EndedAsync(stream);

        static TcpProxy.Types.WeightedCluster.Types.ClusterWeight Share(string host, uint weight) => new() { Name = $"inbound-vip|5000|tcp|{host}", Weight = weight };
    }

    private static async Task EndedAsync(Stream stream)
    {
        var buffer = new byte[64];
        try
        {
            while (await stream.ReadAsync(buffer).AsTask().WaitAsync(XdsKit.Patience) > 0)
            {
                // What came before the end.
            }
        }
        catch (IOException)
        {
            // It was cut off.
        }
    }

    private static FilterChain Chain(TcpProxy proxy) => new()
    {
        Name = $"inbound-vip|5000|tcp|{Web}",
        Filters = { new NetworkFilter { Name = "tcp", TypedConfig = EnvoyKit.Pack(EnvoyTypes.TcpProxy, proxy) } },
    };

    private async Task StartAsync(Cluster.Types.LbPolicy policy, Action<TcpProxy> more, params IPAddress[] endpoints)
    {
        Tell(policy, Web, endpoints);
        var proxy = new TcpProxy { Cluster = $"inbound-vip|5000|tcp|{Web}", AccessLog = { ByteString.Empty } };
        more(proxy);
        Assert.Null(_proxy.Session.Tell(EnvoyTypes.Listener, EnvoyKit.Services((_proxy.VipOf(Web).ToString(), 5000, Chain(proxy)))).Answer.ErrorDetail);
        await _proxy.StartAsync();
    }

    private void Tell(Cluster.Types.LbPolicy policy, string host, params IPAddress[] endpoints)
    {
        var name = $"inbound-vip|5000|tcp|{host}";
        _proxy.Session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(host, 5000, host[..host.IndexOf('.', StringComparison.Ordinal)], cluster =>
        {
            cluster.Name = cluster.EdsClusterConfig.ServiceName = name;
            cluster.LbPolicy = policy;
            cluster.CommonLbConfig = new() { HealthyPanicThreshold = new() };
        }));
        var endpoint = EnvoyKit.Endpoints(host, 5000, [.. endpoints.Select(address => (address.ToString(), 8080))]);
        var assignment = ClusterLoadAssignment.Parser.ParseFrom(endpoint.Resource_.Value);
        assignment.ClusterName = endpoint.Name = name;
        endpoint.Resource_.Value = assignment.ToByteString();
        _proxy.Session.Tell(EnvoyTypes.Assignment, endpoint);
    }
}
