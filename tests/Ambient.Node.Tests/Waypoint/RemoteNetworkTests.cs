using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Waypoint;

/// <summary>
/// A waypoint whose mesh has endpoints in another network, as the workload API and local configurations tell them: through that network's gateway, which
/// must be who it is said to be, to somebody with one of the service's names.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class RemoteNetworkTests : IAsyncLifetime
{
    private static readonly SpiffeId s_gateway = SpiffeId.ForServiceAccount("cluster.local", "istio-system", "eastwest");

    private readonly TestMesh _mesh = new();
    private readonly List<HboneListener> _listeners = [];
    private readonly TaskCompletionSource<(string Authority, string? Source)> _outer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _mesh.DisposeAsync();
        foreach (var listener in _listeners)
        {
            await listener.DisposeAsync();
        }
    }

    [Fact]
    public async Task Endpoint_IsReachedThroughItsNetworksGateway()
    {
        var service = await StartAsync(s_gateway, TestMesh.Id("web"));
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("caller"), service);

        Assert.Equal("hello from far", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
        Assert.Equal(("web.app.svc.cluster.local:80", "waypoint"), await _outer.Task);
        await _mesh.LoggedAsync("dst.hbone_addr=\"web.app.svc.cluster.local:80\" dst.workload=\"far\"");
    }

    [Theory]
    [InlineData("other", "web", "network gateway istio-system/")]
    [InlineData("eastwest", "other", "inner tunnel to web.app.svc.cluster.local:80 through network gateway istio-system/")]
    public async Task WhoeverIsSomebodyElse_AtEitherEnd_IsRefused(string gateway, string far, string layer)
    {
        var service = await StartAsync(SpiffeId.ForServiceAccount("cluster.local", "istio-system", gateway), TestMesh.Id(far));
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("caller"), service);
        using var answer = await client.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        await _mesh.LoggedAsync("flags=\"UF,URX\"");
        Assert.Contains(layer, _mesh.Log, StringComparison.Ordinal);
        Assert.Contains("and accepted here is", _mesh.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task EndpointThatLeavesForAnotherGateway_IsReachedThere()
    {
        var service = await StartAsync(s_gateway, TestMesh.Id("web"));
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("caller"), service);
        Assert.Equal("hello from far", await client.GetStringAsync(new Uri("/", UriKind.Relative)));

        // The connection that is open there is not used any more.
        _mesh.Publish(builder => builder.Set(_mesh.Store.Current.Workloads["far"] with { NetworkGateway = GatewayAddress.ByAddress(new NetworkAddress("net2", _mesh.NewAddress()), 15008) }));
        using var answer = await client.GetAsync(new Uri("/", UriKind.Relative));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        await _mesh.LoggedAsync("unknown network gateway");
    }

    private async Task<MeshService> StartAsync(SpiffeId gateway, SpiffeId far)
    {
        var service = _mesh.AddService("web") with { SubjectAltNames = [TestMesh.Id("web").ToString()] };
        var (entry, pod) = (_mesh.NewAddress(), _mesh.NewAddress());
        var app = await TestPod.StartAsync(new Workload { Uid = "app", Name = "far", Namespace = "app", Addresses = [pod] }, _mesh.Svids);
        Listen(entry, gateway, (connect, token) =>
        {
            _outer.TrySetResult((connect.Authority, connect.RequestSource));
            return RelayAsync(connect, new IPEndPoint(pod, 15008), token);
        });
        Listen(pod, far, (connect, token) => RelayAsync(connect, new IPEndPoint(pod, 8080), token));
        _mesh.Publish(builder => builder
            .Set(service)
            .Set(new Workload { Uid = $"NetworkGateway/net2/{entry}/15008", Name = "eastwest", Namespace = "istio-system", ServiceAccount = "eastwest", Network = "net2", Addresses = [entry] })
            .Set(new Workload
            {
                Uid = "far",
                Name = "far",
                Namespace = "app",
                ServiceAccount = "web",
                Network = "net2",
                Protocol = TunnelProtocol.Hbone,
                NetworkGateway = GatewayAddress.ByAddress(new NetworkAddress("net2", entry), 15008),
                Services = ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty.Add(service.Key, [new ServicePort(80, 8080)]),
            }));
        await _mesh.StartWaypointAsync();
        _mesh.Own(app);
        return service;
    }

    private void Listen(IPAddress address, SpiffeId identity, HboneConnectHandler handler)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 15008));
        socket.Listen();
        var listener = new HboneListener(socket, new HboneServerOptions(), _mesh.Svids, (_, _) => new ValueTask<SpiffeId?>(identity), handler);
        _listeners.Add(listener);
        _ = listener.RunAsync();
    }

    private static async ValueTask RelayAsync(HboneConnect connect, IPEndPoint to, CancellationToken cancellationToken)
    {
        using var socket = await SocketConnector.Default.ConnectAsync(to, null, cancellationToken);
        await using var tunnel = connect.Accept();
        await Relay.RunAsync(tunnel, socket, new RelayCounters(), cancellationToken);
    }
}
