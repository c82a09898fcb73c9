using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Tests.Discovery;
using Ambient.Node.Tests.Requests;
using Ambient.Node.Tests.Requests.Tokens;

namespace Ambient.Node.Tests.Gateway;

/// <summary>Routes that ask for claims: only what a verified token says is compared, and only at gateways.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class GatewayClaimTests : IAsyncLifetime
{
    private readonly TestMesh _mesh = new();
    private readonly TestIssuer _issuer = new TestIssuer().WithRsa("k1");
    private MeshService _web = null!;

    public async Task InitializeAsync()
    {
        foreach (var name in new[] { "web", "admin", "nested", "anybody" })
        {
            var service = _mesh.AddService(name);
            _web = name == "web" ? service : _web;
            await _mesh.AddPodAsync($"{name}-0", name, name);
        }
    }

    public async Task DisposeAsync()
    {
        await _mesh.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Theory]
    [InlineData("""{"groups":["a","admins"]}""", "admin-0")]
    [InlineData("""{"groups":"admins"}""", "admin-0")]
    [InlineData("""{"groups":["admins-not"]}""", "web-0")]
    [InlineData("""{"a.b":{"team":"red-1"}}""", "nested-0")]
    [InlineData("""{"a.b":{"team":1}}""", "web-0")]
    [InlineData("""{"banned":"yes"}""", "")]
    [InlineData(null, "anybody-0")]
    public async Task Claims_ChooseTheBackend(string? claims, string expected)
    {
        Configure(gateway: true);
        using var client = await StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        if (claims is not null)
        {
            request.Headers.Add("authorization", $"Bearer {_issuer.Sign("k1", "RS256", $$"""{"iss":"https://issuer.example","sub":"alice",{{claims[1..]}}""")}");
        }

        using var answer = await client.SendAsync(request);
        Assert.Equal(expected.Length == 0 ? "404 " : $"200 hello from {expected}", $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
    }

    [Fact]
    public async Task TokenOfSomebodyElse_IsNoWayToARoute()
    {
        Configure(gateway: true);
        using var client = await StartAsync();
        await using var stranger = new TestIssuer().WithRsa("k1");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Add("authorization", $"Bearer {stranger.Sign("k1", "RS256", """{"iss":"https://issuer.example","groups":["admins"]}""")}");
        using var answer = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Fact]
    public async Task VirtualService_OfIstiosGateway_ChoosesByClaims_FromManifestToAnswer()
    {
        await using var gateway = new ManifestGateway();
        await gateway.AddBackendAsync("admin");
        await gateway.AddBackendAsync("anybody");
        await gateway.StartAsync($$"""
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: gw, namespace: app}
            spec:
              gatewayClassName: istio
              {{gateway.Infrastructure}}
              listeners: [{name: plain, port: 8079, protocol: HTTP}]
            ---
            apiVersion: networking.istio.io/v1
            kind: Gateway
            metadata: {name: own, namespace: app}
            spec: {selector: {gateway.networking.k8s.io/gateway-name: gw}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}]}
            ---
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: v, namespace: app}
            spec:
              hosts: [a.example]
              gateways: [own]
              http:
              - {match: [{headers: {'@request.auth.claims.groups': {exact: admins} } }], route: [{destination: {host: admin, port: {number: 80} } }]}
              - {route: [{destination: {host: anybody, port: {number: 80} } }]}
            ---
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {name: jwt, namespace: app}
            spec:
              targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]
              jwtRules: [{issuer: "https://issuer.example", jwks: '{{_issuer.Keys()}}'}]
            """);
        foreach (var (groups, backend) in new[] { ("admins", "admin "), ("others", "anybody "), (null, "anybody ") })
        {
            using var client = gateway.Client(null, 8080);
            using var request = new HttpRequestMessage(HttpMethod.Get, "http://a.example/");
            if (groups is not null)
            {
                request.Headers.Add("authorization", $"Bearer {_issuer.Sign("k1", "RS256", $$"""{"iss":"https://issuer.example","groups":["{{groups}}"]}""")}");
            }

            using var answer = await client.SendAsync(request);
            Assert.StartsWith(backend, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Waypoint_DoesNotAskForClaims()
    {
        Configure(gateway: false);
        await _mesh.StartWaypointAsync();
        using var client = _mesh.ThroughWaypoint(TestMesh.Id("sleep"), _web);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Add("authorization", $"Bearer {_issuer.Sign("k1", "RS256", """{"iss":"https://issuer.example","sub":"alice","groups":["admins"]}""")}");
        using var answer = await client.SendAsync(request);
        Assert.Equal("hello from anybody-0", await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("headers: {'@request.auth.claims.a.b': {exact: x}}", "a/b")]
    [InlineData("headers: {'@request.auth.claims[a.b][c]': {prefix: x}}", "a.b/c")]
    [InlineData("withoutHeaders: {'@Request.Auth.Claims[a]': {regex: x}}", "a")]
    [InlineData("headers: {'@request.auth.claims': {exact: x}}", null)]
    [InlineData("headers: {'@request.auth.claims.': {exact: x}}", null)]
    [InlineData("headers: {'@request.auth.claims[a': {exact: x}}", null)]
    [InlineData("headers: {'@request.auth.claims.a..b': {exact: x}}", null)]
    public void Names_AreReadAsPaths(string match, string? path)
    {
        var load = ManifestLoader.LoadText("a.yaml", Virtual(match, "gw"));
        Assert.Equal(path is null, load.Errors.Items.Any(error => error.ToString().Contains("is not a claim", StringComparison.Ordinal)));
        if (path is not null)
        {
            var read = ManifestText.Translate(Virtual(match, "gw")).Requests.HttpRoutes.Values.Single().Rules.Single().Matches.Single();
            Assert.Empty(read.Headers);
            var claim = Assert.Single(read.Claims);
            Assert.Equal(path.Split('/'), claim.Path);
            Assert.Equal(match.StartsWith("without", StringComparison.Ordinal), claim.IsInverted);
        }
    }

    [Fact]
    public void WithoutAGateway_IsAnError() =>
        Assert.Contains("names no gateway", Assert.Single(ManifestText.Errors(Virtual("headers: {'@request.auth.claims.a': {exact: x}}", "mesh"))).ToString(), StringComparison.Ordinal);

    private static string Virtual(string match, string gateway) => $$"""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: v, namespace: app}
        spec: {hosts: [web], gateways: [{{gateway}}], http: [{match: [{ {{match}} }], directResponse: {status: 418} }]}

        """;

    private void Configure(bool gateway) => _mesh.Configure(requests => requests with
    {
        HttpRoutes = requests.HttpRoutes.SetItem("app/route", Route(gateway)),
        RequestAuthentications = requests.RequestAuthentications.SetItem("app/jwt", new RequestAuthentication
        {
            Name = "jwt",
            Namespace = "app",
            Targets = [gateway ? new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw") : new ObjectReference("", "Service", "app", "web")],
            Rules = [new JwtRule { Issuer = "https://issuer.example", Jwks = _issuer.Keys() }],
        }),
    });

    private static HttpRoute Route(bool gateway) => new()
    {
        Name = "route",
        Namespace = "app",
        ParentRefs = [gateway ? new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "gw") : new ObjectReference("", "Service", "app", "web")],
        Rules =
        [
            Rule("admin", new ClaimMatch(["groups"], TextMatch.Exact("admins"))),
            Rule("nested", new ClaimMatch(["a.b", "team"], new TextMatch(TextMatchKind.Prefix, "red"))),
            Rule("web", new ClaimMatch(["sub"], new TextMatch(TextMatchKind.RegularExpression, "a.*")), new ClaimMatch(["banned"], TextMatch.Exact("yes")) { IsInverted = true }),
            Rule("anybody", new ClaimMatch(["sub"], new TextMatch(TextMatchKind.Present, "")) { IsInverted = true }),
        ],
    };

    private static TrafficRule Rule(string backend, params ClaimMatch[] claims) => new()
    {
        Matches = [new TrafficMatch { Claims = [.. claims] }],
        Action = new ForwardAction { Backends = [new TrafficBackend(new ObjectReference("", "Service", "app", backend, Port: 80), 1)] },
    };

    private async Task<HttpClient> StartAsync()
    {
        await _mesh.StartGatewayAsync(new GatewayListener("http", 8080, "HTTP", null, AllowedNamespaces.Same, null));
        var address = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/gw-istio-0"].Addresses[0];
        return new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri($"http://{address}:8080"), Timeout = TimeSpan.FromSeconds(60) };
    }
}
