using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Hosting.Ztunnel;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Logging;
using Ambient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.EndToEnd.Tests.Cluster;

/// <summary>
/// A mesh on one machine inside this process: a watched folder of manifests, ztunnels for two nodes, waypoints and gateways as
/// the hosts compose them, and pods on loopback addresses that no other test has. What the processes add, their own tests cover.
/// </summary>
internal sealed class LocalCluster : IAsyncDisposable
{
    private static int s_clusters = Random.Shared.Next(60 * 250);

    private readonly List<IAsyncDisposable> _owned = [];
    private readonly List<Shutdown> _shutdowns = [];
    private readonly List<Task> _running = [];
    private readonly string _prefix;
    private int _address;

    public LocalCluster()
    {
        // Within 127.64.0.0/10, where pods live, but fixed by annotation: tests that run side by side must not meet.
        var number = Interlocked.Increment(ref s_clusters) % (60 * 250);
        _prefix = $"127.{(number / 250) + 66}.{(number % 250) + 2}.";
        Folder = Directory.CreateTempSubdirectory("ambient-e2e-").FullName;
        Manifests = Directory.CreateDirectory(Path.Combine(Folder, "manifests")).FullName;
        AuthorityFolder = Path.Combine(Folder, "ca");
        Apply("namespace", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: app\n  labels:\n    istio.io/dataplane-mode: ambient\n");
    }

    public string Folder { get; }

    public string Manifests { get; }

    public string AuthorityFolder { get; }

    /// <summary>Writes a manifest, as <c>kubectl apply</c> would.</summary>
    public void Apply(string name, string yaml)
    {
        // Renamed into place: a reader never sees half a file.
        var path = Path.Combine(Manifests, name + ".yaml");
        File.WriteAllText(path + ".tmp", yaml);
        File.Move(path + ".tmp", path, overwrite: true);
    }

    /// <summary>Takes a manifest away, as <c>kubectl delete</c> would.</summary>
    public void Remove(string name) => File.Delete(Path.Combine(Manifests, name + ".yaml"));

    /// <summary>Declares a Deployment of one pod with a ServiceAccount; returns the pod's address.</summary>
    public IPAddress AddDeployment(string name, string serviceAccount, string node, string app, string labels = "")
    {
        var address = _prefix + ++_address;
        Apply($"serviceaccount-{serviceAccount}", $"apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {serviceAccount}\n  namespace: app\n");
        Apply($"deployment-{name}", $"""
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: {name}
              namespace: app
            spec:
              selector:
                matchLabels:
                  app: {app}
                  version: {name}
              template:
                metadata:
                  annotations:
                    ambient.dev/address: {address}
                  labels:
                    app: {app}
                    version: {name}
            {string.Concat(labels.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(label => $"        {label}\n"))}
                spec:
                  nodeName: {node}
                  serviceAccountName: {serviceAccount}
                  containers:
                  - name: app
                    image: app

            """);
        return IPAddress.Parse(address);
    }

    /// <summary>Declares a Service with an HTTP port.</summary>
    public void AddService(string name, string app, string? version = null) => Apply($"service-{name}", $"""
        apiVersion: v1
        kind: Service
        metadata:
          name: {name}
          namespace: app
        spec:
          selector:
            app: {app}
        {(version is null ? "" : $"    version: {version}\n")}
          ports:
          - name: http
            port: 9080
            targetPort: 8080
          - name: grpc
            port: 9090
            targetPort: 9000
            appProtocol: kubernetes.io/h2c

        """);

    /// <summary>Declares a waypoint for the namespace whose pods somebody else makes, as a cluster does, and that it is used.</summary>
    public void AddWaypointOfPods()
    {
        AddWaypoint("""
            status:
              addresses:
              - type: Hostname
                value: waypoint.app.svc.cluster.local
            """);
        Apply("serviceaccount-waypoint", "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: waypoint\n  namespace: app\n");
        Apply("service-waypoint", """
            apiVersion: v1
            kind: Service
            metadata:
              name: waypoint
              namespace: app
              labels:
                gateway.networking.k8s.io/gateway-name: waypoint
            spec:
              selector:
                gateway.networking.k8s.io/gateway-name: waypoint
              ports:
              - name: mesh
                port: 15008

            """);
    }

    /// <summary>Declares a pod of that waypoint, to which nobody is sent yet.</summary>
    /// <returns>Declares whether it takes connections. In a cluster its readiness would say so, and that it is being deleted; here the latter alone does.</returns>
    public Action<bool> AddWaypointPod(string name)
    {
        var address = _prefix + ++_address;
        Serves(false);
        return Serves;

        void Serves(bool serves) => Declare(serves ? "" : "  deletionTimestamp: \"2026-11-29T10:00:00Z\"\n");

        void Declare(string deleted) => Apply($"pod-{name}", $"""
            apiVersion: v1
            kind: Pod
            metadata:
              name: {name}
              namespace: app
            {deleted}  annotations:
                ambient.dev/address: {address}
              labels:
                gateway.networking.k8s.io/gateway-name: waypoint
                networking.istio.io/tunnel: http
                istio.io/dataplane-mode: none
            spec:
              serviceAccountName: waypoint
              containers:
              - name: istio-proxy
                image: waypoint

            """);
    }

    /// <summary>Declares a waypoint for the namespace, and that it is used.</summary>
    /// <param name="status">What a cluster says of its Gateway; empty: there is none that would.</param>
    public void AddWaypoint(string status = "")
    {
        Apply("namespace", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: app\n  labels:\n    istio.io/dataplane-mode: ambient\n    istio.io/use-waypoint: waypoint\n");
        Apply("waypoint", $"""
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata:
              name: waypoint
              namespace: app
              labels:
                istio.io/waypoint-for: service
            spec:
              gatewayClassName: istio-waypoint
              listeners:
              - name: mesh
                port: 15008
                protocol: HBONE
            {status}

            """);
    }

    /// <summary>Declares the gateway <c>edge</c>, with an HTTP listener on 8080 that leads to a port of the service <c>web</c>.</summary>
    public void AddGateway(int port) => Apply("gateway", $"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata:
          name: edge
          namespace: app
        spec:
          gatewayClassName: istio
          listeners:
          - name: http
            port: 8080
            protocol: HTTP
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata:
          name: web
          namespace: app
        spec:
          parentRefs:
          - name: edge
          rules:
          - backendRefs:
            - name: web
              port: {port}

        """);

    /// <summary>Runs the app of a pod: says which pod it is.</summary>
    public async Task StartAppAsync(string pod, IPAddress address, Action<WebApplication>? map = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(address, 8080, listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Listen(address, 9000, listen => listen.Protocols = HttpProtocols.Http2);
        });
        var app = builder.Build();
        map?.Invoke(app);
        app.MapFallback(http => http.Response.WriteAsync(pod));
        await app.StartAsync();
        _owned.Add(app);
    }

    /// <summary>Runs a node's ztunnel.</summary>
    public async Task<RunningHost> StartZtunnelAsync(string node)
    {
        var host = NewHost(node);
        var ztunnel = await host.StartedAsync(Node.Hosting.Ztunnel.ZtunnelHost.StartAsync(
            new ZtunnelOptions { Host = Options(node), Mode = ZtunnelMode.Loopback }, host.Loggers, host.Shutdown, TimeProvider.System, CancellationToken.None));
        host.Owned = ztunnel;
        host.Running = ztunnel.RunUntilDrainedAsync();
        return host;
    }

    /// <summary>Runs the process of a Gateway; returns when it is ready.</summary>
    /// <param name="gateway">Name of the Gateway.</param>
    /// <param name="pod">Which of its pods; null: the one that the Gateway expands to.</param>
    public async Task<RunningHost> StartWaypointAsync(string gateway, string? pod = null)
    {
        var host = NewHost(pod ?? gateway);
        var waypoint = await host.StartedAsync(WaypointHost.StartAsync(
            new WaypointOptions { Host = Options(null), GatewayName = gateway, Namespace = "app", PodName = pod }, host.Loggers, host.Shutdown, TimeProvider.System, CancellationToken.None));
        host.Owned = waypoint;
        host.Running = waypoint.RunUntilDrainedAsync();
        host.Stats = waypoint.StatsEndPoint;
        host.Probe = waypoint.ReadinessEndPoint;
        using var http = new HttpClient();
        var missing = "";
        await EventuallyAsync(async () =>
        {
            if (host.Running.Exception is { } failure)
            {
                throw new Xunit.Sdk.XunitException($"{gateway} has failed: {failure}\n{host.Log}");
            }

            using var ready = await http.GetAsync(new Uri($"http://127.0.0.1:{waypoint.ReadinessEndPoint!.Port}/healthz/ready"));
            missing = await ready.Content.ReadAsStringAsync();
            return ready.IsSuccessStatusCode;
        }, () => $"{gateway} is not ready: {missing}\n{host.Log}");
        return host;
    }

    /// <summary>A client of a pod: everything it calls goes through its ztunnel.</summary>
    [SuppressMessage("Reliability", "CA2000", Justification = "The client owns its handler.")]
    public static HttpClient ClientOf(IPAddress pod) => new(new SocketsHttpHandler
    {
        Proxy = new WebProxy($"socks5://{pod}:15080"),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(5),
        ConnectTimeout = TimeSpan.FromSeconds(30),
    })
    {
        Timeout = TimeSpan.FromSeconds(60),
    };

    /// <summary>Waits until a condition holds.</summary>
    public static async Task EventuallyAsync(Func<Task<bool>> holds, Func<string> otherwise)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            Exception? last = null;
            try
            {
                if (await holds())
                {
                    return;
                }
            }
            catch (Exception e) when (e is HttpRequestException or SocketException or IOException)
            {
                last = e;
            }

            if (deadline.IsCancellationRequested)
            {
                throw new Xunit.Sdk.XunitException($"{otherwise()} {last?.Message}");
            }

            await Task.Delay(50, CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var shutdown in _shutdowns)
        {
            shutdown.Begin("the test is over");
            shutdown.Force();
        }

        await Task.WhenAll(_running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            await _owned[i].DisposeAsync();
        }

        Directory.Delete(Folder, recursive: true);
    }

    private RunningHost NewHost(string name)
    {
        var host = new RunningHost(name);
        _owned.Add(host);
        _shutdowns.Add(host.Shutdown);
        return host;
    }

    private NodeOptions Options(string? node) => new()
    {
        Manifests = Manifests,
        AuthorityFolder = AuthorityFolder,
        NodeName = node,
        PortOffset = PortOffsets.Next(),
        IPv6Enabled = false,
    };
}

/// <summary>A host that runs in this process, and what it logs.</summary>
internal sealed class RunningHost : IAsyncDisposable
{
    private readonly MemoryStream _log = new();
    private readonly LogWriter _writer;

    public RunningHost(string name)
    {
        Name = name;
        _writer = new LogWriter(_log);
        Loggers = new HostLoggerFactory(_writer, LogFormat.Plain, LogFilter.Info, TimeProvider.System);
        Shutdown = new Shutdown(TimeSpan.FromSeconds(5), TimeProvider.System, NullLogger.Instance);
    }

    public string Name { get; }

    public HostLoggerFactory Loggers { get; }

    public Shutdown Shutdown { get; }

    public IAsyncDisposable? Owned { get; set; }

    public Task Running { get; set; } = Task.CompletedTask;

    public IPEndPoint? Stats { get; set; }

    public IPEndPoint? Probe { get; set; }

    /// <summary>Everything logged so far.</summary>
    public string Log
    {
        get
        {
            _writer.Flush();
            return System.Text.Encoding.UTF8.GetString(_log.ToArray());
        }
    }

    /// <summary>Waits for the start; a mesh that cannot be read would keep it waiting for ever.</summary>
    public async Task<T> StartedAsync<T>(Task<T> start)
    {
        try
        {
            return await start.WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (TimeoutException)
        {
            throw new Xunit.Sdk.XunitException($"{Name} did not start:\n{Log}");
        }
    }

    /// <summary>Stops it as SIGTERM would, and waits.</summary>
    public async Task StopAsync()
    {
        Shutdown.Begin("the test stops it");
        await Running.WaitAsync(TimeSpan.FromSeconds(60));
        if (Owned is not null)
        {
            await Owned.DisposeAsync();
            Owned = null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Shutdown.Begin("the test is over");
        Shutdown.Force();
        await Running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (Owned is not null)
        {
            await Owned.DisposeAsync();
        }

        Shutdown.Dispose();
        _writer.Dispose();
    }
}
