// A newcomer's first hour with the packages, as a program of its own outside of the repository. Each check makes applications that are mesh
// members and prints PASS or FAIL with why. PackageTests builds it against the packed packages and reads what it says.
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Ambient.Node.Member;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

var folder = Directory.CreateTempSubdirectory("first-hour-").FullName;
var mesh = Directory.CreateDirectory(Path.Combine(folder, "mesh")).FullName;
await File.WriteAllTextAsync(Path.Combine(mesh, "mesh.yaml"), Manifests());

await Check("authorize", async () =>
{
    var port = FreePort();
    await using var shop = await StartAsync("shop-0", app =>
    {
        app.MapGet("/mine", (HttpContext http) => http.User.Identity!.Name).RequireAuthorization();
        app.MapGet("/theirs", () => "never").RequireAuthorization(policy => policy.RequireClaim("nobody", "has-it"));
    }, builder => builder.Configuration["urls"] = $"http://127.0.0.1:{port}");
    using var client = Client(shop);
    using var plain = new HttpClient();
    Equal("spiffe://cluster.local/ns/default/sa/shop", await client.GetStringAsync("http://shop:8080/mine"));
    Equal(HttpStatusCode.Forbidden, (await client.GetAsync("http://shop:8080/theirs")).StatusCode);
    Equal(HttpStatusCode.Unauthorized, (await plain.GetAsync($"http://127.0.0.1:{port}/mine")).StatusCode);
});

await Check("own-scheme", async () =>
{
    // A scheme of the application's own stays its default: a mesh caller without its token is not let in.
    await using var shop = await StartAsync("shop-0", app => app.MapGet("/mine", () => "in").RequireAuthorization(), builder =>
        builder.Services.AddAuthentication().AddScheme<AuthenticationSchemeOptions, NeverScheme>("Never", null));
    using var client = Client(shop);
    Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("http://shop:8080/mine")).StatusCode);
});

await Check("urls", async () =>
{
    int[] ports = [FreePort(), FreePort(), FreePort()];
    using var plain = new HttpClient();
    await using (var byUrls = await StartAsync("shop-0", Hello, builder =>
    {
        builder.Configuration["urls"] = $"http://127.0.0.1:{ports[0]};http://localhost:{ports[1]}";
        builder.Configuration["Kestrel:Endpoints:Probe:Url"] = $"http://127.0.0.1:{ports[2]}";
    }))
    {
        using var client = Client(byUrls);
        Equal("hello", await client.GetStringAsync("http://shop:8080/"));
        foreach (var port in ports)
        {
            Equal("hello", await plain.GetStringAsync($"http://localhost:{port}/".Replace("localhost", port == ports[1] ? "localhost" : "127.0.0.1", StringComparison.Ordinal)));
        }
    }

    await using var byPorts = await StartAsync("shop-0", Hello, builder => builder.Configuration["http_ports"] = $"{ports[0]};{ports[1]}");
    Equal("hello", await plain.GetStringAsync($"http://127.0.0.1:{ports[0]}/"));
    Equal("hello", await plain.GetStringAsync($"http://127.0.0.1:{ports[1]}/"));
    using var inside = Client(byPorts);
    Equal("hello", await inside.GetStringAsync("http://shop:8080/"));
});

await Check("variables", async () =>
{
    // As a container sets it, before there is any builder.
    var port = FreePort();
    using var plain = new HttpClient();
    foreach (var (name, value) in new[] { ("ASPNETCORE_URLS", $"http://127.0.0.1:{port}"), ("ASPNETCORE_HTTP_PORTS", $"{port}") })
    {
        Environment.SetEnvironmentVariable(name, value);
        try
        {
            await using var shop = await StartAsync("shop-0", Hello);
            Equal("hello", await plain.GetStringAsync($"http://127.0.0.1:{port}/"));
            Equal("hello", await Client(shop).GetStringAsync("http://shop:8080/"));
        }
        finally
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }
});

foreach (var guarded in new[] { "strict", "allow" })
{
    await Check($"probe-{guarded}", () => ProbeAsync(guarded));
}

async Task ProbeAsync(string guarded)
{
    // Plain text is refused, by mTLS that is strict or by a policy that allows one caller, save for the declared path and port.
    int[] ports = [FreePort(), FreePort()];
    await using var vault = await StartAsync("vault-0", app =>
    {
        app.MapGet("/healthz", () => "alive");
        app.MapGet("/secret", () => "secret");
    }, builder =>
    {
        builder.Configuration["urls"] = $"http://127.0.0.1:{ports[0]};http://127.0.0.1:{ports[1]}";
        builder.Configuration["Ambient:ProbePaths:0"] = "/healthz";
        builder.Configuration["Ambient:ProbePorts:0"] = $"{ports[1]}";
    }, guarded);
    using var plain = new HttpClient();
    Equal("alive", await plain.GetStringAsync($"http://127.0.0.1:{ports[0]}/healthz"));
    Equal("secret", await plain.GetStringAsync($"http://127.0.0.1:{ports[1]}/secret"));
    await Throws<HttpRequestException>(() => plain.GetStringAsync($"http://127.0.0.1:{ports[0]}/secret"), "");
    await Throws<HttpRequestException>(() => plain.GetStringAsync($"http://127.0.0.1:{ports[0]}/healthz/../secret"), "");
    await Throws<HttpRequestException>(() => plain.PostAsync($"http://127.0.0.1:{ports[0]}/healthz", null), "");
}

await Check("handlers", async () =>
{
    await using var shop = await StartAsync("shop-0", app => app.MapGet("/", (HttpContext http) => http.User.Identity?.Name ?? "nobody"), builder =>
    {
        builder.Services.AddHttpClient("own").ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler { AllowAutoRedirect = false });
        builder.Services.AddHttpClient("old").ConfigurePrimaryHttpMessageHandler(() => new HttpClientHandler());
        builder.Services.AddHttpClient("outside").WithoutMeshHandler();
    });
    const string Me = "spiffe://cluster.local/ns/default/sa/shop";
    Equal(Me, await Client(shop, "own").GetStringAsync("http://shop:8080/"));
    await Throws<InvalidOperationException>(() => Client(shop, "old").GetStringAsync("http://shop:8080/"), "UseSocketsHttpHandler");
    await Throws<HttpRequestException>(() => Client(shop, "outside").GetStringAsync("http://shop:8080/"), "");
    using var made = new HttpClient(shop.Services.GetRequiredService<MeshConnector>().CreateHandler());
    Equal(Me, await made.GetStringAsync("http://shop:8080/"));
});

await Check("all-clients", async () =>
{
    await using var shop = await StartAsync("shop-0", Hello, builder =>
    {
        builder.Services.Configure<AmbientMeshOptions>(options => options.AllClients = false);
        builder.Services.AddHttpClient("in").AddMeshHandler();
    });
    await Throws<HttpRequestException>(() => Client(shop).GetStringAsync("http://shop:8080/"), "");
    Equal("hello", await Client(shop, "in").GetStringAsync("http://shop:8080/"));
});

await Check("bad-yaml", async () =>
{
    var wrong = Directory.CreateDirectory(Path.Combine(folder, "wrong")).FullName;
    await File.WriteAllTextAsync(Path.Combine(wrong, "a.yaml"), "apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { ports: [ { port: nine } ] }\n");
    await File.WriteAllTextAsync(Path.Combine(wrong, "b.yaml"), "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: b }\nspec: { actoin: DENY }\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicyy\nmetadata: { name: c }\n");
    var begun = Stopwatch.GetTimestamp();
    var error = await Throws<Exception>(() => StartAsync("shop-0", Hello, builder =>
    {
        builder.Configuration["Ambient:Manifests"] = wrong;
        builder.Configuration["Ambient:StartTimeout"] = "00:00:03";
    }), "a.yaml");
    True(error.ToString().Contains("b.yaml", StringComparison.Ordinal), "the error names b.yaml, too: " + error);
    True(error.ToString().Contains("did you mean \"AuthorizationPolicy\"?", StringComparison.Ordinal), "a misspelt kind is no application without its policy: " + error);
    True(Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(15), "within its time");
});

await Check("folder", async () =>
{
    // A folder that others may read is neither used nor changed: the start says what to do.
    const UnixFileMode Wide = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
    var wide = Directory.CreateDirectory(Path.Combine(folder, "wide"), Wide).FullName;
    File.SetUnixFileMode(wide, Wide);
    await Throws<Exception>(() => StartAsync("shop-0", Hello, builder =>
    {
        builder.Configuration["Ambient:AuthorityFolder"] = wide;
        builder.Configuration["Ambient:StartTimeout"] = "00:00:05";
    }), "chmod 700");
    Equal(Wide, File.GetUnixFileMode(wide));
    Equal(0, Directory.GetFileSystemEntries(wide).Length);
});

await Check("drain", async () =>
{
    // Longer than the five seconds that were the limit once; the host grants twenty.
    await using var server = await StartAsync("shop-0", app => app.MapGet("/slow", async () =>
    {
        await Task.Delay(TimeSpan.FromSeconds(6));
        return "done";
    }), builder => builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(20)));
    await using var caller = await StartAsync("caller-0", Hello);
    var slow = Client(caller).GetStringAsync("http://shop:8080/slow");
    await Task.Delay(500);
    var stopping = server.StopAsync();
    Equal("done", await slow);
    await stopping;
});

await Check("replicas", async () =>
{
    var served = new int[3];
    List<WebApplication> replicas = [];
    for (var i = 0; i < served.Length; i++)
    {
        var mine = i;
        replicas.Add(await StartAsync($"many-{i}", app => app.MapGet("/", () => Interlocked.Increment(ref served[mine]))));
    }

    await using var caller = await StartAsync("caller-0", Hello);
    using var client = Client(caller);
    for (var i = 0; i < 40; i++)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://many:8080/") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var answer = await client.SendAsync(request);
        answer.EnsureSuccessStatusCode();
    }

    True(served.Count(count => count > 0) > 1, $"more than one replica serves HTTP/2: {string.Join(", ", served)}");
    foreach (var replica in replicas)
    {
        await replica.DisposeAsync();
    }
});

Directory.Delete(folder, recursive: true);
Console.WriteLine("THE HOUR IS OVER");

void Hello(WebApplication app) => app.MapGet("/", () => "hello");

async Task<WebApplication> StartAsync(string pod, Action<WebApplication> map, Action<WebApplicationBuilder>? configure = null, string ns = "default")
{
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = "Production" });
    builder.Logging.SetMinimumLevel(LogLevel.Warning);
    builder.Configuration["Ambient:Manifests"] = mesh;
    builder.Configuration["Ambient:AuthorityFolder"] = Path.Combine(folder, "ca");
    builder.Configuration["Ambient:Namespace"] = ns;
    builder.Configuration["Ambient:Pod"] = pod;
    builder.AddAmbientMesh();
    configure?.Invoke(builder);
    var app = builder.Build();
    map(app);
    try
    {
        await app.StartAsync();
        return app;
    }
    catch
    {
        await app.DisposeAsync();
        throw;
    }
}

static HttpClient Client(WebApplication app, string name = "") => app.Services.GetRequiredService<IHttpClientFactory>().CreateClient(name);

static async Task Check(string name, Func<Task> check)
{
    try
    {
        await check().WaitAsync(TimeSpan.FromSeconds(60));
        Console.WriteLine($"PASS {name}");
    }
    catch (Exception e)
    {
        Console.WriteLine($"FAIL {name}: {e}");
    }
}

static void Equal<T>(T expected, T actual) => True(Equals(expected, actual), $"expected {expected}, got {actual}");

static void True(bool holds, string what)
{
    if (!holds)
    {
        throw new InvalidOperationException(what);
    }
}

static async Task<TException> Throws<TException>(Func<Task> act, string text)
    where TException : Exception
{
    try
    {
        await act();
    }
    catch (TException e) when (e.ToString().Contains(text, StringComparison.Ordinal))
    {
        return e;
    }

    throw new InvalidOperationException($"no {typeof(TException).Name} with \"{text}\"");
}

static int FreePort()
{
    using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
    return ((IPEndPoint)socket.LocalEndPoint!).Port;
}

static string Manifests()
{
    var text = """
        apiVersion: security.istio.io/v1
        kind: PeerAuthentication
        metadata: { name: strict, namespace: strict }
        spec: { mtls: { mode: STRICT } }
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: { name: shop-alone, namespace: allow }
        spec: { action: ALLOW, rules: [ { from: [ { source: { principals: [ cluster.local/ns/default/sa/shop ] } } ] } ] }

        """;
    foreach (var (name, ns, replicas) in new[] { ("shop", "default", 1), ("caller", "default", 1), ("many", "default", 3), ("vault", "strict", 1), ("vault", "allow", 1) })
    {
        text += $$"""
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata: { name: {{name}}, namespace: {{ns}} }
            spec:
              replicas: {{replicas}}
              selector: { matchLabels: { app: {{name}} } }
              template:
                metadata: { labels: { app: {{name}}, networking.istio.io/tunnel: http } }
                spec: { serviceAccountName: {{name}}, containers: [ { name: app, image: app } ] }
            ---
            apiVersion: v1
            kind: Service
            metadata: { name: {{name}}, namespace: {{ns}} }
            spec: { selector: { app: {{name}} }, ports: [ { name: http, port: 8080 } ] }

            """;
    }

    return text;
}

internal sealed class NeverScheme(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, System.Text.Encodings.Web.UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(AuthenticateResult.NoResult());
}
