using System.Diagnostics.CodeAnalysis;
using System.Text;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Gateway;

/// <summary>
/// TLS to backends, from manifest to answer: whose certificate is taken, and what is shown. Tests that stand for one of the Gateway API's conformance
/// suite have its name.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class BackendTlsTests : IAsyncLifetime
{
    private readonly ManifestGateway _gateway = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _gateway.DisposeAsync();

    [Theory]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}]", 200)]
    [InlineData("hostname: mismatch.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}]", 503)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: stranger}]", 503)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: stranger}, {group: '', kind: ConfigMap, name: root}]", 200)]
    [InlineData("hostname: abc.example.com, wellKnownCACertificates: System", 503)]
    [InlineData("hostname: abc.example.com, wellKnownCACertificates: other.io/set", 503)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: nonexistent}]", 503)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: empty}]", 503)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: invalid.io, kind: InvalidKind, name: root}]", 503)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}], subjectAltNames: [{type: Hostname, hostname: abc.example.com}]", 200)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}], subjectAltNames: [{type: Hostname, hostname: dce.example.com}]", 503)]
    [InlineData("hostname: sni.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}], subjectAltNames: [{type: Hostname, hostname: a.wild.example}]", 200)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}], subjectAltNames: [{type: Hostname, hostname: a.b.wild.example}]", 503)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}], subjectAltNames: [{type: URI, uri: 'spiffe://abc.example.com/test-identity'}]", 200)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}], subjectAltNames: [{type: URI, uri: 'spiffe://def.example.com/test-identity'}]", 503)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}], subjectAltNames: [{type: Hostname, hostname: no.example}, {type: URI, uri: 'spiffe://abc.example.com/test-identity'}]", 200)]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: stranger}], subjectAltNames: [{type: Hostname, hostname: abc.example.com}]", 503)]
    public async Task BackendTLSPolicy_AndSANValidation_AndInvalidReferences(string validation, int status)
    {
        await AddBackendAsync();
        WriteAuthorities();
        await _gateway.StartAsync(Gateway + Route("/", 443) + Policy("policy", validation));
        var answer = await _gateway.GetAsync(null, "abc.example.com", port: 8080);
        Assert.Equal(status, answer.Status);
        if (status == 200)
        {
            Assert.StartsWith($"tls-backend HTTP/1.1 sni={(validation.Contains("sni.", StringComparison.Ordinal) ? "sni" : "abc")}.example.com ", answer.Body, StringComparison.Ordinal);
        }
    }

    /// <summary>gRPC, which is HTTP/2 to the backend: agreed on within its TLS, or a failure that a client of gRPC understands.</summary>
    [Theory]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}]", null)]
    [InlineData("hostname: mismatch.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}]", "14")]
    [InlineData("hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: stranger}]", "14")]
    public async Task BackendTLSPolicyGRPCRoute(string validation, string? grpcStatus)
    {
        await AddBackendAsync();
        WriteAuthorities();
        await _gateway.StartAsync(Gateway + Policy("policy", validation, section: "btls") + """
            apiVersion: gateway.networking.k8s.io/v1
            kind: GRPCRoute
            metadata: {name: grpc, namespace: app}
            spec:
              parentRefs: [{name: gw}]
              hostnames: [abc.example.com]
              rules: [{matches: [{method: {service: gateway_api_conformance.echo_basic.grpcecho.GrpcEcho, method: Echo}}], backendRefs: [{name: tls-backend, port: 443}]}]
            """);
        using var client = _gateway.Client(null, 8080, http2: true);
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://abc.example.com/gateway_api_conformance.echo_basic.grpcecho.GrpcEcho/Echo")
        {
            Version = System.Net.HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent([0, 0, 0, 0, 0]),
        };
        request.Content.Headers.ContentType = new("application/grpc");
        request.Headers.Add("te", "trailers");
        using var response = await client.SendAsync(request);
        Assert.Equal(System.Net.HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(grpcStatus, response.Headers.TryGetValues("grpc-status", out var status) ? Assert.Single(status) : null);
        if (grpcStatus is null)
        {
            Assert.StartsWith("tls-backend HTTP/2 sni=abc.example.com ", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        else
        {
            Assert.Empty(_gateway.Seen);
        }
    }

    [Fact]
    public async Task BackendTLSPolicy_Reencrypts()
    {
        await AddBackendAsync();
        WriteAuthorities();
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "web", ["https-listener.org"]));
        await _gateway.StartAsync(
            Gateway.Replace("  - {name: plain", "  - {name: secure, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}}\n  - {name: plain", StringComparison.Ordinal)
            + Route("/", 443) + Policy("policy", Valid));
        foreach (var http2 in new[] { false, true })
        {
            var answer = await _gateway.GetAsync("https-listener.org", "https-listener.org", http2: http2);
            Assert.StartsWith("tls-backend HTTP/1.1 sni=abc.example.com ", answer.Body, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task BackendTLSPolicy_WhoseConfigMapIsEdited_IsFollowed_AndNothingGoesInClearMeanwhile()
    {
        await AddBackendAsync();
        WriteAuthorities();
        await _gateway.StartAsync(Gateway + Route("/", 443) + Policy("policy", Valid));
        Assert.Equal(200, await StatusAsync("/"));
        _gateway.WriteAuthorities("root", _gateway.Stranger);
        Assert.Equal(503, await ManifestGateway.EventuallyAsync(() => StatusAsync("/"), status => status == 503));
        _gateway.WriteAuthorities("root");
        Assert.Single(await ManifestGateway.EventuallyAsync(
            () => Task.FromResult(_gateway.Mesh.Store.Current.Requests.UnmetProtections), unmet => unmet.Length == 1 && unmet[0].AskedBy.Contains("has no certificate", StringComparison.Ordinal)));
        Assert.Equal(503, await StatusAsync("/"));
        _gateway.WriteAuthorities("root", _gateway.Authority);
        Assert.Equal(200, await ManifestGateway.EventuallyAsync(() => StatusAsync("/"), status => status == 200));
    }

    [Fact]
    public async Task BackendTLSPolicyConflictResolution()
    {
        await AddBackendAsync();
        WriteAuthorities();
        var other = Valid.Replace("abc.example.com", "other.example.com", StringComparison.Ordinal);
        await _gateway.StartAsync(Gateway + Route("/btls", 443, "a") + Route("/https", 444, "b")
            + Policy("general", Valid, created: "2020-01-01T00:00:00Z")
            + Policy("younger", other, created: "2021-01-01T00:00:00Z")
            + Policy("named-younger", Valid, "btls", "2023-01-01T00:00:00Z")
            + Policy("named", other, "btls", "2022-01-01T00:00:00Z"));

        // The port that is named has the older of its own; the other one the oldest for all ports.
        Assert.Equal(503, await StatusAsync("/btls"));
        Assert.Equal(200, await StatusAsync("/https"));
        await _gateway.Mesh.LoggedAsync("BackendTLSPolicy app/younger does not protect Service app/tls-backend: BackendTLSPolicy app/general is older and has the same target");
        await _gateway.Mesh.LoggedAsync("BackendTLSPolicy app/named-younger does not protect Service app/tls-backend: BackendTLSPolicy app/named is older and has the same target");
    }

    [Fact]
    public async Task GatewayTLSBackendClientCertificate()
    {
        await AddBackendAsync(asksClient: true);
        WriteAuthorities();
        _gateway.WriteSecret("own", TestCertificates.Leaf(_gateway.Authority, "gateway", ["gateway.example"]));
        var gateway = Gateway.Replace("  listeners:", "  tls: {backend: {clientCertificateRef: {group: '', kind: Secret, name: own}}}\n  listeners:", StringComparison.Ordinal);
        await _gateway.StartAsync(gateway + Route("/", 443) + Policy("policy", Valid));
        Assert.Contains(" client=CN=gateway ", (await _gateway.GetAsync(null, "abc.example.com", port: 8080)).Body, StringComparison.Ordinal);

        // A new one is shown from then on, also where connections of the one before are still open.
        _gateway.WriteSecret("own", TestCertificates.Leaf(_gateway.Authority, "renewed", ["gateway.example"]));
        var answer = await ManifestGateway.EventuallyAsync(() => _gateway.GetAsync(null, "abc.example.com", port: 8080), answer => answer.Body.Contains("renewed", StringComparison.Ordinal));
        Assert.Contains(" client=CN=renewed ", answer.Body, StringComparison.Ordinal);
        _gateway.Write("gateway.yaml", gateway.Replace("name: own", "name: missing", StringComparison.Ordinal) + Route("/", 443) + Policy("policy", Valid));
        Assert.Equal(503, await ManifestGateway.EventuallyAsync(() => StatusAsync("/"), status => status == 503));
        await _gateway.Mesh.LoggedAsync("Gateway app/gw shows no certificate to its backends: certificate Secret app/missing does not exist");
    }

    [Fact]
    public async Task Mirror_IsShownTheGatewaysCertificate_AsTheRequestItselfWouldBe()
    {
        await AddBackendAsync(asksClient: true);
        await _gateway.AddBackendAsync("plain");
        WriteAuthorities();
        _gateway.WriteSecret("own", TestCertificates.Leaf(_gateway.Authority, "gateway", ["gateway.example"]));
        await _gateway.StartAsync(
            Gateway.Replace("  listeners:", "  tls: {backend: {clientCertificateRef: {group: '', kind: Secret, name: own}}}\n  listeners:", StringComparison.Ordinal)
            + Route("/", 443).Replace(
                "backendRefs: [{name: tls-backend, port: 443 }]",
                "backendRefs: [{name: plain, port: 80}], filters: [{type: RequestMirror, requestMirror: {backendRef: {name: tls-backend, port: 443}}}]",
                StringComparison.Ordinal)
            + Policy("policy", Valid));
        Assert.StartsWith("plain ", (await _gateway.GetAsync(null, "abc.example.com", port: 8080)).Body, StringComparison.Ordinal);
        var seen = await ManifestGateway.EventuallyAsync(() => Task.FromResult(_gateway.Seen.ToArray()), seen => seen.Length == 2);
        Assert.Contains(seen, line => line.StartsWith("tls-backend ", StringComparison.Ordinal) && line.Contains(" client=CN=gateway ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Authorities_ThatAreNone_LetGoOfTheConnection()
    {
        var workload = new Workload { Uid = "a", Name = "a", Namespace = "app", ServiceAccount = "a", Addresses = [System.Net.IPAddress.Loopback], Protocol = TunnelProtocol.Tcp };
        var stream = new Disposable();
        var endpoint = new UpstreamEndpoint(workload, new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 1), Http2: false)
        {
            Tls = new BackendTls { AskedBy = "a test", ServerName = "a", Authorities = [new CertificateBundle { Name = "a", Namespace = "app", Certificates = "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----" }] },
        };
        var failure = await Assert.ThrowsAsync<IOException>(() => UpstreamTls.ConnectAsync(stream, endpoint, opaque: false, CancellationToken.None));
        Assert.Contains("TLS that a test asks for", failure.Message, StringComparison.Ordinal);
        Assert.True(stream.IsDisposed);
    }

    private sealed class Disposable : MemoryStream
    {
        public bool IsDisposed { get; private set; }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }

    [Fact]
    public async Task Dump_SaysWhichBackendsAreProtected_AndWhichAreRefused()
    {
        await AddBackendAsync();
        WriteAuthorities();
        await _gateway.StartAsync(Gateway + Route("/", 443) + Policy("good", Valid, "btls") + Policy("bad", "hostname: a.example, wellKnownCACertificates: none", "https"));
        var dump = Encoding.UTF8.GetString(new WaypointDump(_gateway.Node!, _gateway.Mesh.Store, null).Write().Span);
        Assert.Contains("\"askedBy\": \"BackendTLSPolicy app/good\"", dump, StringComparison.Ordinal);
        Assert.Contains("\"refusedFor\": \"BackendTLSPolicy app/bad (the well-known authorities none are not known; expected System)\"", dump, StringComparison.Ordinal);
    }

    private const string Valid = "hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}]";

    private string Gateway => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: gw, namespace: app}
        spec:
          gatewayClassName: istio
          {{_gateway.Infrastructure}}
          listeners:
          - {name: plain, port: 8080, protocol: HTTP}
        ---

        """;

    private static string Route(string path, int port, string name = "all") => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: {{name}}, namespace: app}
        spec: {parentRefs: [{name: gw}], rules: [{matches: [{path: {value: {{path}} } }], backendRefs: [{name: tls-backend, port: {{port}} }]}]}
        ---

        """;

    private static string Policy(string name, string validation, string? section = null, string created = "2024-01-01T00:00:00Z") => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: BackendTLSPolicy
        metadata: {name: {{name}}, namespace: app, creationTimestamp: "{{created}}"}
        spec: {targetRefs: [{group: '', kind: Service, name: tls-backend{{(section is null ? "" : $", sectionName: {section}")}} }], validation: { {{validation}} } }
        ---

        """;

    private Task<System.Net.IPAddress> AddBackendAsync(bool asksClient = false) => _gateway.AddBackendAsync(
        "tls-backend", TestCertificates.Leaf(_gateway.Authority, "backend", ["abc.example.com", "*.wild.example"], uri: "spiffe://abc.example.com/test-identity"), asksClient);

    private void WriteAuthorities()
    {
        _gateway.WriteAuthorities("root", _gateway.Authority);
        _gateway.WriteAuthorities("stranger", _gateway.Stranger);
        _gateway.WriteAuthorities("empty");
    }

    private async Task<int> StatusAsync(string path) => (await _gateway.GetAsync(null, "abc.example.com", path, port: 8080)).Status;
}
