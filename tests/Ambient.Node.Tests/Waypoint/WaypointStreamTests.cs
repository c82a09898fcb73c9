using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Node.Tests.Gateway;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Waypoint;

/// <summary>
/// Opaque connections through a waypoint: TLSRoutes and TCPRoutes of the service choose their backend, and TLS is made to it, within the tunnel, where
/// it asks for it. The pods speak HBONE.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class WaypointStreamTests : IAsyncLifetime
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly TestMesh _mesh = new();
    private readonly X509Certificate2 _authority = TestCertificates.Authority("root");
    private readonly List<RawPod> _pods = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _mesh.DisposeAsync();
        foreach (var pod in _pods)
        {
            await pod.DisposeAsync();
        }

        _authority.Dispose();
    }

    [Theory]
    [InlineData(81)]
    [InlineData(82)]
    public async Task TcpRoute_OfTheService_ChoosesTheBackend_AndWithoutItTheServiceItselfIsMeant(int port)
    {
        var service = _mesh.AddService("a");
        await AddPodAsync("a", null);
        await AddPodAsync("b", null);
        await _mesh.StartWaypointAsync();
        Assert.Equal("a", await AskAsync(service, port));
        SetRoutes(Route("TCPRoute", "route", [], ("b", 1)));
        Assert.Equal("b", await AskAsync(service, port));
        SetRoutes(Route("TCPRoute", "route", [], ("b", 1)) with { ParentRefs = [new ObjectReference("", "Service", "app", "a", Port: 99)] });
        Assert.Equal("a", await AskAsync(service, port));
        SetRoutes(Route("TCPRoute", "route", [], ("missing", 1)));
        await Assert.ThrowsAnyAsync<IOException>(() => AskAsync(service, port));
        await _mesh.LoggedAsync("backend Service app/missing does not exist");
    }

    [Theory]
    [InlineData(81)]
    [InlineData(82)]
    public async Task TlsRoute_OfTheService_ChoosesByServerName_BeforeATcpRoute(int port)
    {
        var service = _mesh.AddService("a");
        using var certificateA = TestCertificates.Leaf(_authority, "a", ["x.example"]);
        using var certificateB = TestCertificates.Leaf(_authority, "b", ["x.example"]);
        using var certificateC = TestCertificates.Leaf(_authority, "c", ["x.example"]);
        await AddPodAsync("a", certificateA);
        await AddPodAsync("b", certificateB);
        await AddPodAsync("c", certificateC);
        SetRoutes(Route("TLSRoute", "named", ["x.example"], ("b", 1)), Route("TLSRoute", "wide", ["*.y.example"], ("c", 1)));
        await _mesh.StartWaypointAsync();
        Assert.Equal("CN=b", await ShownAsync(service, port, "x.example"));
        Assert.Equal("CN=c", await ShownAsync(service, port, "a.y.example"));
        await Assert.ThrowsAnyAsync<Exception>(() => ShownAsync(service, port, "z.example"));
        SetRoutes(Route("TLSRoute", "named", ["x.example"], ("b", 1)), Route("TCPRoute", "rest", [], ("c", 1)));
        Assert.Equal("CN=b", await ShownAsync(service, port, "x.example"));
        Assert.Equal("CN=c", await ShownAsync(service, port, "z.example"));
    }

    [Theory]
    [InlineData(81)]
    [InlineData(82)]
    public async Task VirtualService_ChoosesTheBackend_AndWhatItDoesNotMatchGoesToTheServiceItself(int port)
    {
        var service = _mesh.AddService("a");
        await AddPodAsync("a", null);
        await AddPodAsync("b", null);
        await _mesh.StartWaypointAsync();
        SetVirtual(Rule(false, [], ("b", 1)));
        Assert.Equal("b", await AskAsync(service, port));
        SetVirtual(Rule(false, [new StreamMatch { Port = port }], ("b", 1)));
        Assert.Equal("b", await AskAsync(service, port));
        foreach (var other in new[]
        {
            new StreamMatch { Port = port + 1 }, new StreamMatch { Gateways = ["app/gw"] }, new StreamMatch { SourceSubnet = IPNetwork.Parse("10.0.0.0/8") },
            new StreamMatch { DestinationSubnets = [IPNetwork.Parse("10.0.0.0/8")] },
        })
        {
            SetVirtual(Rule(false, [other], ("b", 1)));
            Assert.Equal("a", await AskAsync(service, port));
        }

        SetVirtual(Rule(false, [new StreamMatch { Gateways = ["mesh"], SourceSubnet = IPNetwork.Parse("127.0.0.0/8"), DestinationSubnets = [new IPNetwork(service.Vips[0].Address, 32)] }], ("b", 1)));
        Assert.Equal("b", await AskAsync(service, port));

        // A route of the Gateway API goes before it.
        SetRoutes(Route("TCPRoute", "route", [], ("a", 1)));
        Assert.Equal("a", await AskAsync(service, port));
    }

    [Fact]
    public async Task VirtualService_ForTls_IsFoundByServerName_BeforeThoseForTcp_AndIsExported()
    {
        var service = _mesh.AddService("a");
        foreach (var name in new[] { "a", "b", "c" })
        {
            await AddPodAsync(name, TestCertificates.Leaf(_authority, name, ["x.example"]));
        }

        await _mesh.StartWaypointAsync();
        SetVirtual(Rule(false, [], ("c", 1)), Rule(true, [new StreamMatch { ServerNames = ["*.example"] }], ("a", 1)), Rule(true, [new StreamMatch { ServerNames = ["x.example"] }], ("b", 1)));
        Assert.Equal("CN=b", await ShownAsync(service, 82, "x.example"));
        Assert.Equal("CN=a", await ShownAsync(service, 82, "y.example"));
        Assert.Equal("CN=c", await ShownAsync(service, 82, "z.other"));
        _mesh.Configure(requests => requests with { VirtualStreams = requests.VirtualStreams.SetItem("app/v", requests.VirtualStreams["app/v"] with { ExportTo = ["other"] }) });
        Assert.Equal("CN=a", await ShownAsync(service, 82, "x.example"));
    }

    [Fact]
    public async Task BackendTls_IsMadeWithinTheTunnel_ForRequestsAndForOpaqueConnections_AndNotForWhatIsTlsAlready()
    {
        var service = _mesh.AddService("a");
        using var certificate = TestCertificates.Leaf(_authority, "a", ["a.example"]);
        await AddPodAsync("a", certificate);
        Protect("a.example");
        await _mesh.StartWaypointAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), service);
        Assert.Equal("a.example", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
        Assert.Equal("a.example", await AskAsync(service, 81));
        Assert.Equal("CN=a", await ShownAsync(service, 82, "own.example"));
        Protect("b.example");
        using var refused = await client.GetAsync(new Uri("/", UriKind.Relative));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        await Assert.ThrowsAnyAsync<IOException>(() => AskAsync(service, 81));
        await _mesh.LoggedAsync("the endpoint's certificate is not for b.example");
    }

    [Fact]
    public async Task Gateway_MakesTlsToABackend_WithinItsTunnel_AndPassesTlsThroughOne()
    {
        _mesh.AddService("web", waypoint: null);
        using var certificate = TestCertificates.Leaf(_authority, "web", ["web.example"]);
        await AddPodAsync("web", certificate);
        _mesh.SetGatewayRoute();
        Protect("web.example", "web");
        SetRoutes(Route("TLSRoute", "through", [], ("web", 1)) with { ParentRefs = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")] });
        await _mesh.StartGatewayAsync(
            new GatewayListener("http", 8080, "HTTP", null, AllowedNamespaces.Same, null), new GatewayListener("tls", 8443, "TLS", null, AllowedNamespaces.Same, null));
        var address = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0];
        using var http = new HttpClient { Timeout = s_patience };
        Assert.Equal("web.example", await http.GetStringAsync(new Uri($"http://{address}:8080/")));
        using var socket = new TcpClient();
        await socket.ConnectAsync(address, 8443);
        Assert.Equal("CN=web", await ShownAsync(socket.GetStream(), "own.example"));
    }

    /// <summary>Answers the first request with its name, or with the server name that it was asked for in TLS.</summary>
    private async Task AddPodAsync(string name, X509Certificate2? certificate)
    {
        if (!_mesh.Store.Current.Services.ContainsKey($"app/{name}.app.svc.cluster.local"))
        {
            _mesh.AddService(name);
        }

        _pods.Add(await RawPod.StartAsync(_mesh, TunnelProtocol.Hbone, async socket =>
        {
            await using var plain = new NetworkStream(socket, ownsSocket: false);
            Stream stream = plain;
            var answer = name;
            if (certificate is not null)
            {
                var tls = new SslStream(plain);
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate });
                (stream, answer) = (tls, tls.TargetHostName);
            }

            var buffer = new byte[4096];
            var text = "";
            while (!text.EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(buffer) is var count and > 0)
            {
                text += Encoding.ASCII.GetString(buffer, 0, count);
            }

            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\ncontent-length: {answer.Length}\r\nconnection: close\r\n\r\n{answer}"));
            if (stream is SslStream protectedStream)
            {
                await protectedStream.ShutdownAsync();
            }
        }, name));
    }

    private void Protect(string serverName, string service = "a") => _mesh.Configure(requests => requests with
    {
        BackendProtections = ImmutableDictionary<string, BackendProtection>.Empty.Add($"{service}.app.svc.cluster.local", new BackendProtection(
            new BackendTls
            {
                AskedBy = "BackendTLSPolicy app/test",
                ServerName = serverName,
                Authorities = [new CertificateBundle { Name = "root", Namespace = "app", Certificates = _authority.ExportCertificatePem() }],
            }, ImmutableDictionary<int, BackendTls>.Empty)),
    });

    private static StreamRoute Route(string kind, string name, ImmutableArray<string> hostnames, params (string Backend, int Weight)[] backends) => new()
    {
        Kind = kind,
        Name = name,
        Namespace = "app",
        Hostnames = hostnames,
        ParentRefs = [new ObjectReference("", "Service", "app", "a")],
        Backends = [.. backends.Select(backend => new StreamRouteBackend(new ObjectReference("", "Service", "app", backend.Backend, Port: 81), backend.Weight))],
    };

    private static StreamRule Rule(bool isTls, ImmutableArray<StreamMatch> matches, params (string Backend, int Weight)[] backends) => new()
    {
        IsTls = isTls,
        Matches = matches,
        Backends = [.. backends.Select(backend => new StreamRouteBackend(new ObjectReference("networking.istio.io", "Hostname", "app", backend.Backend), backend.Weight))],
    };

    private void SetVirtual(params StreamRule[] rules) => _mesh.Configure(requests => requests with
    {
        VirtualStreams = ImmutableDictionary<string, StreamRoute>.Empty.Add("app/v", new StreamRoute
        {
            Kind = HttpRoute.VirtualService,
            Name = "v",
            Namespace = "app",
            ParentRefs = [new ObjectReference("networking.istio.io", "Mesh", "", "mesh")],
            Hostnames = ["a"],
            Rules = [.. rules],
        }),
    });

    private void SetRoutes(params StreamRoute[] routes) => _mesh.Configure(requests => requests with
    {
        TlsRoutes = routes.Where(route => route.Kind == "TLSRoute").ToImmutableDictionary(route => route.Key),
        TcpRoutes = routes.Where(route => route.Kind == "TCPRoute").ToImmutableDictionary(route => route.Key),
    });

    private async Task<HboneTunnel> OpenAsync(HboneClient client, MeshService service, int port)
    {
        var waypoint = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"];
        return await client.ConnectAsync(new HboneConnectRequest
        {
            NextHop = new IPEndPoint(waypoint.Addresses[0], 15008),
            Authority = $"{service.Vips[0].Address}:{port}",
            Source = TestMesh.Id("sleep"),
            AcceptedIdentities = [waypoint.Identity],
        });
    }

    /// <summary>Sends something that is not HTTP, and gives back what follows the head of the answer.</summary>
    private async Task<string> AskAsync(MeshService service, int port)
    {
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        await using var tunnel = await OpenAsync(client, service, port);
        await using var stream = tunnel.AsStream();
        await stream.WriteAsync("\u0001 what are you called\r\n\r\n"u8.ToArray());
        using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        var text = await reader.ReadToEndAsync().WaitAsync(s_patience);
        return text.Length == 0 ? throw new IOException("closed without an answer") : text[(text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..];
    }

    private async Task<string> ShownAsync(MeshService service, int port, string serverName)
    {
        await using var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        await using var tunnel = await OpenAsync(client, service, port);
        return await ShownAsync(tunnel.AsStream(), serverName);
    }

    private static async Task<string> ShownAsync(Stream stream, string serverName)
    {
        await using var tls = new SslStream(stream);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = serverName, RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null }).WaitAsync(s_patience);
        return tls.RemoteCertificate!.Subject;
    }
}
