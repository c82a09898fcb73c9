using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Admin.Explain;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Tests.Requests;
using Ambient.Policy.Routing.Requests;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>
/// A waypoint or gateway that runs by istiod's configuration of one service, <c>web</c>, and whatever a test has at its other end: real sockets and TLS all
/// the way.
/// </summary>
[SuppressMessage("Reliability", "CA2000", Justification = "What is made here is owned by the mesh.")]
internal sealed class ToldMesh : IAsyncDisposable
{
    public const string Host = "web.app.svc.cluster.local";

    // An AccessLog with a name: lines are written.
    private static readonly ByteString s_accessLog = ByteString.CopyFrom([0x0a, 0x19, .. "envoy.access_loggers.file"u8]);

    private readonly List<IAsyncDisposable> _owned = [];
    private readonly EnvoySession _session;
    private readonly bool _isGateway;
    private readonly IPAddress _self;
    private readonly List<Resource> _workloads = [];

    public ToldMesh(bool isGateway)
    {
        _isGateway = isGateway;
        _self = Mesh.NewAddress();
        Vip = Mesh.NewAddress();
        _session = new EnvoySession(Mesh.Store, new EnvoyNode(isGateway, "app", isGateway ? "gw" : "waypoint", _self), NullLogger.Instance);
        if (!isGateway)
        {
            _session.Tell(EnvoyTypes.Listener, EnvoyKit.Tunnels());
        }

        AddWorkload(isGateway ? "gw-istio-0" : "waypoint-0", _self, isGateway ? "gw" : "waypoint");
    }

    public TestMesh Mesh { get; } = new();

    /// <summary>Address of the service.</summary>
    public IPAddress Vip { get; }

    /// <summary>Who the proxy is.</summary>
    public SpiffeId Self => TestMesh.Id(_isGateway ? "gw" : "waypoint");

    /// <summary>What the identities of other networks must begin with.</summary>
    public string NetworkPrefix { get; set; } = "spiffe://cluster.local/";

    /// <summary>What was not understood, as istiod is told.</summary>
    public string Said { get; private set; } = "";

    /// <summary>Name of the cluster.</summary>
    public string Cluster => _isGateway ? $"outbound|80||{Host}" : EnvoyKit.Own(Host, 80);

    /// <summary>A workload that istiod tells.</summary>
    public void AddWorkload(string name, IPAddress address, string serviceAccount, bool tunnel = false)
    {
        _workloads.Add(XdsKit.Of($"Kubernetes//Pod/app/{name}", EnvoyTypes.Workload, new Protos.Workloads.Workload
        {
            Uid = $"Kubernetes//Pod/app/{name}",
            Name = name,
            Namespace = "app",
            ServiceAccount = serviceAccount,
            Network = "net1",
            TunnelProtocol = tunnel ? Protos.Workloads.TunnelProtocol.Hbone : Protos.Workloads.TunnelProtocol.None,
            Addresses = { ByteString.CopyFrom(address.GetAddressBytes()) },
        }));
        Tell(EnvoyTypes.Workload, [.. _workloads]);
    }

    /// <summary>Tells everything, and runs the proxy; returns when it is ready.</summary>
    /// <param name="endpoints">Endpoints of the service.</param>
    /// <param name="cluster">Changes its cluster; null: it is the usual one.</param>
    /// <param name="isOpaque">Whether the port carries bytes rather than HTTP, at a gateway.</param>
    public async Task StartAsync(LbEndpoint[] endpoints, Action<Cluster>? cluster = null, bool isOpaque = false)
    {
        Configure(endpoints, cluster, isOpaque);
        await Mesh.StartToldAsync(_isGateway ? "gw" : "waypoint");
    }

    /// <summary>Tells everything.</summary>
    public void Configure(LbEndpoint[] endpoints, Action<Cluster>? cluster = null, bool isOpaque = false)
    {
        var web = EnvoyKit.Cluster(Host, 80, "web", told =>
        {
            told.Name = Cluster;
            told.EdsClusterConfig.ServiceName = Cluster;
            told.Metadata.FilterMetadata["istio"].Fields["services"].ListValue.Values[0].StructValue.Fields["namespace"] = Value.ForString("app");
            cluster?.Invoke(told);
        });
        Tell(EnvoyTypes.Cluster, web, NetworkTunnel("inner_connect_originate", NetworkPrefix), NetworkTunnel("outer_connect_originate", NetworkPrefix));
        Endpoints(endpoints);
        var route = EnvoyKit.To(Host, 80, "default");
        route.Route_.Cluster = Cluster;
        var chain = isOpaque
            ? new FilterChain { Name = "tcp", Filters = { new NetworkFilter { Name = "tcp", TypedConfig = EnvoyKit.Pack(EnvoyTypes.TcpProxy, new TcpProxy { Cluster = Cluster, AccessLog = { s_accessLog } }) } } }
            : EnvoyKit.ChainOf(Host, 80, new HttpConnectionManager { AccessLog = { s_accessLog } }, route);
        if (_isGateway)
        {
            Tell(EnvoyTypes.Listener, XdsKit.Of("0.0.0.0_8080", EnvoyTypes.Listener, new Listener
            {
                Name = "0.0.0.0_8080",
                Address = new() { SocketAddress = new() { Address = "0.0.0.0", PortValue = 8080 } },
                FilterChains = { chain.ToByteString() },
            }));
        }
        else
        {
            Tell(EnvoyTypes.Listener, EnvoyKit.Services((Vip.ToString(), 80, chain)));
        }
    }

    /// <summary>Tells other endpoints.</summary>
    public void Endpoints(params LbEndpoint[] endpoints) => Tell(EnvoyTypes.Assignment, XdsKit.Of(
        Cluster, EnvoyTypes.Assignment, new ClusterLoadAssignment { ClusterName = Cluster, Endpoints = { new LocalityLbEndpoints { LbEndpoints = { endpoints } } } }));

    /// <summary>A cluster of Envoy's own that makes a tunnel to another network: whose members are taken.</summary>
    private static Resource NetworkTunnel(string name, string prefix)
    {
        var tls = new UpstreamTlsContext
        {
            CommonTlsContext = new CommonTlsContext
            {
                CombinedValidationContext = new CommonTlsContext.Types.CombinedCertificateValidationContext
                {
                    DefaultValidationContext = new CertificateValidationContext
                    {
                        MatchTypedSubjectAltNames = { new SubjectAltNameMatcher { SanType = SubjectAltNameMatcher.Types.SanType.Uri, Matcher = new StringMatcher { Prefix = prefix } } },
                    },
                    ValidationContextSdsSecretConfig = new SdsSecretConfig { Name = "ROOTCA" },
                },
                TlsCertificateSdsSecretConfigs = { new SdsSecretConfig { Name = "default" } },
            },
        };
        var socket = new TransportSocket { Name = "tls", TypedConfig = EnvoyKit.Pack(EnvoyTypes.UpstreamTls, tls) };
        return XdsKit.Of(name, EnvoyTypes.Cluster, new Cluster
        {
            Name = name,
            TransportSocket = name[0] == 'o' ? socket : new TransportSocket { Name = "internal", TypedConfig = EnvoyKit.Pack(EnvoyTypes.InternalUpstream, new InternalUpstreamTransport { TransportSocket = socket }) },
        });
    }

    /// <summary>An endpoint by a tunnel to itself.</summary>
    public static LbEndpoint Tunnelled(IPAddress address, int port) => Internal("connect_originate", new IPEndPoint(address, port));

    /// <summary>An endpoint in another network, behind its gateway.</summary>
    public static LbEndpoint InNetwork(IPAddress gateway, string target = $"{Host}:80", uint weight = 1)
    {
        var endpoint = Internal("inner_connect_originate", new IPEndPoint(gateway, 15008));
        endpoint.LoadBalancingWeight = weight;
        endpoint.Metadata.FilterMetadata["istio"] = new Struct
        {
            Fields =
            {
                ["double_hbone"] = Value.ForStruct(new Struct { Fields = { ["hbone_target_address"] = Value.ForString(target) } }),
                ["workload"] = Value.ForString(";;;;Kubernetes"),
            },
        };
        return endpoint;
    }

    /// <summary>The service behind an instance of its waypoint.</summary>
    public LbEndpoint BehindWaypoint(IPAddress waypoint)
    {
        var endpoint = Internal("connect_originate", new IPEndPoint(Vip, 80));
        endpoint.Metadata.FilterMetadata["envoy.filters.listener.original_dst"].Fields["waypoint"] = Value.ForString($"{waypoint}:15008");
        return endpoint;
    }

    /// <summary>An endpoint that is reached as it is, with labels for its socket.</summary>
    public static LbEndpoint Plain(IPAddress address, int port, params (string Name, string Value)[] labels)
    {
        var endpoint = new LbEndpoint { HealthStatus = HealthStatus.Healthy, Endpoint = new() { Address = new() { SocketAddress = new() { Address = address.ToString(), PortValue = (uint)port } } } };
        if (labels.Length > 0)
        {
            var match = new Struct();
            foreach (var (name, value) in labels)
            {
                match.Fields[name] = Value.ForString(value);
            }

            endpoint.Metadata = new Metadata { FilterMetadata = { ["envoy.transport_socket_match"] = match } };
        }

        return endpoint;
    }

    /// <summary>A client of the proxy: through a tunnel to a waypoint, as it is to a gateway.</summary>
    public HttpClient Client(string serviceAccount = "caller") => _isGateway
        ? new HttpClient { BaseAddress = new Uri($"http://{_self}:8080"), Timeout = TimeSpan.FromSeconds(60) }
        : Mesh.ThroughWaypoint(TestMesh.Id(serviceAccount), Mesh.Store.Current.Services[$"app/{Host}"]);

    /// <summary>What a request through the proxy is answered.</summary>
    public async Task<string> GetAsync()
    {
        using var client = Client();
        return await client.GetStringAsync(new Uri("/", UriKind.Relative));
    }

    /// <summary>Asks once: the endpoint is not reached, and the log says why.</summary>
    public async Task RefusedAsync(params string[] reasons)
    {
        using var client = Client();
        using var answer = await client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        await Mesh.LoggedAsync("flags=\"UF,URX\"");
        Assert.All(reasons, reason => Assert.Contains(reason, Mesh.Log, StringComparison.Ordinal));
    }

    /// <summary>What the gateway's admin port says of a request.</summary>
    public string Explain()
    {
        var mesh = Mesh.Store.Current;
        Assert.True(RequestPath.TryParse("/", out var path));
        return RequestExplanationText.Write(RequestExplanation.AtGateway(
            mesh, mesh.Requests.Gateways["app/gw"], Mesh.Node!.Self!.Current!, 8080, IPAddress.Loopback, new RequestQuestion("GET", "web", path, new Dictionary<string, string>())));
    }

    /// <summary>Connects to a gateway.</summary>
    public async Task<NetworkStream> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(_self, 8080));
        return new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>Serves HBONE at an address, as somebody.</summary>
    public void Listen(IPAddress address, SpiffeId identity, HboneConnectHandler handler)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 15008));
        socket.Listen();
        var listener = new HboneListener(socket, new HboneServerOptions(), new Anybody(this), (_, _) => new ValueTask<SpiffeId?>(identity), handler);
        _owned.Add(listener);
        _ = listener.RunAsync();
    }

    /// <summary>Takes a tunnel, and relays its bytes to an address.</summary>
    public static async ValueTask RelayAsync(HboneConnect connect, IPEndPoint to, CancellationToken cancellationToken)
    {
        using var socket = await SocketConnector.Default.ConnectAsync(to, null, cancellationToken);
        await using var tunnel = connect.Accept();
        await Relay.RunAsync(tunnel, socket, new RelayCounters(), cancellationToken);
    }

    /// <summary>An application without anything in front of it, on ports 8080 (HTTP/1) and 9000 (HTTP/2) of an address.</summary>
    public async Task<TestPod> AppAsync(string name, IPAddress address)
    {
        var pod = await TestPod.StartAsync(new Workload { Uid = name, Name = name, Namespace = "app", Addresses = [address] }, Mesh.Svids);
        _owned.Add(pod);
        return pod;
    }

    public async ValueTask DisposeAsync()
    {
        await Mesh.DisposeAsync();
        foreach (var owned in _owned)
        {
            await owned.DisposeAsync();
        }
    }

    private static LbEndpoint Internal(string listener, IPEndPoint local) => new()
    {
        HealthStatus = HealthStatus.Healthy,
        LoadBalancingWeight = 1,
        Endpoint = new() { Address = new() { EnvoyInternalAddress = new() { ServerListenerName = listener, EndpointId = local.ToString() } } },
        Metadata = new Metadata { FilterMetadata = { ["envoy.filters.listener.original_dst"] = new Struct { Fields = { ["local"] = Value.ForString(local.ToString()) } } } },
    };

    private void Tell(string type, params Resource[] resources)
    {
        var answer = _session.Tell(type, resources);
        Assert.True(answer.IsAccepted, answer.Answer.ErrorDetail?.Message);
        Said += answer.Answer.ErrorDetail?.Message;
    }

    /// <summary>Certificates of every trust domain, from the one authority.</summary>
    private sealed class Anybody(ToldMesh mesh) : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => new(mesh.Mesh.Authority.Issue(id));
    }
}
