using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Route = Ambient.Node.Protos.Envoy.Route;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>What a waypoint's chains and clusters leave open opens nothing, and what is wrong with one of them stays there.</summary>
public sealed class WaypointChainTests
{
    private const string Web = "web.ns.svc.cluster.local";
    private const string Shop = "shop.ns.svc.cluster.local";

    private readonly EnvoySession _session;
    private readonly MeshStore _store;

    public WaypointChainTests() => (_session, _store) = EnvoyKit.Session();

    [Fact]
    public void PortWithoutAChain_IsNotServed()
    {
        Tell(EnvoyKit.Chain(Web, 80));

        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Web).Kind);
        Assert.Equal(503, _store.Current.RouteOf(Web, port: 81).StatusCode);
    }

    [Fact]
    public void Endpoints_ArePingedAsTheirClusterSays()
    {
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web", cluster => cluster.TypedExtensionProtocolOptions["http"] = EnvoyKit.Pack(EnvoyTypes.UpstreamHttp, new UpstreamHttpOptions
        {
            ExplicitHttpConfig = new() { Http2ProtocolOptions = new Http2Options { ConnectionKeepalive = new KeepaliveSettings { Interval = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(10)), Timeout = Duration.FromTimeSpan(TimeSpan.FromSeconds(3)) } } },
        })));

        var policy = Assert.Single(_store.Current.Requests.DestinationRules[$"ns/{Web}"].Policy.Ports).Policy;
        Assert.Equal(new Http2KeepAlive(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3)), policy.ConnectionPool!.Http2KeepAlive);
    }

    [Fact]
    public void HeadersOfTheProxy_AreWhatItsChainsSay()
    {
        var chain = EnvoyKit.Chain(Web, 80, [new HttpFilter { Name = "router", TypedConfig = EnvoyKit.Pack(EnvoyTypes.Router, new Router { SuppressEnvoyHeaders = true }) }]);
        Edit(chain, http => (http.GenerateRequestId, http.ServerName, http.AppendXForwardedPort) = (false, "own", true));
        Tell(chain);

        Assert.Equal(new ProxyHeaders { RequestId = false, ServerName = "own", Debug = false, ForwardedPort = true }, _store.Current.Requests.Gateways[EnvoyKit.Node.GatewayKey].Headers);
    }

    [Fact]
    public void OtherTlsForASubset_LetsNothingOutInClear()
    {
        var subset = EnvoyKit.Cluster(Web, 80, "web", cluster =>
        {
            cluster.Name = $"inbound-vip|80|http/v1|{Web}";
            cluster.TransportSocket = new TransportSocket
            {
                Name = "tls",
                TypedConfig = EnvoyKit.Pack(EnvoyTypes.UpstreamTls, new UpstreamTlsContext
                {
                    Sni = "web",
                    CommonTlsContext = new CommonTlsContext { ValidationContext = new CertificateValidationContext { TrustedCa = new DataSource { InlineString = "pem" } } },
                }),
            };
        });

        var said = _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), subset).Answer.ErrorDetail?.Message;
        _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80))));

        Assert.Contains("other TLS for a subset", said, StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
    }

    [Fact]
    public void EndpointOfASidecar_IsLeftOut_WhereItWouldBeSpokenToInItsTls()
    {
        var outbound = EnvoyKit.Cluster(Web, 80, "web", cluster =>
        {
            cluster.Name = $"outbound|80||{Web}";
            cluster.TransportSocketMatches.Add(Match("tunnel", "http", EnvoyTypes.InternalUpstream, new InternalUpstreamTransport()));
            cluster.TransportSocketMatches.Add(Match("tlsMode", "istio", EnvoyTypes.UpstreamTls, new UpstreamTlsContext()));
            cluster.TransportSocketMatches.Add(new Cluster.Types.TransportSocketMatch { Name = "plain", TransportSocket = new TransportSocket { Name = "raw", TypedConfig = EnvoyKit.Pack(EnvoyTypes.RawBuffer, new Empty()) } });
        });
        _session.Tell(EnvoyTypes.Cluster, outbound);
        var endpoints = EnvoyKit.Endpoints(Web, 80, ("10.0.0.7", 8080), ("10.0.0.8", 8080));
        var assignment = ClusterLoadAssignment.Parser.ParseFrom(endpoints.Resource_.Value);
        assignment.Endpoints[0].LbEndpoints[0].Metadata = new Metadata { FilterMetadata = { ["envoy.transport_socket_match"] = Labels("tlsMode", "istio") } };
        endpoints.Resource_.Value = assignment.ToByteString();

        var said = _session.Tell(EnvoyTypes.Assignment, endpoints).Answer.ErrorDetail?.Message;

        Assert.Contains("its endpoint 10.0.0.7 wants another socket (tlsMode=istio)", said, StringComparison.Ordinal);
        var mesh = _store.Current;
        Assert.Equal("10.0.0.8", Assert.Single(mesh.EndpointsOf(mesh.Services[$"ns/{Web}"])).Workload.Addresses[0].ToString());

        static Struct Labels(string name, string value) => new() { Fields = { [name] = Value.ForString(value) } };
        static Cluster.Types.TransportSocketMatch Match(string name, string value, string type, IMessage socket) =>
            new() { Name = name, Match = Labels(name, value), TransportSocket = new TransportSocket { Name = name, TypedConfig = EnvoyKit.Pack(type, socket) } };
    }

    [Fact]
    public void ChainWithoutRoutes_FindsNothing_AndOneWhoseRoutesComeByNameIsNotServed()
    {
        var none = EnvoyKit.Chain(Web, 80);
        Edit(none, http => http.RouteConfig = new RouteConfiguration { Name = EnvoyKit.Own(Web, 80) }.ToByteString());
        Tell(none);
        Assert.Equal(404, _store.Current.RouteOf(Web).StatusCode);

        var named = EnvoyKit.Chain(Web, 80);
        Edit(named, http => http.Rds = new Rds { RouteConfigName = "elsewhere" });
        Tell(named);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
    }

    [Fact]
    public void PolicyOfConnectionsAlone_ClosesThePortThatHasRequests()
    {
        var tcp = new FilterChain
        {
            Name = $"inbound-vip|80|tcp|{Web}",
            Filters =
            {
                new NetworkFilter
                {
                    Name = "rbac",
                    TypedConfig = EnvoyKit.Pack(EnvoyTypes.NetworkRules, new NetworkRules { Rules = new RuleSet { Action = RuleSet.Types.Action.Deny, Policies = { ["ns[ns]-policy[p]-rule[0]"] = new RuleSetPolicy { Principals = { EnvoyKit.Identity("stranger") }, Permissions = { EnvoyKit.AnyRequest } } } } }),
                },
                new NetworkFilter { Name = "tcp", TypedConfig = EnvoyKit.Pack(EnvoyTypes.TcpProxy, new TcpProxy { Cluster = $"inbound-vip|80|tcp|{Web}" }) },
            },
        };

        var said = Tell([("10.9.0.1", 80, EnvoyKit.Chain(Web, 80)), ("10.9.0.3", 80, tcp)]);

        Assert.Contains("the policy p of connections", said, StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
    }

    [Fact]
    public void RegularExpressions_MeanWhatTheyMeanInEnvoy()
    {
        Tell(EnvoyKit.Chain(Web, 80, [], Pattern("/[[:alnum:]]+"), Pattern(@"/n\d"), EnvoyKit.To(Web, 80, "rest", "/rest")));

        Assert.Equal(RequestRouteKind.Forward, _store.Current.RouteOf(Web, "/abc").Kind);
        Assert.Equal(404, _store.Current.RouteOf(Web, "/a:").StatusCode);
        Assert.Equal(RequestRouteKind.Forward, _store.Current.RouteOf(Web, "/n3").Kind);
        Assert.Equal(404, _store.Current.RouteOf(Web, "/n\u0663").StatusCode);

        Tell(EnvoyKit.Chain(Web, 80, [], Pattern(@"/\bn"), EnvoyKit.To(Web, 80, "rest", "/rest")));
        Assert.Equal(503, _store.Current.RouteOf(Web, "/n").StatusCode);

        static Route Pattern(string pattern) => EnvoyKit.To(Web, 80, "pattern", "/", match => match.SafeRegex = new RegexMatcher { Regex = pattern });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void RequirementsOfTokens_ThatAreNotIstiods_BlockTheChain(int odd)
    {
        JwtRequirement named = new() { ProviderName = "origins-0" }, missing = new() { AllowMissing = new Empty() };
        var requirement = odd == 0
            ? new JwtRequirement { RequiresAll = new JwtRequirementAndList { Requirements = { Any(named, missing), Any(named, missing) } } }
            : Any(named, missing);
        var provider = new JwtProvider { Issuer = "https://a", LocalJwks = new DataSource { InlineString = "{}" } }.ToByteString();
        var tokens = new JwtAuthentication
        {
            Providers = { ["origins-0"] = provider },
            Rules = { new RequirementRule { Match = new RouteMatch { Prefix = "/" }, Requires = requirement } },
            BypassCorsPreflight = odd != 1,
        };
        if (odd == 2)
        {
            tokens.Providers["origins-1"] = provider;
        }

        Tell(EnvoyKit.Chain(Web, 80, [new HttpFilter { Name = "jwt", TypedConfig = EnvoyKit.Pack(EnvoyTypes.Tokens, tokens) }]));

        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);

        static JwtRequirement Any(params JwtRequirement[] parts) => new() { RequiresAny = new JwtRequirementOrList { Requirements = { parts } } };
    }

    [Fact]
    public void SlashesThatAreMergedInPathsThatAreNotNormalized_BlockTheChain()
    {
        var chain = EnvoyKit.Chain(Web, 80);
        Edit(chain, http => (http.NormalizePath, http.MergeSlashes) = (false, true));

        Assert.Contains("a treatment of paths", Tell(chain), StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
    }

    [Fact]
    public void LookupOfAnotherAddress_LeadsNowhere()
    {
        var services = EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80)));
        var listener = Listener.Parser.ParseFrom(services.Resource_.Value);
        listener.FilterChainMatcher.MatcherTree.Input.TypedConfig.TypeUrl = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.SourceIPInput";
        services.Resource_.Value = listener.ToByteString();
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"));

        var said = _session.Tell(EnvoyTypes.Listener, services).Answer.ErrorDetail?.Message;

        Assert.Contains("SourceIPInput", said, StringComparison.Ordinal);
        Assert.Contains("nothing leads to it", said, StringComparison.Ordinal);
        Assert.Null(_store.Current.Services[$"ns/{Web}"].Waypoint);
    }

    [Fact]
    public void ChainThatCannotBeRead_StopsNoOther_AndIsNotServed()
    {
        Tell(EnvoyKit.Chain(Web, 80));
        var filter = EnvoyKit.Chain(Web, 80);
        filter.Filters[0].TypedConfig.Value = ByteString.CopyFrom([0x0a, 0xff]);
        Assert.Contains("it cannot be read", Tell(filter), StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Shop).Kind);

        // Not even its name is there.
        var services = EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80)), ("10.9.0.2", 80, EnvoyKit.Chain(Shop, 80)));
        var listener = Listener.Parser.ParseFrom(services.Resource_.Value);
        listener.FilterChains[0] = ByteString.CopyFrom([0x0a, 0xff]);
        services.Resource_.Value = listener.ToByteString();
        Assert.True(_session.Tell(EnvoyTypes.Listener, services).IsAccepted);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Shop).Kind);
    }

    [Fact]
    public void RouteThatCannotBeRead_AnswersWithAnError_AndThoseBeforeItDoNot()
    {
        var broken = EnvoyKit.To(Web, 80, "broken");
        broken.Match = ByteString.CopyFrom([0x0a, 0xff]);

        Tell(EnvoyKit.Chain(Web, 80, [], EnvoyKit.To(Web, 80, "first", "/first"), broken, EnvoyKit.To(Web, 80, "rest")));

        Assert.Equal(RequestRouteKind.Forward, _store.Current.RouteOf(Web, "/first").Kind);
        Assert.Equal(503, _store.Current.RouteOf(Web, "/other").StatusCode);
    }

    [Fact]
    public void VirtualHostWithoutADomain_BlocksItsChainAlone()
    {
        var chain = EnvoyKit.Chain(Web, 80);
        Edit(chain, http => http.RouteConfig = new RouteConfiguration { Name = EnvoyKit.Own(Web, 80), VirtualHosts = { new VirtualHost { Name = "nobody" } } }.ToByteString());

        Assert.Contains("is for no domain", Tell(chain), StringComparison.Ordinal);
        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
        Assert.Equal(RequestRouteKind.Default, _store.Current.RouteOf(Shop).Kind);
    }

    [Fact]
    public void ResourceUnderAnotherName_IsRefused()
    {
        var cluster = EnvoyKit.Cluster(Web, 80, "web");
        cluster.Name = EnvoyKit.Own(Shop, 80);
        var answer = _session.Tell(EnvoyTypes.Cluster, cluster);
        Assert.False(answer.IsAccepted);
        Assert.Contains($"calls itself {EnvoyKit.Own(Web, 80)}", answer.Answer.ErrorDetail.Message, StringComparison.Ordinal);
        Assert.Empty(_store.Current.Services);

        var endpoints = EnvoyKit.Endpoints(Web, 80, ("10.0.0.7", 8080));
        answer = _session.Tell(EnvoyTypes.Cluster, endpoints);
        Assert.False(answer.IsAccepted);
        Assert.Contains("is of the type", answer.Answer.ErrorDetail.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ResourceWhoseEnvelopeIsBroken_IsRefusedAlone()
    {
        var good = XdsKit.Response(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web")).ToByteArray();

        // Field 2 of the response, a resource: its name is a number.
        var answer = _session.Hear([.. good, 0x12, 0x02, 0x18, 0x01]);

        Assert.False(answer.IsAccepted);
        Assert.Single(_store.Current.Services);
    }

    [Fact]
    public void OwnComparisonOfTheHost_HoldsBesideThatOfItsVirtualHost()
    {
        var chain = EnvoyKit.Chain(Web, 80);
        Edit(chain, http => http.RouteConfig = new RouteConfiguration
        {
            Name = EnvoyKit.Own(Web, 80),
            VirtualHosts =
            {
                Host("a.example", Whose("b.example"), Whose("a.example")),
                Host("c.example", EnvoyKit.To(Web, 80, "begins", "/", match => match.Headers.Add(Authority(new StringMatcher { Prefix = "d" })))),
            },
        }.ToByteString());

        Tell(chain);

        Assert.Equal(404, _store.Current.RouteOf("b.example", "/", 80, Web).StatusCode);
        Assert.Equal(RequestRouteKind.Forward, _store.Current.RouteOf("a.example", "/", 80, Web).Kind);
        Assert.Equal(503, _store.Current.RouteOf("c.example", "/", 80, Web).StatusCode);
        Assert.Equal(404, _store.Current.RouteOf("d.example", "/", 80, Web).StatusCode);

        static VirtualHost Host(string domain, params Route[] routes) => new() { Name = domain, Domains = { domain }, Routes = { routes.Select(route => route.ToByteString()) } };
        static Route Whose(string host) => EnvoyKit.To(Web, 80, host, "/", match => match.Headers.Add(Authority(new StringMatcher { Exact = host })));
        static Protos.Envoy.HeaderMatcher Authority(StringMatcher matcher) => new() { Name = ":authority", StringMatch = matcher };
    }

    [Fact]
    public void HostThatAsksForHttps_IsNotServedInClear()
    {
        var chain = EnvoyKit.Chain(Web, 80);
        Edit(chain, http => http.RouteConfig = new RouteConfiguration
        {
            Name = EnvoyKit.Own(Web, 80),
            VirtualHosts = { new VirtualHost { Name = "all", Domains = { "*" }, RequireTls = VirtualHost.Types.TlsRequirementType.All, Routes = { EnvoyKit.To(Web, 80, "default").ToByteString() } } },
        }.ToByteString());

        Tell(chain);

        Assert.Equal(503, _store.Current.RouteOf(Web).StatusCode);
    }

    [Fact]
    public void ChainOfNoService_IsNamed()
    {
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web", cluster => cluster.Metadata = null));

        var said = _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services(("10.9.0.1", 80, EnvoyKit.Chain(Web, 80)))).Answer.ErrorDetail?.Message;

        Assert.Contains($"chains of {Web}: no cluster says which service it is", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("spiffe://cluster.local/shared/ns/ns/sa/stranger", false)]
    [InlineData("spiffe://cluster.local/ns/ns/sa/stranger", false)]
    [InlineData("spiffe://cluster.local/ns/other/sa/stranger", true)]
    [InlineData("spiffe://cluster.local/ns-ns/x/sa/stranger", true)]
    public void NamespacesAreAskedForAnywhereInAnIdentity(string identity, bool isAllowed)
    {
        var of = new Principal { FilterState = new() { Key = "io.istio.peer_principal", StringMatch = new() { SafeRegex = new RegexMatcher { Regex = ".*/ns/ns/.*" } } } };

        Tell(EnvoyKit.Chain(Web, 80, [EnvoyKit.Rules(RuleSet.Types.Action.Deny, ("ns[ns]-policy[p]-rule[0]", of, EnvoyKit.AnyRequest))]));

        var mesh = _store.Current;
        Assert.Equal(isAllowed, RequestAuthorizer.Authorize(RequestPolicies.ForWaypoint(mesh, mesh.Requests.Gateways["ns/inner"], mesh.Services[$"ns/{Web}"]), new RequestFacts
        {
            Identity = SpiffeId.Parse(identity),
            Source = new IPEndPoint(IPAddress.Loopback, 1),
            Destination = new IPEndPoint(IPAddress.Loopback, 80),
            Method = "GET",
            Host = Web,
            Path = "/",
            Header = static _ => null,
        }).IsAllowed);
    }

    private static void Edit(FilterChain chain, Action<HttpConnectionManager> edit)
    {
        var http = HttpConnectionManager.Parser.ParseFrom(chain.Filters[0].TypedConfig.Value);
        edit(http);
        chain.Filters[0].TypedConfig.Value = http.ToByteString();
    }

    private string Tell(FilterChain web) => Tell([("10.9.0.1", 80, web)]);

    private string Tell((string, int, FilterChain)[] chains)
    {
        _session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Web, 80, "web"), EnvoyKit.Cluster(Web, 81, "web"), EnvoyKit.Cluster(Shop, 80, "shop"));
        var answer = _session.Tell(EnvoyTypes.Listener, EnvoyKit.Services([.. chains, ("10.9.0.2", 80, EnvoyKit.Chain(Shop, 80))]));
        Assert.True(answer.IsAccepted, answer.Answer.ErrorDetail?.Message);
        return answer.Answer.ErrorDetail?.Message ?? "";
    }
}
