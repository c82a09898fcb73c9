using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Gateway;

/// <summary>TLS that a DestinationRule asks for, from manifest to answer: whom the proxy asks for, whose certificate it takes, and what it shows.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class DestinationRuleTlsTests : IAsyncLifetime
{
    private readonly ManifestGateway _gateway = new();
    private readonly string _files = Directory.CreateTempSubdirectory("ambient-rule-tls-").FullName;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _gateway.DisposeAsync();
        Directory.Delete(_files, recursive: true);
    }

    [Theory]
    [InlineData("mode: SIMPLE, credentialName: root, sni: abc.example.com", 200, "sni=abc.example.com ")]
    [InlineData("mode: SIMPLE, credentialName: bundle, sni: abc.example.com", 200, "sni=abc.example.com ")]
    [InlineData("mode: SIMPLE, caCertificates: FILES/ca.pem, sni: abc.example.com", 200, "sni=abc.example.com ")]
    [InlineData("mode: SIMPLE, credentialName: root, sni: other.example.com", 503, "")]
    [InlineData("mode: SIMPLE, credentialName: root, sni: other.example.com, subjectAltNames: [abc.example.com]", 200, "sni=other.example.com ")]
    [InlineData("mode: SIMPLE, credentialName: root, subjectAltNames: ['spiffe://abc.example.com/test-identity']", 200, "sni=tls-backend.app.svc.cluster.local ")]
    [InlineData("mode: SIMPLE, credentialName: root, subjectAltNames: ['spiffe://def.example.com/test-identity']", 503, "")]
    [InlineData("mode: SIMPLE, credentialName: root", 503, "")]
    [InlineData("mode: SIMPLE, credentialName: stranger, sni: abc.example.com", 503, "")]
    [InlineData("mode: SIMPLE, credentialName: missing, sni: abc.example.com", 503, "")]
    [InlineData("mode: SIMPLE, credentialName: elsewhere, sni: abc.example.com", 503, "")]
    [InlineData("mode: SIMPLE, credentialName: client-only, sni: abc.example.com", 503, "")]
    [InlineData("mode: SIMPLE, caCertificates: FILES/missing.pem, sni: abc.example.com", 503, "")]
    [InlineData("mode: SIMPLE, caCertificates: FILES/broken.pem, sni: abc.example.com", 503, "")]
    [InlineData("mode: SIMPLE, sni: abc.example.com", 503, "")]
    [InlineData("mode: SIMPLE, caCrl: /crl.pem, credentialName: root, sni: abc.example.com", 503, "")]
    [InlineData("mode: SIMPLE, insecureSkipVerify: true", 200, "sni= ")]
    [InlineData("mode: SIMPLE, insecureSkipVerify: true, sni: x.example", 200, "sni=x.example ")]
    public async Task Simple_TakesWhatItsAuthoritiesSigned_ForItsNames(string tls, int status, string seen)
    {
        await AddBackendAsync();
        WriteCredentials();
        await _gateway.StartAsync(Gateway + Route(443) + Rule($"tls: {{{Placed(tls)}}}"));
        var answer = await GetAsync();
        Assert.Equal(status, answer.Status);
        if (status == 200)
        {
            Assert.Contains(seen, answer.Body, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("mode: MUTUAL, credentialName: own, sni: abc.example.com", "CN=own ")]
    [InlineData("mode: MUTUAL, credentialName: own-apart, sni: abc.example.com", "CN=own ")]
    [InlineData("mode: MUTUAL, clientCertificate: FILES/own.pem, privateKey: FILES/own.key, caCertificates: FILES/ca.pem, sni: abc.example.com", "CN=own ")]
    [InlineData("mode: MUTUAL, credentialName: root, sni: abc.example.com", null)]
    [InlineData("mode: MUTUAL, clientCertificate: FILES/own.pem, privateKey: FILES/broken.pem, caCertificates: FILES/ca.pem, sni: abc.example.com", null)]
    [InlineData("mode: SIMPLE, credentialName: own, sni: abc.example.com", null)]
    public async Task Mutual_ShowsItsCertificate(string tls, string? shown)
    {
        await AddBackendAsync(asksClient: true);
        WriteCredentials();
        using var own = TestCertificates.Leaf(_gateway.Authority, "own", ["own.example"]);
        _gateway.WriteCredential("own", _gateway.Authority, own);
        _gateway.WriteSecret("own-apart", own);
        _gateway.WriteCredential("own-apart-cacert", _gateway.Authority);
        await File.WriteAllTextAsync(Path.Combine(_files, "own.pem"), own.ExportCertificatePem());
        await File.WriteAllTextAsync(Path.Combine(_files, "own.key"), TestCertificates.KeyOf(own));
        await _gateway.StartAsync(Gateway + Route(443) + Rule($"tls: {{{Placed(tls)}}}"));
        var answer = await GetAsync();
        Assert.Equal(shown is null ? 503 : 200, answer.Status);
        if (shown is not null)
        {
            Assert.Contains($"client={shown}", answer.Body, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("mode: MUTUAL, clientCertificate: FILES/own.pem, privateKey: FILES/own.key, caCertificates: FILES/ca.pem, sni: abc.example.com", 200)]
    [InlineData("mode: SIMPLE, caCertificates: FILES/ca.pem, sni: abc.example.com", 503)]
    public async Task GatewaysCertificateForBackends_IsNotShownWhereARuleAsksForTls(string tls, int status)
    {
        await AddBackendAsync(asksClient: true);
        WriteCredentials();
        using var own = TestCertificates.Leaf(_gateway.Authority, "own", ["own.example"]);
        await File.WriteAllTextAsync(Path.Combine(_files, "own.pem"), own.ExportCertificatePem());
        await File.WriteAllTextAsync(Path.Combine(_files, "own.key"), TestCertificates.KeyOf(own));
        _gateway.WriteSecret("gateways", TestCertificates.Leaf(_gateway.Authority, "gateway", ["gateway.example"]));
        await _gateway.StartAsync(
            Gateway.Replace("  listeners:", "  tls: {backend: {clientCertificateRef: {group: '', kind: Secret, name: gateways}}}\n  listeners:", StringComparison.Ordinal)
            + Route(443) + Rule($"tls: {{{Placed(tls)}}}"));
        var answer = await GetAsync();
        Assert.Equal(status, answer.Status);
        if (status == 200)
        {
            Assert.Contains("client=CN=own ", answer.Body, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Files_AreReadAgain_WhenTheyHaveChanged()
    {
        await AddBackendAsync();
        var file = Path.Combine(_files, "ca.pem");
        await File.WriteAllTextAsync(file, _gateway.Stranger.ExportCertificatePem());
        await _gateway.StartAsync(Gateway + Route(443) + Rule($"tls: {{mode: SIMPLE, caCertificates: {file}, sni: abc.example.com}}"));
        Assert.Equal(503, (await GetAsync()).Status);
        await File.WriteAllTextAsync(file, _gateway.Authority.ExportCertificatePem());
        File.SetLastWriteTimeUtc(file, TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(5));
        Assert.Equal(200, (await GetAsync()).Status);
    }

    [Fact]
    public async Task PortAndSubset_HaveTlsOfTheirOwn()
    {
        await AddBackendAsync();
        WriteCredentials();
        const string Tls = "mode: SIMPLE, credentialName: root, sni: abc.example.com";

        // The settings of a port are in place of the others: 80 is in clear, although the rule asks for TLS.
        await _gateway.StartAsync(Gateway + Route(443, path: "/tls") + Route(80, path: "/clear", name: "clear")
            + Rule($"tls: {{{Tls}}}, portLevelSettings: [{{port: {{number: 80}}, tls: {{mode: DISABLE}}}}]"));
        Assert.Equal(200, (await GetAsync("/tls")).Status);
        Assert.Equal(200, (await GetAsync("/clear")).Status);

        // TLS to a subset alone.
        _gateway.Write("gateway.yaml", Gateway + Rule("tls: {mode: DISABLE}", $"subsets: [{{name: safe, labels: {{app: tls-backend}}, trafficPolicy: {{tls: {{{Tls}}}}}}}]") + $$"""
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: vs, namespace: app}
            spec:
              hosts: ['*']
              gateways: [gw]
              http:
              - {match: [{uri: {prefix: /tls} }], route: [{destination: {host: tls-backend, subset: safe, port: {number: 443} } }]}
              - {match: [{uri: {prefix: /clear} }], route: [{destination: {host: tls-backend, port: {number: 80} } }]}
            """);
        await ManifestGateway.EventuallyAsync(() => Task.FromResult(_gateway.Mesh.Store.Current.Requests.DestinationRules["app/rule"].Subsets.Length), count => count == 1);
        Assert.Contains(_gateway.Mesh.Store.Current.Requests.DestinationRules["app/rule"].Subsets, subset => subset.Policy?.Tls is { CredentialName: "root" });
    }

    [Fact]
    public async Task OpaqueConnections_GetTlsToo()
    {
        await AddBackendAsync();
        WriteCredentials();
        await _gateway.StartAsync($$"""
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: gw, namespace: app}
            spec:
              gatewayClassName: istio
              {{_gateway.Infrastructure}}
              listeners:
              - {name: tcp, port: 9000, protocol: TCP}
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: TCPRoute
            metadata: {name: tcp, namespace: app}
            spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: tls-backend, port: 443}]}]}
            ---

            """ + Rule("tls: {mode: SIMPLE, credentialName: root, sni: abc.example.com}"));
        using var client = new TcpClient();
        await client.ConnectAsync(_gateway.Address, 9000);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
        using var reader = new StreamReader(client.GetStream());
        Assert.Contains("sni=abc.example.com ", await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatCannotBeMade_NamesTheRule_AndNothingGoesInClear()
    {
        await AddBackendAsync();
        await _gateway.StartAsync(Gateway + Route(80) + Rule("tls: {mode: SIMPLE, credentialName: missing}"));
        Assert.Equal(503, (await GetAsync()).Status);
        await _gateway.Mesh.LoggedAsync("DestinationRule app/rule (Secret app/missing does not exist) asks for TLS to tls-backend.app.svc.cluster.local");
    }

    [Theory]
    [InlineData("tls: {mode: DISABLE}")]
    [InlineData("tls: {mode: ISTIO_MUTUAL}")]
    [InlineData("tls: {mode: SIMPLE, credentialName: missing}, portLevelSettings: [{port: {number: 80}}]")]
    public async Task WhereTheMeshDoesIt_NoneIsMade(string policy)
    {
        await AddBackendAsync();
        await _gateway.StartAsync(Gateway + Route(80) + Rule(policy));
        Assert.Equal(200, (await GetAsync()).Status);
    }

    [Fact]
    public async Task BackendTlsPolicy_GoesBeforeTheRule()
    {
        await AddBackendAsync();
        WriteCredentials();
        _gateway.WriteAuthorities("authorities", _gateway.Authority);
        await _gateway.StartAsync(Gateway + Route(443) + Rule("tls: {mode: DISABLE}") + """
            apiVersion: gateway.networking.k8s.io/v1
            kind: BackendTLSPolicy
            metadata: {name: policy, namespace: app}
            spec: {targetRefs: [{group: '', kind: Service, name: tls-backend}], validation: {hostname: abc.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: authorities}]}}
            """);
        Assert.Equal(200, (await GetAsync()).Status);
    }

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

    private static string Route(int port, string path = "/", string name = "all") => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: {{name}}, namespace: app}
        spec: {parentRefs: [{name: gw}], rules: [{matches: [{path: {value: {{path}} } }], backendRefs: [{name: tls-backend, port: {{port}} }]}]}
        ---

        """;

    private static string Rule(string policy, string subsets = "subsets: []") => $$"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: rule, namespace: app}
        spec: {host: tls-backend, trafficPolicy: { {{policy}} }, {{subsets}} }
        ---

        """;

    private string Placed(string tls) => tls.Replace("FILES", _files, StringComparison.Ordinal);

    private Task<System.Net.IPAddress> AddBackendAsync(bool asksClient = false) => _gateway.AddBackendAsync(
        "tls-backend", TestCertificates.Leaf(_gateway.Authority, "backend", ["abc.example.com"], uri: "spiffe://abc.example.com/test-identity"), asksClient);

    private void WriteCredentials()
    {
        _gateway.WriteCredential("root", _gateway.Authority);
        _gateway.WriteCredential("bundle-cacert", _gateway.Authority);
        _gateway.WriteCredential("stranger", _gateway.Stranger);
        _gateway.WriteCredential("elsewhere", _gateway.Authority, ns: "other");
        using var client = TestCertificates.Leaf(_gateway.Authority, "client", ["client.example"]);
        _gateway.WriteSecret("client-only", client);
        File.WriteAllText(Path.Combine(_files, "ca.pem"), _gateway.Authority.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_files, "broken.pem"), "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n");
    }

    private Task<(int Status, string Body)> GetAsync(string path = "/") => _gateway.GetAsync(null, "abc.example.com", path, port: 8080);
}
