using System.Diagnostics.CodeAnalysis;

namespace Ambient.Node.Tests.Gateway;

/// <summary>ListenerSets, from manifest to answer. Tests that stand for one of the Gateway API's conformance suite have its name.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class ListenerSetTests : IAsyncLifetime
{
    private readonly ManifestGateway _gateway = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _gateway.DisposeAsync();

    [Fact]
    public async Task ListenerSetAllowedRoutesNamespaces()
    {
        await AddBackendsAsync();
        await _gateway.StartAsync(Gateway("All", "gateway-listener.com")
            + Namespace("chosen", "allowed: ns") + Namespace("stranger", "other: ns") + Namespace("cross", "other: ns")
            + Set("set", "app", "2024-01-01T00:00:00Z",
                "{name: all, port: 8080, protocol: HTTP, hostname: all.com, allowedRoutes: {namespaces: {from: All}}}",
                "{name: same, port: 8080, protocol: HTTP, hostname: same.com}",
                "{name: selector, port: 8080, protocol: HTTP, hostname: selector.com, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {allowed: ns}}}}}")
            + Set("crossing", "cross", "2024-01-01T00:00:00Z", "{name: same, port: 8080, protocol: HTTP, hostname: cross.com}")
            + Route("same", "app", "/same", "v1", ToSet("set")) + Route("chosen", "chosen", "/chosen", "v2", ToSet("set")) + Route("stranger", "stranger", "/stranger", "v3", ToSet("set"))
            + Route("crossing", "cross", "/cross", "v1", ToSet("crossing", "cross")) + Route("home", "app", "/home", "v2", ToSet("crossing", "cross"))
            + Grant("chosen", "stranger", "cross"));
        foreach (var (host, path, backend) in new[]
        {
            ("all.com", "/same", "v1"), ("all.com", "/chosen", "v2"), ("all.com", "/stranger", "v3"),
            ("same.com", "/same", "v1"), ("same.com", "/chosen", null), ("same.com", "/stranger", null),
            ("selector.com", "/same", null), ("selector.com", "/chosen", "v2"), ("selector.com", "/stranger", null),
            ("cross.com", "/cross", "v1"), ("cross.com", "/home", null), ("gateway-listener.com", "/same", null),
        })
        {
            Assert.Equal((host, path, backend), (host, path, await BackendAsync(host, path)));
        }
    }

    [Fact]
    public async Task ListenerSetHTTPRouting()
    {
        await AddBackendsAsync();
        static string Listeners(string prefix) => $"{{name: {prefix}-listener-1, port: 8080, protocol: HTTP, hostname: {prefix}-listener-1.com}}, {{name: {prefix}-listener-2, port: 8080, protocol: HTTP, hostname: {prefix}-listener-2.com}}";
        await _gateway.StartAsync(
            Gateway("Same", "gateway-listener-1.com").Replace("name: http, port", "name: gateway-listener-1, port", StringComparison.Ordinal)
                .Replace("gateway-listener-1.com }\n", "gateway-listener-1.com }\n  - {name: gateway-listener-2, port: 8080, protocol: HTTP, hostname: gateway-listener-2.com}\n", StringComparison.Ordinal)
            + Set("set-1", "app", "2024-01-01T00:00:00Z", Listeners("set-1")) + Set("set-2", "app", "2024-01-02T00:00:00Z", Listeners("set-2"))
            + Route("all", "app", "/route", "v1", $"{{name: gw}}, {ToSet("set-1")}, {ToSet("set-2")}")
            + Route("gateway", "app", "/gateway-route", "v2", "{name: gw}")
            + Route("gateway-section", "app", "/gateway-section-route", "v3", "{name: gw, sectionName: gateway-listener-1}")
            + Route("first", "app", "/set-1-route", "v2", ToSet("set-1"))
            + Route("first-section", "app", "/set-1-section-route", "v3", ToSet("set-1", section: "set-1-listener-1"))
            + Route("second", "app", "/set-2-route", "v2", ToSet("set-2")));
        string[] hosts = ["gateway-listener-1.com", "gateway-listener-2.com", "set-1-listener-1.com", "set-1-listener-2.com", "set-2-listener-1.com", "set-2-listener-2.com"];
        foreach (var (path, backends) in new (string, string?[])[]
        {
            ("/route", ["v1", "v1", "v1", "v1", "v1", "v1"]),
            ("/gateway-route", ["v2", "v2", null, null, null, null]),
            ("/gateway-section-route", ["v3", null, null, null, null, null]),
            ("/set-1-route", [null, null, "v2", "v2", null, null]),
            ("/set-1-section-route", [null, null, "v3", null, null, null]),
            ("/set-2-route", [null, null, null, null, "v2", "v2"]),
        })
        {
            foreach (var (host, backend) in hosts.Zip(backends))
            {
                Assert.Equal((host, path, backend), (host, path, await BackendAsync(host, path)));
            }
        }
    }

    [Fact]
    public async Task ListenerSetDualParentRefIndependence_AndGatewayParentSectionNameNotFound()
    {
        await AddBackendsAsync();
        await _gateway.StartAsync(Gateway("Same", "gw-dual.com")
            + Set("set", "app", "2024-01-01T00:00:00Z", "{name: ls-listener, port: 8080, protocol: HTTP, hostname: ls-dual.com}")
            + Route("both", "app", "/both", "v1", "{name: gw}, " + ToSet("set"))
            + Route("one", "app", "/one", "v2", "{name: gw, sectionName: ls-listener}, " + ToSet("set", section: "ls-listener"))
            + Route("bad", "app", "/bad", "v3", "{name: gw, sectionName: ls-listener}"));
        Assert.Equal("v1", await BackendAsync("gw-dual.com", "/both"));
        Assert.Equal("v1", await BackendAsync("ls-dual.com", "/both"));
        Assert.Null(await BackendAsync("gw-dual.com", "/one"));
        Assert.Equal("v2", await BackendAsync("ls-dual.com", "/one"));
        Assert.Null(await BackendAsync("ls-dual.com", "/bad"));
        await _gateway.Mesh.LoggedAsync("HTTPRoute app/bad does not attach to Gateway app/gw: no listener is named ls-listener");
    }

    [Theory]
    [InlineData(null, "app", false)]
    [InlineData("None", "app", false)]
    [InlineData("Same", "app", true)]
    [InlineData("Same", "cross", false)]
    [InlineData("All", "cross", true)]
    [InlineData("Selector, selector: {matchLabels: {allowed: ns}}", "cross", true)]
    [InlineData("Selector, selector: {matchLabels: {allowed: other}}", "cross", false)]
    public async Task ListenerSetAllowedNamespaces_NoneByDefault(string? allowed, string ns, bool taken)
    {
        await AddBackendsAsync();
        await _gateway.StartAsync(Gateway(allowed, "gateway.com") + Namespace("cross", "allowed: ns")
            + Set("set", ns, "2024-01-01T00:00:00Z", "{name: more, port: 8081, protocol: HTTP, hostname: set.com}")
            + Route("route", ns, "/", "v1", ToSet("set", ns)) + Grant("cross"));
        if (taken)
        {
            Assert.Equal("v1", await BackendAsync("set.com", "/", 8081));
        }
        else
        {
            await _gateway.Mesh.LoggedAsync($"listener more of ListenerSet {ns}/set of Gateway app/gw is not served: the Gateway takes no ListenerSets of namespace {ns}");
            await Assert.ThrowsAsync<HttpRequestException>(() => BackendAsync("set.com", "/", 8081));
        }
    }

    [Fact]
    public async Task ListenerSetHostnameAndProtocolConflict_TheGatewayFirst_ThenTheOldest()
    {
        await AddBackendsAsync();
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "web", ["secure.com"]));
        await _gateway.StartAsync(Gateway("Same", "gateway.com")
            + Set("a-younger", "app", "2024-02-01T00:00:00Z", "{name: one, port: 8080, protocol: HTTP, hostname: shared.com}", "{name: clear, port: 8443, protocol: HTTP, hostname: clear.com}")
            + Set("b-older", "app", "2024-01-01T00:00:00Z", "{name: one, port: 8080, protocol: HTTP, hostname: shared.com}", "{name: two, port: 8080, protocol: HTTP, hostname: gateway.com}",
                "{name: secure, port: 8443, protocol: HTTPS, hostname: secure.com, tls: {certificateRefs: [{name: web}]}}", "{name: tcp, port: 8080, protocol: TCP}")
            + Route("gateway", "app", "/", "v1", "{name: gw}") + Route("younger", "app", "/", "v2", ToSet("a-younger")) + Route("older", "app", "/", "v3", ToSet("b-older")));
        Assert.Equal("v1", await BackendAsync("gateway.com", "/"));
        Assert.Equal("v3", await BackendAsync("shared.com", "/"));
        Assert.StartsWith("v3 ", (await _gateway.GetAsync("secure.com", "secure.com")).Body, StringComparison.Ordinal);
        await _gateway.Mesh.LoggedAsync("listener two of ListenerSet app/b-older of Gateway app/gw is not served: listener http has the same port and host name");
        await _gateway.Mesh.LoggedAsync("listener one of ListenerSet app/a-younger of Gateway app/gw is not served: listener one of ListenerSet app/b-older has the same port and host name");
        await _gateway.Mesh.LoggedAsync("listener clear of ListenerSet app/a-younger of Gateway app/gw is not served: protocol HTTP conflicts on port 8443 with TLS of secure of ListenerSet app/b-older");
        await _gateway.Mesh.LoggedAsync("listener tcp of ListenerSet app/b-older of Gateway app/gw is not served: protocol TCP conflicts on port 8080 with HTTP of http");
    }

    [Fact]
    public async Task ListenerSetReferenceGrant_IsAskedForTheSetsNamespace_NotTheGateways()
    {
        await AddBackendsAsync();
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "web", ["a.com"]));
        await _gateway.StartAsync(Gateway("All", "gateway.com") + Namespace("cross", "allowed: ns")
            + Set("set", "cross", "2024-01-01T00:00:00Z", "{name: secure, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web, namespace: app}]}}")
            + Route("route", "cross", "/", "v1", ToSet("set", "cross")) + Grant("cross"));
        await _gateway.Mesh.LoggedAsync("listener secure of ListenerSet cross/set of Gateway app/gw is not served: certificate Secret app/web is in another namespace");
        _gateway.Write("secrets.yaml", """
            apiVersion: gateway.networking.k8s.io/v1
            kind: ReferenceGrant
            metadata: {name: secrets, namespace: app}
            spec: {from: [{group: gateway.networking.k8s.io, kind: ListenerSet, namespace: cross}], to: [{group: '', kind: Secret}]}
            """);
        Assert.NotNull(await ManifestGateway.EventuallyAsync(() => _gateway.ShownAsync("a.com"), shown => shown is not null));
        Assert.Equal(200, (await _gateway.GetAsync("a.com", "a.com")).Status);
    }

    [Fact]
    public async Task ListenerSet_ThatComesAndGoes_OpensAndClosesItsPort()
    {
        await AddBackendsAsync();
        await _gateway.StartAsync(Gateway("Same", "gateway.com") + Route("route", "app", "/", "v1", ToSet("set")));
        _gateway.Write("set.yaml", Set("set", "app", "2024-01-01T00:00:00Z", "{name: more, port: 8081, protocol: HTTP}"));
        Assert.Equal("v1", await ManifestGateway.EventuallyAsync(() => TryAsync(8081), backend => backend is not null));
        _gateway.Remove("set.yaml");
        Assert.Null(await ManifestGateway.EventuallyAsync(() => TryAsync(8081), backend => backend is null));

        async Task<string?> TryAsync(int port)
        {
            try
            {
                return await BackendAsync("any.com", "/", port);
            }
            catch (HttpRequestException)
            {
                return null;
            }
        }
    }

    private static string ToSet(string set, string ns = "app", string? section = null) =>
        $"{{group: gateway.networking.k8s.io, kind: ListenerSet, name: {set}, namespace: {ns}{(section is null ? "" : $", sectionName: {section}")}}}";

    private static string Set(string name, string ns, string created, params string[] listeners) => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: ListenerSet
        metadata: {name: {{name}}, namespace: {{ns}}, creationTimestamp: "{{created}}"}
        spec: {parentRef: {name: gw, namespace: app}, listeners: [{{string.Join(", ", listeners)}}]}
        ---

        """;

    private static string Route(string name, string ns, string path, string backend, string parents) => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: {{name}}, namespace: {{ns}} }
        spec: {parentRefs: [{{parents}}], rules: [{matches: [{path: {value: {{path}} } }], backendRefs: [{name: {{backend}}, namespace: app, port: 80}]}]}
        ---

        """;

    private static string Namespace(string name, string label) => $"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{label}}}}}\n---\n";

    private static string Grant(params string[] namespaces) => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: ReferenceGrant
        metadata: {name: services, namespace: app}
        spec: {from: [{{string.Join(", ", namespaces.Select(ns => $"{{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: {ns}}}"))}}], to: [{group: '', kind: Service}]}
        ---

        """;

    private string Gateway(string? allowed, string hostname) => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: gw, namespace: app}
        spec:
          gatewayClassName: istio
          {{_gateway.Infrastructure}}
          {{(allowed is null ? "" : $"allowedListeners: {{namespaces: {{from: {allowed}}}}}")}}
          listeners:
          - {name: http, port: 8080, protocol: HTTP, hostname: {{hostname}} }
        ---

        """;

    private async Task AddBackendsAsync()
    {
        foreach (var name in new[] { "v1", "v2", "v3" })
        {
            await _gateway.AddBackendAsync(name);
        }
    }

    /// <summary>Who answers; null: nobody, with 404.</summary>
    private async Task<string?> BackendAsync(string host, string path, int port = 8080)
    {
        var (status, body) = await _gateway.GetAsync(null, host, path, port);
        Assert.True(status is 200 or 404, $"{host}{path}: {status}");
        return status == 404 ? null : body.Split(' ')[0];
    }
}
