using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Mesh;
using Ambient.Node.Admin.Envoy;
using Ambient.Node.Admin.Server;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Received;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;
using Ambient.Node.Lifetime;
using Ambient.Node.Membership;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Waypoint;

/// <summary>
/// A whole waypoint process: the mesh from its source, certificates from its authority, the node itself, and the three HTTP
/// endpoints for people and machines.
/// </summary>
internal sealed class WaypointHost : IHostedProxy
{
    private const int AdminPort = 15000;
    private const int StatsPort = 15020;
    private const int ReadinessPort = 15021;
    private const int PrometheusPort = 15090;

    private readonly Stack<IAsyncDisposable> _owned = new();
    private readonly Shutdown _shutdown;
    private WaypointNode? _node;

    private WaypointHost(Shutdown shutdown) => _shutdown = shutdown;

    /// <summary>The admin endpoint.</summary>
    public IPEndPoint? AdminEndPoint { get; private set; }

    /// <summary>The metrics endpoint.</summary>
    public IPEndPoint? StatsEndPoint { get; private set; }

    /// <summary>The endpoint of an Envoy's own metrics; null where istiod does not configure the host as an Envoy.</summary>
    public IPEndPoint? PrometheusEndPoint { get; private set; }

    /// <summary>The readiness endpoint.</summary>
    public IPEndPoint? ReadinessEndPoint { get; private set; }

    /// <summary>Starts. Returns when mesh, authority and endpoints are up; the Gateway itself may still be awaited.</summary>
    /// <exception cref="IOException">A port cannot be had.</exception>
    /// <exception cref="MeshSourceException">The mesh cannot be read.</exception>
    /// <exception cref="CertificateAuthorityException">The authority's folder is unusable.</exception>
    public static Task<WaypointHost> StartAsync(
        WaypointOptions options, HostLoggerFactory loggers, Shutdown shutdown, TimeProvider time, CancellationToken cancellationToken) =>
        StartAsync(options, options.ToMeshRuntime(), new MeshStore(), loggers, shutdown, time, cancellationToken);

    /// <summary>Starts with a mesh and certificates other than those that the options name, and a store that is shared with the application.</summary>
    public static async Task<WaypointHost> StartAsync(
        WaypointOptions options, MeshRuntimeOptions membership, MeshStore store, HostLoggerFactory loggers, Shutdown shutdown, TimeProvider time, CancellationToken cancellationToken)
    {
        var host = new WaypointHost(shutdown);
        try
        {
            await host.StartAsync(options, membership, store, loggers, time, cancellationToken).ConfigureAwait(false);
            return host;
        }
        catch
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Serves until the drain is over.</summary>
    public Task RunUntilDrainedAsync() => _node!.RunAsync(_shutdown);

    /// <summary>Ends everything at once, in the reverse order of its start.</summary>
    public async ValueTask DisposeAsync()
    {
        while (_owned.TryPop(out var owned))
        {
            await owned.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task StartAsync(
        WaypointOptions options, MeshRuntimeOptions membership, MeshStore store, HostLoggerFactory loggers, TimeProvider time, CancellationToken cancellationToken)
    {
        var host = options.Host;
        var registry = new MetricRegistry();
        ProcessMetrics.AddTo(registry, "proxy", host.IstioVersion, () => loggers.Writer?.Dropped ?? 0);

        // 1. Mesh and certificates.
        var runtime = Own(await MeshRuntime.OpenAsync(membership, store, loggers, registry, time, cancellationToken).ConfigureAwait(false));

        // 2. The node, and the endpoints that can be asked why it is not ready.
        _node = Own(new WaypointNode(options, runtime, loggers, registry, time));
        var adminLogger = loggers.CreateLogger("Admin");
        var wildcard = host.IPv6Enabled && Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any;
        var envoy = runtime.Requests is EnvoySession { Received: { } received } && host.Xds is { } xds ? EnvoyOf(received, xds) : null;
        var admin = WaypointAdmin.Create(_node, runtime.Mesh, runtime.Cache, envoy, loggers, _shutdown);
        AdminEndPoint = Serve("admin", new IPEndPoint(IPAddress.Loopback, AdminPort + host.PortOffset), admin.AnswerAsync);
        StatsEndPoint = Serve("stats", new IPEndPoint(wildcard, StatsPort + host.PortOffset), CommonEndpoints.Status(registry, _node.Readiness, _shutdown, _node.Drain));
        ReadinessEndPoint = Serve("readiness", new IPEndPoint(wildcard, ReadinessPort + host.PortOffset), CommonEndpoints.Ready(_node.Readiness));
        if (envoy is not null)
        {
            PrometheusEndPoint = Serve("Envoy's metrics", new IPEndPoint(wildcard, envoy.PrometheusPort), CommonEndpoints.Metrics(registry));
        }

        // 3. Nothing is accepted before the mesh is known: a waypoint without policies would let everybody in.
        await runtime.StartAsync(cancellationToken).ConfigureAwait(false);

        EnvoyHost EnvoyOf(ReceivedConfiguration received, XdsOptions xds) => new()
        {
            Received = received,
            Svids = runtime.Cache,
            Backends = () => _node.Upstreams?.Backends.All ?? [],
            IsReady = () => _node.Readiness.IsReady,
            IsDraining = () => _shutdown.Draining.IsCancellationRequested || _node.IsDraining,
            Metrics = registry,
            Loggers = loggers,
            Version = HostVersion.Text,
            AdminPort = AdminPort + host.PortOffset,
            StatusPort = StatsPort + host.PortOffset,
            ReadinessPort = ReadinessPort + host.PortOffset,
            PrometheusPort = PrometheusPort + host.PortOffset,
            Wildcard = wildcard.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any,
            ControlPlane = xds.Server.Address,
            Authority = host.CertificateAuthority?.Address,
            Concurrency = Environment.ProcessorCount,
            Time = time,
            Started = time.GetUtcNow(),
        };

        IPEndPoint Serve(string name, IPEndPoint address, AdminHandler handler) => Own(AdminServer.Start(name, address, handler, time, adminLogger)).LocalEndPoint;
    }

    private T Own<T>(T part)
        where T : IAsyncDisposable
    {
        _owned.Push(part);
        return part;
    }
}
