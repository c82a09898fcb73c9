using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Tests.Gateway;
using Ambient.Policy.Authorization;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Logging.Abstractions;
using Route = Ambient.Node.Protos.Envoy.Route;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>Chains of a gateway hold for their own connections, each at its port and server name, and what cannot be told apart or honoured is not served.</summary>
public sealed class GatewayChainTests
{
    private readonly MeshStore _store = new();
    private readonly EnvoySession _session;

    public GatewayChainTests() => _session = new EnvoySession(_store, new EnvoyNode(true, "ns", "gw", IPAddress.Parse("10.0.0.1")), NullLogger.Instance);

    [Fact]
    public void AllowOfOneChain_HoldsBesideAChainWithoutOne()
    {
        Tell(443, Https("a.example", Allow("friend")), Https("b.example"));

        Assert.False(IsAllowed(443, "a.example", "/", "stranger"));
        Assert.True(IsAllowed(443, "a.example", "/", "friend"));
        Assert.True(IsAllowed(443, "b.example", "/", "stranger"));
    }

    [Fact]
    public void DenyOfATunnelledChain_DoesNotHoldForTheHttpsBesideIt()
    {
        Tell(443, Https("web.example", Deny("/admin")), Passed("*.passed.example", denies: true), Https("one.passed.example"));

        Assert.True(IsAllowed(443, "web.example", "/", "anybody"));
        Assert.False(IsAllowed(443, "web.example", "/admin", "anybody"));
        Assert.False(IsAllowed(443, "x.passed.example", "/", "anybody"));
        Assert.True(IsAllowed(443, "one.passed.example", "/", "anybody"));
    }

    [Fact]
    public void ChainsThatCannotBeToldApart_AreNotServed()
    {
        var said = Tell(80, Http(), Http(Deny("/admin")));

        Assert.Contains("two chains for the same connections", said, StringComparison.Ordinal);
        var route = Assert.Single(_store.Current.Requests.HttpRoutes.Values);
        Assert.Equal(503, Assert.Single(route.Rules).UnsupportedStatus);
    }

    [Fact]
    public void AuthorizerOfConnections_DoesNotHideThatOfRequests()
    {
        Tell([(80, [Tcp(Authorizer(failsOpen: true))]), (81, [Http(Checked(failsOpen: false))])]);

        Assert.False(Assert.Single(_store.Current.Requests.ExternalAuthorizers.Values).FailOpen);
    }

    [Theory]
    [InlineData(4, 0, true, false)]
    [InlineData(3, 3, false, true)]
    [InlineData(3, 0, false, false)]
    public void VersionsOfTls_AreThoseOfTheChain(int least, int most, bool requires, bool forbids)
    {
        Tell(443, Https("a.example", [], tls => tls.TlsParams = new TlsParameters { TlsMinimumProtocolVersion = (TlsParameters.Types.TlsProtocol)least, TlsMaximumProtocolVersion = (TlsParameters.Types.TlsProtocol)most }));

        var listener = Assert.Single(_store.Current.Requests.Gateways["ns/gw"].Listeners);
        Assert.Equal((requires, forbids), (listener.RequiresTls13, listener.ForbidsTls13));
    }

    [Fact]
    public void VersionsOfTlsThatAreNotMade_BlockTheChain()
    {
        var said = Tell(443, Https("a.example", [], tls => tls.TlsParams = new TlsParameters { TlsMaximumProtocolVersion = TlsParameters.Types.TlsProtocol.Tlsv11 }));

        Assert.Contains("TLS before 1.2", said, StringComparison.Ordinal);
        Assert.Equal(503, Assert.Single(Assert.Single(_store.Current.Requests.HttpRoutes.Values).Rules).UnsupportedStatus);
    }

    [Fact]
    public void IdentitiesOfVerifiedClients_AreUnknown()
    {
        var said = Tell(443, Https("a.example", [Rules(RuleSet.Types.Action.Deny, new Principal { Authenticated = new Principal.Types.Authenticated { PrincipalName = new StringMatcher { Exact = "spiffe://x/ns/ns/sa/stranger" } } })], Verified));
        Assert.Contains("the identity of a client that a gateway verifies", said, StringComparison.Ordinal);
        Assert.False(IsAllowed(443, "a.example", "/", null));

        Tell(443, Https("a.example", [Rules(RuleSet.Types.Action.Allow, new Principal { NotId = new Principal { Authenticated = new Principal.Types.Authenticated { PrincipalName = new StringMatcher { Exact = "spiffe://x/ns/ns/sa/stranger" } } } })], Verified));
        Assert.False(IsAllowed(443, "a.example", "/", null));

        // Where nobody is asked for a certificate nobody has an identity.
        Tell(443, Https("a.example", Rules(RuleSet.Types.Action.Deny, new Principal { Authenticated = new Principal.Types.Authenticated { PrincipalName = new StringMatcher { Exact = "spiffe://x/ns/ns/sa/stranger" } } })));
        Assert.True(IsAllowed(443, "a.example", "/", null));

        static void Verified(CommonTlsContext tls) => tls.CombinedValidationContext = new CommonTlsContext.Types.CombinedCertificateValidationContext
        {
            DefaultValidationContext = new CertificateValidationContext(),
            ValidationContextSdsSecretConfig = new SdsSecretConfig { Name = "kubernetes://clients-cacert" },
        };
    }

    [Fact]
    public void AuthoritiesWithAListOfRevoked_AreNone()
    {
        using var authority = TestCertificates.Authority("clients");
        var secret = new Secret { Name = "kubernetes://ca", ValidationContext = new CertificateValidationContext { TrustedCa = new DataSource { InlineString = authority.ExportCertificatePem() } } };
        Assert.Null(_session.Tell(EnvoyTypes.Secret, XdsKit.Of(secret.Name, EnvoyTypes.Secret, secret)).Answer.ErrorDetail);
        Assert.Single(_store.Current.Requests.CertificateBundles);

        // crl = 7 of the validation context, which is field 4.
        byte[] context = [.. secret.ValidationContext.ToByteArray(), 0x3a, 0x02, 0x1a, 0x00];
        var revoking = XdsKit.Of(secret.Name, EnvoyTypes.Secret, new Secret { Name = secret.Name });
        revoking.Resource_.Value = ByteString.CopyFrom([.. revoking.Resource_.Value, 0x22, .. Length(context), .. context]);
        var said = _session.Tell(EnvoyTypes.Secret, revoking).Answer.ErrorDetail?.Message;

        Assert.Contains("secret kubernetes://ca: a field that is not known", said, StringComparison.Ordinal);
        Assert.Empty(_store.Current.Requests.CertificateBundles);
    }

    private static byte[] Length(byte[] content) => [(byte)(content.Length | 0x80), (byte)(content.Length >> 7)];

    [Fact]
    public void ProxyProtocol_IsExpectedWhereItIsAskedFor_AndNowhereByHalves()
    {
        var header = new ListenerFilter { Name = "proxy", TypedConfig = EnvoyKit.Pack("type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol", new Empty()) };
        _session.Tell(EnvoyTypes.Listener, Listener(80, [Http()], listener => listener.ListenerFilters.Add(header)));
        Assert.True(_store.Current.Requests.Gateways["ns/gw"].ExpectsProxyHeader);

        var said = _session.Tell(EnvoyTypes.Listener, Listener(81, [Http()])).Answer.ErrorDetail?.Message;
        Assert.Contains("PROXY protocol", said, StringComparison.Ordinal);
        var withHeader = _store.Current.Requests.HttpRoutes.Values.Single(route => route.ParentRefs[0].Port == 80);
        Assert.Equal(503, Assert.Single(withHeader.Rules).UnsupportedStatus);
    }

    [Fact]
    public void ListenerWithAFilterThatIsNotKnown_IsNotServed()
    {
        var limit = new ListenerFilter { Name = "limit", TypedConfig = EnvoyKit.Pack("type.googleapis.com/envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit", new Empty()) };

        var said = _session.Tell(EnvoyTypes.Listener, Listener(80, [Http()], listener => listener.ListenerFilters.Add(limit))).Answer.ErrorDetail?.Message;

        Assert.Contains("LocalRateLimit", said, StringComparison.Ordinal);
        Assert.Equal(503, Assert.Single(Assert.Single(_store.Current.Requests.HttpRoutes.Values).Rules).UnsupportedStatus);
    }

    [Fact]
    public void ListenerOfDatagrams_TakesNoPlaceOfConnections()
    {
        var said = _session.Tell(EnvoyTypes.Listener, Listener(80, [Http()], listener => listener.Address.SocketAddress.Protocol = 1)).Answer.ErrorDetail?.Message;

        Assert.Contains("UDP", said, StringComparison.Ordinal);
        Assert.Empty(_store.Current.Requests.Gateways["ns/gw"].Listeners);
    }

    private string Tell(int port, params FilterChain[] chains) => Tell([(port, chains)]);

    private string Tell((int Port, FilterChain[] Chains)[] listeners) =>
        _session.Tell(EnvoyTypes.Listener, [.. listeners.Select(listener => Listener(listener.Port, listener.Chains))]).Answer.ErrorDetail?.Message ?? "";

    private static Resource Listener(int port, FilterChain[] chains, Action<Listener>? more = null)
    {
        var listener = new Listener
        {
            Name = $"0.0.0.0_{port}",
            Address = new() { SocketAddress = new() { Address = "0.0.0.0", PortValue = (uint)port } },
            FilterChains = { chains.Select(chain => chain.ToByteString()) },
        };
        more?.Invoke(listener);
        return XdsKit.Of(listener.Name, EnvoyTypes.Listener, listener);
    }

    private static FilterChain Http(params HttpFilter[] filters) => EnvoyKit.Chain("web.ns.svc.cluster.local", 80, filters);

    private static FilterChain Https(string name, params HttpFilter[] filters) => Https(name, filters, null);

    private static FilterChain Https(string name, HttpFilter[] filters, Action<CommonTlsContext>? more)
    {
        var chain = Http(filters);
        var tls = new CommonTlsContext { TlsCertificateSdsSecretConfigs = { new SdsSecretConfig { Name = "kubernetes://web" } } };
        more?.Invoke(tls);
        chain.FilterChainMatch = new FilterChainMatch { ServerNames = { name } };
        chain.TransportSocket = new TransportSocket { Name = "tls", TypedConfig = EnvoyKit.Pack(EnvoyTypes.DownstreamTls, new DownstreamTlsContext { CommonTlsContext = tls }) };
        return chain;
    }

    private static FilterChain Passed(string name, bool denies)
    {
        var chain = Tcp(new NetworkFilter
        {
            Name = "rbac",
            TypedConfig = EnvoyKit.Pack(EnvoyTypes.NetworkRules, new NetworkRules { Rules = new RuleSet { Action = denies ? RuleSet.Types.Action.Deny : RuleSet.Types.Action.Allow, Policies = { ["ns[ns]-policy[p]-rule[0]"] = new RuleSetPolicy { Principals = { new Principal { Any = true } }, Permissions = { EnvoyKit.AnyRequest } } } } }),
        });
        chain.FilterChainMatch = new FilterChainMatch { ServerNames = { name } };
        return chain;
    }

    private static FilterChain Tcp(NetworkFilter first) => new()
    {
        Filters = { first, new NetworkFilter { Name = "tcp", TypedConfig = EnvoyKit.Pack(EnvoyTypes.TcpProxy, new TcpProxy { Cluster = "outbound|80||web.ns.svc.cluster.local" }) } },
    };

    private static MetadataMatcher Enabled => new()
    {
        Filter = "envoy.filters.http.rbac",
        Path = { new MetadataMatcher.Types.PathSegment { Key = "istio_ext_authz_shadow_effective_policy_id" } },
        Value = new ValueMatcher { StringMatch = new StringMatcher { Prefix = "istio-ext-authz-checks-" } },
    };

    private static NetworkFilter Authorizer(bool failsOpen) => new()
    {
        Name = "authz",
        TypedConfig = EnvoyKit.Pack(EnvoyTypes.NetworkAuthorizer, new NetworkAuthorizer { FailureModeAllow = failsOpen, FilterEnabledMetadata = Enabled, GrpcService = Grpc }),
    };

    private static HttpFilter Checked(bool failsOpen) => new()
    {
        Name = "authz",
        TypedConfig = EnvoyKit.Pack(EnvoyTypes.HttpAuthorizer, new HttpAuthorizer { FailureModeAllow = failsOpen, FilterEnabledMetadata = Enabled, GrpcService = Grpc }),
    };

    private static GrpcService Grpc => new() { EnvoyGrpc = new() { ClusterName = "outbound|9000||authz.ns.svc.cluster.local" } };

    private static HttpFilter Allow(string who) => EnvoyKit.Rules(RuleSet.Types.Action.Allow, ("ns[ns]-policy[p]-rule[0]", EnvoyKit.Identity(who), EnvoyKit.AnyRequest));

    private static HttpFilter Deny(string path) => EnvoyKit.Rules(
        RuleSet.Types.Action.Deny, ("ns[ns]-policy[p]-rule[0]", new Principal { Any = true }, new Permission { UrlPath = new() { Path = new StringMatcher { Exact = path } } }));

    private static HttpFilter Rules(RuleSet.Types.Action action, Principal who) => EnvoyKit.Rules(action, ("ns[ns]-policy[p]-rule[0]", who, EnvoyKit.AnyRequest));

    private bool IsAllowed(int port, string serverName, string path, string? serviceAccount)
    {
        var mesh = _store.Current;
        return RequestAuthorizer.Authorize(RequestPolicies.ForGateway(mesh, mesh.Requests.Gateways["ns/gw"]), new RequestFacts
        {
            Identity = serviceAccount is null ? null : SpiffeId.ForServiceAccount("cluster.local", "ns", serviceAccount),
            Source = new IPEndPoint(IPAddress.Loopback, 1),
            Destination = new IPEndPoint(IPAddress.Loopback, port),
            ServerName = serverName,
            Method = "GET",
            Host = serverName,
            Path = path,
            Header = static _ => null,
        }).IsAllowed;
    }
}
