using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;

namespace Ambient.Node.Tests.Gateway;

/// <summary>
/// TLS and TCP listeners, from manifest to bytes: what is passed through, what TLS is ended for, and who gets it. Tests that stand for one of the Gateway
/// API's conformance suite have its name.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class GatewayStreamTests : IAsyncLifetime
{
    private const string Passthrough = "  - {name: tls, port: 8443, protocol: TLS, tls: {mode: Passthrough}}\n";

    private readonly ManifestGateway _gateway = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _gateway.DisposeAsync();

    [Fact]
    public async Task TLSRouteSimpleSameNamespace()
    {
        await AddTlsBackendAsync("tls-backend", "abc.example.com");
        await _gateway.StartAsync(Gateway(Passthrough) + TlsRoute("simple", "abc.example.com", "tls-backend", 443));

        // The backend's own certificate, and its own choice of protocol.
        Assert.Equal("CN=tls-backend", (await _gateway.ShownAsync("abc.example.com"))?.Subject);
        var answer = await _gateway.GetAsync("abc.example.com", "abc.example.com", http2: true);
        Assert.StartsWith("tls-backend HTTP/2 sni=abc.example.com ", answer.Body, StringComparison.Ordinal);
        Assert.Contains("proto= ", answer.Body, StringComparison.Ordinal);
        await _gateway.Mesh.LoggedAsync("connection complete");
    }

    [Theory]
    [InlineData("hostname: abc.example.com, ", "*.example.com", null, "abc.example.com=one non.matching.com=")]
    [InlineData("hostname: '*.example.com', ", "abc.example.com", "*.com", "abc.example.com=one other.example.com=two non.matching.com=")]
    [InlineData("hostname: '*.com', ", "abc.example.com", "*.example.com", "abc.example.com=one other.example.com=two non.matching.com=")]
    [InlineData("", "abc.example.com", "*.com", "abc.example.com=one other.example.com=two non.matching.org=")]
    public async Task TLSRouteHostnameIntersection(string listener, string first, string? second, string expected)
    {
        await AddTlsBackendAsync("one", "abc.example.com");
        await AddTlsBackendAsync("two", "other.example.com");
        await _gateway.StartAsync(Gateway($"  - {{name: tls, port: 8443, protocol: TLS, {listener}tls: {{mode: Passthrough}}}}\n")
            + TlsRoute("first", first, "one", 443) + (second is null ? "" : TlsRoute("second", second, "two", 443)));
        foreach (var (name, backend) in expected.Split(' ').Select(pair => (pair.Split('=')[0], pair.Split('=')[1])))
        {
            Assert.Equal(backend.Length == 0 ? null : $"CN={backend}", (await _gateway.ShownAsync(name))?.Subject);
        }
    }

    [Theory]
    [InlineData("{name: nonexistent, port: 443}", "backend Service app/nonexistent does not exist")]
    [InlineData("{group: unknown.io, kind: Unknown, name: tls-backend, port: 443}", "backend Unknown app/tls-backend is of an unknown kind")]
    [InlineData("{name: tls-backend, port: 1}", "backend Service app/tls-backend has no port 1")]
    [InlineData("{name: tls-backend, namespace: other, port: 443}", "backend Service other/tls-backend does not exist")]
    public async Task TLSRouteInvalidBackendRef(string backend, string why)
    {
        await AddTlsBackendAsync("tls-backend", "abc.example.com");
        await _gateway.StartAsync(Gateway(Passthrough) + Route("TLSRoute", "broken", $"hostnames: [abc.example.com], rules: [{{backendRefs: [{backend}]}}]"));
        Assert.Null(await _gateway.ShownAsync("abc.example.com"));
        await _gateway.Mesh.LoggedAsync(why);
    }

    [Fact]
    public async Task Wildcard_OfNames_IsDialledByTheServerName()
    {
        var names = new Dictionary<string, System.Net.IPAddress>
        {
            ["one.wild.example.com"] = await _gateway.AddBackendAsync("one", TestCertificates.Leaf(_gateway.Authority, "one", ["one.wild.example.com"]), ns: "outside"),
            ["two.wild.example.com"] = await _gateway.AddBackendAsync("two", TestCertificates.Leaf(_gateway.Authority, "two", ["two.wild.example.com"]), ns: "outside"),
        };
        names["other.example.com"] = names["one.wild.example.com"];
        _gateway.Mesh.ResolveNames = (name, _) => names.TryGetValue(name, out var address)
            ? Task.FromResult<System.Net.IPAddress[]>([address]) : Task.FromException<System.Net.IPAddress[]>(new SocketException((int)SocketError.HostNotFound));
        await _gateway.StartAsync(Gateway(Passthrough) + """
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: wild, namespace: app}
            spec: {hosts: ['*.wild.example.com'], resolution: DYNAMIC_DNS, location: MESH_EXTERNAL, ports: [{name: tls, number: 443, targetPort: 8443, protocol: TLS}]}
            ---

            """ + Route("TLSRoute", "wild", "hostnames: ['*.example.com'], rules: [{backendRefs: [{group: networking.istio.io, kind: Hostname, name: '*.wild.example.com', port: 443}]}]"));

        Assert.Equal("CN=one", (await _gateway.ShownAsync("one.wild.example.com"))?.Subject);
        Assert.Equal("CN=two", (await _gateway.ShownAsync("two.wild.example.com"))?.Subject);
        Assert.Null(await _gateway.ShownAsync("other.example.com"));
    }

    [Fact]
    public async Task TLSRouteTerminateSimpleSameNamespace()
    {
        _gateway.AddEcho("tcp-backend");
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "web", ["tls.example.com"]));
        await _gateway.StartAsync(Gateway("  - {name: tls, port: 8443, protocol: TLS, hostname: tls.example.com, tls: {mode: Terminate, certificateRefs: [{name: web}]}}\n")
            + TlsRoute("terminated", "tls.example.com", "tcp-backend", 81));
        foreach (var protocol in new[] { SslProtocols.Tls12, SslProtocols.Tls13 })
        {
            await using var tls = await _gateway.ConnectAsync("tls.example.com", protocols: protocol);
            Assert.Equal("CN=web", tls.RemoteCertificate!.Subject);
            Assert.Equal("tcp-backend\nover TLS", await TalkAsync(tls, "over TLS"));
        }

        Assert.Null(await _gateway.ShownAsync("other.example.com"));
    }

    [Fact]
    public async Task TLSRouteMixedTerminationSameNamespace()
    {
        _gateway.AddEcho("tcp-backend");
        await AddTlsBackendAsync("tls-backend", "abc.example.com");
        await _gateway.AddBackendAsync("web");
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "gateway", ["tls.example.com"]));
        await _gateway.StartAsync(Gateway("""
              - {name: ends, port: 8443, protocol: TLS, hostname: tls.example.com, tls: {mode: Terminate, certificateRefs: [{name: web}]}}
              - {name: passes, port: 8443, protocol: TLS, hostname: abc.example.com, tls: {mode: Passthrough}}
              - {name: requests, port: 8443, protocol: HTTPS, hostname: web.example.com, tls: {certificateRefs: [{name: web}]}}

            """)
            + TlsRoute("terminated", "tls.example.com", "tcp-backend", 81) + TlsRoute("passed", "abc.example.com", "tls-backend", 443)
            + Route("HTTPRoute", "web", "rules: [{backendRefs: [{name: web, port: 80}]}]"));
        await using (var tls = await _gateway.ConnectAsync("tls.example.com"))
        {
            Assert.Equal("CN=gateway", tls.RemoteCertificate!.Subject);
            Assert.Equal("tcp-backend\nx", await TalkAsync(tls, "x"));
        }

        Assert.StartsWith("tls-backend HTTP/1.1 sni=abc.example.com ", (await _gateway.GetAsync("abc.example.com", "abc.example.com")).Body, StringComparison.Ordinal);
        Assert.StartsWith("web HTTP/1.1 ", (await _gateway.GetAsync("web.example.com", "web.example.com", http2: true)).Body, StringComparison.Ordinal);
        Assert.Null(await _gateway.ShownAsync("other.example.com"));
    }

    [Fact]
    public async Task Passthrough_OfWhatIsNotTls_OrNamesNobody_IsRefused_AndOthersAreServed()
    {
        await AddTlsBackendAsync("tls-backend", "abc.example.com");
        await _gateway.StartAsync(Gateway(Passthrough) + TlsRoute("simple", "abc.example.com", "tls-backend", 443));
        foreach (var rude in new[] { "GET / HTTP/1.1\r\nhost: abc.example.com\r\n\r\n", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00" })
        {
            using var client = new TcpClient(_gateway.Address.ToString(), 8443);
            await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(rude));
            Assert.Equal("", await ReadToEndAsync(client.GetStream()));
        }

        using var silent = new TcpClient(_gateway.Address.ToString(), 8443);
        Assert.Equal("CN=tls-backend", (await _gateway.ShownAsync("abc.example.com"))?.Subject);
    }

    [Fact]
    public async Task Hello_ThatComesByteByByte_IsPassedThrough()
    {
        await AddTlsBackendAsync("tls-backend", "abc.example.com");
        await _gateway.StartAsync(Gateway(Passthrough) + TlsRoute("simple", "abc.example.com", "tls-backend", 443));
        using var client = new TcpClient(_gateway.Address.ToString(), 8443) { NoDelay = true };
        await using var tls = new SslStream(new InBytes(client.GetStream()), leaveInnerStreamOpen: true);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "abc.example.com",
            RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null,
        }).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal("CN=tls-backend", tls.RemoteCertificate!.Subject);
    }

    [Fact]
    public async Task TCPRouteParentRefAttachAll_AndPortAndSectionName()
    {
        foreach (var name in new[] { "all", "section", "port" })
        {
            _gateway.AddEcho(name);
        }

        await _gateway.StartAsync(Gateway("""
              - {name: one, port: 9001, protocol: TCP}
              - {name: two, port: 9002, protocol: TCP}
              - {name: three, port: 9003, protocol: TCP}
              - {name: four, port: 9004, protocol: TCP}

            """)
            + TcpRoute("a-section", "section", "2020-01-01T00:00:00Z", "sectionName: two")
            + TcpRoute("b-port", "port", "2020-01-01T00:00:00Z", "port: 9003")
            + TcpRoute("c-all", "all", "2024-01-01T00:00:00Z"));
        Assert.Equal("all\nx", await TalkInClearAsync(9001, "x"));
        Assert.Equal("section\nx", await TalkInClearAsync(9002, "x"));
        Assert.Equal("port\nx", await TalkInClearAsync(9003, "x"));
        Assert.Equal("all\nx", await TalkInClearAsync(9004, "x"));
    }

    [Theory]
    [InlineData("{name: nonexistent, port: 81}", "backend Service app/nonexistent does not exist")]
    [InlineData("{group: unknown.io, kind: Unknown, name: echo, port: 81}", "backend Unknown app/echo is of an unknown kind")]
    [InlineData("{name: far, namespace: other, port: 81}", "backend Service other/far is in another namespace, and no ReferenceGrant there allows it")]
    public async Task TCPRouteInvalidBackendRef(string backend, string why)
    {
        _gateway.AddEcho("echo");
        _gateway.AddEcho("far", "other");
        await _gateway.StartAsync(Gateway("  - {name: tcp, port: 9001, protocol: TCP}\n") + Route("TCPRoute", "broken", $"rules: [{{backendRefs: [{backend}]}}]"));
        Assert.Equal("", await TalkInClearAsync(9001, "x"));
        await _gateway.Mesh.LoggedAsync(why);
    }

    [Fact]
    public async Task TCPRouteMultipleRoutesAttachment_TheOldestHasThemAll()
    {
        _gateway.AddEcho("older");
        _gateway.AddEcho("younger");
        await _gateway.StartAsync(Gateway("  - {name: tcp, port: 9001, protocol: TCP}\n")
            + TcpRoute("a", "younger", "2024-06-01T00:00:00Z") + TcpRoute("b", "older", "2024-01-01T00:00:00Z"));
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal("older\n", await TalkInClearAsync(9001, ""));
        }
    }

    [Fact]
    public async Task TCPRouteWeightedRouting_IsByConnection()
    {
        foreach (var name in new[] { "one", "two", "three" })
        {
            _gateway.AddEcho(name);
        }

        await _gateway.StartAsync(Gateway("  - {name: tcp, port: 9001, protocol: TCP}\n")
            + Route("TCPRoute", "split", "rules: [{backendRefs: [{name: one, port: 81, weight: 70}, {name: two, port: 81, weight: 30}, {name: three, port: 81, weight: 0}]}]"));
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < 300; i++)
        {
            var name = (await TalkInClearAsync(9001, "")).TrimEnd('\n');
            seen[name] = seen.GetValueOrDefault(name) + 1;
        }

        // 70 % of 300, give or take five standard deviations.
        Assert.InRange(seen["one"], 210 - 40, 210 + 40);
        Assert.Equal(300, seen["one"] + seen["two"]);
    }

    [Fact]
    public async Task TCPRouteReferenceGrant_AndWithoutOneTheConnectionIsRefused()
    {
        _gateway.AddEcho("web", "other");
        const string grant = """
            apiVersion: gateway.networking.k8s.io/v1
            kind: ReferenceGrant
            metadata: {name: services, namespace: other}
            spec: {from: [{group: gateway.networking.k8s.io, kind: TCPRoute, namespace: app}], to: [{group: '', kind: Service}]}
            """;
        _gateway.Write("grant.yaml", grant);
        await _gateway.StartAsync(Gateway("  - {name: tcp, port: 9001, protocol: TCP}\n") + Route("TCPRoute", "across", "rules: [{backendRefs: [{name: web, namespace: other, port: 81}]}]"));
        Assert.Equal("web\nx", await TalkInClearAsync(9001, "x"));
        _gateway.Remove("grant.yaml");
        Assert.Equal("", await ManifestGateway.EventuallyAsync(() => TalkInClearAsync(9001, "x"), text => text.Length == 0));
        await _gateway.Mesh.LoggedAsync("backend Service other/web is in another namespace, and no ReferenceGrant there allows it");
    }

    [Fact]
    public async Task Route_OfAnotherKindThanTheListenerIsFor_DoesNotAttach_AndItIsSaid()
    {
        _gateway.AddEcho("echo");
        await _gateway.StartAsync(Gateway("""
              - {name: tcp, port: 9001, protocol: TCP}
              - {name: plain, port: 8080, protocol: HTTP}

            """)
            + Route("TCPRoute", "tcp", "rules: [{backendRefs: [{name: echo, port: 81}]}]", "sectionName: plain")
            + Route("HTTPRoute", "http", "rules: [{backendRefs: [{name: echo, port: 81}]}]", "sectionName: tcp"));
        await _gateway.Mesh.LoggedAsync("TCPRoute app/tcp does not attach to Gateway app/gw: listener plain has protocol HTTP, which TCPRoute is not for");
        await _gateway.Mesh.LoggedAsync("app/http does not attach to Gateway app/gw: listener tcp has protocol TCP, which HTTPRoute is not for");
        Assert.Equal("", await TalkInClearAsync(9001, ""));
        Assert.Equal(404, (await _gateway.GetAsync(null, "a.example", port: 8080)).Status);
    }

    [Fact]
    public async Task Policy_DeniesConnections_AndEndsThoseThatAreOpen()
    {
        _gateway.AddEcho("echo");
        await _gateway.StartAsync(Gateway("  - {name: tcp, port: 9001, protocol: TCP}\n") + TcpRoute("tcp", "echo", "2024-01-01T00:00:00Z"));
        using var open = new TcpClient(_gateway.Address.ToString(), 9001);
        var greeting = new byte[5];
        await open.GetStream().ReadExactlyAsync(greeting).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        _gateway.Write("policy.yaml", """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: nobody, namespace: app}
            spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}], action: DENY, rules: [{to: [{operation: {ports: ["9001"]}}]}]}
            """);
        Assert.Equal("", await ReadToEndAsync(open.GetStream()));
        Assert.Equal("", await TalkInClearAsync(9001, "x"));
        await _gateway.Mesh.LoggedAsync("app/nobody");
    }

    [Fact]
    public async Task BackendTLSPolicyTLSRouteTerminate()
    {
        await AddTlsBackendAsync("tls-backend", "abc.example.com");
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "gateway", ["tls.example.com"]));
        _gateway.WriteAuthorities("root", _gateway.Authority);
        await _gateway.StartAsync(Gateway("  - {name: ends, port: 8443, protocol: TLS, hostname: tls.example.com, tls: {mode: Terminate, certificateRefs: [{name: web}]}}\n")
            + TlsRoute("terminated", "tls.example.com", "tls-backend", 443)
            + """
            apiVersion: gateway.networking.k8s.io/v1
            kind: BackendTLSPolicy
            metadata: {name: again, namespace: app}
            spec:
              targetRefs: [{group: '', kind: Service, name: tls-backend, sectionName: btls}]
              validation: {hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: root}]}
            """);
        var answer = await _gateway.GetAsync("tls.example.com", "tls.example.com");
        Assert.StartsWith("tls-backend HTTP/1.1 sni=abc.example.com ", answer.Body, StringComparison.Ordinal);
    }

    private static string Route(string kind, string name, string spec, string parent = "", string created = "2024-01-01T00:00:00Z") => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: {{kind}}
        metadata: {name: {{name}}, namespace: app, creationTimestamp: "{{created}}"}
        spec: {parentRefs: [{name: gw{{(parent.Length == 0 ? "" : ", " + parent)}} }], {{spec}} }
        ---

        """;

    private static string TlsRoute(string name, string hostname, string backend, int port) =>
        Route("TLSRoute", name, $"hostnames: ['{hostname}'], rules: [{{backendRefs: [{{name: {backend}, port: {port}}}]}}]");

    private static string TcpRoute(string name, string backend, string created, string parent = "") =>
        Route("TCPRoute", name, $"rules: [{{backendRefs: [{{name: {backend}, port: 81}}]}}]", parent, created);

    private string Gateway(string listeners) => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: gw, namespace: app}
        spec:
          gatewayClassName: istio
          {{_gateway.Infrastructure}}
          listeners:
        {{listeners.TrimEnd('\n')}}
        ---

        """;

    private Task<IPAddress> AddTlsBackendAsync(string name, string host) => _gateway.AddBackendAsync(name, TestCertificates.Leaf(_gateway.Authority, name, [host]));

    /// <summary>What comes back for what is sent, until the backend has seen our end.</summary>
    private static async Task<string> TalkAsync(SslStream tls, string text)
    {
        await tls.WriteAsync(Encoding.Latin1.GetBytes(text));
        await tls.ShutdownAsync();
        return await ReadToEndAsync(tls);
    }

    private Task<string> TalkInClearAsync(int port, string text) => _gateway.TalkInClearAsync(port, text);

    private static Task<string> ReadToEndAsync(Stream stream) => ManifestGateway.ReadToEndAsync(stream);

    /// <summary>Writes one byte at a time.</summary>
    private sealed class InBytes(Stream inner) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            for (var i = 0; i < buffer.Length; i++)
            {
                await inner.WriteAsync(buffer.Slice(i, 1), cancellationToken);
            }
        }
    }
}
