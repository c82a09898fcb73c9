using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Admin.Server;
using Ambient.Node.Authorities;
using Ambient.Node.Capture;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Capture.InPod;
using Ambient.Node.Capture.Loopback;
using Ambient.Node.Connections;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Process;
using Ambient.Node.Inbound;
using Ambient.Node.Lifetime;
using Ambient.Node.Membership;
using Ambient.Node.Outbound;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Routing.Names;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>
/// A whole ztunnel: the mesh from its source, certificates from its authority, listeners, engines, and the three HTTP endpoints.
/// Composed by hand: a container and a generic host would cost a third of the memory that a ztunnel promises to stay under.
/// </summary>
internal sealed class ZtunnelHost : IHostedProxy
{
    private const int ReadinessPort = 15021;

    private static readonly TimeSpan Goodbye = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    private readonly Stack<IAsyncDisposable> _owned = new();
    private readonly Shutdown _shutdown;
    private readonly ConnectionTable _connections;
    private readonly Readiness _readiness;
    private readonly TimeProvider _time;
    private readonly MeshStore _store;
    private INodeCapture? _node;

    private ZtunnelHost(MeshStore store, Shutdown shutdown, ConnectionTable connections, Readiness readiness, TimeProvider time)
    {
        _store = store;
        _time = time;
        _shutdown = shutdown;
        _connections = connections;
        _readiness = readiness;
    }

    /// <summary>Whether everything is up.</summary>
    public bool IsReady => _readiness.IsReady;

    /// <summary>The mesh as this ztunnel knows it now.</summary>
    public MeshSnapshot Mesh => _store.Current;

    /// <summary>The admin endpoint.</summary>
    public IPEndPoint? AdminEndPoint { get; private set; }

    /// <summary>The metrics endpoint.</summary>
    public IPEndPoint? StatsEndPoint { get; private set; }

    /// <summary>The readiness endpoint.</summary>
    public IPEndPoint? ReadinessEndPoint { get; private set; }

    /// <summary>Starts a ztunnel. Returns when its listeners accept.</summary>
    /// <exception cref="IOException">A port cannot be had.</exception>
    /// <exception cref="MeshSourceException">The mesh cannot be read.</exception>
    /// <exception cref="CertificateAuthorityException">The authority's folder is unusable.</exception>
    public static Task<ZtunnelHost> StartAsync(
        ZtunnelOptions options, HostLoggerFactory loggers, Shutdown shutdown, TimeProvider time, CancellationToken cancellationToken) =>
        StartAsync(options, options.ToMeshRuntime(), new MeshStore(), loggers, shutdown, time, cancellationToken);

    /// <summary>Starts with a mesh and certificates other than those that the options name, and a store that is shared with the application.</summary>
    public static async Task<ZtunnelHost> StartAsync(
        ZtunnelOptions options, MeshRuntimeOptions membership, MeshStore store, HostLoggerFactory loggers, Shutdown shutdown, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggers);

        // 1. What counts and logs.
        var host = options.Host;
        var registry = new MetricRegistry();
        ProcessMetrics.AddTo(registry, "ztunnel", host.IstioVersion, () => loggers.Writer?.Dropped ?? 0);
        var metrics = new TcpMetrics(registry, loggers);
        var log = new ConnectionLog(loggers);
        var connections = new ConnectionTable(log, metrics, registry, time);
        var readiness = new Readiness();
        var ztunnel = new ZtunnelHost(store, shutdown, connections, readiness, time);
        try
        {
            await ztunnel.StartAsync(options, membership, loggers, registry, metrics, log, time, cancellationToken).ConfigureAwait(false);
            return ztunnel;
        }
        catch
        {
            await ztunnel.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Runs until the shutdown begins, drains, and returns when the last connection ended or the deadline passed.</summary>
    /// <exception cref="IOException">The network plugin broke its protocol: the process should end, and start anew.</exception>
    public async Task RunUntilDrainedAsync()
    {
        var failed = _node?.Failed ?? Task.Delay(Timeout.InfiniteTimeSpan, _time, CancellationToken.None);
        if (await Task.WhenAny(_shutdown.WaitForDrainAsync(), failed).ConfigureAwait(false) == failed)
        {
            // Throws why; nothing is drained.
            await failed.ConfigureAwait(false);
        }

        // Listeners have a deadline of their own: connections are told why they end before their tunnels are cut.
        using var cut = new CancellationTokenSource();
        var draining = _node?.DrainAsync(cut.Token) ?? Task.CompletedTask;
        try
        {
            await _connections.WhenEmptyAsync().WaitAsync(_shutdown.Deadline).ConfigureAwait(false);

            // Without tunnels there is nothing to wait for but the peers' own goodbyes.
            await Task.WhenAny(draining, Task.Delay(Goodbye, _time, CancellationToken.None)).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _connections.End(ConnectionEnd.Drain, static _ => true);

            // Those that were just ended write their log lines; nothing they do takes long.
            await Task.WhenAny(_connections.WhenEmptyAsync(), Task.Delay(LastWords, _time, CancellationToken.None)).ConfigureAwait(false);
        }

        await cut.CancelAsync().ConfigureAwait(false);
        await draining.ConfigureAwait(false);
    }

    /// <summary>Ends everything at once, in the reverse order of its start.</summary>
    public async ValueTask DisposeAsync()
    {
        _connections.End(ConnectionEnd.Drain, static _ => true);
        while (_owned.TryPop(out var owned))
        {
            await owned.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task StartAsync(
        ZtunnelOptions options, MeshRuntimeOptions membership, HostLoggerFactory loggers, MetricRegistry registry, TcpMetrics metrics, ConnectionLog log, TimeProvider time, CancellationToken cancellationToken)
    {
        var host = options.Host;
        var meshReady = _readiness.Require("state manager");
        var proxyReady = _readiness.Require("proxy");

        // 2. The mesh and the certificates.
        var store = _store;
        var runtime = Own(await MeshRuntime.OpenAsync(membership, store, loggers, registry, time, cancellationToken).ConfigureAwait(false));
        var demand = runtime.Demand;
        runtime.OnceHeard(_readiness.Require("workload api"));

        // 3. The endpoints for people and machines come up first: a start that takes long can be asked why.
        var admin = ZtunnelAdmin.Create(options, store, demand, runtime.Cache, _connections, () => (_node as InPodNode)?.Pods.States() ?? (_node as LoopbackNode)?.States(), loggers, _shutdown);
        var adminLogger = loggers.CreateLogger("Admin");
        var wildcard = host.IPv6Enabled && Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any;
        AdminEndPoint = Serve("admin", new IPEndPoint(options.AdminAddress, options.AdminPort + host.PortOffset), admin.AnswerAsync);
        if (options.AdminAddress.Equals(IPAddress.Loopback) && LoopbackFamilies.Localhost(null, host.IPv6Enabled).Length > 1)
        {
            Serve("admin", new IPEndPoint(IPAddress.IPv6Loopback, AdminEndPoint.Port), admin.AnswerAsync);
        }

        StatsEndPoint = Serve("stats", new IPEndPoint(wildcard, options.StatsPort + host.PortOffset), CommonEndpoints.Metrics(registry));
        ReadinessEndPoint = Serve("readiness", new IPEndPoint(wildcard, ReadinessPort + host.PortOffset), CommonEndpoints.Ready(_readiness));

        if (options.Mode == ZtunnelMode.Shared)
        {
            PodSelfTest.Run(options.PacketMark);
        }

        // 4. The engines and the listeners: bound now where they can be, so that a conflict stops the start.
        var resolver = ResolverConfig.Read();
        var names = new NameRules(
            host.ClusterDomain, options.Mode == ZtunnelMode.Dedicated ? resolver.Search : null, options.PreferredServiceNamespace, host.IPv6Enabled, host.Manifests is not null);
        var dnsReady = options.AnswersNames ? _readiness.Require("dns proxy") : null;
        var io = new HboneIo(options.WorkerThreads);
        OwnSync(io);
        var parts = new EngineParts
        {
            Io = io,
            Options = options,
            Mesh = store,
            Demand = demand,
            Svids = runtime.Svids,
            Revocation = runtime.Revocation,
            Connections = _connections,
            Reserved = new ReservedPorts(options.Socks5 || options.Mode == ZtunnelMode.Loopback),
            Authorizer = new InboundAuthorizer(loggers.CreateLogger("rbac"), options.LogPolicyDecisions),
            InboundOptions = new InboundOptions
            {
                ResponseBaggage = options.ResponseBaggage,
                LocalhostTunnel = options.LocalhostTunnel && options.Mode != ZtunnelMode.Loopback,
                AttributeServices = host.LocalXdsPath is null && host.LocalXds is null,
            },
            Log = log,
            Metrics = metrics,
            SkippedWaypoints = new Lazy<Counter>(() => registry.Add(new CounterFamily(
                "ambient_idle_waypoints_skipped", "The total number of connections that went past a waypoint which had nothing to do for their service.")).Series(MetricLabels.None)),
            OnDemandNames = new OnDemandDns(registry, host.IPv6Enabled, time),
            NameRules = names,
            Dns = options.AnswersNames ? new DnsProxy(store, names, new DnsMetrics(registry), loggers.CreateLogger("dns"), time) : null,
            Resolver = resolver,
            Loggers = loggers,
            Budgets = new NodeBudgets(options, loggers.CreateLogger("Connections"), time),
            Deadline = _shutdown.Deadline,
            Time = time,
        };
        var pods = new PodEngines(parts);
        _node = Own(options.Mode switch
        {
            ZtunnelMode.Dedicated => pods.Create(Named(options.Workload!), parts.NewSockets()),
            ZtunnelMode.Shared => new InPodNode(
                options.InPodSocket,
                new PodProxies(StartPodAsync, new PodMetrics(registry), _readiness, loggers.CreateLogger("Capture")),
                time,
                loggers.CreateLogger("Capture")),
            _ => LoopbackOf(parts.NewSockets()),
        });
        OwnSync(new PolicyWatch(store, _connections, loggers.CreateLogger("Inbound")));

        // 5. Nothing is accepted before the mesh is known: a ztunnel without policies would let everybody in.
        await runtime.StartAsync(cancellationToken).ConfigureAwait(false);
        meshReady();
        if (options.Mode != ZtunnelMode.Dedicated && options.Proxy && runtime.Cache is { } cache)
        {
            OwnSync(new SvidWarmup(store, cache, host.NodeName));
        }

        if (options is { Mode: ZtunnelMode.Shared, Proxy: true, Self: { } self })
        {
            Own(pods.CreateSelf(Named(self)));
        }

        await _node.StartAsync().ConfigureAwait(false);
        proxyReady();
        dnsReady?.Invoke();

        LocalWorkload Named(ProxyWorkload workload) =>
            LocalWorkload.ByName(store, workload.Namespace, workload.Name, workload.ServiceAccount, host.NodeName, time);

        async Task<INodeCapture> StartPodAsync(PodInfo pod, PodNamespace network)
        {
            var proxy = pods.Create(Named(new ProxyWorkload(pod.Namespace, pod.Name, pod.ServiceAccount)), parts.NewSockets(network));
            await proxy.StartAsync().ConfigureAwait(false);
            return proxy;
        }

        INodeCapture LoopbackOf(NodeSockets sockets) => LoopbackEngines.Create(parts, sockets, Own(parts.NewTunnels(sockets)));

        IPEndPoint Serve(string name, IPEndPoint address, AdminHandler handler) => Own(AdminServer.Start(name, address, handler, time, adminLogger)).LocalEndPoint;
    }

    private T Own<T>(T part)
        where T : IAsyncDisposable
    {
        _owned.Push(part);
        return part;
    }

    private void OwnSync(IDisposable part) => _owned.Push(new Synchronous(part));

    private sealed class Synchronous(IDisposable part) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            part.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
