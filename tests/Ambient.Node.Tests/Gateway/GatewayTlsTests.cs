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

    [Fact]
    public async Task CertificateOfAClient_IsToldToTheEndpoint_AndWhatTheClientClaimsIsNot()
    {
        using var client = Leaf("client, \"of\" ours", _authority, names =>
        {
            names.AddUri(new Uri("spiffe://elsewhere/ns/a;URI=x"));
            names.AddDnsName("client.example");
        });
        var pod = await AddPodAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder, "clients.crt"), _authority.ExportCertificatePem());
        Write("one", "one");
        _mesh.Certificates.Add(new GatewayCertificate
        {
            Listener = "one",
            CertificateFile = Path.Combine(_folder, "one.crt"),
            KeyFile = Path.Combine(_folder, "one.key"),
            ClientAuthorityFile = Path.Combine(_folder, "clients.crt"),
            ClientCertificateOptional = true,
        });
        var address = await OpenAsync(Listener("one", null));
        foreach (var certificate in new[] { client, null })
        {
            await using var tls = await ConnectAsync(address, "any.example", certificate);
            Assert.StartsWith("HTTP/1.1 200 ", await RawExchange.AskAsync(tls, "GET / HTTP/1.1\nhost: a\nx-forwarded-client-cert: URI=spiffe://cluster.local/ns/app/sa/admin\n\n"), StringComparison.Ordinal);
        }

        var seen = pod.Requests.ToArray();
        Assert.DoesNotContain("x-forwarded-client-cert", seen[1].Headers.Keys);
        var told = seen[0].Headers["x-forwarded-client-cert"];
        Assert.DoesNotContain("admin", told, StringComparison.Ordinal);
        Assert.StartsWith($"Hash={Convert.ToHexStringLower(SHA256.HashData(client.RawData))};Cert=\"-----BEGIN%20CERTIFICATE-----%0A", told, StringComparison.Ordinal);
        Assert.EndsWith("\";Subject=\"CN=client\\, \\\"of\\\" ours\";URI=\"spiffe://elsewhere/ns/a;URI=x\";DNS=client.example", told, StringComparison.Ordinal);
        var pem = Uri.UnescapeDataString(told[(told.IndexOf("Cert=\"", StringComparison.Ordinal) + 6)..told.IndexOf("\";Subject", StringComparison.Ordinal)]);
        Assert.Equal(client.RawData, X509Certificate2.CreateFromPem(pem).RawData);
    }

    [Fact]
    public async Task Client_WhoseCertificatesNameCannotBeRead_IsServed_AndItsNameIsNotTold()
    {
        // A common name with characters that its type (PrintableString) does not have.
        byte[] subject = [0x30, 0x0D, 0x31, 0x0B, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x02, 0x2A, 0x2A];
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(new X500DistinguishedName(subject), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], false));
        using var signed = request.Create(_authority, _authority.NotBefore, _authority.NotAfter, RandomNumberGenerator.GetBytes(8));
        using var withKey = signed.CopyWithPrivateKey(key);
        using var client = X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), null, X509KeyStorageFlags.Exportable);
        var pod = await AddPodAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder, "clients.crt"), _authority.ExportCertificatePem());
        Write("one", "one");
        _mesh.Certificates.Add(new GatewayCertificate
        {
            Listener = "one", CertificateFile = Path.Combine(_folder, "one.crt"), KeyFile = Path.Combine(_folder, "one.key"), ClientAuthorityFile = Path.Combine(_folder, "clients.crt"),
        });
        var address = await OpenAsync(Listener("one", null));
        await using var tls = await ConnectAsync(address, "any.example", client);
        Assert.StartsWith("HTTP/1.1 200 ", await RawExchange.AskAsync(tls, "GET / HTTP/1.1\nhost: a\n\n"), StringComparison.Ordinal);
        Assert.Contains(";Subject=\"\"", Assert.Single(pod.Requests).Headers["x-forwarded-client-cert"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Policy_OnTheServerName_SeesThatOfTheConnection()
    {
        var pod = await AddPodAsync();
        var address = await StartAsync(Listener("one", null));
        _mesh.Configure(requests => requests with
        {
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/names", new RequestAuthorizationPolicy
            {
                Name = "names",
                Namespace = "app",
                Action = PolicyAction.Allow,
                Targets = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
                Rules = [new RequestRule { When = [new RequestCondition("connection.sni", new ValueMatch(["*.let.example"], []))] }],
            }),
        });

        // Whatever the request says that its host is.
        Assert.Equal(HttpStatusCode.OK, await AskAsync("a.let.example", "one.example"));
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync("a.kept.example", "a.let.example"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync("B.LET.example", "one.example"));
        Assert.Equal(2, pod.Requests.Count);

        _mesh.Configure(requests => requests with
        {
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/names", requests.AuthorizationPolicies["app/names"] with { Action = PolicyAction.Deny }),
        });
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync("a.let.example", "one.example"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync("a.kept.example", "one.example"));

        async Task<HttpStatusCode> AskAsync(string serverName, string host)
        {
            await using var tls = await ConnectAsync(address, serverName, null);
            var answer = await RawExchange.AskAsync(tls, $"GET / HTTP/1.1\nhost: {host}\n\n");
            return (HttpStatusCode)int.Parse(answer.AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture);
        }
    }

    [Fact]
    public async Task ExternalAuthorizer_IsToldTheServerName()
    {
        var told = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await AddPodAsync();
        _mesh.AddService("authz", waypoint: null);
        await using var authorizer = await RawPod.StartAsync(_mesh, TunnelProtocol.Tcp, async socket =>
        {
            // What it is asked is one message of HTTP/2: the name stands in it as it is. It never answers.
            var buffer = new byte[64 * 1024];
            while (await socket.ReceiveAsync(buffer) is var read and > 0)
            {
                told.Enqueue(System.Text.Encoding.Latin1.GetString(buffer, 0, read));
            }
        }, "authz");
        var address = await StartAsync(Listener("one", null));
        _mesh.Configure(requests => requests with
        {
            ExternalAuthorizers = requests.ExternalAuthorizers.SetItem("authz", new ExternalAuthorizer
            {
                Name = "authz", Protocol = ExternalAuthorizerProtocol.Grpc, Hostname = "authz.app.svc.cluster.local", Port = 80, Timeout = TimeSpan.FromSeconds(2),
            }),
            AuthorizationPolicies = requests.AuthorizationPolicies.SetItem("app/ask", new RequestAuthorizationPolicy
            {
                Name = "ask",
                Namespace = "app",
                Action = PolicyAction.Custom,
                Provider = "authz",
                Targets = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw")],
                Rules = [new RequestRule()],
            }),
        });
        await using var tls = await ConnectAsync(address, "told.example", null);
        Assert.StartsWith("HTTP/1.1 403 ", await RawExchange.AskAsync(tls, "GET / HTTP/1.1\nhost: a\n\n"), StringComparison.Ordinal);
        Assert.Contains("told.example", string.Concat(told), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Handshakes_OfOneAddress_AreSoManyAtOnce_AndTheOldestGivesWay()
    {
        var address = await StartAsync(Listener("one", null));
        var silent = new List<TcpClient>();
        try
        {
            for (var i = 0; i < 140; i++)
            {
                var socket = new TcpClient();
                await socket.ConnectAsync(address, 8443);
                silent.Add(socket);
            }

            // Long before a handshake would have run out of time.
            Assert.Equal(0, await EndOfAsync(silent[0]).WaitAsync(TimeSpan.FromSeconds(8)));
            Assert.Equal("CN=one", await SubjectAsync(address, "any.example"));
            await _mesh.LoggedAsync("TLS handshakes in flight, the limit for one address");

            // The others are let wait, but not for ever.
            Assert.Equal(0, await EndOfAsync(silent[^1]).WaitAsync(TimeSpan.FromSeconds(60)));
        }
        finally
        {
            silent.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public async Task Hello_ThatNeverEnds_IsCutOffByItsBytes()
    {
        var address = await StartAsync(Listener("one", null));
        using var client = new TcpClient(address.ToString(), 8443);

        // A ClientHello that says it has 60,000 bytes, in records of 4,000.
        var record = new byte[4005];
        (record[0], record[1], record[2], record[3], record[4]) = (22, 3, 1, 4000 >> 8, 4000 & 0xff);
        (record[5], record[7], record[8]) = (1, 60_000 >> 8, 60_000 & 0xff);
        (record[9], record[10]) = (3, 3);
        var from = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < 5; i++)
        {
            await client.GetStream().WriteAsync(record);
        }

        await EndOfAsync(client).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(TimeProvider.System.GetElapsedTime(from) < TimeSpan.FromSeconds(8));
        Assert.Equal("CN=one", await SubjectAsync(address, "any.example"));
    }

    [Fact]
    public async Task Tls11_IsRefused()
    {
        var address = await StartAsync(Listener("one", null));
        using var client = new TcpClient(address.ToString(), 8443);
        byte[] extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0];
        byte[] hello = [3, 2, .. new byte[32], 0, 0, 4, 0xc0, 0x09, 0xc0, 0x0a, 1, 0, 0, (byte)extensions.Length, .. extensions];
        await client.GetStream().WriteAsync((byte[])[22, 3, 1, 0, (byte)(hello.Length + 4), 1, 0, 0, (byte)hello.Length, .. hello]);
        var answer = new byte[7];
        var read = await client.GetStream().ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false).AsTask().WaitAsync(TimeSpan.FromSeconds(60));

        // An alert, or the end; never a ServerHello.
        Assert.True(read == 0 || answer[0] == 21, Convert.ToHexString(answer, 0, read));
    }

    [SkippableTheory]
    [InlineData("--tls-max", "1.2", "--http2", "2")]
    [InlineData("--tlsv1.3", null, "--http2", "2")]
    [InlineData("--tlsv1.3", null, "--http1.1", "1.1")]
    public async Task Curl_IsServed_AndVerifiesTheCertificate(string tls, string? version, string http, string spoken)
    {
        Skip.IfNot(File.Exists("/usr/bin/curl"), "curl is missing");
        await AddPodAsync();
        Write("one", "one", names => names.AddDnsName("one.example"));
        _mesh.Certificates.Add(new GatewayCertificate { Listener = "one", CertificateFile = Path.Combine(_folder, "one.crt"), KeyFile = Path.Combine(_folder, "one.key") });
        var address = await OpenAsync(Listener("one", "*.example"));
        var root = Path.Combine(_folder, "root.crt");
        await File.WriteAllTextAsync(root, _authority.ExportCertificatePem());
        string[] arguments =
        [
            "-s", "-S", "--noproxy", "*", "--max-time", "30", "--cacert", root, "--resolve", $"one.example:8443:{address}", tls, .. version is null ? (string[])[] : [version], http,
            "-w", " over %{http_version}", "https://one.example:8443/x", "--next", "-s", "--noproxy", "*", "--cacert", root, "--resolve", $"one.example:8443:{address}", http, "https://one.example:8443/y",
        ];
        using var curl = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/usr/bin/curl", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var said = await curl.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal($"hello from web-0 over {spoken}hello from web-0", said + await curl.StandardError.ReadToEndAsync());
    }

    private static async Task<int> EndOfAsync(TcpClient client)
    {
        try
        {
            var buffer = new byte[1024];
            while (await client.GetStream().ReadAsync(buffer) > 0)
            {
            }
        }
        catch (IOException)
        {
        }

        return 0;
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

    private void Write(string name, string subject, Action<SubjectAlternativeNameBuilder>? names = null)
    {
        using var leaf = Leaf(subject, _authority, names);
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

    private static X509Certificate2 Leaf(string name, X509Certificate2 authority, Action<SubjectAlternativeNameBuilder>? names = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(name);
        var request = new CertificateRequest(subject.Build(), key, HashAlgorithmName.SHA256);
        if (names is not null)
        {
            var all = new SubjectAlternativeNameBuilder();
            names(all);
            request.CertificateExtensions.Add(all.Build());
        }

        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        using var signed = request.Create(authority, authority.NotBefore, authority.NotAfter, RandomNumberGenerator.GetBytes(8));
        using var withKey = signed.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), null, X509KeyStorageFlags.Exportable);
    }
}
