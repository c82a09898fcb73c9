using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Node.Protos.ExternalAuth;
using Ambient.Node.Tests.Discovery;
using Ambient.Node.Tests.Requests;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Gateway;

/// <summary>Filters of type ExternalAuth, of rules and of backends, from manifest to bytes.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class RouteAuthorizerTests : IAsyncLifetime
{
    private readonly ManifestGateway _gateway = new();
    private TestAuthorizer _authorizer = null!;

    public async Task InitializeAsync()
    {
        await _gateway.AddBackendAsync("web");
        await _gateway.AddBackendAsync("other");
        _authorizer = await _gateway.AddAuthorizerAsync("authz");
    }

    public async Task DisposeAsync() => await _gateway.DisposeAsync();

    [Fact]
    public async Task Grpc_Allows_WithItsChanges_BeforeTheRulesOwn()
    {
        _authorizer.Decide = _ => new CheckResponse
        {
            OkResponse = new OkResponse
            {
                Headers = { Header("x-user", "jane"), Header("x-rule", "authorizer"), Header(":path", "/elsewhere?b=2"), Header("host", "h.example") },
                HeadersToRemove = { "x-secret" },
                ResponseHeadersToAdd = { Header("x-answer", "yes") },
            },
        };
        await _gateway.StartAsync(Manifests(Filter("GRPC", 82, "grpc: {allowedHeaders: [X-Told]}") + "- {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-rule, value: rule}]}}\n"));
        using var client = _gateway.Client(null, 8080);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://a.example/private?a=1");
        request.Headers.Add("x-told", "1");
        request.Headers.Add("x-secret", "1");
        using var response = await client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("yes", Assert.Single(response.Headers.GetValues("x-answer")));
        var (_, seen) = Assert.Single(_gateway.Arrived);
        Assert.Equal(("/elsewhere?b=2", "jane", "rule", "h.example"), (seen.Target, seen.Headers["x-user"], seen.Headers["x-rule"], seen.Headers["host"]));
        Assert.DoesNotContain("x-secret", seen.Headers.Keys);
        var http = Assert.Single(_authorizer.Checks).Attributes.Request.Http;
        Assert.Equal(("GET", "/private?a=1", "a.example", "1"), (http.Method, http.Path, http.Host, http.Headers["x-told"]));
        Assert.DoesNotContain("x-secret", http.Headers.Keys);
        Assert.Equal("", http.Body);
    }

    [Fact]
    public async Task Http_IsAskedWithThePrefix_AndItsHeadersAreTakenOver()
    {
        _authorizer.Answer = http =>
        {
            http.Response.Headers["x-user"] = "jane";
            http.Response.Headers["x-other"] = "1";
            http.Response.Headers.ContentType = "text/authorizer";
            return Task.CompletedTask;
        };
        await _gateway.StartAsync(Manifests(Filter("HTTP", 80, "http: {path: check/, allowedHeaders: [x-told]}, forwardBody: {maxSize: 5}")));
        using var client = _gateway.Client(null, 8080);
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://a.example/private") { Content = new StringContent("hello") };
        request.Headers.Add("x-told", "1");
        request.Headers.Add("x-secret", "1");
        request.Headers.Add("authorization", "Bearer t");
        using var response = await client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var (_, seen) = Assert.Single(_gateway.Arrived);
        Assert.Equal(("jane", "1", "text/plain; charset=utf-8", "1"), (seen.Headers["x-user"], seen.Headers["x-other"], seen.Headers["content-type"], seen.Headers["x-secret"]));
        var asked = Assert.Single(_authorizer.Requests);
        Assert.Equal(("POST", "/check/private", "a.example", "1", "Bearer t", "5", "hello"),
            (asked.Method, asked.Target, asked.Headers["host"], asked.Headers["x-told"], asked.Headers["authorization"], asked.Headers["content-length"], asked.Headers["(body)"]));
        Assert.DoesNotContain("x-secret", asked.Headers.Keys);

        // More than may be told is refused, and the authorizer hears nothing of it.
        using var more = await client.PostAsync(new Uri("http://a.example/private"), new StringContent("hello!"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, more.StatusCode);
        Assert.Single(_authorizer.Requests);
        Assert.Single(_gateway.Arrived);
    }

    [Fact]
    public async Task Http_AllowedResponseHeaders_AreTheOnlyOnesTakenOver()
    {
        _authorizer.Answer = http =>
        {
            http.Response.Headers["x-user"] = "jane";
            http.Response.Headers["x-other"] = "1";
            return Task.CompletedTask;
        };
        await _gateway.StartAsync(Manifests(Filter("HTTP", 80, "http: {allowedResponseHeaders: [X-User]}")));
        await _gateway.GetAsync(null, "a.example", port: 8080);
        var (_, seen) = Assert.Single(_gateway.Arrived);
        Assert.Equal("jane", seen.Headers["x-user"]);
        Assert.DoesNotContain("x-other", seen.Headers.Keys);
    }

    [Theory]
    [InlineData("GRPC", 82)]
    [InlineData("HTTP", 80)]
    public async Task Denied_OrFailed_NothingReachesTheBackend_AndOtherRulesAreNotAsked(string protocol, int port)
    {
        _authorizer.Decide = _ => TestAuthorizer.Denied(401, "who?");
        _authorizer.Answer = http =>
        {
            http.Response.StatusCode = 401;
            return http.Response.WriteAsync("who?");
        };
        await _gateway.StartAsync(Manifests(Filter(protocol, port)));
        Assert.Equal((401, "who?"), await _gateway.GetAsync(null, "a.example", port: 8080));
        Assert.Equal(200, (await _gateway.GetAsync(null, "a.example", "/free", port: 8080)).Status);
        Assert.Equal(1, _authorizer.Checks.Count + _authorizer.Requests.Count);
        await _authorizer.DisposeAsync();
        Assert.Equal((403, ""), await _gateway.GetAsync(null, "a.example", port: 8080));
        Assert.Equal("/free", Assert.Single(_gateway.Arrived).Request.Target);
    }

    [Fact]
    public async Task Backend_WithAFilterOfItsOwn_IsTheOnlyOneThatIsAskedAbout()
    {
        _authorizer.Decide = _ => TestAuthorizer.Denied(403);
        await _gateway.StartAsync(Gateway + $"""
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata: {"{name: web, namespace: app}"}
            spec:
              parentRefs: [{"{name: gw}"}]
              rules:
              - matches: [{"{path: {value: /guarded}}"}]
                backendRefs:
                - name: web
                  port: 80
                  filters:
                  - {"{type: ExternalAuth, externalAuth: {protocol: GRPC, backendRef: {name: authz, port: 82}}}"}
              - backendRefs: [{"{name: other, port: 80}"}]
            ---

            """);
        Assert.Equal(403, (await _gateway.GetAsync(null, "a.example", "/guarded", port: 8080)).Status);
        Assert.Equal(200, (await _gateway.GetAsync(null, "a.example", port: 8080)).Status);
        Assert.Single(_authorizer.Checks);
        Assert.Equal("other", Assert.Single(_gateway.Arrived).Backend);
    }

    [Theory]
    [InlineData("backendRef: {name: nobody, port: 82}", "backend Service app/nobody does not exist")]
    [InlineData("backendRef: {name: authz, port: 1}", "backend Service app/authz has no port 1")]
    [InlineData("backendRef: {name: authz}", "backend Service app/authz names no port")]
    [InlineData("backendRef: {name: far, namespace: other, port: 82}", "backend Service other/far is in another namespace, and no ReferenceGrant there allows it")]
    public async Task Authorizer_ThatCannotBeReferredTo_Answers500_AndSaysWhy(string reference, string why)
    {
        await _gateway.AddAuthorizerAsync("far", "other");
        await _gateway.StartAsync(Manifests($"- {{type: ExternalAuth, externalAuth: {{protocol: GRPC, {reference}}}}}\n"));
        Assert.Equal(500, (await _gateway.GetAsync(null, "a.example", port: 8080)).Status);
        await _gateway.Mesh.LoggedAsync($"its external authorizer cannot be asked: {why}");
        Assert.Empty(_gateway.Arrived);
    }

    [Fact]
    public async Task Twice_IsNoWayToTellWhichWasMeant()
    {
        await _gateway.StartAsync(Manifests(Filter("GRPC", 82) + Filter("HTTP", 80)));
        Assert.Equal(500, (await _gateway.GetAsync(null, "a.example", port: 8080)).Status);
        Assert.Empty(_gateway.Arrived);
    }

    [Fact]
    public async Task Authorizer_ThatGoesAndComesBack_IsFoundAgain()
    {
        await _gateway.StartAsync(Manifests(Filter("GRPC", 82)));
        Assert.Equal(200, (await _gateway.GetAsync(null, "a.example", port: 8080)).Status);
        _gateway.Write("gateway.yaml", Manifests(Filter("GRPC", 81)));
        _authorizer.Decide = _ => TestAuthorizer.Denied(403);
        Assert.Equal(403, await ManifestGateway.EventuallyAsync(async () => (await _gateway.GetAsync(null, "a.example", port: 8080)).Status, status => status == 403));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task OpenRequest_EndsWhenItsRouteComesToAskSomebody_AndOneThatWasLetInByItGoesOn(bool ofBackend)
    {
        await _gateway.AddBackendAsync("lasting", answer: async http =>
        {
            await http.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        });
        string Routed(string filters, string mark) => Gateway + $"""
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata: {"{name: lasting, namespace: app}"}
            spec:
              parentRefs: [{"{name: gw}"}]
              rules:
              - matches: [{"{path: {value: /mark}}"}]
                filters:
                - type: RequestRedirect
                  requestRedirect: {"{"}hostname: {mark}.example{"}"}
              - filters: [{(ofBackend ? "" : filters)}]
                backendRefs:
                - name: lasting
                  port: 80
                  filters: [{(ofBackend ? filters : "")}]
            ---

            """;
        const string Asks = "{type: ExternalAuth, externalAuth: {protocol: GRPC, backendRef: {name: authz, port: 82}}}";
        await _gateway.StartAsync(Routed("", "first"));
        using var client = _gateway.Client(null, 8080);
        await using var unasked = await OpenAsync();
        _gateway.Write("gateway.yaml", Routed(Asks, "second"));
        await EndedAsync(unasked);
        await _gateway.Mesh.LoggedAsync("asks the external authorizer");
        Assert.Empty(_authorizer.Checks);

        // The one that has let it in is not asked again, whatever else changes.
        await using var asked = await OpenAsync();
        Assert.Single(_authorizer.Checks);
        var waiting = asked.ReadAsync(new byte[1]).AsTask();
        _gateway.Write("gateway.yaml", Routed(Asks, "third"));
        await ManifestGateway.EventuallyAsync(
            async () =>
            {
                using var answer = await client.GetAsync(new Uri("http://a.example/mark"));
                return answer.Headers.Location?.Host;
            },
            host => host == "third.example");
        Assert.False(waiting.IsCompleted);

        async Task<Stream> OpenAsync() => await (await client.GetAsync(new Uri("http://a.example/"), HttpCompletionOption.ResponseHeadersRead)).Content.ReadAsStreamAsync();

        static async Task EndedAsync(Stream stream)
        {
            try
            {
                Assert.Equal(0, await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(TimeSpan.FromSeconds(60)));
            }
            catch (IOException)
            {
                // It was cut off.
            }
        }
    }

    [Theory]
    [InlineData("protocol: GRPC, grpc: {allowedHeaders: ['a b']}", "is not the name of a header")]
    [InlineData("protocol: HTTP, http: {path: /a/../b}", "is not the beginning of a path")]
    [InlineData("protocol: SMTP", "SMTP")]
    public void WhatCannotBeMeant_IsAnError(string settings, string error) => Assert.Contains(
        ManifestText.Errors($$"""
            apiVersion: gateway.networking.k8s.io/v1
            kind: HTTPRoute
            metadata: {name: web, namespace: app}
            spec: {parentRefs: [{name: gw}], rules: [{filters: [{type: ExternalAuth, externalAuth: {backendRef: {name: authz, port: 82}, {{settings}} } }]}]}
            """),
        one => one.ToString().Contains(error, StringComparison.Ordinal));

    private static string Filter(string protocol, int port, string? more = null) =>
        $"- {{type: ExternalAuth, externalAuth: {{protocol: {protocol}, backendRef: {{name: authz, port: {port}}}{(more is null ? "" : ", " + more)}}}}}\n";

    private static HeaderValueOption Header(string name, string value) => new() { Header = new HeaderValue { Key = name, Value = value } };

    private string Gateway => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: gw, namespace: app}
        spec:
          gatewayClassName: istio
          {{_gateway.Infrastructure}}
          listeners: [{name: http, port: 8080, protocol: HTTP}]
        ---

        """;

    private string Manifests(string filters) => Gateway + $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: web, namespace: app}
        spec:
          parentRefs: [{name: gw}]
          rules:
          - backendRefs: [{name: web, port: 80}]
            filters:
        {{string.Concat(filters.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => $"    {line}\n"))}}  - matches: [{path: {value: /free} }]
            backendRefs: [{name: web, port: 80}]
        ---

        """;
}
