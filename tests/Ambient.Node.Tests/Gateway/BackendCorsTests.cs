using System.Diagnostics.CodeAnalysis;

namespace Ambient.Node.Tests.Gateway;

/// <summary>CORS of one backend of a route, as browsers meet it.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class BackendCorsTests : IAsyncLifetime
{
    private readonly ManifestGateway _gateway = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _gateway.DisposeAsync();

    [Fact]
    public async Task BackendsCors_IsForItsShare_InPlaceOfTheRules()
    {
        await _gateway.AddBackendAsync("a");
        const string Cors = "filters: [{type: CORS, cors: {allowOrigins: ['https://HOST.example'], allowMethods: [GET], maxAge: 60}}]";
        string Of(string host) => Cors.Replace("HOST", host, StringComparison.Ordinal);
        await _gateway.StartAsync($$"""
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: gw, namespace: app}
            spec:
              gatewayClassName: istio
              {{_gateway.Infrastructure}}
              listeners: [{name: plain, port: 8080, protocol: HTTP}]
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata: {name: all, namespace: app}
            spec:
              parentRefs: [{name: gw}]
              rules:
              - {matches: [{path: {value: /own} }], backendRefs: [{name: a, port: 80, {{Of("own")}} }]}
              - {matches: [{path: {value: /both} }], {{Of("rule")}}, backendRefs: [{name: a, port: 80, {{Of("own")}} }]}
              - {matches: [{path: {value: /rule} }], {{Of("rule")}}, backendRefs: [{name: a, port: 80}, {name: a, port: 80, weight: 0, {{Of("own")}} }]}
            """);
        Assert.Equal("https://own.example", await AllowedAsync("/own", "https://own.example"));
        Assert.Null(await AllowedAsync("/own", "https://rule.example"));
        Assert.Equal("https://own.example", await AllowedAsync("/both", "https://own.example"));
        Assert.Null(await AllowedAsync("/both", "https://rule.example"));
        Assert.Equal("https://rule.example", await AllowedAsync("/rule", "https://rule.example"));
        Assert.Null(await AllowedAsync("/rule", "https://own.example"));
    }

    /// <summary>The origin that preflight and request agree on; null: none is allowed.</summary>
    private async Task<string?> AllowedAsync(string path, string origin)
    {
        using var client = _gateway.Client(null, 8080);
        string? preflight = null;
        foreach (var method in new[] { HttpMethod.Options, HttpMethod.Get })
        {
            using var request = new HttpRequestMessage(method, new Uri($"http://a.example{path}"));
            request.Headers.Add("Origin", origin);
            if (method == HttpMethod.Options)
            {
                request.Headers.Add("Access-Control-Request-Method", "GET");
            }

            using var response = await client.SendAsync(request);
            Assert.True(response.IsSuccessStatusCode);
            var allowed = response.Headers.TryGetValues("Access-Control-Allow-Origin", out var values) ? values.Single() : null;
            if (method == HttpMethod.Options)
            {
                preflight = allowed;
                Assert.Equal("", await response.Content.ReadAsStringAsync());
            }
            else
            {
                Assert.Equal(preflight, allowed);
            }
        }

        return preflight;
    }
}
