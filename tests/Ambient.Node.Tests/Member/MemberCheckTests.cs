using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Text;
using Ambient.Node.Member;
using Ambient.Node.Protos.ExternalAuth;
using Ambient.Node.Tests.Requests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Tests.Member;

/// <summary>CUSTOM policies at an application that is a member: it asks the authorizer over the network, and does what it says before the application sees the request.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class MemberCheckTests : IAsyncLifetime
{
    private static int s_next = Random.Shared.Next(200);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ambient-member-check-");
    private readonly string _prefix = $"127.{70 + (Interlocked.Increment(ref s_next) % 180)}.{Random.Shared.Next(2, 250)}.";
    private readonly List<string> _seen = [];
    private TestAuthorizer _authorizer = null!;
    private WebApplication _shop = null!;
    private WebApplication _caller = null!;
    private HttpClient _client = null!;

    public async Task InitializeAsync()
    {
        _authorizer = await TestAuthorizer.StartAsync(IPAddress.Parse(_prefix + "3"));
        WriteMesh(authorizer: true);
        Configure("{service: authz.app.svc.cluster.local, port: 82, timeout: 60s, includeRequestBodyInCheck: {maxRequestBytes: 8, allowPartialMessage: true}}");
        _shop = await StartAsync("shop", app => app.Run(async http =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            lock (_seen)
            {
                _seen.Add($"{http.Request.Method} {http.Request.Host} {http.Request.Path.Value}{http.Request.QueryString} user={http.Request.Headers["x-user"]} secret={http.Request.Headers["x-secret"]} body={Encoding.UTF8.GetString(body.ToArray())}");
            }

            http.Response.Headers["x-shop"] = "1";
            await http.Response.WriteAsync("shop");
        }));
        _caller = await StartAsync("caller", _ => { });
        _client = _caller.Services.GetRequiredService<IHttpClientFactory>().CreateClient();
        _client.Timeout = TimeSpan.FromSeconds(60);
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _caller.DisposeAsync();
        await _shop.DisposeAsync();
        await _authorizer.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Allowed_WithChanges_TheApplicationSeesThem_AndSoDoesTheClient()
    {
        _authorizer.Decide = _ => new CheckResponse
        {
            OkResponse = new OkResponse
            {
                Headers = { Header("x-user", "jane"), Header("host", "elsewhere"), Header(":path", "/other%20place?q=1") },
                HeadersToRemove = { "x-secret" },
                ResponseHeadersToAdd = { Header("x-answer", "yes"), Header("x-shop", "2") },
            },
        };
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://shop:9080/private/x?a=b") { Content = new StringContent("hello, all of you") };
        request.Headers.Add("x-secret", "s");
        request.Headers.Add("x-forwarded-client-cert", "URI=spiffe://cluster.local/ns/app/sa/admin");
        using var response = await _client.SendAsync(request);

        Assert.Equal("shop", await response.Content.ReadAsStringAsync());
        Assert.Equal("POST elsewhere /other place?q=1 user=jane secret= body=hello, all of you", Assert.Single(_seen));
        Assert.Equal("yes", Assert.Single(response.Headers.GetValues("x-answer")));
        Assert.Equal(["1", "2"], response.Headers.GetValues("x-shop"));
        var check = Assert.Single(_authorizer.Checks).Attributes;
        Assert.Equal("spiffe://cluster.local/ns/app/sa/caller", check.Source.Principal);
        Assert.Equal("spiffe://cluster.local/ns/app/sa/shop", check.Destination.Principal);
        Assert.Equal(("POST", "/private/x?a=b", "shop:9080", "hello, a", "true"),
            (check.Request.Http.Method, check.Request.Http.Path, check.Request.Http.Host, check.Request.Http.Body, check.Request.Http.Headers["x-envoy-auth-partial-body"]));
        Assert.Equal("s", check.Request.Http.Headers["x-secret"]);
        Assert.DoesNotContain("x-forwarded-client-cert", check.Request.Http.Headers.Keys);
    }

    [Fact]
    public async Task Denied_GetsTheAuthorizersAnswer_AndTheApplicationNothing_AndWhatNoRuleMatchesIsNotAsked()
    {
        _authorizer.Decide = _ => new CheckResponse
        {
            Status = new Status { Code = 7 },
            DeniedResponse = new DeniedResponse { Status = new Protos.ExternalAuth.HttpStatus { Code = 401 }, Headers = { Header("location", "https://login.example/") }, Body = "log in" },
        };
        using var response = await _client.GetAsync(new Uri("http://shop:9080/private"));

        Assert.Equal((HttpStatusCode)401, response.StatusCode);
        Assert.Equal("log in", await response.Content.ReadAsStringAsync());
        Assert.Equal("https://login.example/", Assert.Single(response.Headers.GetValues("location")));
        Assert.Empty(_seen);
        Assert.Equal("shop", await _client.GetStringAsync(new Uri("http://shop:9080/public")));
        Assert.Single(_authorizer.Checks);
    }

    [Fact]
    public async Task EscapedPath_IsAskedAboutAsTheApplicationSeesIt()
    {
        _authorizer.Decide = _ => TestAuthorizer.Denied(403);
        using var response = await _client.GetAsync(new Uri("http://shop:9080/%70rivate/x"));

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Single(_authorizer.Checks);
        Assert.Empty(_seen);
    }

    [Fact]
    public async Task ChangeThatNoRequestMayHave_Is500()
    {
        _authorizer.Decide = _ => new CheckResponse { OkResponse = new OkResponse { Headers = { Header("x-user", "a\r\nx-admin: 1") } } };
        using var response = await _client.GetAsync(new Uri("http://shop:9080/private"));

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Empty(_seen);
    }

    [Fact]
    public async Task Body_ThatThereIsNoRoomFor_IsRefused_WhateverFailOpenSays_AndRoomIsGivenBack()
    {
        Configure("{service: authz.app.svc.cluster.local, port: 82, timeout: 60s, failOpen: true, includeRequestBodyInCheck: {maxRequestBytes: 8, allowPartialMessage: true}}");
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var member = _shop.Services.GetRequiredService<MeshMember>();
        while (!member.Mesh.Requests.ExternalAuthorizers["p"].FailOpen)
        {
            await Task.Delay(20, deadline.Token);
        }

        var bodies = member.Authorizers.Bodies;
        var others = Enumerable.Range(1, 64).Select(n => bodies.For(IPAddress.Parse($"10.0.0.{n}"))).ToList();
        foreach (var other in others)
        {
            for (var bytes = 1 << 30; bytes > 0; bytes /= 2)
            {
                other.TryTake(bytes);
            }
        }

        using var content = new StringContent("12345");
        using var refused = await _client.PostAsync(new Uri("http://shop:9080/private"), content, deadline.Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Empty(_authorizer.Checks);
        Assert.Empty(_seen);
        others.ForEach(other => other.Release());
        Assert.Equal(0, bodies.Held);
        using var response = await _client.PostAsync(new Uri("http://shop:9080/private"), content, deadline.Token);
        Assert.Equal("shop", await response.Content.ReadAsStringAsync(deadline.Token));
        while (bodies.Held > 0)
        {
            await Task.Delay(10, deadline.Token);
        }
    }

    [Theory]
    [InlineData("{service: authz.app.svc.cluster.local, port: 82, timeout: 60s, statusOnError: '503'}", 503, "")]
    [InlineData("{service: authz.app.svc.cluster.local, port: 82, timeout: 60s, failOpen: true}", 200, "shop")]
    [InlineData("{service: nobody.app.svc.cluster.local, port: 82, timeout: 60s}", 403, "RBAC: access denied")]
    public async Task Authorizer_ThatCannotBeAsked_IsAsItsProviderSays(string provider, int status, string body)
    {
        await _authorizer.DisposeAsync();
        Configure(provider);

        // Until the folder is read anew the answer is that of the provider before.
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        (int Status, string Body) answer;
        do
        {
            using var response = await _client.GetAsync(new Uri("http://shop:9080/private"), deadline.Token);
            answer = ((int)response.StatusCode, await response.Content.ReadAsStringAsync(deadline.Token));
        }
        while (answer != (status, body));

        Assert.Equal(status == 200, _seen.Count > 0);
    }

    [Fact]
    public async Task Authorizer_WhoseServiceIsDeleted_LetsNothingIn_ThoughItFailsOpen_AndIsAskedOnceItIsBack()
    {
        Configure("{service: authz.app.svc.cluster.local, port: 82, timeout: 60s, failOpen: true}");
        var member = _shop.Services.GetRequiredService<MeshMember>();
        await UntilAsync(() => member.Mesh.Requests.ExternalAuthorizers["p"].FailOpen);
        Assert.Equal("shop", await _client.GetStringAsync(new Uri("http://shop:9080/private")));
        Assert.Single(_authorizer.Checks);

        WriteMesh(authorizer: false);
        await UntilAsync(() => !member.Mesh.Services.Keys.Any(key => key.Contains("authz", StringComparison.Ordinal)));
        using var refused = await _client.GetAsync(new Uri("http://shop:9080/private"));
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);

        WriteMesh(authorizer: true);
        await UntilAsync(() => member.Mesh.Services.Keys.Any(key => key.Contains("authz", StringComparison.Ordinal)));
        Assert.Equal("shop", await _client.GetStringAsync(new Uri("http://shop:9080/private")));
        Assert.Equal(2, _authorizer.Checks.Count);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!condition())
        {
            await Task.Delay(20, deadline.Token);
        }
    }

    private static HeaderValueOption Header(string name, string value) => new() { Header = new HeaderValue { Key = name, Value = value } };

    private void Configure(string provider)
    {
        var file = Path.Combine(_folder.FullName, "policy.yaml");
        File.WriteAllText(file + ".new", $$"""
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: ask, namespace: app}
            spec: {selector: {matchLabels: {app: shop} }, action: CUSTOM, provider: {name: p}, rules: [{to: [{operation: {paths: ["/private*"]} }]}]}
            ---
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: istio, namespace: istio-system}
            data:
              mesh: |
                extensionProviders:
                - name: p
                  envoyExtAuthzGrpc: {{provider}}

            """);
        File.Move(file + ".new", file, overwrite: true);
    }

    private void WriteMesh(bool authorizer)
    {
        var file = Path.Combine(_folder.FullName, "mesh.yaml");
        File.WriteAllText(file + ".new", Pod("shop", 1, native: true) + Pod("caller", 2, native: true) + (authorizer ? Pod("authz", 3, native: false) : ""));
        File.Move(file + ".new", file, overwrite: true);
    }

    private string Pod(string name, int address, bool native) => $$"""
        apiVersion: v1
        kind: Pod
        metadata: {name: {{name}}, namespace: app, labels: {app: {{name}}{{(native ? ", networking.istio.io/tunnel: http" : "")}} }, annotations: {ambient.dev/address: {{_prefix}}{{address}} } }
        spec: {serviceAccountName: {{name}}, containers: [{name: c, image: c}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: {{name}}, namespace: app}
        spec: {selector: {app: {{name}} }, ports: [{name: http, port: 9080, targetPort: 8080}, {name: grpc, port: 82, targetPort: 9000}]}
        ---

        """;

    private async Task<WebApplication> StartAsync(string pod, Action<WebApplication> map)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["Ambient:Pod"] = pod;
        builder.Configuration["Ambient:Namespace"] = "app";
        builder.Configuration["Ambient:Manifests"] = _folder.FullName;
        builder.Configuration["Ambient:AuthorityFolder"] = Path.Combine(_folder.FullName, ".ca");
        builder.AddAmbientMesh();
        var app = builder.Build();
        map(app);
        await app.StartAsync();
        return app;
    }
}
