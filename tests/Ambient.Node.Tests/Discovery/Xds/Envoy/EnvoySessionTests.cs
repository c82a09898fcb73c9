using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Testing.ControlPlane;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>What is asked for and when, what is let go, and what stays the same.</summary>
public sealed class EnvoySessionTests
{
    private const string Web = "web.ns.svc.cluster.local";
    private const string Shop = "shop.ns.svc.cluster.local";

    private readonly EnvoySession _session;
    private readonly MeshStore _store;

    public EnvoySessionTests() => (_session, _store) = EnvoyKit.Session();

    [Fact]
    public void Subscriptions_FollowEnvoysOrder()
    {
        var outbox = System.Threading.Channels.Channel.CreateUnbounded<DeltaDiscoveryRequest>();
        _session.Subscribe(new Protos.Discovery.Node { Id = "waypoint~" }, outbox.Writer);
        Assert.True(outbox.Reader.TryRead(out var first));
        Assert.Equal(EnvoyTypes.Cluster, first!.TypeUrl);
        Assert.Equal("waypoint~", first.Node.Id);
        Assert.True(outbox.Reader.TryRead(out var workloads));
        Assert.Equal(EnvoyTypes.Workload, workloads!.TypeUrl);
        Assert.False(outbox.Reader.TryRead(out _));

        // Endpoints of the clusters that came, and only when they are there what leads to them.
        var endpoints = Assert.Single(_session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Shop, 80, "shop")).Further);
        Assert.Equal(EnvoyTypes.Assignment, endpoints.TypeUrl);
        Assert.Equal([EnvoyKit.Own(Shop, 80), EnvoyKit.Own(Web, 80)], endpoints.ResourceNamesSubscribe);
        Assert.Empty(endpoints.ResponseNonce);
        var listeners = Assert.Single(_session.Tell(EnvoyTypes.Assignment, EnvoyKit.Endpoints(Web, 80, ("10.0.0.7", 8080))).Further);
        Assert.Equal(EnvoyTypes.Listener, listeners.TypeUrl);
        Assert.Equal(["*"], listeners.ResourceNamesSubscribe);
    }

    [Fact]
    public void ClusterThatGoes_TakesItsEndpointsAndItsServiceWithIt()
    {
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));
        _session.Tell(EnvoyTypes.Assignment, EnvoyKit.Endpoints(Web, 80, ("10.0.0.7", 8080)));
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80))));
        Assert.Single(_store.Current.EndpointsOf(_store.Current.Services[$"ns/{Web}"]));

        var let = Assert.Single(_session.Take(EnvoyTypes.Cluster, EnvoyKit.Own(Web, 80)).Further);

        Assert.Equal([EnvoyKit.Own(Web, 80)], let.ResourceNamesUnsubscribe);
        Assert.Empty(_store.Current.Services);
        Assert.Empty(_store.Current.Workloads);
    }

    [Fact]
    public void EndpointsChange_WhileNothingElseDoes()
    {
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));
        _session.Tell(EnvoyTypes.Workload, EnvoyKit.Workload("web-1", "10.0.0.7"), EnvoyKit.Workload("web-2", "10.0.0.8"));
        _session.Tell(EnvoyTypes.Assignment, EnvoyKit.Endpoints(Web, 80, ("10.0.0.7", 8080)));
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80))));
        var before = _store.Current;

        _session.Tell(EnvoyTypes.Assignment, EnvoyKit.Endpoints(Web, 80, ("10.0.0.7", 8080), ("10.0.0.8", 8081)));

        var after = _store.Current;
        Assert.Same(before.Requests, after.Requests);
        Assert.Same(before.Services, after.Services);
        Assert.Equal([8080, 8081], after.EndpointsOf(after.Services[$"ns/{Web}"]).Select(endpoint => endpoint.Ports[0].TargetPort));
        _session.Tell(EnvoyTypes.Assignment, EnvoyKit.Endpoints(Web, 80));
        Assert.Empty(_store.Current.EndpointsOf(_store.Current.Services[$"ns/{Web}"]));
    }

    [Fact]
    public void Workloads_AreMadeOnce_WhenEndpointsHaveCome()
    {
        var store = new MeshStore();
        var session = new EnvoySession(store, EnvoyKit.Node, NullLogger.Instance);
        session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));
        session.Tell(EnvoyTypes.Workload, EnvoyKit.Workload("web-1", "10.0.0.7"), EnvoyKit.Workload("other-1", "10.0.0.8"));
        Assert.Empty(store.Current.Workloads);

        session.Tell(EnvoyTypes.Assignment, EnvoyKit.Endpoints(Web, 80, ("10.0.0.7", 8080)));

        Assert.Equal(2, store.Current.Workloads.Count);

        // Only the first ones are waited for.
        session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Shop, 80, "shop"));
        session.Tell(EnvoyTypes.Workload, EnvoyKit.Workload("other-2", "10.0.0.9"));
        Assert.Equal(3, store.Current.Workloads.Count);
    }

    [Fact]
    public void Repeated_ChangesNothing()
    {
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Shop, 80, "shop"));
        var chains = new[] { ("10.9.0.1", 80, EnvoyKit.Chain(Web, 80)), ("10.9.0.2", 80, EnvoyKit.Chain(Shop, 80)) };
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(chains));
        var before = _store.Current;

        // The whole again, in another order, as another change elsewhere brings it.
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(chains[1], chains[0]));
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Shop, 80, "shop"));

        Assert.Same(before, _store.Current);
    }

    [Fact]
    public void ChainThatChanges_LeavesTheOthersAsTheyAre()
    {
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Shop, 80, "shop"));
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80)), ("10.9.0.2", 80, EnvoyKit.Chain(Shop, 80))));
        var before = _store.Current.Requests;

        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80, [], EnvoyKit.To(Shop, 80, "away"))), ("10.9.0.2", 80, EnvoyKit.Chain(Shop, 80))));

        Assert.Same(before.Places[$"ns/{Shop}"], _store.Current.Requests.Places[$"ns/{Shop}"]);
        Assert.NotNull(_store.Current.Requests.Places[$"ns/{Web}"].Routes);
    }

    [Fact]
    public void Tunnel_IsHeldToTheWorkloadOfItsAddress_AndLeadsNowhereWithoutOne()
    {
        var assignment = new Protos.Envoy.ClusterLoadAssignment { ClusterName = EnvoyKit.Own(Web, 80), Endpoints = { new Protos.Envoy.LocalityLbEndpoints { LbEndpoints = { Tunnel("10.0.0.7:8080"), Tunnel("10.0.0.9:8080") } } } };
        var endpoints = XdsKit.Of(EnvoyKit.Own(Web, 80), EnvoyTypes.Assignment, assignment, "");
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));
        _session.Tell(EnvoyTypes.Workload, EnvoyKit.Workload("web-1", "10.0.0.7", "keeper", tunnel: true));
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80))));

        var said = _session.Tell(EnvoyTypes.Assignment, endpoints).Answer.ErrorDetail.Message;

        var found = Assert.Single(_store.Current.EndpointsOf(_store.Current.Services[$"ns/{Web}"]));
        Assert.Equal("spiffe://cluster.local/ns/ns/sa/keeper", found.Workload.Identity.ToString());
        Assert.Equal(TunnelProtocol.Hbone, found.Workload.Protocol);
        Assert.Contains("10.0.0.9", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_IsOpenedAgain_AndTellsWhatItHolds()
    {
        await using var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Session = _ => request => request.TypeUrl switch
        {
            EnvoyTypes.Cluster => XdsKit.Response(request.TypeUrl, EnvoyKit.Cluster(Web, 80, "web")),
            EnvoyTypes.Assignment => XdsKit.Response(request.TypeUrl, EnvoyKit.Endpoints(Web, 80, ("10.0.0.7", 8080))),
            EnvoyTypes.Listener => XdsKit.Response(request.TypeUrl, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80)))),
            _ => DiscoveryScript.Empty(request.TypeUrl),
        };
        await using var source = new XdsSource(
            XdsKit.Options(server), _store, _session, null, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, TimeProvider.System);
        await source.StartAsync(CancellationToken.None).WaitAsync(XdsKit.Patience);
        Assert.Contains($"ns/{Web}", _store.Current.Services.Keys);

        // Gone while nobody listened: it is told because it is named.
        server.Discovery.Session = _ => request => request.TypeUrl == EnvoyTypes.Cluster
            ? new DeltaDiscoveryResponse { TypeUrl = request.TypeUrl, Nonce = "2", RemovedResources = { request.InitialResourceVersions.Keys } }
            : DiscoveryScript.Empty(request.TypeUrl);
        server.Discovery.EndStreams();

        await XdsKit.UntilAsync(() => _store.Current.Services.Count == 0);
        Assert.Contains(server.Discovery.Requests, request => request.TypeUrl == EnvoyTypes.Cluster && request.InitialResourceVersions.ContainsKey(EnvoyKit.Own(Web, 80)));
    }

    private static Protos.Envoy.LbEndpoint Tunnel(string target) => new()
    {
        HealthStatus = Protos.Envoy.HealthStatus.Healthy,
        Endpoint = new() { Address = new() { EnvoyInternalAddress = new() { ServerListenerName = "connect_originate", EndpointId = target } } },
    };
}
