using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Ambient.Identity;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Tests.Requests;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>Endpoints that have a sidecar: the mesh's own TLS, with the server name and protocols by which a sidecar knows it, and with nobody but the service's accounts.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class SidecarEndpointTests : IAsyncLifetime
{
    private const string ServerName = $"outbound_.80_._.{ToldMesh.Host}";

    private readonly ToldMesh _mesh = new(isGateway: true);
    private readonly CancellationTokenSource _stop = new();
    private Sidecar? _sidecar;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _mesh.DisposeAsync();
        _sidecar?.Dispose();
        _stop.Dispose();
    }

    [Fact]
    public async Task Request_GoesInTheSidecarsTls()
    {
        await StartAsync();

        Assert.Equal("from the sidecar", await _mesh.GetAsync());

        // Of those that it takes a server chooses its own first: what it did not choose was not offered.
        Assert.Equal((ServerName, "istio-http/1.1", _mesh.Self.ToString()), await _sidecar!.Seen.Task);
        Assert.Equal("", _mesh.Said);
        await _mesh.Mesh.LoggedAsync($"dst.addr={_sidecar.Address} dst.workload");
    }

    [Fact]
    public async Task Bytes_SayNothingOfHttp()
    {
        await StartAsync(isOpaque: true);
        await using var stream = await _mesh.ConnectAsync();
        await stream.WriteAsync("GET / HTTP/1.1\r\nhost: web\r\n\r\n"u8.ToArray());
        using var reader = new StreamReader(stream);

        Assert.EndsWith("from the sidecar", await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60)), StringComparison.Ordinal);
        Assert.Equal((ServerName, "istio", _mesh.Self.ToString()), await _sidecar!.Seen.Task);
    }

    [Fact]
    public async Task EndpointWithoutASidecar_OfTheSameCluster_IsSpokenToInClear()
    {
        await StartAsync();
        var app = await _mesh.AppAsync("plain", _mesh.Mesh.NewAddress());
        _mesh.Endpoints(ToldMesh.Plain(app.Workload.Addresses[0], 8080));
        Assert.Equal("hello from plain", await _mesh.GetAsync());

        _mesh.Endpoints(ToldMesh.Plain(app.Workload.Addresses[0], 8080, ("tlsMode", "istio")));
        await _mesh.RefusedAsync();
    }

    [Fact]
    public async Task Sidecar_OfAnotherAccount_IsRefused()
    {
        await StartAsync(TestMesh.Id("other"));

        await _mesh.RefusedAsync($"the peer is {TestMesh.Id("other")}, and accepted here is {TestMesh.Id("web")}");
        Assert.False(_sidecar!.Served);
    }

    [Fact]
    public async Task Sidecar_OfAnotherAuthority_IsRefused()
    {
        var strangers = new Ambient.Testing.Certificates.TestAuthority();
        await StartAsync(svid: strangers.Issue(TestMesh.Id("web")));

        await _mesh.RefusedAsync("does not chain to our 1 root(s)");
        Assert.False(_sidecar!.Served);
    }

    [Fact]
    public async Task Application_ThatSpeaksNoTls_GetsNothing()
    {
        var app = await _mesh.AppAsync("plain", _mesh.Mesh.NewAddress());
        await _mesh.StartAsync([ToldMesh.Plain(app.Workload.Addresses[0], 8080, ("tlsMode", "istio"))], Matches);

        await _mesh.RefusedAsync($"no TLS with {ServerName} as {_mesh.Self}: the TLS handshake failed");
        Assert.Empty(app.Requests);
    }

    [Fact]
    public async Task Sidecar_ThatIsGone_IsNotReached()
    {
        await _mesh.StartAsync([ToldMesh.Plain(_mesh.Mesh.NewAddress(), 8080, ("tlsMode", "istio"))], Matches);

        await _mesh.RefusedAsync("refused");
    }

    [Fact]
    public async Task Explanation_SaysIt()
    {
        await StartAsync();
        var text = _mesh.Explain();

        Assert.Contains($"in its sidecar's TLS for {ServerName}; accepts {TestMesh.Id("web")}", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nobody")]
    [InlineData("dns")]
    [InlineData("prefix")]
    [InlineData("tls12")]
    public void SidecarsThatCannotBeVerified_AreLeftOut(string odd)
    {
        var address = _mesh.Mesh.NewAddress();
        _mesh.Configure([ToldMesh.Plain(address, 8080, ("tlsMode", "istio"))], cluster => Matches(cluster, tls =>
        {
            var names = tls.CommonTlsContext.CombinedValidationContext.DefaultValidationContext.MatchTypedSubjectAltNames;
            switch (odd)
            {
                case "nobody":
                    names.Clear();
                    break;
                case "dns":
                    names[0] = new SubjectAltNameMatcher { SanType = SubjectAltNameMatcher.Types.SanType.Dns, Matcher = new StringMatcher { Exact = "web" } };
                    break;
                case "prefix":
                    names[0].Matcher = new StringMatcher { Prefix = "spiffe://" };
                    break;
                default:
                    tls.CommonTlsContext.TlsParams = new TlsParameters { TlsMaximumProtocolVersion = TlsParameters.Types.TlsProtocol.Tlsv12 };
                    break;
            }
        }));

        Assert.Contains($"its endpoint {address} wants another socket (tlsMode=istio) than can be made", _mesh.Said, StringComparison.Ordinal);
        var mesh = _mesh.Mesh.Store.Current;
        Assert.Empty(mesh.EndpointsOf(mesh.Services[$"app/{ToldMesh.Host}"]));
    }

    private async Task StartAsync(SpiffeId? identity = null, bool isOpaque = false, X509Svid? svid = null)
    {
        _sidecar = new Sidecar(_mesh.Mesh.NewAddress(), svid ?? _mesh.Mesh.Authority.Issue(identity ?? TestMesh.Id("web")), _stop.Token);
        await _mesh.StartAsync([ToldMesh.Plain(_sidecar.Address.Address, _sidecar.Address.Port, ("tlsMode", "istio"))], Matches, isOpaque);
    }

    /// <summary>The three sockets that istiod gives clusters of services that the proxy does not stand before.</summary>
    private static void Matches(Cluster cluster) => Matches(cluster, null);

    private static void Matches(Cluster cluster, Action<UpstreamTlsContext>? edit)
    {
        var tls = new UpstreamTlsContext
        {
            Sni = ServerName,
            CommonTlsContext = new CommonTlsContext
            {
                AlpnProtocols = { "istio-peer-exchange", "istio" },
                CombinedValidationContext = new CommonTlsContext.Types.CombinedCertificateValidationContext
                {
                    DefaultValidationContext = new CertificateValidationContext
                    {
                        MatchTypedSubjectAltNames = { new SubjectAltNameMatcher { SanType = SubjectAltNameMatcher.Types.SanType.Uri, Matcher = new StringMatcher { Exact = TestMesh.Id("web").ToString() } } },
                    },
                    ValidationContextSdsSecretConfig = new SdsSecretConfig { Name = "ROOTCA" },
                },
                TlsCertificateSdsSecretConfigs = { new SdsSecretConfig { Name = "default" } },
            },
        };
        edit?.Invoke(tls);
        cluster.TransportSocketMatches.Add(Match("hbone", ("tunnel", "http"), EnvoyTypes.InternalUpstream, new InternalUpstreamTransport()));
        cluster.TransportSocketMatches.Add(Match("tlsMode-istio", ("tlsMode", "istio"), EnvoyTypes.UpstreamTls, tls));
        cluster.TransportSocketMatches.Add(Match("tlsMode-disabled", null, EnvoyTypes.RawBuffer, new Empty()));
    }

    private static Cluster.Types.TransportSocketMatch Match(string name, (string Name, string Value)? label, string type, IMessage socket) => new()
    {
        Name = name,
        Match = label is { } wanted ? new Struct { Fields = { [wanted.Name] = Value.ForString(wanted.Value) } } : new Struct(),
        TransportSocket = new TransportSocket { Name = name, TypedConfig = EnvoyKit.Pack(type, socket) },
    };

    /// <summary>What stands for a sidecar: TLS that asks for a certificate, and one answer to whatever comes in it.</summary>
    private sealed class Sidecar : IDisposable
    {
        private readonly TcpListener _listener;

        public Sidecar(IPAddress address, X509Svid svid, CancellationToken stop)
        {
            _listener = new TcpListener(address, 8080);
            _listener.Start();
            _ = ServeAsync(svid, stop);
        }

        public IPEndPoint Address => (IPEndPoint)_listener.LocalEndpoint;

        public TaskCompletionSource<(string ServerName, string Protocol, string Client)> Seen { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool Served { get; private set; }

        public void Dispose() => _listener.Dispose();

        private async Task ServeAsync(X509Svid svid, CancellationToken stop)
        {
            while (!stop.IsCancellationRequested)
            {
                using var socket = await _listener.AcceptSocketAsync(stop);
                try
                {
                    await using var tls = new SslStream(new NetworkStream(socket));
                    await tls.AuthenticateAsServerAsync(
                        new SslServerAuthenticationOptions
                        {
                            ServerCertificateContext = svid.TlsContext,
                            EnabledSslProtocols = SslProtocols.Tls13,
                            ClientCertificateRequired = true,
                            ApplicationProtocols = [new("istio-peer-exchange"), new("h2"), new("istio-http/1.1"), new("istio")],
                            RemoteCertificateValidationCallback = static (_, shown, _, _) => shown is not null,
                        },
                        stop);
                    var buffer = new byte[4096];
                    if (await tls.ReadAsync(buffer, stop) > 0)
                    {
                        Served = true;
                        Seen.TrySetResult((tls.TargetHostName, tls.NegotiatedApplicationProtocol.ToString(), CertificateNames.Of((X509Certificate2)tls.RemoteCertificate!).Single(static name => name.IsUri).Value));
                        await tls.WriteAsync("HTTP/1.1 200 OK\r\ncontent-length: 16\r\nconnection: close\r\n\r\nfrom the sidecar"u8.ToArray(), stop);
                        await tls.ShutdownAsync();
                    }
                }
                catch (Exception e) when (e is IOException or AuthenticationException)
                {
                    // The client found out who this is.
                }
            }
        }
    }
}
