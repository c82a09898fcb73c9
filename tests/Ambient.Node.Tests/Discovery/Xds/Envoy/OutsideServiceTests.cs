using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Ambient.Hbone;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Tests.Gateway;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>Services outside of the mesh as istiod tells a waypoint of them: by names within a wildcard, and by the address that the client meant. Nothing besides is dialled.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class OutsideServiceTests : IAsyncLifetime
{
    private const string Wild = "*.wild.example.com";
    private const string None = "none.example.com";

    private readonly ServedProxy _proxy = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _proxy.DisposeAsync();

    [Fact]
    public async Task Wildcard_DialsTheHostThatTheRequestNames_AndNothingOutsideOfIt()
    {
        _proxy.Names["a.wild.example.com"] = await _proxy.AddEndpointAsync("a", 80);
        _proxy.Names["deep.b.wild.example.com"] = await _proxy.AddEndpointAsync("b", 80);
        _proxy.Names["other.example.com"] = _proxy.Names["a.wild.example.com"];
        Assert.Null(_proxy.Session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Wild, 80, Wild, Dynamic)).Answer.ErrorDetail);
        Assert.Null(_proxy.Session.Tell(EnvoyTypes.Listener, EnvoyKit.Services((_proxy.VipOf(Wild).ToString(), 80, WildChain()))).Answer.ErrorDetail);
        await _proxy.StartAsync();

        Assert.Equal("a", await _proxy.AskAsync(Wild, named: "a.wild.example.com"));
        Assert.Equal("a", await _proxy.AskAsync(Wild, named: "A.Wild.Example.com:80"));
        Assert.Equal("b", await _proxy.AskAsync(Wild, named: "deep.b.wild.example.com"));
        foreach (var host in new[] { "other.example.com", "wild.example.com", "xwild.example.com", "127.0.0.1" })
        {
            Assert.Equal("404", await _proxy.AskAsync(Wild, named: host));
        }

        Assert.Equal("503", await _proxy.AskAsync(Wild, named: "unknown.wild.example.com"));
    }

    [Fact]
    public async Task Wildcard_InTls_DialsTheServerName_AndNothingOutsideOfIt()
    {
        using var authority = TestCertificates.Authority("root");
        using var certificate = TestCertificates.Leaf(authority, "a", ["a.wild.example.com"]);
        await using var server = new TlsServer(new IPEndPoint(_proxy.Mesh.NewAddress(), 443), certificate);
        _proxy.Names["a.wild.example.com"] = _proxy.Names["a.other.example.com"] = server.Address;
        _proxy.Session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Wild, 443, Wild, cluster =>
        {
            cluster.Name = $"inbound-vip|443|tcp|{Wild}";
            Dynamic(cluster);
        }));
        Assert.Null(_proxy.Session.Tell(EnvoyTypes.Listener, Sniffed((_proxy.VipOf(Wild).ToString(), 443, TlsChain(443)))).Answer.ErrorDetail);
        await _proxy.StartAsync();

        Assert.Equal("CN=a", await ShownAsync("a.wild.example.com"));
        await Assert.ThrowsAnyAsync<Exception>(() => ShownAsync("a.other.example.com"));
        await Assert.ThrowsAnyAsync<Exception>(() => ShownAsync(""));
    }

    [Fact]
    public void Wildcard_WithWhatIsNotKnown_IsNotServed()
    {
        // Sub-clusters (field 4), any host at all, and another port than the service's.
        var cluster = EnvoyKit.Cluster(Wild, 80, Wild, each => each.ClusterType = new()
        {
            Name = "dfp",
            TypedConfig = new Any { TypeUrl = EnvoyTypes.DynamicHosts, Value = ByteString.CopyFrom([0x0a, 0x03, 0x0a, 0x01, 0x78, 0x22, 0x00]) },
        });
        Assert.Contains("hosts by name with a field that is not known", _proxy.Session.Tell(EnvoyTypes.Cluster, cluster).Answer.ErrorDetail?.Message, StringComparison.Ordinal);
        Assert.Contains("its own host is no wildcard", _proxy.Session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster("any.example.com", 80, "any", Dynamic)).Answer.ErrorDetail?.Message, StringComparison.Ordinal);
        _proxy.Session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Wild, 443, Wild, each =>
        {
            each.Name = $"inbound-vip|443|tcp|{Wild}";
            Dynamic(each);
        }));
        Assert.Contains("port 22 of names", _proxy.Session.Tell(EnvoyTypes.Listener, Sniffed((_proxy.VipOf(Wild).ToString(), 443, TlsChain(22)))).Answer.ErrorDetail?.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task None_GoesToTheAddressThatTheClientMeant_AndToNoOther()
    {
        var (one, two) = (await _proxy.AddEndpointAsync("one"), await _proxy.AddEndpointAsync("two"));
        _proxy.Session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(None, 8080, None, Original));
        var listener = EnvoyKit.Services((one.ToString(), 8080, EnvoyKit.Chain(None, 8080)));
        var wire = Listener.Parser.ParseFrom(listener.Resource_.Value);
        var ranges = IPMatcher.Parser.ParseFrom(wire.FilterChainMatcher.MatcherTree.CustomMatch.TypedConfig.Value);
        ranges.RangeMatchers[0].Ranges[0].PrefixLen = 24;
        wire.FilterChainMatcher.MatcherTree.CustomMatch.TypedConfig.Value = ranges.ToByteString();
        listener.Resource_.Value = wire.ToByteString();
        _proxy.Session.Tell(EnvoyTypes.Listener, listener);
        await _proxy.StartAsync();

        Assert.Equal("one", await _proxy.AskAsync(None, 8080, one));
        Assert.Equal("two", await _proxy.AskAsync(None, 8080, two));

        // Outside of the range nothing leads anywhere.
        await Assert.ThrowsAnyAsync<Exception>(() => _proxy.AskAsync(None, 8080, IPAddress.Loopback));
    }

    [Fact]
    public async Task AddressesOfKubernetesServices_AreNobodysToDial()
    {
        const string Host = "web.ns.svc.cluster.local";
        var vip = await _proxy.AddEndpointAsync("somebody");
        _proxy.Session.Tell(EnvoyTypes.Cluster, EnvoyKit.Cluster(Host, 8080, "web", Original));
        _proxy.Session.Tell(EnvoyTypes.Listener, EnvoyKit.Services((vip.ToString(), 8080, EnvoyKit.Chain(Host, 8080))));
        await _proxy.StartAsync();

        Assert.Equal("503", await _proxy.AskAsync(Host, 8080, vip));
    }

    private static void Original(Cluster cluster)
    {
        cluster.EdsClusterConfig = null;
        cluster.Type = Cluster.Types.DiscoveryType.OriginalDst;
        cluster.LbPolicy = Cluster.Types.LbPolicy.ClusterProvided;
    }

    private static void Dynamic(Cluster cluster)
    {
        cluster.EdsClusterConfig = null;
        cluster.LbPolicy = Cluster.Types.LbPolicy.ClusterProvided;
        cluster.ClusterType = new() { Name = "envoy.clusters.dynamic_forward_proxy", TypedConfig = EnvoyKit.Pack(EnvoyTypes.DynamicHosts, new DynamicHostCluster { DnsCacheConfig = new() { Name = "cache", DnsLookupFamily = 1 } }) };
    }

    private static FilterChain WildChain()
    {
        var chain = EnvoyKit.Chain(Wild, 80, [new HttpFilter { Name = "dfp", TypedConfig = EnvoyKit.Pack(EnvoyTypes.DynamicHostsOfRequests, new DynamicHostFilter { DnsCacheConfig = new() { Name = "cache" } }) }]);
        var http = HttpConnectionManager.Parser.ParseFrom(chain.Filters[0].TypedConfig.Value);
        var routes = RouteConfiguration.Parser.ParseFrom(http.RouteConfig);
        routes.VirtualHosts[0].Domains[0] = Wild;
        http.RouteConfig = routes.ToByteString();
        chain.Filters[0].TypedConfig.Value = http.ToByteString();
        return chain;
    }

    private static FilterChain TlsChain(uint port) => new()
    {
        Name = $"inbound-vip|443|tcp|{Wild}",
        Filters =
        {
            new NetworkFilter { Name = "sni", TypedConfig = EnvoyKit.Pack(EnvoyTypes.DynamicHostsOfConnections, new DynamicHostSniFilter { DnsCacheConfig = new() { Name = "cache" }, PortValue = port }) },
            new NetworkFilter { Name = "tcp", TypedConfig = EnvoyKit.Pack(EnvoyTypes.TcpProxy, new TcpProxy { Cluster = $"inbound-vip|443|tcp|{Wild}" }) },
        },
    };

    /// <summary>A listener that looks into TLS.</summary>
    private static Protos.Discovery.Resource Sniffed((string, int, FilterChain) chain)
    {
        var services = EnvoyKit.Services(chain);
        var listener = Listener.Parser.ParseFrom(services.Resource_.Value);
        listener.ListenerFilters.Add(new ListenerFilter { Name = "tls", TypedConfig = EnvoyKit.Pack("type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", new Empty()) });
        services.Resource_.Value = listener.ToByteString();
        return services;
    }

    private async Task<string> ShownAsync(string serverName)
    {
        await using var tls = new SslStream(await _proxy.TunnelAsync(Wild, 443));
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = serverName, RemoteCertificateValidationCallback = static (_, shown, _, _) => shown is not null }).WaitAsync(XdsKit.Patience);
        return tls.RemoteCertificate!.Subject;
    }


    /// <summary>Shows a certificate to whoever connects.</summary>
    private sealed class TlsServer : IAsyncDisposable
    {
        private readonly System.Net.Sockets.TcpListener _listener;
        private readonly Task _accepting;

        public TlsServer(IPEndPoint at, X509Certificate2 certificate)
        {
            Address = at.Address;
            _listener = new System.Net.Sockets.TcpListener(at);
            _listener.Start();
            _accepting = AcceptAsync(certificate);
        }

        public IPAddress Address { get; }

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _accepting;
        }

        private async Task AcceptAsync(X509Certificate2 certificate)
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync();
                    await using var tls = new SslStream(client.GetStream());
                    await tls.AuthenticateAsServerAsync(certificate);
                    await tls.ReadAsync(new byte[1]);
                }
            }
            catch (Exception e) when (e is System.Net.Sockets.SocketException or ObjectDisposedException or IOException)
            {
                // The test is over.
            }
        }
    }
}
