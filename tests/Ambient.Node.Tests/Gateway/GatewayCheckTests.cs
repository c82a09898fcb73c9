using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Gateway;

/// <summary>CUSTOM policies at a gateway whose connections are not looked into: the authorizer is asked before a byte is passed on.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class GatewayCheckTests : IAsyncLifetime
{
    private readonly ManifestGateway _gateway = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _gateway.DisposeAsync();

    [Fact]
    public async Task Connection_IsAskedAbout_AndLetInOrClosedAsTheAuthorizerSays()
    {
        _gateway.AddEcho("echo");
        var authorizer = await _gateway.AddAuthorizerAsync("authz");
        await _gateway.StartAsync(Manifests());

        Assert.Equal("echo\nx", await _gateway.TalkInClearAsync(9001, "x"));
        var check = Assert.Single(authorizer.Checks).Attributes;
        Assert.Equal(9001u, check.Destination.Address.SocketAddress.PortValue);
        Assert.Equal("127.0.0.1", check.Source.Address.SocketAddress.Address);
        Assert.Null(check.Request.Http);

        authorizer.Decide = _ => TestAuthorizer.Denied(403);
        Assert.Equal("", await _gateway.TalkInClearAsync(9001, "x"));
        await _gateway.Mesh.LoggedAsync("the external authorizer denied for: app/ask");
        Assert.Equal(2, authorizer.Checks.Count);
        Assert.Contains("ambient_policy_decisions_total{policy=\"app/ask\",decision=\"denied_externally\"} 1", _gateway.Mesh.Scrape, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "echo\nx")]
    public async Task Authorizer_ThatIsGone_LetsNothingIn_UnlessItFailsOpen(bool failOpen, string answer)
    {
        _gateway.AddEcho("echo");
        var authorizer = await _gateway.AddAuthorizerAsync("authz");
        await _gateway.StartAsync(Manifests(failOpen));
        await authorizer.DisposeAsync();

        Assert.Equal(answer, await _gateway.TalkInClearAsync(9001, "x"));
    }

    [Fact]
    public async Task OpenConnection_ThatNobodyWasAskedAbout_EndsWhenAPolicyComes()
    {
        _gateway.AddEcho("echo");
        var authorizer = await _gateway.AddAuthorizerAsync("authz");
        await _gateway.StartAsync(Gateway + Route);
        using var open = new TcpClient(_gateway.Address.ToString(), 9001);
        await open.GetStream().ReadExactlyAsync(new byte[5]).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        _gateway.Write("gateway.yaml", Manifests());

        Assert.Equal("", await ManifestGateway.ReadToEndAsync(open.GetStream()));
        Assert.Empty(authorizer.Checks);
    }

    private string Gateway => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: gw, namespace: app}
        spec:
          gatewayClassName: istio
          {{_gateway.Infrastructure}}
          listeners: [{name: tcp, port: 9001, protocol: TCP}]
        ---

        """;

    private const string Route = """
        apiVersion: gateway.networking.k8s.io/v1
        kind: TCPRoute
        metadata: {name: tcp, namespace: app}
        spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: echo, port: 81}]}]}
        ---

        """;

    private string Manifests(bool failOpen = false) => Gateway + Route + $$"""
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: ask, namespace: app}
        spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}], action: CUSTOM, provider: {name: p}, rules: [{to: [{operation: {ports: ["9001"]} }]}]}
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: istio, namespace: istio-system}
        data:
          mesh: |
            extensionProviders:
            - name: p
              envoyExtAuthzGrpc: {service: authz.app.svc.cluster.local, port: 82, timeout: 60s, failOpen: {{(failOpen ? "true" : "false")}} }
        ---

        """;
}
