using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.EndToEnd.Tests.Cluster;
using Ambient.Hbone.AspNetCore;
using Ambient.Node.Member;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Ambient.EndToEnd.Tests.Member;

/// <summary>Applications that are members in their own process, and workloads behind our ztunnel, calling each other.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class MemberWithZtunnelTests : IAsyncLifetime
{
    private const string Native = "networking.istio.io/tunnel: http";

    private readonly LocalCluster _cluster = new();
    private readonly List<WebApplication> _members = [];
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _said = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var member in _members)
        {
            await member.DisposeAsync();
        }

        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task Member_CalledByWorkloadsBehindAZtunnel_SeesWhoAndPoliciesHold()
    {
        var sleep = _cluster.AddDeployment("sleep", "sleep", "node-a", "sleep");
        var notsleep = _cluster.AddDeployment("notsleep", "notsleep", "node-a", "notsleep");
        _cluster.AddDeployment("shop", "shop", "node-a", "shop", Native);
        _cluster.AddService("shop", "shop");
        _cluster.Apply("policy", Allow("shop", "sleep"));
        await StartMemberAsync("shop-0", app => app.MapGet("/who", (HttpContext http) =>
            $"{http.User.Identity!.Name} {http.User.Identity.AuthenticationType} {http.User.FindFirst(MeshClaims.ServiceAccount)!.Value} {http.Features.Get<IHboneConnectionFeature>()!.PeerIdentity.Namespace}"));
        await _cluster.StartZtunnelAsync("node-a");
        using var allowed = LocalCluster.ClientOf(sleep);
        using var denied = LocalCluster.ClientOf(notsleep);

        Assert.Equal("spiffe://cluster.local/ns/app/sa/sleep HBONE sleep app", await allowed.GetStringAsync(new Uri("http://shop:9080/who")));
        await Assert.ThrowsAsync<HttpRequestException>(() => denied.GetStringAsync(new Uri("http://shop:9080/who")));

        // The policy turns round, under a connection that is open: the next request has another outcome.
        _cluster.Apply("policy", Allow("shop", "notsleep"));
        await LocalCluster.EventuallyAsync(
            async () => await denied.GetStringAsync(new Uri("http://shop:9080/who")) == "spiffe://cluster.local/ns/app/sa/notsleep HBONE notsleep app",
            () => "the new policy does not let notsleep in");
        await Assert.ThrowsAsync<HttpRequestException>(() => allowed.GetStringAsync(new Uri("http://shop:9080/who")));
    }

    [Fact]
    public async Task Member_CallsWorkloadsBehindAZtunnelAndOtherMembers_WithItsOwnIdentity()
    {
        _cluster.AddDeployment("caller", "caller", "node-a", "caller", Native);
        _cluster.AddDeployment("stranger", "stranger", "node-a", "stranger", Native);
        _cluster.AddDeployment("shop", "shop", "node-a", "shop", Native);
        var web = _cluster.AddDeployment("web", "web", "node-b", "web");
        _cluster.AddService("web", "web");
        _cluster.AddService("shop", "shop");
        _cluster.Apply("policy-web", Allow("web", "caller"));
        _cluster.Apply("policy-shop", Allow("shop", "caller"));
        await _cluster.StartAppAsync("web", web);
        await _cluster.StartZtunnelAsync("node-b");
        await StartMemberAsync("shop-0", app => app.MapGet("/", (HttpContext http) => $"{http.User.Identity!.Name} {http.Request.Protocol}"));
        var caller = await StartMemberAsync("caller-0");
        var stranger = await StartMemberAsync("stranger-0");

        foreach (var name in new[] { "web", "web.app", "web.app.svc.cluster.local" })
        {
            Assert.Equal("web", await Client(caller).GetStringAsync(new Uri($"http://{name}:9080/")));
        }

        Assert.Equal("spiffe://cluster.local/ns/app/sa/caller HTTP/1.1", await Client(caller).GetStringAsync(new Uri("http://shop:9080/")));
        using var http2 = new HttpRequestMessage(HttpMethod.Get, "http://shop:9080/") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var answer = await Client(caller).SendAsync(http2);
        Assert.Equal("spiffe://cluster.local/ns/app/sa/caller HTTP/2", await answer.Content.ReadAsStringAsync());
        await Assert.ThrowsAsync<HttpRequestException>(() => Client(stranger).GetStringAsync(new Uri("http://web:9080/")));
        await Assert.ThrowsAsync<HttpRequestException>(() => Client(stranger).GetStringAsync(new Uri("http://shop:9080/")));
        var unknown = await Assert.ThrowsAsync<HttpRequestException>(() => Client(caller).GetStringAsync(new Uri("http://nobody.app.svc.cluster.local:9080/")));
        Assert.Contains("no service of the mesh has this name", unknown.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Member_SelectedByWhatItCannotFulfil_RefusesTheRequestsThatAreConcerned_AndCountsItsTunnels()
    {
        _cluster.AddDeployment("caller", "caller", "node-a", "caller", Native);
        _cluster.AddDeployment("shop", "shop", "node-a", "shop", Native);
        _cluster.AddService("shop", "shop");
        _cluster.Apply("policies", """
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {name: jwt, namespace: app}
            spec: {selector: {matchLabels: {app: shop}}, jwtRules: [{issuer: a}]}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: ask, namespace: app}
            spec: {selector: {matchLabels: {app: shop}}, action: CUSTOM, provider: {name: p}, rules: [{to: [{operation: {paths: [/ask]}}]}]}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: elsewhere, namespace: app}
            spec: {selector: {matchLabels: {app: caller}}, action: CUSTOM, provider: {name: p}, rules: [{}]}

            """);
        await StartMemberAsync("shop-0", app =>
        {
            app.MapAmbientMeshMetrics();
            app.MapFallback(() => "shop");
        });
        var client = Client(await StartMemberAsync("caller-0"));

        Assert.Equal("shop", await client.GetStringAsync(new Uri("http://shop:9080/")));
        using var token = await client.GetAsync(new Uri("http://shop:9080/?access_token=a.b.c"));
        Assert.Equal(HttpStatusCode.Unauthorized, token.StatusCode);
        using var custom = await client.GetAsync(new Uri("http://shop:9080/ask"));
        Assert.Equal(HttpStatusCode.Forbidden, custom.StatusCode);

        var metrics = await client.GetStringAsync(new Uri("http://shop:9080/stats/prometheus"));
        Assert.Matches("istio_tcp_connections_opened_total\\{reporter=\"destination\".*source_workload=\"caller\".*destination_workload=\"shop\".*\\} [1-9]", metrics);
        Assert.Contains("istio_tcp_received_bytes_total{reporter=\"destination\"", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MeshConfigOfTheFolder_HoldsAtAMemberAndBehindAZtunnel()
    {
        var sleep = _cluster.AddDeployment("sleep", "sleep", "node-a", "sleep");
        var web = _cluster.AddDeployment("web", "web", "node-a", "web");
        _cluster.AddDeployment("shop", "shop", "node-a", "shop", Native);
        _cluster.AddService("shop", "shop");
        _cluster.AddService("web", "web");
        _cluster.Apply("policy", DenyAdmin("/admin"));
        _cluster.Apply("mesh", MeshConfig("pathNormalization: {normalization: MERGE_SLASHES}"));
        await _cluster.StartAppAsync("web", web);
        await StartMemberAsync("shop-0", app => app.MapFallback(() => "shop"));
        await _cluster.StartZtunnelAsync("node-a");
        using var client = LocalCluster.ClientOf(sleep);

        Assert.Equal("shop", await client.GetStringAsync(new Uri("http://shop:9080//page")));
        using var denied = await client.GetAsync(new Uri("http://shop:9080//admin"));
        Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);

        // A namespace becomes the root namespace: its policies hold everywhere, at either kind of node.
        _cluster.Apply("deny", "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: nobody, namespace: policies}\nspec: {}\n");
        Assert.Equal("web", await client.GetStringAsync(new Uri("http://web:9080/")));
        _cluster.Apply("mesh", MeshConfig("rootNamespace: policies"));
        foreach (var service in new[] { "web", "shop" })
        {
            await LocalCluster.EventuallyAsync(
                async () =>
                {
                    try
                    {
                        await client.GetStringAsync(new Uri($"http://{service}:9080/"));
                        return false;
                    }
                    catch (HttpRequestException)
                    {
                        return true;
                    }
                },
                () => $"{service} still answers");
        }
    }

    [Fact]
    public async Task Member_PolicyOfPathsByItsLabels_AnswersTheRequestWith403AndEndsAStream()
    {
        _cluster.AddDeployment("caller", "caller", "node-a", "caller", Native);
        _cluster.AddDeployment("shop", "shop", "node-a", "shop", Native);
        _cluster.AddService("shop", "shop");
        _cluster.Apply("policy", DenyAdmin("/admin"));
        await StartMemberAsync("shop-0", app =>
        {
            app.MapGet("/admin", () => "admin");
            app.MapGet("/", () => "shop");
            app.MapGet("/endless", async (HttpContext http) =>
            {
                while (true)
                {
                    await http.Response.WriteAsync("0123456789", http.RequestAborted);
                    await http.Response.Body.FlushAsync(http.RequestAborted);
                    await Task.Delay(10, http.RequestAborted);
                }
            });
        });
        var caller = await StartMemberAsync("caller-0");

        Assert.Equal("shop", await Client(caller).GetStringAsync(new Uri("http://shop:9080/")));
        foreach (var path in new[] { "/admin", "/%61dmin", "/x/../admin" })
        {
            using var denied = await Client(caller).GetAsync(new Uri($"http://shop:9080{path}"));
            Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
            Assert.Equal("RBAC: access denied", await denied.Content.ReadAsStringAsync());
        }

        Assert.Equal(3, _said.Count(static line => line.Contains("answered with 403: ", StringComparison.Ordinal) && line.Contains("app/no-admin", StringComparison.Ordinal)));

        // A request that lasts ends with the policy that would not let it in any more.
        using var endless = await Client(caller).GetAsync(new Uri("http://shop:9080/endless"), HttpCompletionOption.ResponseHeadersRead);
        var body = await endless.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[10]);
        _cluster.Apply("policy", DenyAdmin("/endless"));
        await Assert.ThrowsAnyAsync<IOException>(() => body.CopyToAsync(Stream.Null).WaitAsync(TimeSpan.FromSeconds(60)));
        for (var tries = 0; tries < 100 && !_said.Any(IsEnd); tries++)
        {
            await Task.Delay(50);
        }

        Assert.True(_said.Any(IsEnd), string.Join('\n', _said));
        Assert.Equal("shop", await Client(caller).GetStringAsync(new Uri("http://shop:9080/")));

        static bool IsEnd(string line) => line.Contains("ended because policies changed: ", StringComparison.Ordinal) && line.Contains("app/no-admin", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Member_PortThatIsNotDeclared_IsRefused()
    {
        var sleep = _cluster.AddDeployment("sleep", "sleep", "node-a", "sleep");
        var shop = _cluster.AddDeployment("shop", "shop", "node-a", "shop", Native);
        var lone = _cluster.AddDeployment("lone", "lone", "node-a", "lone", Native);
        _cluster.AddService("shop", "shop");
        await StartMemberAsync("shop-0", app => app.MapGet("/", () => "shop"));
        await StartMemberAsync("lone-0", app => app.MapGet("/", () => "lone"), ("Ambient:Ports:0", "7070"));
        await _cluster.StartZtunnelAsync("node-a");
        using var client = LocalCluster.ClientOf(sleep);

        Assert.Equal("shop", await client.GetStringAsync(new Uri("http://shop:9080/")));
        Assert.Equal("lone", await client.GetStringAsync(new Uri($"http://{lone}:7070/")));
        foreach (var undeclared in new[] { $"http://{shop}:9999/", $"http://{lone}:9080/" })
        {
            await Assert.ThrowsAsync<HttpRequestException>(() => client.GetStringAsync(new Uri(undeclared)));
        }
    }

    [Fact]
    public async Task Member_StopsGracefully_RequestUnderWayIsFinished()
    {
        _cluster.AddDeployment("caller", "caller", "node-a", "caller", Native);
        _cluster.AddDeployment("shop", "shop", "node-a", "shop", Native);
        _cluster.AddService("shop", "shop");
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var leave = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var shop = await StartMemberAsync("shop-0", app => app.MapGet("/slow", async () =>
        {
            entered.SetResult();
            await leave.Task;
            return "done";
        }));
        var caller = await StartMemberAsync("caller-0");
        var answer = Client(caller).GetStringAsync(new Uri("http://shop:9080/slow"));
        await entered.Task.WaitAsync(TimeSpan.FromSeconds(60));
        var stopping = shop.StopAsync();
        leave.SetResult();
        Assert.Equal("done", await answer.WaitAsync(TimeSpan.FromSeconds(60)));
        await stopping.WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Settings_ThatAreWrong_AreAllReportedAtStart()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["Ambient:Manifests"] = "/nowhere";
        builder.Configuration["Ambient:TrustDomain"] = "Not A Domain";
        builder.AddAmbientMesh();
        await using var app = builder.Build();
        var error = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(() => app.StartAsync());
        Assert.Contains("Ambient:Pod", error.Message, StringComparison.Ordinal);
        Assert.Contains("Ambient:Namespace", error.Message, StringComparison.Ordinal);
        Assert.Contains("Ambient:AuthorityFolder", error.Message, StringComparison.Ordinal);
        Assert.Contains("/nowhere", error.Message, StringComparison.Ordinal);
        Assert.Contains("Ambient:TrustDomain", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AddMeshHandler_WithoutMembership_SaysWhichCallIsMissing()
    {
        var services = new ServiceCollection();
        services.AddHttpClient("mesh").AddMeshHandler();
        using var provider = services.BuildServiceProvider();
        var error = Assert.Throws<InvalidOperationException>(() => provider.GetRequiredService<IHttpClientFactory>().CreateClient("mesh"));
        Assert.Contains("AddAmbientMesh()", error.Message, StringComparison.Ordinal);
    }

    private static HttpClient Client(WebApplication member) => member.Services.GetRequiredService<IHttpClientFactory>().CreateClient();

    private async Task<WebApplication> StartMemberAsync(string pod, Action<WebApplication>? map = null, params (string Key, string Value)[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(new Listener(_said));
        builder.Configuration["Ambient:Manifests"] = _cluster.Manifests;
        builder.Configuration["Ambient:AuthorityFolder"] = _cluster.AuthorityFolder;
        builder.Configuration["Ambient:Namespace"] = "app";
        builder.Configuration["Ambient:Pod"] = pod;
        foreach (var (key, value) in settings)
        {
            builder.Configuration[key] = value;
        }

        builder.AddAmbientMesh();
        var app = builder.Build();
        map?.Invoke(app);
        await app.StartAsync();
        _members.Add(app);
        return app;
    }

    private static string MeshConfig(string config) =>
        $"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    {config}\n";

    private static string DenyAdmin(string path) => $"""
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata:
          name: no-admin
          namespace: app
        spec:
          selector:
            matchLabels:
              app: shop
          action: DENY
          rules:
          - to:
            - operation:
                paths: ["{path}"]
                methods: ["GET"]

        """;

    private static string Allow(string app, string serviceAccount) => $"""
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata:
          name: {app}-viewer
          namespace: app
        spec:
          selector:
            matchLabels:
              app: {app}
          action: ALLOW
          rules:
          - from:
            - source:
                principals: ["cluster.local/ns/app/sa/{serviceAccount}"]

        """;

    /// <summary>What members log, line by line.</summary>
    private sealed class Listener(System.Collections.Concurrent.ConcurrentQueue<string> lines) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
