using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Google.Protobuf;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Hostile;

/// <summary>Names that lead nowhere, what leads in a circle, and what is taken away while it is in use.</summary>
public sealed class HostileConfigurationTests
{
    private const string Web = "web.ns.svc.cluster.local";
    private const string Shop = "shop.ns.svc.cluster.local";

    private readonly EnvoySession _session;
    private readonly MeshStore _store;

    public HostileConfigurationTests() => (_session, _store) = EnvoyKit.Session();

    [Fact]
    public void RouteToAClusterThatIsNowhere_IsAnsweredWithAnError_AndOthersAreNot()
    {
        Tell(EnvoyKit.Chain(Web, 80, [], EnvoyKit.To("gone.ns.svc.cluster.local", 80, "gone", "/gone"), EnvoyKit.To(Shop, 80, "shop")));

        Assert.NotNull(_store.Current.RouteOf(Web, "/gone").Error);
        Assert.Equal($"ns/{Shop}", _store.Current.RouteOf(Web, "/other").Service?.Key);
    }

    [Theory]
    [InlineData("main_internal")]
    [InlineData("connect_terminate")]
    [InlineData("inbound-vip|80|http|")]
    [InlineData("outbound|0||shop.ns.svc.cluster.local")]
    [InlineData("")]
    public void RouteToWhatIsNoCluster_IsAnsweredWithAnError(string cluster)
    {
        // The first two would lead a request back to where it came from.
        var route = EnvoyKit.To(Web, 80, "odd");
        route.Route_.Cluster = cluster;

        Tell(EnvoyKit.Chain(Web, 80, [], route));

        Assert.NotNull(_store.Current.RouteOf(Web, "/").Error);
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Shop, "/").Kind);
    }

    [Theory]
    [InlineData("main_internal", "10.9.0.1:80")]
    [InlineData("connect_terminate", "10.0.0.1:15008")]
    [InlineData("inner_connect_originate", "10.0.0.1:15008")]
    [InlineData("nowhere", "10.0.0.7:8080")]
    [InlineData("connect_originate", "not an address")]
    public void EndpointThatIsAListenerOfOurOwn_OrNone_IsLeftOut_AndNamed(string listener, string target)
    {
        Tell(EnvoyKit.Chain(Web, 80));
        _session.Tell(EnvoyTypes.Workload, EnvoyKit.Workload("web-1", "10.0.0.7", tunnel: true), EnvoyKit.Workload("inner-0", "10.0.0.1", tunnel: true));

        var said = _session.Tell(EnvoyTypes.Assignment, Inner(listener, target), EnvoyKit.Endpoints(Shop, 80, ("10.0.0.8", 8080))).Answer.ErrorDetail.Message;

        Assert.Contains($"endpoints of {EnvoyKit.Own(Web, 80)}", said, StringComparison.Ordinal);
        Assert.Empty(EndpointsOf(Web));
        Assert.Single(EndpointsOf(Shop));
    }

    [Fact]
    public void TunnelThatLeadsToOurselves_IsLeftOut_AndNamed()
    {
        // A request would come back with our own identity, and go round for as long as policies let it.
        Tell(EnvoyKit.Chain(Web, 80));
        _session.Tell(EnvoyTypes.Workload, EnvoyKit.Workload("inner-0", "10.0.0.1", "inner", tunnel: true));

        var said = _session.Tell(EnvoyTypes.Assignment, Inner("connect_originate", "10.0.0.1:8080")).Answer.ErrorDetail.Message;

        Assert.Contains("leads back to this proxy", said, StringComparison.Ordinal);
        Assert.Empty(EndpointsOf(Web));
    }

    [Fact]
    public void DestinationThatNamesNoChain_IsClosed_AndNamed()
    {
        var services = EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80)));
        var listener = Listener.Parser.ParseFrom(services.Resource_.Value);
        listener.FilterChains.Clear();
        services.Resource_.Value = listener.ToByteString();
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));

        var said = _session.Tell(EnvoyTypes.Listener, services).Answer.ErrorDetail.Message;

        Assert.Contains($"chain {EnvoyKit.Own(Web, 80)}: it is not there", said, StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web, "/").StatusCode);
    }

    [Fact]
    public void RangeWithoutItsLength_IsNotEveryAddress()
    {
        var services = EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80)));
        var listener = Listener.Parser.ParseFrom(services.Resource_.Value);
        var matcher = listener.FilterChainMatcher.MatcherTree.CustomMatch;
        var ranges = IPMatcher.Parser.ParseFrom(matcher.TypedConfig.Value);

        // Its length as a text: a field that is not known.
        ranges.RangeMatchers[0].Ranges[0].PrefixLen = null;
        ranges.RangeMatchers[0].Ranges[0].MergeFrom(new CodedInputStream([0x10, 0x20]));
        matcher.TypedConfig.Value = ranges.ToByteString();
        services.Resource_.Value = listener.ToByteString();
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));

        _session.Tell(EnvoyTypes.Listener, services);

        Assert.Null(_store.Current.FindService("", IPAddress.Parse("198.51.100.7"), clientNamespace: null));
    }

    [Fact]
    public void LookupThatIsNestedWithoutEnd_IsRefused_AndWhatWasThereStays()
    {
        Tell(EnvoyKit.Chain(Web, 80));
        var before = _store.Current;
        var inner = new Matcher();
        for (var depth = 0; depth < 5_000; depth++)
        {
            inner = new Matcher { OnNoMatch = new() { Matcher = inner } };
        }

        var answer = _session.Tell(EnvoyTypes.Listener, XdsKit.Of("main_internal", EnvoyTypes.Listener, new Listener { Name = "main_internal", FilterChainMatcher = inner }));

        Assert.False(answer.IsAccepted);
        Assert.Same(before, _store.Current);
    }

    [Fact]
    public void PolicyThatIsNestedWithoutEnd_LetsNobodyIn()
    {
        var who = EnvoyKit.Identity("friend");
        for (var depth = 0; depth < 200; depth++)
        {
            who = new Principal { NotId = who };
        }

        Tell(EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules(RuleSet.Types.Action.Allow, ("ns[ns]-policy[p]-rule[0]", who, EnvoyKit.AnyRequest))]));

        Assert.False(_store.Current.IsAllowed(Web, "friend"));
        Assert.True(_store.Current.IsAllowed(Shop, "friend"));
    }

    [Fact]
    public void ClusterThatGoesWhileARouteLeadsToIt_IsAnsweredWithAnError_UntilItComesBack()
    {
        Tell(EnvoyKit.Chain(Web, 80, [], EnvoyKit.To(Shop, 80, "shop")));
        _session.Tell(EnvoyTypes.Assignment, EnvoyKit.Endpoints(Shop, 80, ("10.0.0.8", 8080)));
        Assert.Null(_store.Current.RouteOf(Web, "/").Error);

        _session.Take(EnvoyTypes.Cluster, EnvoyKit.Own(Shop, 80));
        Assert.NotNull(_store.Current.RouteOf(Web, "/").Error);

        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Shop, 80, "shop"));
        _session.Tell(EnvoyTypes.Assignment, EnvoyKit.Endpoints(Shop, 80, ("10.0.0.8", 8080)));
        Assert.Null(_store.Current.RouteOf(Web, "/").Error);
        Assert.Single(EndpointsOf(Shop));
    }

    [Fact]
    public void OwnClusterThatGoes_LeavesItsChainWithoutAService_AndOpensNothing()
    {
        Tell(EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules(RuleSet.Types.Action.Allow, ("ns[ns]-policy[p]-rule[0]", EnvoyKit.Identity("friend"), EnvoyKit.AnyRequest))]));

        _session.Take(EnvoyTypes.Cluster, EnvoyKit.Own(Web, 80));
        Assert.Null(_store.Current.FindService("", IPAddress.Parse("10.9.0.1"), clientNamespace: null));

        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));
        Assert.True(_store.Current.IsAllowed(Web, "friend"));
        Assert.False(_store.Current.IsAllowed(Web, "stranger"));
    }

    [Fact]
    public void ListenerOfTunnelsThatGoes_OrCannotBeRead_LetsNobodyOpenOne()
    {
        Tell(EnvoyKit.Chain(Web, 80));
        Assert.True(_store.Current.IsAllowed(Web, "friend"));

        var said = _session.Take(EnvoyTypes.Listener, "connect_terminate").Answer.ErrorDetail.Message;
        Assert.Contains("connect_terminate: it has not come", said, StringComparison.Ordinal);
        Assert.False(_store.Current.IsAllowed(Web, "friend"));

        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Tunnels());
        Assert.True(_store.Current.IsAllowed(Web, "friend"));

        // With a filter list of a wrong type there might be policies in it.
        var odd = EnvoyKit.Tunnels();
        var listener = Listener.Parser.ParseFrom(odd.Resource_.Value);
        listener.FilterChains[0] = ByteString.CopyFrom([0x18, 0x01]);
        odd.Resource_.Value = listener.ToByteString();
        _session.Tell(EnvoyTypes.Listener, odd);
        Assert.False(_store.Current.IsAllowed(Web, "friend"));
    }

    [Fact]
    public void FieldOfAWrongType_InTheEntryOfAMap_IsNotLost()
    {
        // The policy of a DENY, as a number: what reads maps lets go of it, and nobody would be kept out.
        var filter = EnvoyKit.Rules(RuleSet.Types.Action.Deny);
        byte[] entry = [0x0a, 1, (byte)'p', 0x10, 1];
        byte[] rules = [0x08, 1, 0x12, (byte)entry.Length, .. entry];
        filter.TypedConfig.Value = ByteString.CopyFrom([0x0a, (byte)rules.Length, .. rules]);

        Tell(EnvoyKit.Chain(Web, 80, [filter]));

        Assert.False(_store.Current.IsAllowed(Web, "friend"));
    }

    [Fact]
    public void SocketOfAClusterThatIsOfAWrongType_IsNotNone()
    {
        var cluster = EnvoyKit.Cluster(Web, 80, "web");

        // transport_socket = 24, as a number.
        cluster.Resource_.Value = ByteString.CopyFrom([.. cluster.Resource_.Value, 0xc0, 0x01, 0x01]);
        Tell(EnvoyKit.Chain(Web, 80));
        _session.Tell(EnvoyTypes.Cluster, cluster);

        Assert.NotNull(_store.Current.RouteOf(Web, "/").Error);
    }

    [Fact]
    public void WrappedSocketThatIsNot_IsNotNone()
    {
        Tell(EnvoyKit.Chain(Web, 80));
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web", cluster => cluster.TransportSocket = new TransportSocket
        {
            Name = "internal_upstream", TypedConfig = EnvoyKit.Pack(EnvoyTypes.InternalUpstream, new InternalUpstreamTransport()),
        }));

        Assert.NotNull(_store.Current.RouteOf(Web, "/").Error);
    }

    [Fact]
    public void MarkOfAnEndpoint_ThatIsOfAWrongType_IsNotLost()
    {
        Tell(EnvoyKit.Chain(Web, 80));
        _session.Tell(EnvoyTypes.Assignment, EnvoyKit.Endpoints(Web, 80, ("10.0.0.7", 8080)));
        var marked = new LbEndpoint { Endpoint = new() { Address = new() { SocketAddress = new() { Address = "10.0.0.9", PortValue = 8080 } } } };

        // metadata = 3, as a number: it may say that the endpoint is to be reached in another way than in clear.
        marked.MergeFrom(new CodedInputStream([0x18, 0x01]));
        var answer = _session.Tell(EnvoyTypes.Assignment, XdsKit.Of(EnvoyKit.Own(Web, 80), EnvoyTypes.Assignment, new ClusterLoadAssignment
        {
            ClusterName = EnvoyKit.Own(Web, 80), Endpoints = { new LocalityLbEndpoints { LbEndpoints = { marked } } },
        }));

        Assert.False(answer.IsAccepted);
        Assert.Equal("10.0.0.7", $"{Assert.Single(EndpointsOf(Web)).Workload.Addresses[0]}");
    }

    [Fact]
    public void NewFieldOfAnEndpoint_DoesNotTakeItAway()
    {
        Tell(EnvoyKit.Chain(Web, 80));
        var marked = new LbEndpoint { HealthStatus = HealthStatus.Healthy, Endpoint = new() { Address = new() { SocketAddress = new() { Address = "10.0.0.9", PortValue = 8080 } } } };
        marked.MergeFrom(new CodedInputStream([0xf8, 0x3f, 0x01]));

        Assert.True(_session.Tell(EnvoyTypes.Assignment, XdsKit.Of(EnvoyKit.Own(Web, 80), EnvoyTypes.Assignment, new ClusterLoadAssignment
        {
            ClusterName = EnvoyKit.Own(Web, 80), Endpoints = { new LocalityLbEndpoints { LbEndpoints = { marked } } },
        })).IsAccepted);

        Assert.Single(EndpointsOf(Web));
    }

    private static Resource Inner(string listener, string target) => XdsKit.Of(EnvoyKit.Own(Web, 80), EnvoyTypes.Assignment, new ClusterLoadAssignment
    {
        ClusterName = EnvoyKit.Own(Web, 80),
        Endpoints = { new LocalityLbEndpoints { LbEndpoints = { new LbEndpoint { HealthStatus = HealthStatus.Healthy, Endpoint = new() { Address = new() { EnvoyInternalAddress = new() { ServerListenerName = listener, EndpointId = target } } } } } } },
    });

    private void Tell(FilterChain web)
    {
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Shop, 80, "shop"));
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, web), ("10.9.0.2", 80, EnvoyKit.Chain(Shop, 80))));
    }

    private System.Collections.Immutable.ImmutableArray<MeshEndpoint> EndpointsOf(string host) => _store.Current.EndpointsOf(_store.Current.Services[$"ns/{host}"]);
}
