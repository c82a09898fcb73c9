using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Node.Tests.Gateway;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Waypoint;

/// <summary>What is outside of the mesh, behind a waypoint: ServiceEntries of every resolution, from manifest to answer, and who sees them.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class EgressTests : IAsyncLifetime
{
    private readonly ManifestGateway _kit = new();
    private readonly ConcurrentQueue<string> _asked = new();
    private readonly Dictionary<string, IPAddress[]> _names = new(StringComparer.Ordinal);

    public Task InitializeAsync()
    {
        _kit.Mesh.ResolveNames = (name, _) =>
        {
            _asked.Enqueue(name);
            return _names.TryGetValue(name, out var addresses) ? Task.FromResult(addresses) : Task.FromException<IPAddress[]>(new SocketException((int)SocketError.HostNotFound));
        };
        return Task.CompletedTask;
    }

    public async Task DisposeAsync() => await _kit.DisposeAsync();

    [Fact]
    public async Task Dns_EndpointsAreFoundByTheirNames()
    {
        _names["a.outside.example"] = [await _kit.AddBackendAsync("a", ns: "outside")];
        _names["b.outside.example"] = [IPAddress.Parse("127.255.255.1"), await _kit.AddBackendAsync("b", ns: "outside")];
        await _kit.StartWaypointAsync(Waypoint + Entry("named", "hosts: [a.outside.example], resolution: DNS, ports: [{name: http, number: 80, targetPort: 8080, protocol: HTTP}]")
            + Entry("endpoints", "hosts: [api.example], resolution: DNS, ports: [{name: http, number: 80, protocol: HTTP}], endpoints: [{address: b.outside.example, ports: {http: 8080}}]")
            + Entry("lost", "hosts: [lost.example], resolution: DNS, ports: [{name: http, number: 80, protocol: HTTP}]"));
        Assert.StartsWith("a HTTP/1.1 ", await GetAsync("a.outside.example", "any"), StringComparison.Ordinal);
        for (var i = 0; i < 6; i++)
        {
            // An address that does not answer is passed over.
            Assert.StartsWith("b HTTP/1.1 ", await GetAsync("api.example", "any"), StringComparison.Ordinal);
        }

        Assert.Equal("503", await GetAsync("lost.example", "any"));
        await _kit.Mesh.LoggedAsync("lost.example has no address");
    }

    [Fact]
    public async Task DynamicDns_DialsTheHostThatTheRequestNames_AndNothingOutsideOfTheWildcard()
    {
        _names["a.wild.example"] = [await _kit.AddBackendAsync("a", ns: "outside")];
        _names["deep.b.wild.example"] = [await _kit.AddBackendAsync("b", ns: "outside")];
        _names["other.example"] = _names["a.wild.example"];
        await _kit.StartWaypointAsync(Waypoint + Entry("wild", "hosts: ['*.wild.example'], resolution: DYNAMIC_DNS, ports: [{name: http, number: 80, targetPort: 8080, protocol: HTTP}]"));
        Assert.StartsWith("a HTTP/1.1 ", await GetAsync("*.wild.example", "a.wild.example"), StringComparison.Ordinal);
        Assert.StartsWith("a HTTP/1.1 ", await GetAsync("*.wild.example", "A.Wild.Example:80"), StringComparison.Ordinal);
        Assert.StartsWith("b HTTP/1.1 ", await GetAsync("*.wild.example", "deep.b.wild.example"), StringComparison.Ordinal);
        foreach (var host in new[] { "other.example", "wild.example", "xwild.example", "a..wild.example", ".wild.example", "a%2f.wild.example", "127.0.0.1" })
        {
            Assert.Contains(await GetAsync("*.wild.example", host), new[] { "404", "400" });
        }

        Assert.Equal("503", await GetAsync("*.wild.example", "unknown.wild.example"));
        Assert.Equal(["a.wild.example", "deep.b.wild.example", "unknown.wild.example"], _asked.Distinct().Order());
        await _kit.Mesh.LoggedAsync("dst.addr=\"a.wild.example:8080\"");
    }

    [Fact]
    public async Task Static_OfAWildcard_HasItsEndpoints_WhateverHostIsNamed()
    {
        var address = await _kit.AddBackendAsync("a", ns: "outside");
        await _kit.StartWaypointAsync(Waypoint + Entry(
            "wild", $"hosts: ['*.wild.example'], addresses: [240.240.1.1], resolution: STATIC, ports: [{{name: http, number: 80, targetPort: 8080, protocol: HTTP}}], endpoints: [{{address: {address}}}]"));
        Assert.StartsWith("a HTTP/1.1 ", await GetAsync("*.wild.example", "a.wild.example"), StringComparison.Ordinal);
        Assert.StartsWith("a HTTP/1.1 ", await GetAsync("*.wild.example", "other.example"), StringComparison.Ordinal);
        Assert.Empty(_asked);
    }

    [Fact]
    public async Task DynamicDns_InTls_DialsTheServerName_AndVerifiesThatNameWhereTlsIsMade()
    {
        using var certificate = TestCertificates.Leaf(_kit.Authority, "a", ["a.wild.example"]);
        _names["a.wild.example"] = _names["b.wild.example"] = [await _kit.AddBackendAsync("a", certificate, ns: "outside")];
        _kit.WriteCredential("root", _kit.Authority);
        await _kit.StartWaypointAsync(Waypoint + Entry("wild", """
            hosts: ['*.wild.example'], resolution: DYNAMIC_DNS, ports: [{name: tls, number: 443, targetPort: 8443, protocol: TLS}, {name: http, number: 80, targetPort: 8443, protocol: HTTP}]
            """) + """
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {name: wild, namespace: app}
            spec: {host: '*.wild.example', trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE, credentialName: root}}]}}
            """);
        Assert.Equal("CN=a", await ShownAsync("*.wild.example", 443, "a.wild.example"));
        await Assert.ThrowsAnyAsync<Exception>(() => ShownAsync("*.wild.example", 443, "a.other.example"));
        Assert.Contains("sni=a.wild.example ", await GetAsync("*.wild.example", "a.wild.example"), StringComparison.Ordinal);
        Assert.Equal("503", await GetAsync("*.wild.example", "b.wild.example"));
        await _kit.Mesh.LoggedAsync("the endpoint's certificate is not for b.wild.example");
    }

    [Fact]
    public async Task None_GoesToTheAddressThatTheClientMeant()
    {
        var (one, two) = (await _kit.AddBackendAsync("a", ns: "outside"), await _kit.AddBackendAsync("b", ns: "outside"));
        var range = $"{one.ToString()[..one.ToString().LastIndexOf('.')]}.0/24";
        await _kit.StartWaypointAsync(Waypoint + Entry("range", $"hosts: [range.example], addresses: [{range}], resolution: NONE, ports: [{{name: http, number: 8080, protocol: HTTP}}]"));
        Assert.StartsWith("a HTTP/1.1 ", await GetAsync("range.example", "any", 8080, one), StringComparison.Ordinal);
        Assert.StartsWith("b HTTP/1.1 ", await GetAsync("range.example", "any", 8080, two), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ExportTo_SaysWhoSeesServices()
    {
        await _kit.AddBackendAsync("a");
        await _kit.StartWaypointAsync(Waypoint + """
            apiVersion: v1
            kind: Service
            metadata: {name: own, namespace: app, annotations: {networking.istio.io/exportTo: '., third'} }
            spec: {selector: {app: a}, ports: [{name: http, port: 80, targetPort: 8080}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: hidden, namespace: app, annotations: {networking.istio.io/exportTo: '~'} }
            spec: {selector: {app: a}, ports: [{name: http, port: 80, targetPort: 8080}]}
            ---

            """ + Entry("all", "hosts: [all.example], resolution: STATIC, exportTo: ['*'], ports: [{name: http, number: 80, protocol: HTTP}]")
            + Entry("dot", "hosts: [dot.example], resolution: STATIC, exportTo: ['.'], ports: [{name: http, number: 80, protocol: HTTP}]")
            + Entry("named", "hosts: [named.example], resolution: STATIC, exportTo: [other], ports: [{name: http, number: 80, protocol: HTTP}]")
            + Entry("none", "hosts: [none.example], resolution: STATIC, exportTo: ['~'], ports: [{name: http, number: 80, protocol: HTTP}]"));
        var mesh = _kit.Mesh.Store.Current;
        foreach (var (host, seenBy) in new[]
        {
            ("all.example", "app other third"), ("dot.example", "app"), ("named.example", "app other"), ("none.example", ""), ("own.app.svc.cluster.local", "app third"), ("hidden.app.svc.cluster.local", ""),
        })
        {
            Assert.Equal(seenBy, string.Join(' ', new[] { "app", "other", "third" }.Where(ns => mesh.FindServiceByHostname(host, ns) is not null)));
            if (mesh.Services.TryGetValue($"app/{host}", out var service))
            {
                Assert.Equal(seenBy, string.Join(' ', new[] { "app", "other", "third" }.Where(ns => mesh.FindService("", service.Vips[0].Address, ns) is not null)));
            }
        }
    }

    [Fact]
    public async Task MeshConfig_SaysWhereObjectsAreExportedToThatDoNot()
    {
        await _kit.AddBackendAsync("a");
        await _kit.StartWaypointAsync(Waypoint + """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: istio, namespace: istio-system}
            data:
              mesh: |
                defaultServiceExportTo: ['.']
                defaultVirtualServiceExportTo: [third]
                defaultDestinationRuleExportTo: ['.']
            ---
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: v, namespace: app}
            spec: {hosts: [a], http: [{fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, route: [{destination: {host: a}}]}]}
            ---
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {name: r, namespace: app}
            spec: {host: a}
            """);
        var mesh = _kit.Mesh.Store.Current;
        Assert.Null(mesh.FindServiceByHostname("a.app.svc.cluster.local", "other"));
        Assert.NotNull(mesh.FindServiceByHostname("a.app.svc.cluster.local", "app"));
        Assert.Equal("app", Assert.Single(mesh.Requests.DestinationRules["app/r"].ExportTo));

        // A VirtualService that is not exported to the waypoint's namespace has no say there.
        Assert.StartsWith("a HTTP/1.1 ", await GetAsync("a.app.svc.cluster.local", "a"), StringComparison.Ordinal);
    }

    private static string Waypoint => """
        apiVersion: v1
        kind: Namespace
        metadata: {name: app, labels: {istio.io/use-waypoint: waypoint} }
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: waypoint, namespace: app}
        spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
        ---

        """;

    private static string Entry(string name, string spec) =>
        $"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: app}}\nspec: {{location: MESH_EXTERNAL, {spec.Trim()}}}\n---\n";

    /// <summary>The body of the answer, or its status where that is none of success.</summary>
    private async Task<string> GetAsync(string service, string host, int port = 80, IPAddress? address = null)
    {
        var meant = _kit.Mesh.Store.Current.Services[$"app/{service}"];
        using var client = _kit.Mesh.ThroughWaypoint(TestMesh.Id("sleep"), address is null ? meant : meant with { Vips = [new NetworkAddress("", address)] }, port);
        client.BaseAddress = new Uri($"http://any:{port}");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.TryAddWithoutValidation("Host", host);
        using var response = await client.SendAsync(request);
        return response.IsSuccessStatusCode ? await response.Content.ReadAsStringAsync() : ((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    private async Task<string> ShownAsync(string service, int port, string serverName)
    {
        await using var client = new HboneClient(new HboneClientOptions(), _kit.Mesh.Svids);
        var waypoint = _kit.Mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"];
        await using var tunnel = await client.ConnectAsync(new HboneConnectRequest
        {
            NextHop = new IPEndPoint(waypoint.Addresses[0], 15008),
            Authority = $"{_kit.Mesh.Store.Current.Services[$"app/{service}"].Vips[0].Address}:{port}",
            Source = TestMesh.Id("sleep"),
            AcceptedIdentities = [waypoint.Identity],
        });
        await using var tls = new SslStream(tunnel.AsStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = serverName, RemoteCertificateValidationCallback = static (_, shown, _, _) => shown is not null }).WaitAsync(TimeSpan.FromSeconds(60));
        return tls.RemoteCertificate!.Subject;
    }
}
