using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Ambient.Node.ControlPlane;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Tests.Discovery.Xds;
using Ambient.Node.Tests.Discovery.Xds.Envoy;
using Ambient.Node.Tests.Requests;
using Ambient.Testing.ControlPlane;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Route = Ambient.Node.Protos.Envoy.Route;

namespace Ambient.Node.Tests.Gateway;

/// <summary>A gateway or waypoint that a delta ADS server configures as istiod does, everything over sockets.</summary>
internal sealed class IstiodEdge : IAsyncDisposable
{
    public const string Host = "web.ns.svc.cluster.local";

    private readonly ControlPlaneServer _istiod;
    private readonly List<IAsyncDisposable> _owned = [];
    private readonly bool _isGateway;

    private IstiodEdge(ControlPlaneServer istiod, bool isGateway)
    {
        (_istiod, _isGateway) = (istiod, isGateway);
        Istiod = new ResourceBook(istiod.Discovery);
        Address = Mesh.NewAddress();
        Istiod.Set(EnvoyTypes.Workload, XdsKit.Of("self", EnvoyTypes.Workload, new Protos.Workloads.Workload
        {
            Uid = "self", Name = "edge-0", Namespace = "app", ServiceAccount = "edge", Addresses = { XdsKit.Bytes($"{Address}") },
        }));
    }

    public TestMesh Mesh { get; } = new();

    /// <summary>What istiod says.</summary>
    public ResourceBook Istiod { get; }

    /// <summary>What it was told.</summary>
    public DiscoveryScript Discovery => _istiod.Discovery;

    public IPAddress Address { get; }

    /// <summary>Signs what is shown by whom it should be taken.</summary>
    public X509Certificate2 Authority { get; } = TestCertificates.Authority("root");

    /// <summary>Signs nothing that anybody should take.</summary>
    public X509Certificate2 Stranger { get; } = TestCertificates.Authority("stranger");

    public static async Task<IstiodEdge> OpenAsync(bool isGateway = true) => new(await ControlPlaneServer.StartAsync(), isGateway);

    /// <summary>Runs the proxy.</summary>
    public async Task<WaypointNode> StartAsync(bool untilReady = true)
    {
        var options = new XdsOptions
        {
            Server = new ControlPlaneOptions { Name = "xDS", Address = _istiod.Address, Roots = _istiod.RootFile },
            Kind = _isGateway ? XdsNodeKind.Router : XdsNodeKind.Waypoint,
            InstanceIP = $"{Address}",
            PodName = "edge-0",
            PodNamespace = "app",
        };
        return await Mesh.StartFromAsync("edge", "edge-0", store =>
        {
            var logger = Mesh.Loggers.CreateLogger("xds");
            var source = new XdsSource(options, store, new EnvoySession(store, new EnvoyNode(_isGateway, "app", "edge", Address), logger), null, logger, TimeProvider.System);
            _owned.Add(source);
            return source;
        }, untilReady);
    }

    /// <summary>Adds a backend that answers in TLS, and a cluster that leads to it.</summary>
    /// <param name="certificate">What it shows.</param>
    /// <param name="clients">Authority of clients; null: it asks for no certificate.</param>
    public async Task<TlsBackend> AddBackendAsync(X509Certificate2 certificate, X509Certificate2? clients = null)
    {
        var address = Mesh.NewAddress();
        var backend = await TlsBackend.StartAsync(address, certificate, clients);
        _owned.Add(backend);
        var name = ClusterName(443);
        Istiod.Set(EnvoyTypes.Assignment, XdsKit.Of(name, EnvoyTypes.Assignment, new ClusterLoadAssignment
        {
            ClusterName = name,
            Endpoints = { new LocalityLbEndpoints { LbEndpoints = { new LbEndpoint { HealthStatus = HealthStatus.Healthy, Endpoint = new() { Address = new() { SocketAddress = new() { Address = $"{address}", PortValue = TlsBackend.TlsPort } } } } } } },
        }));
        return backend;
    }

    /// <summary>Adds a backend in clear.</summary>
    public async Task AddClearBackendAsync()
    {
        var address = Mesh.NewAddress();
        _owned.Add(await TlsBackend.StartAsync(address, TestCertificates.Leaf(Authority, "unused", ["unused.example"])));
        var name = ClusterName(80);
        Istiod.Set(EnvoyTypes.Assignment, XdsKit.Of(name, EnvoyTypes.Assignment, new ClusterLoadAssignment
        {
            ClusterName = name,
            Endpoints = { new LocalityLbEndpoints { LbEndpoints = { new LbEndpoint { HealthStatus = HealthStatus.Healthy, Endpoint = new() { Address = new() { SocketAddress = new() { Address = $"{address}", PortValue = TlsBackend.ClearPort } } } } } } },
        }));
        SetCluster(80);
    }

    /// <summary>Says how the backend is reached.</summary>
    public void SetCluster(int port, UpstreamTlsContext? tls = null) => Istiod.Set(EnvoyTypes.Cluster, EnvoyKit.Cluster(Host, port, "web", cluster =>
    {
        cluster.Name = ClusterName(port);
        cluster.EdsClusterConfig.ServiceName = cluster.Name;
        if (tls is not null)
        {
            // As istiod has it: within what leads into tunnels.
            cluster.TransportSocket = new TransportSocket
            {
                Name = "internal_upstream",
                TypedConfig = EnvoyKit.Pack(EnvoyTypes.InternalUpstream, new InternalUpstreamTransport { TransportSocket = new() { Name = "tls", TypedConfig = EnvoyKit.Pack(EnvoyTypes.UpstreamTls, tls) } }),
            };
        }
    }));

    /// <summary>A cluster's name, of the kind of this proxy.</summary>
    public string ClusterName(int port) => _isGateway ? $"outbound|{port}||{Host}" : EnvoyKit.Own(Host, port);

    /// <summary>Sets a secret with a certificate.</summary>
    public void SetCertificate(string name, X509Certificate2 certificate) => Istiod.Set(EnvoyTypes.Secret, XdsKit.Of(name, EnvoyTypes.Secret, new Secret
    {
        Name = name,
        TlsCertificate = new() { CertificateChain = Inline(certificate.ExportCertificatePem()), PrivateKey = Inline(TestCertificates.KeyOf(certificate)) },
    }));

    /// <summary>Sets a secret with authorities.</summary>
    public void SetAuthorities(string name, params X509Certificate2[] authorities) => Istiod.Set(EnvoyTypes.Secret, XdsKit.Of(name, EnvoyTypes.Secret, new Secret
    {
        Name = name, ValidationContext = new() { TrustedCa = Inline(string.Join('\n', authorities.Select(authority => authority.ExportCertificatePem()))) },
    }));

    /// <summary>Sets a listener of a gateway, whose chains answer with what the backend says.</summary>
    public void SetListener(int port, params FilterChain[] chains) => Istiod.Set(EnvoyTypes.Listener, XdsKit.Of($"0.0.0.0_{port}", EnvoyTypes.Listener, new Listener
    {
        Name = $"0.0.0.0_{port}",
        Address = new() { SocketAddress = new() { Address = "0.0.0.0", PortValue = (uint)port } },
        FilterChains = { chains.Select(chain => chain.ToByteString()) },
    }));

    /// <summary>A chain of HTTP that leads to the backend's port.</summary>
    public FilterChain Chain(int backendPort, params HttpFilter[] filters)
    {
        var route = new Route { Name = "default", Match = new RouteMatch { Prefix = "/" }.ToByteString(), Route_ = new RouteAction { Cluster = ClusterName(backendPort), Timeout = new Duration() } };
        return EnvoyKit.ChainOf(Host, backendPort, new HttpConnectionManager { HttpFilters = { filters } }, route);
    }

    /// <summary>The same for clients in TLS that ask for a server name.</summary>
    public FilterChain TlsChain(string? serverName, string certificate, int backendPort = 80, Action<DownstreamTlsContext>? more = null)
    {
        var chain = Chain(backendPort);
        var tls = new DownstreamTlsContext { CommonTlsContext = new() { AlpnProtocols = { "h2", "http/1.1" }, TlsCertificateSdsSecretConfigs = { Sds(certificate) } } };
        more?.Invoke(tls);
        chain.FilterChainMatch = new FilterChainMatch();
        if (serverName is not null)
        {
            chain.FilterChainMatch.ServerNames.Add(serverName);
        }

        chain.TransportSocket = new TransportSocket { Name = "envoy.transport_sockets.tls", TypedConfig = EnvoyKit.Pack(EnvoyTypes.DownstreamTls, tls) };
        return chain;
    }

    public static SdsSecretConfig Sds(string name) => new() { Name = name, SdsConfig = new() { Ads = ByteString.Empty } };

    /// <summary>Shakes hands, taking nothing but certificates of our authority.</summary>
    public async Task<SslStream> ConnectAsync(string serverName, int port, X509Certificate2? client = null)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        SslStream? tls = null;
        try
        {
            await socket.ConnectAsync(Address, port);
            tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = serverName,
                RemoteCertificateValidationCallback = (_, shown, _, _) => shown!.Issuer == Authority.Subject,
                ClientCertificates = client is null ? [] : [client],
            }).WaitAsync(XdsKit.Patience);
            return tls;
        }
        catch
        {
            tls?.Dispose();
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Subject of the certificate that is shown, and that a request was answered with 200; null: no handshake, or none that holds.</summary>
    public async Task<string?> ShownAsync(string serverName, int port, X509Certificate2? client = null)
    {
        try
        {
            await using var tls = await ConnectAsync(serverName, port, client);
            var answer = await RawExchange.AskAsync(tls, $"GET / HTTP/1.1\nhost: {serverName}\n\n");

            // Whom the server does not take learns of it after its own part of the handshake (TLS 1.3).
            return answer.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal) ? tls.RemoteCertificate!.Subject : answer.Length == 0 ? null : answer;
        }
        catch (Exception e) when (e is IOException or AuthenticationException or SocketException)
        {
            return null;
        }
    }

    /// <summary>A request in clear to a gateway: status and body.</summary>
    public async Task<(int Status, string Body)> GetAsync(int port)
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false, PooledConnectionLifetime = TimeSpan.Zero }) { Timeout = XdsKit.Patience };
        using var response = await http.GetAsync(new Uri($"http://{Address}:{port}/"));
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    public async ValueTask DisposeAsync()
    {
        await Mesh.DisposeAsync();
        foreach (var owned in _owned)
        {
            await owned.DisposeAsync();
        }

        await _istiod.DisposeAsync();
        Authority.Dispose();
        Stranger.Dispose();
    }

    private static DataSource Inline(string text) => new() { InlineBytes = ByteString.CopyFromUtf8(text) };
}
