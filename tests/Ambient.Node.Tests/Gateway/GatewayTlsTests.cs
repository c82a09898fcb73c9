using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Mesh;
using Ambient.Node.Gateway.Tls;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Gateway;

/// <summary>TLS at a gateway, with real certificates: which one is shown to whom, what is spoken inside, and who is let in.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class GatewayTlsTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-gateway-").FullName;
    private readonly X509Certificate2 _authority = Authority("root");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _mesh.DisposeAsync();
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task ServerName_ChoosesTheListenersCertificate_AndAnUnknownOneIsRefused()
    {
        var address = await StartAsync(Listener("one", "one.example"), Listener("many", "*.many.example"));
        Assert.Equal("CN=one", await SubjectAsync(address, "one.example"));
        Assert.Equal("CN=one", await SubjectAsync(address, "ONE.example"));
        Assert.Equal("CN=many", await SubjectAsync(address, "a.many.example"));
        await Assert.ThrowsAnyAsync<Exception>(() => SubjectAsync(address, "other.example"));
        await Assert.ThrowsAnyAsync<Exception>(() => SubjectAsync(address, "many.example"));
        Assert.Equal("CN=one", await SubjectAsync(address, "one.example"));
    }

    [Theory]
    [InlineData(SslProtocols.Tls12, "h2")]
    [InlineData(SslProtocols.Tls13, "h2")]
    [InlineData(SslProtocols.Tls12, "http/1.1")]
    [InlineData(SslProtocols.Tls13, "http/1.1")]
    public async Task Request_OverWhatTlsAgreedOn_ReachesThePodAsHttps(SslProtocols protocol, string application)
    {
        var pod = await AddPodAsync();
        var address = await StartAsync(Listener("one", "one.example"));
        var version = application == "h2" ? HttpVersion.Version20 : HttpVersion.Version11;
        using var client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(address, 8443, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
            SslOptions = { EnabledSslProtocols = protocol, RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.Issuer == "CN=root" },
        });
        foreach (var path in new[] { "/first", "/second" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"https://one.example{path}") { Version = version, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            using var response = await client.SendAsync(request);
            Assert.Equal("hello from web-0", await response.Content.ReadAsStringAsync());
            Assert.Equal(version, response.Version);
        }

        Assert.All(pod.Requests, request => Assert.Equal("https", request.Headers["x-forwarded-proto"]));
        Assert.Equal(2, pod.Requests.Count);
    }

    [Fact]
    public async Task Certificate_ThatIsReplaced_IsShownWithoutARestart_AndABrokenOneIsNot()
    {
        var address = await StartAsync(Listener("one", null));
        Assert.Equal("CN=one", await SubjectAsync(address, "any.example"));
        await File.WriteAllTextAsync(Path.Combine(_folder, "one.crt"), "nothing");
        await _mesh.LoggedAsync("the certificate of listener one cannot be read");
        Assert.Equal("CN=one", await SubjectAsync(address, "any.example"));
        Write("one", "renewed");
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await SubjectAsync(address, "any.example") != "CN=renewed")
        {
            await Task.Delay(100, deadline.Token);
        }
    }

    [Theory]
    [InlineData(false, true, true)]
    [InlineData(false, false, false)]
    [InlineData(true, true, true)]
    [InlineData(true, false, true)]
    public async Task Client_IsAskedForACertificate_AndVerified(bool optional, bool presented, bool letIn)
    {
        using var stranger = Authority("stranger");
        using var ours = Leaf("client", _authority);
        using var theirs = Leaf("client", stranger);
        await AddPodAsync();
        var authorities = Path.Combine(_folder, "clients.crt");
        await File.WriteAllTextAsync(authorities, _authority.ExportCertificatePem());
        Write("one", "one");
        _mesh.Certificates.Add(new GatewayCertificate
        {
            Listener = "one",
            CertificateFile = Path.Combine(_folder, "one.crt"),
            KeyFile = Path.Combine(_folder, "one.key"),
            ClientAuthorityFile = authorities,
            ClientCertificateOptional = optional,
        });
        var address = await OpenAsync(Listener("one", null));
        Assert.Equal(letIn, await IsServedAsync(presented ? ours : null));
        Assert.False(await IsServedAsync(theirs));

        async Task<bool> IsServedAsync(X509Certificate2? certificate)
        {
            try
            {
                await using var tls = await ConnectAsync(address, "any.example", certificate);
                return (await RawExchange.AskAsync(tls, "GET / HTTP/1.1\nhost: a\n\n")).StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal);
            }
            catch (Exception e) when (e is IOException or AuthenticationException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task Listener_WithoutACertificate_IsNotServed_NeitherInClear()
    {
        _mesh.AddService("web", waypoint: null);
        _mesh.SetGatewayRoute();
        var starting = _mesh.StartGatewayAsync(Listener("one", null));
        await _mesh.LoggedAsync("listener one of Gateway app/gw is not served: no certificate of it could be read");
        Assert.False(starting.IsCompleted);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await Assert.ThrowsAsync<SocketException>(async () => await socket.ConnectAsync(_mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0], 8443));
        _mesh.SetGateway(new GatewayListener("http", 8443, "HTTP", null, AllowedNamespaces.Same, null));
        await starting.WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Peer_ThatDoesNotShakeHands_GetsNothing_AndOthersAreServed()
    {
        var address = await StartAsync(Listener("one", null));
        using var rude = new TcpClient(address.ToString(), 8443);
        await rude.GetStream().WriteAsync("GET / HTTP/1.1\r\nhost: a\r\n\r\n"u8.ToArray());
        using var silent = new TcpClient(address.ToString(), 8443);
        Assert.Equal("CN=one", await SubjectAsync(address, "any.example"));
        Assert.DoesNotContain("HTTP", await RawExchange.ReadAsync(rude.GetStream(), hasBody: true).WaitAsync(TimeSpan.FromSeconds(60)), StringComparison.Ordinal);
    }

    private static GatewayListener Listener(string name, string? hostname) => new(name, 8443, "HTTPS", hostname, AllowedNamespaces.Same, null) { TerminatesTls = true };

    private async Task<IPAddress> StartAsync(params GatewayListener[] listeners)
    {
        if (!_mesh.Store.Current.Services.ContainsKey("app/web.app.svc.cluster.local"))
        {
            _mesh.AddService("web", waypoint: null);
            _mesh.SetGatewayRoute();
        }

        foreach (var listener in listeners)
        {
            Write(listener.Name, listener.Name);
            _mesh.Certificates.Add(new GatewayCertificate
            {
                Listener = listener.Name,
                CertificateFile = Path.Combine(_folder, listener.Name + ".crt"),
                KeyFile = Path.Combine(_folder, listener.Name + ".key"),
            });
        }

        return await OpenAsync(listeners);
    }

    private async Task<IPAddress> OpenAsync(params GatewayListener[] listeners)
    {
        await _mesh.StartGatewayAsync(listeners);
        return _mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0];
    }

    private async Task<TestPod> AddPodAsync()
    {
        _mesh.AddService("web", waypoint: null);
        var pod = await _mesh.AddPodAsync("web-0", "web", "web");
        _mesh.SetGatewayRoute();
        return pod;
    }

    private static async Task<string> SubjectAsync(IPAddress address, string serverName)
    {
        await using var tls = await ConnectAsync(address, serverName, null);
        return tls.RemoteCertificate!.Subject;
    }

    private static async Task<SslStream> ConnectAsync(IPAddress address, string serverName, X509Certificate2? certificate)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address, 8443);
        var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = serverName,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.Issuer == "CN=root",
            ClientCertificates = certificate is null ? [] : [certificate],
        }).WaitAsync(TimeSpan.FromSeconds(60));
        return tls;
    }

    private void Write(string name, string subject)
    {
        using var leaf = Leaf(subject, _authority);
        File.WriteAllText(Path.Combine(_folder, name + ".key"), leaf.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(Path.Combine(_folder, name + ".crt"), leaf.ExportCertificatePem());
    }

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddMinutes(-5), TimeProvider.System.GetUtcNow().AddDays(1));
    }

    private static X509Certificate2 Leaf(string name, X509Certificate2 authority)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        using var signed = request.Create(authority, authority.NotBefore, authority.NotAfter, RandomNumberGenerator.GetBytes(8));
        using var withKey = signed.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), null, X509KeyStorageFlags.Exportable);
    }
}
