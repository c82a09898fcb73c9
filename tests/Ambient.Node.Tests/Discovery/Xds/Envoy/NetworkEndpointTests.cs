using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>
/// Endpoints that istiod says are in another network: a tunnel to its gateway, and within it one to whoever serves there. The gateway here passes bytes on
/// and sees nothing of them, as an east-west gateway does.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class NetworkEndpointTests : IAsyncLifetime
{
    private static readonly SpiffeId s_gateway = SpiffeId.ForServiceAccount("cluster.local", "istio-system", "eastwest");
    private static readonly SpiffeId s_far = SpiffeId.ForServiceAccount("cluster.local", "app", "web");

    private readonly ConcurrentQueue<(string Authority, string? Source, string? Network, SpiffeId Peer)> _outer = [];
    private readonly ConcurrentQueue<(string Authority, string? Source, string? Network, SpiffeId Peer)> _inner = [];
    private ToldMesh _mesh = null!;
    private TestPod _app = null!;
    private IPAddress _gateway = null!;

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _mesh.DisposeAsync().AsTask();

    [Fact]
    public async Task Waypoint_ReachesTheServiceInATunnelWithinATunnel()
    {
        await StartAsync();

        Assert.Equal("hello from far", await _mesh.GetAsync());

        Assert.Equal(($"{ToldMesh.Host}:80", "waypoint", null, _mesh.Self), Assert.Single(_outer));
        Assert.Equal(($"{ToldMesh.Host}:80", null, "net1", _mesh.Self), Assert.Single(_inner));
        await _mesh.Mesh.LoggedAsync($"dst.addr={_gateway}:15008 dst.hbone_addr=\"{ToldMesh.Host}:80\" dst.workload=\"{ToldMesh.Host} through {_gateway}:15008\" dst.namespace=\"app\" method");
        Assert.Equal("", _mesh.Said);
    }

    [Fact]
    public async Task IngressGateway_SaysThatItIsOne()
    {
        await StartAsync(isGateway: true);

        Assert.Equal("hello from far", await _mesh.GetAsync());

        Assert.Equal(($"{ToldMesh.Host}:80", "gateway", null, _mesh.Self), Assert.Single(_outer));
    }

    [Fact]
    public async Task Bytes_AreCarriedToo()
    {
        await StartAsync(isGateway: true, isOpaque: true);
        await using (var stream = await _mesh.ConnectAsync())
        {
            await stream.WriteAsync("GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n"u8.ToArray());
            using var reader = new StreamReader(stream);
            Assert.Contains("hello from far", await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60)), StringComparison.Ordinal);
        }

        await _mesh.Mesh.LoggedAsync($"dst.hbone_addr={ToldMesh.Host}:80");
    }

    [Fact]
    public async Task Gateway_OfAForeignTrustDomain_IsRefused()
    {
        await StartAsync(gateway: SpiffeId.ForServiceAccount("elsewhere", "istio-system", "eastwest"));

        await _mesh.RefusedAsync($"network gateway {_gateway}:15008: no HBONE connection", "accepted here is any member of the trust domains cluster.local");
        Assert.Empty(_outer);
    }

    [Fact]
    public async Task Gateway_WhoseWorkloadIsKnown_IsNobodyElse()
    {
        await StartAsync(knownGateway: "eastwest-of-app");

        await _mesh.RefusedAsync("network gateway app/gateway (", $"the peer is {s_gateway}, and accepted here is {TestMesh.Id("eastwest-of-app")}");
        Assert.Empty(_outer);
    }

    [Fact]
    public async Task WhoeverServesBehindTheGateway_OfAForeignTrustDomain_IsRefused()
    {
        await StartAsync(far: SpiffeId.ForServiceAccount("elsewhere", "app", "web"));

        await _mesh.RefusedAsync($"inner tunnel to {ToldMesh.Host}:80 through network gateway {_gateway}:15008: no HBONE connection", "accepted here is any member of the trust domains cluster.local");
        Assert.NotEmpty(_outer);
        Assert.Empty(_inner);
        Assert.Empty(_app.Requests);
    }

    [Fact]
    public async Task Gateway_ThatRefuses_IsNamed()
    {
        await StartAsync(outerStatus: 404);

        await _mesh.RefusedAsync($"network gateway {_gateway}:15008: ", "http status: 404 Not Found");
    }

    [Fact]
    public async Task WhoeverServesBehindTheGateway_AndRefuses_IsNamed()
    {
        await StartAsync(innerStatus: 401);

        await _mesh.RefusedAsync($"inner tunnel to {ToldMesh.Host}:80 through network gateway {_gateway}:15008: ", "http status: 401 Unauthorized");
    }

    [Fact]
    public async Task Gateway_ThatIsGone_LeavesTheOthers()
    {
        await StartAsync();
        var gone = _mesh.Mesh.NewAddress();
        _mesh.Endpoints(ToldMesh.InNetwork(gone));
        await _mesh.RefusedAsync($"network gateway {gone}:15008: ", "cannot connect");

        // Who does not answer is passed over.
        _mesh.Endpoints(ToldMesh.InNetwork(gone, weight: 100), ToldMesh.InNetwork(_gateway));
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("hello from far", await _mesh.GetAsync());
        }
    }

    [Fact]
    public async Task EndpointsOfBothNetworks_HaveTheirShares()
    {
        await StartAsync();
        var near = await _mesh.AppAsync("near", _mesh.Mesh.NewAddress());
        _mesh.Endpoints(ToldMesh.InNetwork(_gateway), ToldMesh.Plain(near.Workload.Addresses[0], 8080));
        var answers = new HashSet<string>();
        for (var i = 0; i < 100 && answers.Count < 2; i++)
        {
            answers.Add(await _mesh.GetAsync());
        }

        Assert.Equal(["hello from far", "hello from near"], answers.Order());
    }

    [Fact]
    public async Task Explanation_SaysTheWay_AndWhoIsAccepted()
    {
        await StartAsync(isGateway: true);
        var text = _mesh.Explain();

        Assert.Contains(
            $"by a tunnel to the gateway {_gateway}:15008, and in it a tunnel for {ToldMesh.Host}:80; accepts any member of cluster.local, and in the inner one any member of cluster.local",
            text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatTheGatewayWouldBeAskedFor_MustBeTheService()
    {
        _mesh = new ToldMesh(isGateway: false);
        _mesh.Configure([ToldMesh.InNetwork(_mesh.Mesh.NewAddress(), "admin.app.svc.cluster.local:80")]);

        Assert.Contains("is to be asked for admin.app.svc.cluster.local:80, which is another service", _mesh.Said, StringComparison.Ordinal);
        Assert.Empty(_mesh.Mesh.Store.Current.EndpointsOf(_mesh.Mesh.Store.Current.Services[$"app/{ToldMesh.Host}"]));
        await Task.CompletedTask;
    }

    [Fact]
    public async Task WithoutAWordOnWhoIsTaken_NobodyIs()
    {
        await StartAsync(prefix: "https://anybody/");

        Assert.Contains("cluster outer_connect_originate: whom tunnels to other networks may lead to is not said", _mesh.Said, StringComparison.Ordinal);
        await _mesh.RefusedAsync("unknown network gateway", "not found");
        Assert.Empty(_outer);
    }

    private async Task StartAsync(
        bool isGateway = false, bool isOpaque = false, SpiffeId? gateway = null, SpiffeId? far = null, int outerStatus = 200, int innerStatus = 200, string? knownGateway = null, string? prefix = null)
    {
        _mesh = new ToldMesh(isGateway);
        _gateway = _mesh.Mesh.NewAddress();
        var pod = _mesh.Mesh.NewAddress();
        _app = await _mesh.AppAsync("far", pod);
        _mesh.Listen(_gateway, gateway ?? s_gateway, (connect, token) => TakeAsync(_outer, connect, outerStatus, new IPEndPoint(pod, 15008), token));
        _mesh.Listen(pod, far ?? s_far, (connect, token) => TakeAsync(_inner, connect, innerStatus, new IPEndPoint(pod, 8080), token));
        if (knownGateway is not null)
        {
            _mesh.AddWorkload("gateway", _gateway, knownGateway);
        }

        if (prefix is not null)
        {
            _mesh.NetworkPrefix = prefix;
        }

        await _mesh.StartAsync([ToldMesh.InNetwork(_gateway)], isOpaque: isOpaque);
    }

    private static ValueTask TakeAsync(
        ConcurrentQueue<(string, string?, string?, SpiffeId)> seen, HboneConnect connect, int status, IPEndPoint to, CancellationToken cancellationToken)
    {
        seen.Enqueue((connect.Authority, connect.RequestSource, connect.ForwardedNetwork, connect.PeerIdentity));
        if (status == 200)
        {
            return ToldMesh.RelayAsync(connect, to, cancellationToken);
        }

        connect.Reject(status);
        return ValueTask.CompletedTask;
    }
}
