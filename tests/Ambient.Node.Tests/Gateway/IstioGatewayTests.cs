using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Security.Authentication;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Gateway;

/// <summary>Gateways of Istio's own and the VirtualServices that are bound to them, from manifest to answer.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class IstioGatewayTests : IAsyncLifetime
{
    private readonly ManifestGateway _gateway = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _gateway.DisposeAsync();

    [Fact]
    public async Task Servers_OfEveryProtocol_AreServed()
    {
        using var certificate = TestCertificates.Leaf(_gateway.Authority, "web", ["v.example"]);
        using var backend = TestCertificates.Leaf(_gateway.Authority, "backend", ["w.example"]);
        _gateway.WriteSecret("web", certificate);
        await _gateway.AddBackendAsync("a", backend);
        _gateway.AddEcho("b");
        await _gateway.StartAsync(Host + Istio("own", """
            - {port: {number: 8080, name: http, protocol: HTTP}, hosts: [v.example], tls: {httpsRedirect: true} }
            - {port: {number: 8081, name: plain, protocol: HTTP2}, hosts: [v.example] }
            - {port: {number: 8443, name: https, protocol: HTTPS}, hosts: [v.example], tls: {mode: SIMPLE, credentialName: web} }
            - {port: {number: 9443, name: tls, protocol: TLS}, hosts: [w.example], tls: {mode: PASSTHROUGH} }
            - {port: {number: 9444, name: ended, protocol: TLS}, hosts: [v.example], tls: {mode: SIMPLE, credentialName: web} }
            - {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ['*'] }
            """)
            + Virtual("v", "[v.example]", "[own]", """
                http:
                - {match: [{uri: {prefix: /x} }], rewrite: {uri: /y}, route: [{destination: {host: a, port: {number: 80} } }]}
                tcp:
                - {match: [{port: 9444}], route: [{destination: {host: a, port: {number: 81} } }]}
                - {match: [{port: 9000}], route: [{destination: {host: b, port: {number: 81} } }]}
                """)
            + Virtual("w", "[w.example]", "[own]", "tls: [{match: [{sniHosts: [w.example]}], route: [{destination: {host: a, port: {number: 443} } }]}]"));

        // Clear text is sent to TLS, whatever routes there are; the other port answers itself, what no rule matches with 404, and other hosts likewise.
        using (var http = _gateway.Client(null, 8080))
        {
            using var redirected = await http.GetAsync(new Uri("http://v.example/any?q=1"));
            Assert.Equal((301, "https://v.example/any?q=1"), ((int)redirected.StatusCode, redirected.Headers.Location!.ToString()));
        }

        Assert.Equal(404, (await _gateway.GetAsync(null, "other.example", "/x", 8080)).Status);
        Assert.StartsWith("a HTTP/1.1 ", (await _gateway.GetAsync(null, "v.example", "/x", 8081)).Body, StringComparison.Ordinal);
        Assert.Equal(404, (await _gateway.GetAsync(null, "v.example", "/z", 8081)).Status);
        Assert.Equal(404, (await _gateway.GetAsync(null, "other.example", "/x", 8081)).Status);
        foreach (var http2 in new[] { false, true })
        {
            Assert.StartsWith("a HTTP/1.1 ", (await _gateway.GetAsync("v.example", "v.example", "/x", http2: http2)).Body, StringComparison.Ordinal);
        }

        Assert.Null(await _gateway.ShownAsync("other.example"));
        Assert.Equal("CN=backend", (await _gateway.ShownAsync("w.example", 9443))?.Subject);
        Assert.Null(await _gateway.ShownAsync("v.example", 9443));
        await using (var tls = await _gateway.ConnectAsync("v.example", 9444))
        {
            Assert.Equal("CN=web", tls.RemoteCertificate!.Subject);
            await tls.WriteAsync("GET / HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n"u8.ToArray());
            using var reader = new StreamReader(tls, leaveOpen: true);
            Assert.Contains("\na HTTP/1.1 ", await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60)), StringComparison.Ordinal);
        }

        Assert.Equal("b\nhello", await _gateway.SayAsync(9000, "hello"));
    }

    [Fact]
    public async Task Hosts_SayWhichNamespacesMayAttach()
    {
        await _gateway.AddBackendAsync("a");
        await _gateway.StartAsync(Host + Istio("own", """
            - {port: {number: 8080, name: http, protocol: HTTP}, hosts: [app/one.example, other/two.example, ./three.example, '*/four.example', '*.five.example', third/six.example, other/six.example] }
            """)
            + string.Concat(new[] { "app", "other" }.SelectMany(ns => new[] { "one", "two", "three", "four", "a.five", "six" }.Select(host =>
                Virtual(host, $"[{host}.example]", "[app/own]", $"http: [{{headers: {{response: {{set: {{by: {ns}}}}}}}, route: [{{destination: {{host: a.app.svc.cluster.local, port: {{number: 80}}}}}}]}}]", ns)))));
        Assert.Equal("app", await ByAsync("one.example"));
        Assert.Equal("other", await ByAsync("two.example"));
        Assert.Equal("app", await ByAsync("three.example"));
        Assert.Equal("app", await ByAsync("four.example"));
        Assert.Equal("app", await ByAsync("a.five.example"));
        Assert.Equal("other", await ByAsync("six.example"));
        Assert.Null(await ByAsync("five.example"));
        await _gateway.Mesh.LoggedAsync("takes no VirtualServices of namespace other (hosts)");
    }

    [Fact]
    public async Task GatewaysThatShareAPortInClear_AreOne()
    {
        await _gateway.AddBackendAsync("a");
        string Rule(string by) => $"http: [{{headers: {{response: {{set: {{by: {by}}}}}}}, route: [{{destination: {{host: a, port: {{number: 80}}}}}}]}}]";
        await _gateway.StartAsync(Host
            + Istio("wide", "- {port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*'] }")
            + Istio("narrow", "- {port: {number: 8080, name: http, protocol: HTTP}, hosts: [n.example] }")
            + Istio("again", "- {port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*'] }")
            + Virtual("by-wide", "[n.example]", "[wide]", Rule("wide")) + Virtual("by-again", "[m.example]", "[again]", Rule("again")) + Virtual("all", "['*']", "[wide]", Rule("all")));
        Assert.Equal("wide", await ByAsync("n.example"));
        Assert.Equal("again", await ByAsync("m.example"));
        Assert.Equal("all", await ByAsync("x.example"));

        // The listener of the Gateway API on another port has none of it.
        Assert.Equal(404, (await _gateway.GetAsync(null, "n.example", port: 8079)).Status);
    }

    [Fact]
    public async Task VirtualService_IsForTheGatewaysThatItNames()
    {
        await _gateway.AddBackendAsync("a");
        await _gateway.StartAsync(Host + Istio("own", "- {port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*'] }") + Istio("other", "- {port: {number: 8081, name: http, protocol: HTTP}, hosts: ['*'] }")
            + Virtual("v", "[a.example, a]", "[own, other, mesh]", """
                http:
                - {match: [{gateways: [own]}], headers: {response: {set: {by: own} } }, route: [{destination: {host: a, port: {number: 80} } }]}
                - {match: [{gateways: [mesh]}], headers: {response: {set: {by: mesh} } }, route: [{destination: {host: a, port: {number: 80} } }]}
                - {match: [{port: 8081}], headers: {response: {set: {by: port} } }, route: [{destination: {host: a, port: {number: 80} } }]}
                """)
            + Virtual("unbound", "[b.example]", "[mesh]", "http: [{route: [{destination: {host: a, port: {number: 80} } }]}]")
            + Virtual("elsewhere", "[c.example]", "[own]", "exportTo: [other]\n  http: [{route: [{destination: {host: a, port: {number: 80} } }]}]"));
        Assert.Equal("own", await ByAsync("a.example"));
        Assert.Equal("port", await ByAsync("a.example", 8081));
        Assert.Equal("own", await ByAsync("a.app.svc.cluster.local"));
        Assert.Null(await ByAsync("b.example"));
        Assert.Null(await ByAsync("c.example"));
        await _gateway.Mesh.LoggedAsync("which the VirtualService is not exported to (exportTo)");
    }

    [Theory]
    [InlineData("MUTUAL", "credentialName: web", "client", true)]
    [InlineData("MUTUAL", "credentialName: web", null, false)]
    [InlineData("MUTUAL", "credentialName: web", "stranger", false)]
    [InlineData("MUTUAL", "credentialName: web, subjectAltNames: [client.example]", "client", true)]
    [InlineData("MUTUAL", "credentialName: web, subjectAltNames: [other.example]", "client", false)]
    [InlineData("MUTUAL", "credentialName: web, caCertCredentialName: apart", "client", true)]
    [InlineData("MUTUAL", "credentialName: bare", "client", true)]
    [InlineData("OPTIONAL_MUTUAL", "credentialName: web", null, true)]
    [InlineData("OPTIONAL_MUTUAL", "credentialName: web", "client", true)]
    [InlineData("OPTIONAL_MUTUAL", "credentialName: web", "stranger", false)]
    [InlineData("SIMPLE", "credentialName: web", null, true)]
    [InlineData("MUTUAL", "credentialName: web, caCertCredentialName: missing", "client", false)]
    [InlineData("MUTUAL", "credentialName: web, verifyCertificateSpki: [a]", "client", false)]
    [InlineData("ISTIO_MUTUAL", "", "client", false)]
    [InlineData("SIMPLE", "serverCertificate: /a, privateKey: /b", null, false)]
    [InlineData("SIMPLE", "credentialNames: [web]", null, true)]
    public async Task Clients_ShowWhatTheModeAsksFor(string mode, string settings, string? client, bool isServed)
    {
        using var certificate = TestCertificates.Leaf(_gateway.Authority, "web", ["v.example"]);
        _gateway.WriteCredential("web", _gateway.Authority, certificate);
        _gateway.WriteSecret("bare", certificate);
        _gateway.WriteCredential("bare-cacert", _gateway.Authority);
        _gateway.WriteCredential("apart", _gateway.Authority);
        await _gateway.AddBackendAsync("a");
        await _gateway.StartAsync(Host + Istio("own", $$"""
            - {port: {number: 8443, name: https, protocol: HTTPS}, hosts: [v.example], tls: {mode: {{mode}}{{(settings.Length > 0 ? ", " : "")}}{{settings}} } }
            """) + Virtual("v", "[v.example]", "[own]", "http: [{route: [{destination: {host: a, port: {number: 80} } }]}]"));
        using var shown = client switch
        {
            null => null,
            "client" => TestCertificates.Leaf(_gateway.Authority, "client", ["client.example"]),
            _ => TestCertificates.Leaf(_gateway.Stranger, "stranger", ["client.example"]),
        };
        if (isServed)
        {
            var (status, body) = await _gateway.GetAsync("v.example", "v.example", client: shown);
            Assert.Equal(200, status);
            Assert.Equal(client is not null, body.Contains("xfcc=Hash=", StringComparison.Ordinal));
        }
        else
        {
            await Assert.ThrowsAnyAsync<Exception>(() => _gateway.GetAsync("v.example", "v.example", client: shown));
        }
    }

    [Theory]
    [InlineData("minProtocolVersion: TLSV1_3", SslProtocols.Tls12, false)]
    [InlineData("minProtocolVersion: TLSV1_3", SslProtocols.Tls13, true)]
    [InlineData("maxProtocolVersion: TLSV1_2", SslProtocols.Tls13, false)]
    [InlineData("maxProtocolVersion: TLSV1_2", SslProtocols.Tls12, true)]
    [InlineData("minProtocolVersion: TLSV1_0, cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256]", SslProtocols.Tls12, true)]
    [InlineData("minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2", SslProtocols.Tls13, false)]
    [InlineData("maxProtocolVersion: TLSV1_1", SslProtocols.Tls12, false)]
    public async Task Versions_OfTls_AreKept(string versions, SslProtocols client, bool isServed)
    {
        using var certificate = TestCertificates.Leaf(_gateway.Authority, "web", ["v.example"]);
        _gateway.WriteSecret("web", certificate);
        await _gateway.StartAsync(Host + Istio("own", $$"""
            - {port: {number: 8443, name: https, protocol: HTTPS}, hosts: [v.example], tls: {mode: SIMPLE, credentialName: web, {{versions}} } }
            """));
        if (isServed)
        {
            await using var tls = await _gateway.ConnectAsync("v.example", protocols: client);
            Assert.Equal(client, tls.SslProtocol);
        }
        else
        {
            await Assert.ThrowsAnyAsync<Exception>(async () => await (await _gateway.ConnectAsync("v.example", protocols: client)).DisposeAsync());
        }
    }

    [Fact]
    public async Task OneServersHosts_ShareAConnection_AndAnothersDoNot()
    {
        using var certificate = TestCertificates.Leaf(_gateway.Authority, "web", ["*.example"]);
        _gateway.WriteSecret("web", certificate);
        await _gateway.AddBackendAsync("a");
        await _gateway.StartAsync(Host + Istio("own", """
            - {port: {number: 8443, name: https, protocol: HTTPS}, hosts: [a.example, b.example], tls: {mode: SIMPLE, credentialName: web} }
            - {port: {number: 8443, name: second, protocol: HTTPS}, hosts: [c.example], tls: {mode: SIMPLE, credentialName: web} }
            """) + Virtual("v", "['*']", "[own]", "http: [{route: [{destination: {host: a, port: {number: 80} } }]}]"));
        Assert.Equal(200, (await _gateway.GetAsync("a.example", "b.example")).Status);
        Assert.Equal(421, (await _gateway.GetAsync("a.example", "c.example")).Status);
        Assert.Equal(200, (await _gateway.GetAsync("c.example", "c.example")).Status);
    }

    [Fact]
    public async Task ServersThatCannotBe_AreNotServed_AndTheOthersAre()
    {
        await _gateway.AddBackendAsync("a");
        await _gateway.StartAsync(Host + Istio("own", """
            - {port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*'] }
            - {port: {number: 8081, name: bound, protocol: HTTP}, bind: /var/run/gateway.sock, hosts: ['*'] }
            - {port: {number: 8443, name: auto, protocol: TLS}, hosts: ['*'], tls: {mode: AUTO_PASSTHROUGH} }
            """) + Virtual("v", "['*']", "[own]", "http: [{route: [{destination: {host: a, port: {number: 80} } }]}]"));
        Assert.Equal(200, (await _gateway.GetAsync(null, "x.example", port: 8080)).Status);
        await Assert.ThrowsAnyAsync<Exception>(() => _gateway.GetAsync(null, "x.example", port: 8081));
        await Assert.ThrowsAnyAsync<Exception>(async () => await _gateway.ConnectAsync("x.example"));
        await _gateway.Mesh.LoggedAsync("bound of Istio's Gateway app/own");
        await _gateway.Mesh.LoggedAsync("TLS of mode AUTO_PASSTHROUGH is not supported");
    }

    [Fact]
    public async Task Bind_IsWhereAPortListens_AndOnePortHasOne()
    {
        await _gateway.AddBackendAsync("a");
        var bound = _gateway.Mesh.NewAddress();
        await _gateway.StartAsync(Host + Istio("own", $$"""
            - {port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*'] }
            - {port: {number: 8081, name: bound, protocol: HTTP}, bind: {{bound}}, hosts: ['*'] }
            - {port: {number: 8081, name: elsewhere, protocol: HTTP}, hosts: [other.example] }
            """) + Virtual("v", "['*']", "[own]", "http: [{route: [{destination: {host: a, port: {number: 80} } }]}]"));

        Assert.Equal(200, (await _gateway.GetAsync(null, "x.example", port: 8080)).Status);
        await Assert.ThrowsAnyAsync<Exception>(() => _gateway.GetAsync(null, "x.example", port: 8081));
        using var client = new HttpClient();
        Assert.StartsWith("a HTTP/1.1 ", await client.GetStringAsync(new Uri($"http://{bound}:8081/")), StringComparison.Ordinal);
        await _gateway.Mesh.LoggedAsync($"bind to the gateway's own address conflicts on port 8081 with {bound}");
    }

    [Fact]
    public async Task Files_AreShown_AndReadAgainWhenTheyChange()
    {
        using var certificate = TestCertificates.Leaf(_gateway.Authority, "first", ["v.example"]);
        using var renewed = TestCertificates.Leaf(_gateway.Authority, "renewed", ["v.example"]);
        using var friend = TestCertificates.Leaf(_gateway.Authority, "friend", ["friend.example"]);
        using var stranger = TestCertificates.Leaf(_gateway.Stranger, "stranger", ["friend.example"]);
        var folder = Directory.CreateTempSubdirectory("ambient-files-").FullName;
        try
        {
            await _gateway.AddBackendAsync("a");
            Put("tls.crt", certificate.ExportCertificatePem());
            Put("tls.key", TestCertificates.KeyOf(certificate));
            Put("ca.crt", _gateway.Authority.ExportCertificatePem());
            var files = $"serverCertificate: {folder}/tls.crt, privateKey: {folder}/tls.key";
            await _gateway.StartAsync(Host + Istio("own", $$"""
                - {port: {number: 8443, name: https, protocol: HTTPS}, hosts: [v.example], tls: {mode: SIMPLE, {{files}} } }
                - {port: {number: 8444, name: mutual, protocol: HTTPS}, hosts: [v.example], tls: {mode: MUTUAL, {{files}}, caCertificates: {{folder}}/ca.crt} }
                - {port: {number: 8445, name: missing, protocol: HTTPS}, hosts: [v.example], tls: {mode: SIMPLE, serverCertificate: {{folder}}/no.crt, privateKey: {{folder}}/tls.key} }
                - {port: {number: 8446, name: half, protocol: HTTPS}, hosts: [v.example], tls: {mode: MUTUAL, {{files}} } }
                """) + Virtual("v", "['*']", "[own]", "http: [{route: [{destination: {host: a, port: {number: 80} } }]}]"));

            Assert.Equal("CN=first", (await _gateway.ShownAsync("v.example"))?.Subject);
            Assert.Equal(200, (await _gateway.GetAsync("v.example", "v.example", port: 8444, client: friend)).Status);
            await Assert.ThrowsAnyAsync<Exception>(() => _gateway.GetAsync("v.example", "v.example", port: 8444));
            await Assert.ThrowsAnyAsync<Exception>(() => _gateway.GetAsync("v.example", "v.example", port: 8444, client: stranger));
            await Assert.ThrowsAnyAsync<Exception>(() => _gateway.GetAsync("v.example", "v.example", port: 8445));
            await Assert.ThrowsAnyAsync<Exception>(() => _gateway.GetAsync("v.example", "v.example", port: 8446));
            await _gateway.Mesh.LoggedAsync($"{folder}/no.crt is not there");
            await _gateway.Mesh.LoggedAsync("clients cannot be verified: caCertificates names no file");

            // The certificate before the key: for a while they do not fit, and what was shown stays.
            Put("tls.crt", renewed.ExportCertificatePem());
            Put("tls.key", TestCertificates.KeyOf(renewed));
            Assert.Equal("CN=renewed", await ManifestGateway.EventuallyAsync(async () => (await _gateway.ShownAsync("v.example"))?.Subject, subject => subject == "CN=renewed"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        void Put(string name, string text)
        {
            File.WriteAllText(Path.Combine(folder, name + ".new"), text);
            File.Move(Path.Combine(folder, name + ".new"), Path.Combine(folder, name), overwrite: true);
        }
    }

    [Fact]
    public async Task Port_IsThatOfTheService_WhichLeadsToThePod()
    {
        await _gateway.AddBackendAsync("a");
        await _gateway.StartAsync(Host + """
            apiVersion: v1
            kind: Service
            metadata: {name: ingress, namespace: app}
            spec: {selector: {gateway.networking.k8s.io/gateway-name: gw}, ports: [{name: http, port: 80, targetPort: 8085}]}
            ---

            """ + Istio("own", "- {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*'] }")
            + Virtual("v", "['*']", "[own]", "http: [{match: [{port: 80}], route: [{destination: {host: a, port: {number: 80} } }]}]"));
        Assert.Equal(200, (await _gateway.GetAsync(null, "x.example", port: 8085)).Status);
    }

    [Fact]
    public async Task PodsOfNoOtherGateway_AreOneByThemselves()
    {
        await _gateway.AddBackendAsync("a");
        await _gateway.StartAsync($$"""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: gw, namespace: app}
            spec:
              selector: {matchLabels: {istio: ingressgateway} }
              template:
                metadata: {labels: {istio: ingressgateway}, annotations: {ambient.dev/address: {{_gateway.Address}} } }
                spec: {serviceAccountName: ingress, containers: [{name: c, image: c}]}
            ---

            """ + Istio("own", "- {port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*'] }", "istio: ingressgateway")
            + Istio("not-mine", "- {port: {number: 8081, name: http, protocol: HTTP}, hosts: ['*'] }", "istio: egressgateway")
            + Virtual("v", "['*']", "[own, not-mine]", "http: [{route: [{destination: {host: a, port: {number: 80} } }]}]"));
        Assert.Equal(200, (await _gateway.GetAsync(null, "x.example", port: 8080)).Status);
        await Assert.ThrowsAnyAsync<Exception>(() => _gateway.GetAsync(null, "x.example", port: 8081));
    }

    [Fact]
    public async Task Connections_GoByPortAddressAndWeight()
    {
        _gateway.AddEcho("a");
        _gateway.AddEcho("b");
        _gateway.AddEcho("c");
        await _gateway.StartAsync(Host + Istio("own", """
            - {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ['*'] }
            - {port: {number: 9001, name: more, protocol: TCP}, hosts: ['*'] }
            - {port: {number: 9002, name: none, protocol: TCP}, hosts: ['*'] }
            """) + Virtual("v", "['*']", "[own]", $$"""
                tcp:
                - {match: [{port: 9000, sourceSubnet: 10.0.0.0/8}, {port: 9000, destinationSubnets: [10.0.0.0/8, 11.0.0.1]}, {gateways: [another]}], route: [{destination: {host: c, port: {number: 81} } }]}
                - {match: [{port: 9000, sourceSubnet: 127.0.0.0/8, destinationSubnets: [{{_gateway.Address}}]}], route: [{destination: {host: a, port: {number: 81} } }]}
                - {match: [{port: 9001}], route: [{destination: {host: a, port: {number: 81} }, weight: 50}, {destination: {host: b, port: {number: 81} }, weight: 50}, {destination: {host: c, port: {number: 81} }, weight: 0}]}
                - {match: [{port: 9002, sourceLabels: {app: any} }], route: [{destination: {host: c, port: {number: 81} } }]}
                """));
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("a\nhello", await _gateway.SayAsync(9000, "hello"));
        }

        var seen = new HashSet<string>();
        for (var i = 0; i < 60; i++)
        {
            seen.Add(await _gateway.SayAsync(9001, ""));
        }

        Assert.Equal(["a\n", "b\n"], seen.Order());
        await Assert.ThrowsAnyAsync<Exception>(async () => Assert.NotEmpty(await _gateway.SayAsync(9002, "hello")));
    }

    [Fact]
    public async Task ConnectionsInTls_GoByTheMostSpecificServerName_AndToASubset()
    {
        foreach (var name in new[] { "a", "b", "c" })
        {
            await _gateway.AddBackendAsync(name, TestCertificates.Leaf(_gateway.Authority, name, ["x.w.example"]));
        }

        await _gateway.StartAsync(Host + Istio("own", "- {port: {number: 8443, name: tls, protocol: TLS}, hosts: ['*.w.example'], tls: {mode: PASSTHROUGH} }")
            + Virtual("v", "['*.w.example']", "[own]", """
                tls:
                - {match: [{sniHosts: ['*.w.example']}], route: [{destination: {host: a, port: {number: 443} } }]}
                - {match: [{port: 1, sniHosts: [x.w.example]}], route: [{destination: {host: a, port: {number: 443} } }]}
                - {match: [{port: 8443, sniHosts: [x.w.example, y.w.example]}], route: [{destination: {host: b, port: {number: 443} } }]}
                - {match: [{sniHosts: [c.w.example]}], route: [{destination: {host: c, subset: there, port: {number: 443} } }]}
                - {match: [{sniHosts: [d.w.example]}], route: [{destination: {host: c, subset: nobody, port: {number: 443} } }]}
                - {match: [{sniHosts: [e.other.example]}], route: [{destination: {host: c, port: {number: 443} } }]}
                """)
            + """
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {name: c, namespace: app}
            spec: {host: c, subsets: [{name: there, labels: {app: c} }, {name: nobody, labels: {app: x} }]}
            """);
        Assert.Equal("CN=b", (await _gateway.ShownAsync("x.w.example"))?.Subject);
        Assert.Equal("CN=b", (await _gateway.ShownAsync("y.w.example"))?.Subject);
        Assert.Equal("CN=a", (await _gateway.ShownAsync("z.w.example"))?.Subject);
        Assert.Equal("CN=c", (await _gateway.ShownAsync("c.w.example"))?.Subject);
        Assert.Null(await _gateway.ShownAsync("d.w.example"));
        Assert.Null(await _gateway.ShownAsync("e.other.example"));
    }

    // The Gateway whose pod serves them all; its own listener is on a port that no test asks for anything else.
    private string Host => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: gw, namespace: app}
        spec:
          gatewayClassName: istio
          {{_gateway.Infrastructure}}
          listeners:
          - {name: plain, port: 8079, protocol: HTTP}
        ---

        """;

    private static string Istio(string name, string servers, string selector = "gateway.networking.k8s.io/gateway-name: gw") => $$"""
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: {name: {{name}}, namespace: app}
        spec:
          selector: { {{selector}} }
          servers:
        {{string.Join('\n', servers.Trim().Split('\n').Select(line => "  " + line.Trim()))}}
        ---

        """;

    private static string Virtual(string name, string hosts, string gateways, string rules, string ns = "app") =>
        $"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: {ns}}}\nspec:\n  hosts: {hosts}\n  gateways: {gateways}\n"
        + string.Join('\n', rules.Trim().Split('\n').Select(line => "  " + line.Trim())) + "\n---\n";

    private async Task<string?> ByAsync(string host, int port = 8080)
    {
        using var http = _gateway.Client(null, port);
        using var response = await http.GetAsync(new Uri($"http://{host}/"));
        return response.IsSuccessStatusCode ? response.Headers.GetValues("by").Single() : null;
    }
}
