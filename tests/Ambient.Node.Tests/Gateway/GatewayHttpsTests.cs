using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Gateway;

/// <summary>HTTPS listeners, from manifest to answer. Tests that stand for one of the Gateway API's conformance suite have its name.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class GatewayHttpsTests : IAsyncLifetime
{
    private readonly ManifestGateway _gateway = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _gateway.DisposeAsync();

    [Fact]
    public async Task HTTPRouteHTTPSListener()
    {
        await StartWithFourListenersAsync();
        Assert.Contains("v1 HTTP/1.1 ", (await _gateway.GetAsync("example.org", "example.org")).Body, StringComparison.Ordinal);
        Assert.Equal(404, (await _gateway.GetAsync("unknown-example.org", "unknown-example.org")).Status);
        var second = await _gateway.GetAsync("second-example.org", "second-example.org");
        Assert.StartsWith("v2 ", second.Body, StringComparison.Ordinal);
        Assert.Contains("proto=https", second.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HTTPRouteHTTPSListenerDetectMisdirectedRequests()
    {
        await StartWithFourListenersAsync();
        (string ServerName, string Host, int Status, string? Backend)[] cases =
        [
            ("example.org", "example.org", 200, "v1"), ("example.org", "second-example.org", 421, null), ("example.org", "unknown-example.org", 404, null),
            ("second-example.org", "second-example.org", 200, "v2"), ("second-example.org", "example.org", 421, null), ("second-example.org", "unknown-example.org", 421, null),
            ("third-example.wildcard.org", "third-example.wildcard.org", 200, "v3"), ("third-example.wildcard.org", "fith-example.wildcard.org", 200, "v3"),
            ("third-example.wildcard.org", "fourth-example.wildcard.org", 421, null), ("third-example.wildcard.org", "second-example.org", 421, null),
            ("third-example.wildcard.org", "unknown-example.org", 421, null),
            ("fourth-example.wildcard.org", "fourth-example.wildcard.org", 200, "v1"), ("fourth-example.wildcard.org", "fith-example.wildcard.org", 421, null),
            ("unknown-example.org", "example.org", 200, "v1"), ("unknown-example.org", "unknown-example.org", 404, null),
        ];
        foreach (var (serverName, host, status, backend) in cases)
        {
            var answer = await _gateway.GetAsync(serverName, host, http2: true);
            Assert.Equal((serverName, host, status), (serverName, host, answer.Status));
            Assert.True(backend is null || answer.Body.StartsWith($"{backend} ", StringComparison.Ordinal), answer.Body);
        }
    }

    [Fact]
    public async Task Secret_ThatIsMissing_KeepsItsListenerFromBeingServed_UntilItComes()
    {
        await _gateway.AddBackendAsync("v1");
        _gateway.WriteSecret("one", TestCertificates.Leaf(_gateway.Authority, "one", ["one.example"]));
        await _gateway.StartAsync(Gateway("""
              - {name: one, port: 8443, protocol: HTTPS, hostname: one.example, tls: {certificateRefs: [{name: one}]}}
              - {name: two, port: 8443, protocol: HTTPS, hostname: two.example, tls: {certificateRefs: [{name: two}]}}
              - {name: rest, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: one}]}}
            """) + Route("all", "v1"));
        await _gateway.Mesh.LoggedAsync("listener two of Gateway app/gw is not served: certificate Secret app/two does not exist");
        Assert.NotNull(await _gateway.ShownAsync("one.example"));
        Assert.NotNull(await _gateway.ShownAsync("other.example"));

        // Not even by the listener for everything: it would answer for a host that is not its own.
        Assert.Null(await _gateway.ShownAsync("two.example"));
        _gateway.WriteSecret("two", TestCertificates.Leaf(_gateway.Authority, "two", ["two.example"]));
        Assert.Equal("CN=two", (await ManifestGateway.EventuallyAsync(() => _gateway.ShownAsync("two.example"), shown => shown is not null))?.Subject);
        Assert.Equal(200, (await _gateway.GetAsync("two.example", "two.example")).Status);
        _gateway.Remove("secret-two.yaml");
        Assert.Null(await ManifestGateway.EventuallyAsync(() => _gateway.ShownAsync("two.example"), shown => shown is null));
    }

    [Theory]
    [InlineData("{name: web, namespace: other}", "certificate Secret other/web is in another namespace, and no ReferenceGrant there allows it")]
    [InlineData("{name: web, kind: ConfigMap}", "certificate ConfigMap app/web is of an unknown kind; expected a Secret")]
    [InlineData("{name: hello}", "certificate Secret app/hello cannot be used: tls.crt has no certificate")]
    [InlineData("{name: swapped}", "certificate Secret app/swapped cannot be used: tls.key has no key that fits the certificate")]
    [InlineData("{name: half}", "certificate Secret app/half cannot be used: it has no tls.key")]
    public async Task Secret_ThatCannotBeUsed_KeepsItsListenerFromBeingServed(string reference, string why)
    {
        await _gateway.AddBackendAsync("v1");
        var one = TestCertificates.Leaf(_gateway.Authority, "one", ["one.example"]);
        var two = TestCertificates.Leaf(_gateway.Authority, "two", ["one.example"]);
        _gateway.WriteSecret("web", one, "other");
        _gateway.Write("broken.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: hello, namespace: app}\ntype: kubernetes.io/tls\ndata: {tls.crt: SGVsbG8gd29ybGQK, tls.key: SGVsbG8gd29ybGQK}\n---\n"
            + $"apiVersion: v1\nkind: Secret\nmetadata: {{name: half, namespace: app}}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{Indented(one.ExportCertificatePem())}\n---\n"
            + $"apiVersion: v1\nkind: Secret\nmetadata: {{name: swapped, namespace: app}}\nstringData:\n  tls.crt: |\n{Indented(one.ExportCertificatePem())}\n  tls.key: |\n{Indented(TestCertificates.KeyOf(two))}\n");
        await _gateway.StartAsync(Gateway($$"""
              - {name: secure, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{{reference}}] } }
              - {name: plain, port: 8080, protocol: HTTP}
            """) + Route("all", "v1"));
        await _gateway.Mesh.LoggedAsync($"listener secure of Gateway app/gw is not served: {why}");
        Assert.Null(await _gateway.ShownAsync("one.example"));
        Assert.Equal(200, (await _gateway.GetAsync(null, "one.example", port: 8080)).Status);
        Assert.DoesNotContain("PRIVATE", _gateway.Mesh.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secret_OfAnotherNamespace_IsShown_WhereAGrantAllowsIt()
    {
        await _gateway.AddBackendAsync("v1");
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "web", ["one.example"]), "other");
        _gateway.Write("grant.yaml", """
            apiVersion: gateway.networking.k8s.io/v1
            kind: ReferenceGrant
            metadata: {name: secrets, namespace: other}
            spec: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: app}], to: [{group: '', kind: Secret, name: web}]}
            """);
        await _gateway.StartAsync(Gateway("""
              - {name: secure, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web, namespace: other}]}}
              - {name: plain, port: 8080, protocol: HTTP}
            """) + Route("all", "v1"));
        Assert.Equal(200, (await _gateway.GetAsync("one.example", "one.example")).Status);
        _gateway.Remove("grant.yaml");
        Assert.Null(await ManifestGateway.EventuallyAsync(() => _gateway.ShownAsync("one.example"), shown => shown is null));
    }

    [Fact]
    public async Task Certificate_ThatIsRenewedUnderLoad_LosesNoRequest()
    {
        await _gateway.AddBackendAsync("v1");
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "first", ["one.example"]));
        await _gateway.StartAsync(Gateway("  - {name: secure, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}}\n") + Route("all", "v1"));
        using var stop = new CancellationTokenSource();
        var answered = 0;
        var clients = Enumerable.Range(0, 4).Select(number => Task.Run(async () =>
        {
            // Two that keep their connection, and two that shake hands for each request.
            using var kept = _gateway.Client("one.example", http2: number == 1);
            while (!stop.IsCancellationRequested)
            {
                if (number < 2)
                {
                    Assert.StartsWith("v1 ", await kept.GetStringAsync(new Uri("http://one.example/")), StringComparison.Ordinal);
                }
                else
                {
                    Assert.Equal(200, (await _gateway.GetAsync("one.example", "one.example", http2: number == 2)).Status);
                }

                Interlocked.Increment(ref answered);
            }
        })).ToArray();
        foreach (var name in new[] { "second", "third", "fourth" })
        {
            var before = Volatile.Read(ref answered);
            _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, name, ["one.example"]));
            Assert.Equal($"CN={name}", (await ManifestGateway.EventuallyAsync(() => _gateway.ShownAsync("one.example"), shown => shown?.Subject == $"CN={name}"))?.Subject);
            await ManifestGateway.EventuallyAsync(() => Task.FromResult(Volatile.Read(ref answered)), count => count > before + 20);
        }

        await stop.CancelAsync();
        await Task.WhenAll(clients).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(answered > 60, $"{answered} requests were answered");
    }

    [Fact]
    public async Task PrivateKey_IsNeitherLoggedNorDumped()
    {
        await _gateway.AddBackendAsync("v1");
        var leaf = TestCertificates.Leaf(_gateway.Authority, "web", ["one.example"]);
        _gateway.WriteSecret("web", leaf);
        await _gateway.StartAsync(Gateway("  - {name: secure, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}}\n") + Route("all", "v1"));
        var dump = Encoding.UTF8.GetString(new WaypointDump(_gateway.Node!, _gateway.Mesh.Store, null).Write().Span);
        Assert.Contains("\"secret\": \"app/web\"", dump, StringComparison.Ordinal);
        Assert.Contains("\"subject\": \"CN=web\"", dump, StringComparison.Ordinal);
        Assert.Contains("\"privateKey\": \"[redacted]\"", dump, StringComparison.Ordinal);
        var requests = _gateway.Mesh.Store.Current.Requests;
        foreach (var text in new[] { dump, _gateway.Mesh.Log, requests.Secrets["app/web"].ToString(), requests.ToString() })
        {
            Assert.DoesNotContain("PRIVATE", text, StringComparison.Ordinal);
            Assert.DoesNotContain(TestCertificates.KeyOf(leaf).Split('\n')[1], text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Secret_ThatNoGatewayRefersTo_StaysOutOfTheMesh()
    {
        await _gateway.AddBackendAsync("v1");
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "web", ["one.example"]));
        _gateway.WriteSecret("spare", TestCertificates.Leaf(_gateway.Authority, "spare", ["one.example"]));
        await _gateway.StartAsync(Gateway("  - {name: secure, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}}\n") + Route("all", "v1"));
        Assert.Equal(["app/web"], _gateway.Mesh.Store.Current.Requests.Secrets.Keys);
    }

    [SkippableFact]
    public async Task OpenSsl_GetsTheCertificateWhoseSignaturesItTakes()
    {
        Skip.IfNot(File.Exists("/usr/bin/openssl"), "openssl is missing");
        await _gateway.AddBackendAsync("v1");
        _gateway.WriteSecret("small", TestCertificates.Leaf(_gateway.Authority, "small", ["one.example"]));
        _gateway.WriteSecret("large", TestCertificates.Leaf(_gateway.Authority, "large", ["one.example"], rsa: true));
        await _gateway.StartAsync(Gateway("  - {name: secure, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: large}, {name: small}]}}\n") + Route("all", "v1"));
        foreach (var (algorithms, version, shown) in new[]
        {
            ("ECDSA+SHA256:RSA-PSS+SHA256", "-tls1_3", "CN=small"), ("RSA-PSS+SHA256", "-tls1_3", "CN=large"), ("ECDSA+SHA256", "-tls1_3", "CN=small"),
            ("RSA+SHA256", "-tls1_2", "CN=large"), ("ECDSA+SHA256:RSA+SHA256", "-tls1_2", "CN=small"),
        })
        {
            // What openssl itself takes for the chain is another list, so that it says what it was shown.
            var said = await RunAsync(
                "/usr/bin/openssl", "GET / HTTP/1.1\r\nhost: one.example\r\nconnection: close\r\n\r\n",
                "s_client", "-connect", $"{_gateway.Address}:8443", "-servername", "one.example", "-sigalgs", algorithms, version, "-ign_eof");
            Assert.Contains($"subject={shown}", said.Replace("CN = ", "CN=", StringComparison.Ordinal), StringComparison.Ordinal);
            Assert.Contains("HTTP/1.1 200", said, StringComparison.Ordinal);
        }
    }

    [SkippableFact]
    public async Task NodeHttp2_IsServed_OnOneConnectionForManyRequests()
    {
        Skip.IfNot(File.Exists("/usr/bin/node"), "Node is missing");
        await _gateway.AddBackendAsync("v1");
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "web", ["one.example"]));
        await _gateway.StartAsync(Gateway("  - {name: secure, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}}\n") + Route("all", "v1"));
        var script = $$"""
            const http2 = require('http2');
            const client = http2.connect('https://one.example:8443', {
              ca: {{System.Text.Json.JsonSerializer.Serialize(_gateway.Authority.ExportCertificatePem())}},
              lookup: (name, options, done) => done(null, options.all ? [{address: '{{_gateway.Address}}', family: 4}] : '{{_gateway.Address}}', 4),
              host: 'one.example', servername: 'one.example',
            });
            client.on('error', e => { console.log('error ' + e); process.exit(1); });
            let left = 20;
            for (let i = 0; i < 20; i++) {
              const request = client.request({':path': '/' + i});
              // Node tells of a head in its next tick, and of data that came with it perhaps before.
              let status = '', text = '';
              request.on('response', headers => status = headers[':status']);
              request.on('data', data => text += data);
              request.on('end', () => setImmediate(() => { console.log(status + ' ' + text); if (--left === 0) client.close(); }));
              request.end();
            }
            """;
        var said = await RunAsync("/usr/bin/node", script, "-");
        Assert.True(said.Split("200 v1 HTTP/1.1", StringSplitOptions.None).Length - 1 == 20, said + _gateway.Mesh.Log);
    }

    [Fact]
    public async Task GatewayFrontendClientCertificateValidation()
    {
        await StartWithClientValidationAsync("");
        using var ours = TestCertificates.Leaf(_gateway.Authority, "ours", ["client.example"]);
        using var theirs = TestCertificates.Leaf(_gateway.Stranger, "theirs", ["client.example"]);
        var answer = await _gateway.GetAsync("example.org", "example.org", client: ours);
        Assert.StartsWith("v1 ", answer.Body, StringComparison.Ordinal);
        Assert.Contains(";DNS=client.example", answer.Body, StringComparison.Ordinal);
        Assert.False(await IsServedAsync("example.org", 8443, theirs));
        Assert.False(await IsServedAsync("example.org", 8443, null));

        // The other port has an authority of its own.
        Assert.True(await IsServedAsync("second-example.org", 9443, theirs));
        Assert.False(await IsServedAsync("second-example.org", 9443, ours));
        Assert.False(await IsServedAsync("second-example.org", 9443, null));
    }

    [Fact]
    public async Task GatewayFrontendClientCertificateValidationInsecureFallback()
    {
        await StartWithClientValidationAsync("mode: AllowInsecureFallback, ");
        using var ours = TestCertificates.Leaf(_gateway.Authority, "ours", ["client.example"]);
        using var theirs = TestCertificates.Leaf(_gateway.Stranger, "theirs", ["client.example"]);
        foreach (var (port, host) in new[] { (8443, "example.org"), (9443, "second-example.org") })
        {
            foreach (var client in new[] { ours, theirs, null })
            {
                // Who they are is told only of those that were verified.
                var answer = await _gateway.GetAsync(host, host, port: port, client: client);
                Assert.Equal(200, answer.Status);
                var verified = client is not null && ReferenceEquals(client, port == 8443 ? ours : theirs);
                Assert.Equal(verified, answer.Body.Contains("xfcc=Hash=", StringComparison.Ordinal));
            }
        }
    }

    [Theory]
    [InlineData("{kind: ConfigMap, group: '', name: missing}", "ConfigMap app/missing does not exist")]
    [InlineData("{kind: Secret, group: '', name: ours}", "Secret app/ours is of an unknown kind; expected a ConfigMap")]
    [InlineData("{kind: ConfigMap, group: '', name: ours, namespace: other}", "ConfigMap other/ours is in another namespace, and no ReferenceGrant there allows it")]
    public async Task GatewayFrontendInvalidDefaultClientCertificateValidation(string reference, string why)
    {
        await _gateway.AddBackendAsync("v1");
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "web", ["one.example"]));
        _gateway.WriteAuthorities("ours", _gateway.Authority);
        await _gateway.StartAsync(Gateway(
            """
              - {name: secure, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}}
              - {name: plain, port: 8080, protocol: HTTP}
            """, $"tls: {{frontend: {{default: {{validation: {{caCertificateRefs: [{reference}]}}}}}}}}") + Route("all", "v1"));
        await _gateway.Mesh.LoggedAsync($"listener secure of Gateway app/gw is not served: clients cannot be verified: {why}");
        Assert.Equal(200, (await _gateway.GetAsync(null, "one.example", port: 8080)).Status);
        Assert.Null(await _gateway.ShownAsync("one.example"));
    }

    private static string Indented(string pem) => string.Join('\n', pem.Split('\n').Select(line => $"    {line}"));

    private static string Route(string name, string backend, string more = "") => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: {{name}}, namespace: app}
        spec: {parentRefs: [{name: gw{{(more.Length == 0 ? "" : ", " + more)}} }], rules: [{backendRefs: [{name: {{backend}}, port: 80}]}]}
        ---

        """;

    private string Gateway(string listeners, string more = "") => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: gw, namespace: app}
        spec:
          gatewayClassName: istio
          {{_gateway.Infrastructure}}
          {{more}}
          listeners:
        {{listeners.TrimEnd('\n')}}
        ---

        """;

    private async Task<bool> IsServedAsync(string host, int port, X509Certificate2? client)
    {
        try
        {
            return (await _gateway.GetAsync(host, host, port: port, client: client)).Status == 200;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private async Task StartWithFourListenersAsync()
    {
        foreach (var name in new[] { "v1", "v2", "v3" })
        {
            await _gateway.AddBackendAsync(name);
        }

        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "web", ["example.org", "*.wildcard.org"]));
        const string tls = "tls: {certificateRefs: [{group: '', kind: Secret, name: web, namespace: app}]}";
        await _gateway.StartAsync(Gateway($$"""
              - {name: https, port: 8443, protocol: HTTPS, {{tls}}}
              - {name: https-with-hostname, port: 8443, hostname: second-example.org, protocol: HTTPS, {{tls}}}
              - {name: https-with-wildcard-hostname, port: 8443, hostname: "*.wildcard.org", protocol: HTTPS, {{tls}}}
              - {name: https-with-hostname-matching-wildcard, port: 8443, hostname: fourth-example.wildcard.org, protocol: HTTPS, {{tls}}}
            """)
            + Route("one", "v1", "sectionName: https").Replace("rules:", "hostnames: [example.org], rules:", StringComparison.Ordinal)
            + Route("two", "v2", "sectionName: https-with-hostname")
            + Route("three", "v3", "sectionName: https-with-wildcard-hostname")
            + Route("four", "v1", "sectionName: https-with-hostname-matching-wildcard"));
    }

    private async Task StartWithClientValidationAsync(string mode)
    {
        await _gateway.AddBackendAsync("v1");
        await _gateway.AddBackendAsync("v2");
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "web", ["example.org"]));
        _gateway.WriteAuthorities("ours", _gateway.Authority);
        _gateway.WriteAuthorities("theirs", _gateway.Stranger);
        await _gateway.StartAsync(Gateway(
            """
              - {name: https, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}}
              - {name: https-with-hostname, port: 9443, hostname: second-example.org, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}}
            """,
            $$"""
            tls:
                frontend:
                  default: {validation: { {{mode}}caCertificateRefs: [{kind: ConfigMap, group: '', name: ours}]} }
                  perPort: [{port: 9443, tls: {validation: { {{mode}}caCertificateRefs: [{kind: ConfigMap, group: '', name: theirs}]} } }]
            """)
            + Route("one", "v1").Replace("rules:", "hostnames: [example.org], rules:", StringComparison.Ordinal)
            + Route("two", "v2", "sectionName: https-with-hostname"));
    }

    private static async Task<string> RunAsync(string program, string input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            var errors = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEndAsync();
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            return await output.WaitAsync(TimeSpan.FromSeconds(60)) + await errors.WaitAsync(TimeSpan.FromSeconds(60));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}
