using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Logging.Abstractions;
using Failure = Ambient.Node.Protos.Envoy.PluginConfig.Types.FailurePolicy;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>Filters that come by themselves (ECDS): asked for by name, done where they can be, passed over where they say so, and else what they are in is closed.</summary>
public sealed class ExtensionTests
{
    private const string Web = "web.ns.svc.cluster.local";
    private const string Shop = "shop.ns.svc.cluster.local";
    private const string Name = "extensions.istio.io/trafficextension/ns.x";

    private readonly EnvoySession _session;
    private readonly MeshStore _store;

    public ExtensionTests() => (_session, _store) = EnvoyKit.Session();

    [Fact]
    public void Extension_IsAskedForByItsName_AndItsChainWaits_AndNobodyIsBlamed()
    {
        var answer = Tell(Discovered());

        Assert.Null(answer.Answer.ErrorDetail);
        var asked = Assert.Single(answer.Further, request => request.TypeUrl == EnvoyTypes.Extension);
        Assert.Equal([Name], asked.ResourceNamesSubscribe);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
        Assert.Contains($"waiting for the extension {Name}", _store.Current.RouteOf(Web).Error, StringComparison.Ordinal);
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Shop).Kind);
    }

    [Fact]
    public void NoLongerNamed_IsLetGo()
    {
        Tell(Discovered());
        _session.Tell(EnvoyTypes.Extension, Policy(RuleSet.Types.Action.Deny));

        var let = Assert.Single(Tell().Further, request => request.TypeUrl == EnvoyTypes.Extension);

        Assert.Equal([Name], let.ResourceNamesUnsubscribe);
        Assert.True(_store.Current.IsAllowed(Web, "friend"));
    }

    [Fact]
    public void Policies_HoldInTheirPlace_FromWhenTheyCome_AsTheyChange()
    {
        Tell(Discovered());

        Assert.Null(_session.Tell(EnvoyTypes.Extension, Policy(RuleSet.Types.Action.Allow)).Answer.ErrorDetail);
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Web).Kind);
        Assert.True(_store.Current.IsAllowed(Web, "friend"));
        Assert.False(_store.Current.IsAllowed(Web, "stranger"));

        _session.Tell(EnvoyTypes.Extension, Policy(RuleSet.Types.Action.Deny));
        Assert.False(_store.Current.IsAllowed(Web, "friend"));
        Assert.True(_store.Current.IsAllowed(Web, "stranger"));

        // Gone: as before it came.
        _session.Take(EnvoyTypes.Extension, Name);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
    }

    [Theory]
    [InlineData(nameof(Failure.FailOpen), true)]
    [InlineData(nameof(Failure.FailClosed), false)]
    [InlineData(nameof(Failure.FailReload), false)]
    [InlineData(nameof(Failure.Unspecified), false)]
    public void Code_IsPassedOver_WhereItSaysThatItMayBe_AndClosesItsChainElse(string policy, bool isServed)
    {
        Tell(Discovered());

        var said = _session.Tell(EnvoyTypes.Extension, Code(System.Enum.Parse<Failure>(policy))).Answer.ErrorDetail?.Message;

        Assert.Equal(isServed ? null : $"extension {Name}: its code is not run here, so the chains that it is in are closed", said);
        Assert.Equal(isServed ? RequestRouteKind.Default : RequestRouteKind.Respond, _store.Current.RouteOf(Web).Kind);
        Assert.Equal(isServed ? 0 : 503, _store.Current.RouteOf(Web).StatusCode);
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Shop).Kind);
    }

    [Fact]
    public void CodeThatIsPassedOver_TakesNothingFromWhatStandsBesideIt()
    {
        Tell(Discovered(), EnvoyKit.Rules(RuleSet.Types.Action.Allow, ("ns[ns]-policy[p]-rule[0]", EnvoyKit.Identity("friend"), EnvoyKit.AnyRequest)));

        _session.Tell(EnvoyTypes.Extension, Code(Failure.FailOpen));

        Assert.True(_store.Current.IsAllowed(Web, "friend"));
        Assert.False(_store.Current.IsAllowed(Web, "stranger"));
    }

    [Fact]
    public void Default_HoldsUntilTheExtensionComes()
    {
        var deny = new HttpRules { Rules = new RuleSet { Action = RuleSet.Types.Action.Deny, Policies = { ["all"] = new RuleSetPolicy { Principals = { new Principal { Any = true } }, Permissions = { EnvoyKit.AnyRequest } } } } };
        Tell(Discovered(source => source.DefaultConfig = EnvoyKit.Pack(EnvoyTypes.HttpRules, deny)));
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Web).Kind);
        Assert.False(_store.Current.IsAllowed(Web, "friend"));

        _session.Tell(EnvoyTypes.Extension, Policy(RuleSet.Types.Action.Allow));

        Assert.True(_store.Current.IsAllowed(Web, "friend"));
    }

    [Theory]
    [InlineData("envoy.extensions.filters.http.lua.v3.Lua", true, "Lua")]
    [InlineData("envoy.extensions.filters.http.rbac.v3.RBAC", false, "should be of another type")]
    public void WhatIsNotKnown_OrShouldBeOfAnotherType_ClosesTheChain_AndIsNamed(string type, bool isExpected, string said)
    {
        var full = $"type.googleapis.com/{type}";
        Tell(Discovered(source =>
        {
            source.TypeUrls.Clear();
            source.TypeUrls.Add(isExpected ? full : EnvoyTypes.HttpWasm);
        }));

        var message = _session.Tell(EnvoyTypes.Extension, Of(full, new Empty())).Answer.ErrorDetail.Message;

        Assert.Contains(said, message, StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Shop).Kind);
    }

    [Fact]
    public void ThatCannotBeDecoded_IsRefused_AndTheOneBeforeHolds()
    {
        Tell(Discovered());
        _session.Tell(EnvoyTypes.Extension, Policy(RuleSet.Types.Action.Allow));
        var broken = Policy(RuleSet.Types.Action.Deny);
        broken.Resource_.Value = ByteString.CopyFrom([0x0a, 0xff]);

        var answer = _session.Tell(EnvoyTypes.Extension, broken);

        Assert.False(answer.IsAccepted);
        Assert.True(_store.Current.IsAllowed(Web, "friend"));
        Assert.False(_store.Current.IsAllowed(Web, "stranger"));
    }

    [Fact]
    public void Repeated_ChangesNothing()
    {
        Tell(Discovered());
        _session.Tell(EnvoyTypes.Extension, Policy(RuleSet.Types.Action.Allow));
        var before = _store.Current;

        _session.Tell(EnvoyTypes.Extension, Policy(RuleSet.Types.Action.Allow));
        Tell(Discovered());

        Assert.Same(before, _store.Current);
    }

    [Fact]
    public void OfConnections_IsDoneInTheSameWay_AtAGateway()
    {
        var store = new MeshStore();
        var session = new EnvoySession(store, new EnvoyNode(true, "ns", "gw", IPAddress.Parse("10.0.0.1")), NullLogger.Instance);
        var chain = new FilterChain
        {
            Filters =
            {
                new NetworkFilter { Name = Name, ConfigDiscovery = new ExtensionConfigSource { TypeUrls = { EnvoyTypes.NetworkRules, EnvoyTypes.NetworkWasm } } },
                new NetworkFilter { Name = "tcp", TypedConfig = EnvoyKit.Pack(EnvoyTypes.TcpProxy, new TcpProxy { Cluster = $"outbound|80||{Web}" }) },
            },
        };
        var listener = new Listener { Name = "0.0.0.0_9000", Address = new() { SocketAddress = new() { Address = "0.0.0.0", PortValue = 9000 } }, FilterChains = { chain.ToByteString() } };
        session.Tell(EnvoyTypes.Listener, XdsKit.Of(listener.Name, EnvoyTypes.Listener, listener));
        Assert.Empty(store.Current.Requests.TcpRoutes);

        session.Tell(EnvoyTypes.Extension, Of(EnvoyTypes.NetworkWasm, new Wasm { Config = new PluginConfig { FailurePolicy = Failure.FailOpen } }));

        Assert.Single(store.Current.Requests.TcpRoutes);
        session.Tell(EnvoyTypes.Extension, Of(EnvoyTypes.NetworkWasm, new Wasm { Config = new PluginConfig { FailurePolicy = Failure.FailClosed } }));
        Assert.Empty(store.Current.Requests.TcpRoutes);
    }

    private static HttpFilter Discovered(Action<ExtensionConfigSource>? more = null)
    {
        // So istiod writes it.
        var source = new ExtensionConfigSource { ConfigSource = new() { Ads = ByteString.Empty, InitialFetchTimeout = new Duration() }, TypeUrls = { EnvoyTypes.HttpWasm, EnvoyTypes.HttpRules } };
        more?.Invoke(source);
        return new HttpFilter { Name = Name, ConfigDiscovery = source };
    }

    private static Resource Of(string type, IMessage config) => XdsKit.Of(Name, EnvoyTypes.Extension, new Protos.Envoy.Extension { Name = Name, TypedConfig = EnvoyKit.Pack(type, config) });

    private static Resource Code(Failure policy) => Of(EnvoyTypes.HttpWasm, new Wasm { Config = new PluginConfig { FailurePolicy = policy } });

    private static Resource Policy(RuleSet.Types.Action action) => XdsKit.Of(Name, EnvoyTypes.Extension, new Protos.Envoy.Extension
    {
        Name = Name, TypedConfig = EnvoyKit.Rules(action, ("ns[ns]-policy[p]-rule[0]", EnvoyKit.Identity("friend"), EnvoyKit.AnyRequest)).TypedConfig,
    });

    private Ambient.Node.Discovery.Xds.Client.XdsAnswer Tell(params HttpFilter[] filters)
    {
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Shop, 80, "shop"));
        return _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80, filters)), ("10.9.0.2", 80, EnvoyKit.Chain(Shop, 80))));
    }
}
