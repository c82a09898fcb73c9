using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Admin.Explain;
using Ambient.Node.Connections;
using Ambient.Node.Gateway;
using Ambient.Node.Gateway.Tls;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Lifetime;
using Ambient.Node.Membership;
using Ambient.Node.Requests;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Node.Requests.Forwarding;
using Ambient.Node.Requests.Serving;
using Ambient.Node.Requests.Tokens;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry.Exporting;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Telemetry.Tracing;
using Ambient.Node.Waypoint;
using Ambient.Policy.Routing.Names;
using Ambient.Policy.Routing.Requests;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Hosting.Waypoint;

/// <summary>
/// A waypoint or ingress gateway, composed: waits for its Gateway and its own workload to appear in the mesh and for its first
/// certificate, serves what the Gateway's class says, and drains. Knows nothing of where mesh and certificates come from.
/// </summary>
internal sealed partial class WaypointNode : IAsyncDisposable
{
    /// <summary>Class of waypoints.</summary>
    public const string WaypointClass = Mesh.Gateway.WaypointClass;

    /// <summary>Class of ingress gateways.</summary>
    public const string GatewayClass = "istio";

    private readonly WaypointOptions _options;
    private readonly MeshRuntime _runtime;
    private readonly MeshStore _meshes;
    private readonly HostLoggerFactory _loggers;
    private readonly MetricRegistry _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action _meshSeen;
    private readonly Action _certificateSeen;
    private readonly Action _serving;
    private readonly PolicyWatch _watch;
    private readonly TokenVerifier _tokens;
    private readonly SpanExporters _spans;
    private readonly AccessLogExporters _collectors;
    private UpstreamPool? _upstreams;
    private AuthorizerClient? _authorizers;
    private UpstreamDialer? _dialer;
    private HboneClient? _client;
    private Action? _leadOn;
    private bool _isGateway;

    /// <summary>Creates a node; nothing is bound before <see cref="RunAsync"/>.</summary>
    public WaypointNode(
        WaypointOptions options, MeshRuntime runtime, HostLoggerFactory loggers, MetricRegistry metrics, TimeProvider time)
    {
        _options = options;
        _runtime = runtime;
        _meshes = runtime.Mesh;
        _loggers = loggers;
        _metrics = metrics;
        _time = time;
        _logger = loggers.CreateLogger("waypoint");
        Connections = new ConnectionTable(new ConnectionLog(loggers, () => runtime.Mesh.Current.Requests.LogsAccess), new TcpMetrics(metrics, loggers), metrics, time);
        _watch = new PolicyWatch(_meshes, Connections, _logger);
        _tokens = new TokenVerifier(new KeyFetcher(SystemRoots.FindFile(), time), new TokenMetrics(metrics), loggers.CreateLogger("jwt"), time);
        _spans = new SpanExporters(metrics, ConnectAsync, loggers.CreateLogger("tracing"), time);
        _collectors = new AccessLogExporters(metrics, ConnectAsync, loggers.CreateLogger("access"), time);
        _meshSeen = Readiness.Require("gateway");
        _certificateSeen = Readiness.Require("certificate");
        _serving = Readiness.Require("listener");
        runtime.OnceHeard(Readiness.Require("workload api"));
    }

    /// <summary>What is still missing.</summary>
    public Readiness Readiness { get; } = new();

    /// <summary>Connections and requests under way.</summary>
    public ConnectionTable Connections { get; }

    /// <summary>Whether clients are led on.</summary>
    public bool IsDraining { get; private set; }

    /// <summary>Key of the Gateway.</summary>
    public string GatewayKey => $"{_options.Namespace}/{_options.GatewayName}";

    /// <summary>Our own workload; null before the Gateway is known.</summary>
    public LocalWorkload? Self { get; private set; }

    /// <summary>What policies have decided; null before the Gateway is known.</summary>
    public PolicyMetrics? Policies { get; private set; }

    /// <summary>Asks external authorizers; null before the first pipeline.</summary>
    internal AuthorizerClient? Authorizers => _authorizers;

    /// <summary>Connections to endpoints; null before the Gateway is known.</summary>
    public UpstreamPool? Upstreams => _upstreams;

    /// <summary>Explains requests as this node would decide on them.</summary>
    public RequestExplainEndpoint CreateExplain() => new(
        _meshes, GatewayKey, () => Self?.Current, _options.Host.Network, new NameRules(_options.Host.ClusterDomain, null, null, _options.Host.IPv6Enabled, _options.Host.Manifests is not null));

    /// <summary>Serves until the drain is over. Fails when a listener fails.</summary>
    public async Task RunAsync(Shutdown shutdown)
    {
        try
        {
            if (!_runtime.BringsRequests)
            {
                await RunUnconfiguredAsync(shutdown).ConfigureAwait(false);
                return;
            }

            var gateway = await WaitForGatewayAsync(shutdown.Draining).ConfigureAwait(false);
            var self = await WaitForSelfAsync(gateway, shutdown.Draining).ConfigureAwait(false);
            _meshSeen();
            await _runtime.Svids.GetSvidAsync(self.Identity, shutdown.Draining).ConfigureAwait(false);
            _certificateSeen();
            if (gateway.IsWaypoint)
            {
                await RunWaypointAsync(self, shutdown).ConfigureAwait(false);
            }
            else
            {
                await RunGatewayAsync(shutdown).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (shutdown.Draining.IsCancellationRequested)
        {
        }
    }

    /// <summary>Leads clients on, and is not ready from here on; whoever asked for it ends the process later.</summary>
    public void Drain()
    {
        IsDraining = true;
        _ = Readiness.Require("the end of the drain");
        _leadOn?.Invoke();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _watch.Dispose();
        _tokens.Dispose();
        _upstreams?.Dispose();
        await _spans.DisposeAsync().ConfigureAwait(false);
        await _collectors.DisposeAsync().ConfigureAwait(false);
        if (_client is not null)
        {
            await _client.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task<Mesh.Gateway> WaitForGatewayAsync(CancellationToken cancellationToken)
    {
        if (!_meshes.Current.Requests.Gateways.ContainsKey(GatewayKey))
        {
            LogWaiting(_logger, $"Gateway {GatewayKey}");
        }

        var mesh = await WaitForMeshAsync(mesh => mesh.Requests.Gateways.ContainsKey(GatewayKey), cancellationToken).ConfigureAwait(false);
        var gateway = mesh.Requests.Gateways[GatewayKey];
        return gateway.ClassName is WaypointClass or GatewayClass
            ? gateway
            : throw new InvalidOperationException(
                $"Gateway {GatewayKey} has class {gateway.ClassName}; this host serves {WaypointClass} and {GatewayClass}");
    }

    /// <summary>
    /// Without Gateway, routes and layer 7 policies nothing may be served: policies that only their source would bring would go unenforced.
    /// A waypoint still answers, so that callers are told rather than left waiting; which listeners a gateway has, nobody says.
    /// </summary>
    private async Task RunUnconfiguredAsync(Shutdown shutdown)
    {
        _ = Readiness.Require("http configuration (no source for it)");
        LogUnconfigured(_logger, GatewayKey);
        if (_options.IsGateway)
        {
            await shutdown.WaitForDrainAsync().ConfigureAwait(false);
            return;
        }

        var self = await WaitForSelfAsync(_options.PodName ?? $"{_options.GatewayName}-0", shutdown.Draining).ConfigureAwait(false);
        await _runtime.Svids.GetSvidAsync(self.Identity, shutdown.Draining).ConfigureAwait(false);
        _certificateSeen();
        var address = new IPEndPoint(self.Addresses[0], UpstreamDialer.HbonePort);
        var listener = new HboneListener(
            Listen(address),
            new HboneServerOptions { Revocation = _runtime.Revocation, AcceptedPeers = _runtime.AcceptedPeers, Budget = NewBudget() },
            _runtime.Svids,
            (_, _) => new ValueTask<SpiffeId?>(Self!.Current?.Identity),
            (connect, _) =>
            {
                LogRefused(_logger, connect.RemoteEndPoint, connect.PeerIdentity.ToString(), connect.Authority);
                connect.Reject(503);
                return ValueTask.CompletedTask;
            },
            _time);
        await using (listener.ConfigureAwait(false))
        {
            await UntilDrainAsync(listener.RunAsync(shutdown.Draining), shutdown).ConfigureAwait(false);
            await listener.ShutdownAsync(shutdown.Deadline).ConfigureAwait(false);
        }
    }

    // One server is open at a time.
    private ConnectionBudget NewBudget(string kind = "HBONE") => AdmissionLog.OfProcess(_options.MaxConnections, _options.MaxConnectionsPerPeer, _logger, _time, kind);

    private Task<Workload> WaitForSelfAsync(Mesh.Gateway gateway, CancellationToken cancellationToken) => WaitForSelfAsync(
        _options.PodName ?? (gateway.IsWaypoint || gateway.Listeners.IsEmpty ? $"{gateway.Name}-0" : $"{gateway.Name}-{gateway.ClassName}-0"), cancellationToken);

    private async Task<Workload> WaitForSelfAsync(string pod, CancellationToken cancellationToken)
    {
        Self = LocalWorkload.ByPod(_meshes, _options.Namespace, pod, _time);
        if (Self.Current is null)
        {
            LogWaiting(_logger, $"our own workload {_options.Namespace}/{pod}");
        }

        await WaitForMeshAsync(_ => Self.Current is not null, cancellationToken).ConfigureAwait(false);
        return Self.Current!;
    }

    private async Task<MeshSnapshot> WaitForMeshAsync(Func<MeshSnapshot, bool> condition, CancellationToken cancellationToken)
    {
        var met = new TaskCompletionSource<MeshSnapshot>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Check(MeshSnapshot mesh)
        {
            if (condition(mesh))
            {
                met.TrySetResult(mesh);
            }
        }

        using var watch = _meshes.OnChange(Check);
        Check(_meshes.Current);
        return await met.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task RunWaypointAsync(Workload self, Shutdown shutdown)
    {
        var entrance = new WaypointEntrance(_meshes, GatewayKey, Self!);
        var dialer = CreateDialer();
        var pipeline = CreatePipeline(entrance, dialer, new RequestMetrics(_metrics, "waypoint", "mutual_tls"));
        var address = new IPEndPoint(self.Addresses[0], UpstreamDialer.HbonePort);
        var server = WaypointServer.Start(
            Listen(address), new HboneServerOptions { MaxConcurrentStreams = 100, Revocation = _runtime.Revocation, AcceptedPeers = _runtime.AcceptedPeers, Budget = NewBudget() }, _runtime.Svids, _meshes, Self!, entrance, pipeline, dialer, _upstreams!.Backends, Connections, _loggers, _time);
        await using (server.ConfigureAwait(false))
        {
            _leadOn = server.LeadOn;
            LogServing(_logger, WaypointClass, GatewayKey, address, self.Identity.ToString());
            _serving();
            await UntilDrainAsync(server.RunAsync(CancellationToken.None), shutdown).ConfigureAwait(false);
            await LeadOnAsync(shutdown).ConfigureAwait(false);
            await server.ShutdownAsync(shutdown.Deadline).ConfigureAwait(false);
        }
    }

    private async Task RunGatewayAsync(Shutdown shutdown)
    {
        _isGateway = true;
        var dialer = CreateDialer();
        var metrics = new RequestMetrics(_metrics, "source", "unknown");
        var server = new GatewayServer(
            _meshes, GatewayKey, Self!, _options.ListenerPortOffset, entrance => CreatePipeline(entrance, dialer, metrics), dialer, CreateUpstreams(dialer).Backends, Connections,
            new NodeSockets(new NodeSocketOptions { Budget = NewBudget("HTTP") }, _logger), new GatewayCertificates(_options.Certificates, _logger, _time), Readiness.Watch(), _loggers, _time);
        await using (server.ConfigureAwait(false))
        {
            var running = server.RunAsync(shutdown.Draining);
            await Task.WhenAny(server.Ready.Task, running).ConfigureAwait(false);
            _leadOn = server.LeadOn;
            LogServing(_logger, GatewayClass, GatewayKey, new IPEndPoint(Self!.Current!.Addresses[0], 0), Self.Current.Identity.ToString());
            _serving();
            await UntilDrainAsync(running, shutdown).ConfigureAwait(false);

            // From here on no port is opened or closed any more.
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await LeadOnAsync(shutdown).ConfigureAwait(false);
            await server.ShutdownAsync(shutdown.Deadline).ConfigureAwait(false);
        }
    }

    /// <summary>Not ready from here on, so that probes and load balancers hear it; served all the same until they have.</summary>
    private async Task LeadOnAsync(Shutdown shutdown)
    {
        Drain();
        await DrainLead.WaitAsync(shutdown, _options.DrainDuration, () => Self!.Current is { Status: WorkloadStatus.Healthy }, _time).ConfigureAwait(false);
    }

    // A listener that fails ends the host; one that ends because we drain does not.
    private static async Task UntilDrainAsync(Task running, Shutdown shutdown)
    {
        var drain = shutdown.WaitForDrainAsync();
        if (await Task.WhenAny(running, drain).ConfigureAwait(false) == running && !shutdown.Draining.IsCancellationRequested)
        {
            await running.ConfigureAwait(false);
            throw new InvalidOperationException("the listener ended by itself");
        }
    }

    private UpstreamDialer CreateDialer()
    {
        var connector = new OwnAddressConnector(SocketConnector.Default, Self!);
        _client = new HboneClient(new HboneClientOptions { Connector = connector, Revocation = _runtime.Revocation, StaysOnThread = true }, _runtime.Svids, _time);
        return _dialer = new UpstreamDialer(_client, connector, Self!) { Kind = _isGateway ? "gateway" : "waypoint", Names = new NameResolver(_options.Host.IPv6Enabled, _time, _options.ResolveNames) };
    }

    private RequestPipeline CreatePipeline(IRequestEntrance entrance, UpstreamDialer dialer, RequestMetrics metrics)
    {
        var upstreams = CreateUpstreams(dialer);
        _authorizers ??= new AuthorizerClient(upstreams, _options.AuthorizerLimits, _time) { IsIngress = _isGateway };
        Policies = metrics.Policies;
        var log = new RequestLog(_loggers, metrics, _options.Host.Network, _options.LogPolicyDecisions) { Collectors = _collectors };
        return new RequestPipeline(new RequestServices(_meshes, entrance, Connections, log, _time) { Tokens = _tokens, Spans = _spans, Filters = [.. _options.Filters], StreamIdleTimeout = _options.StreamIdleTimeout, Authorizers = _authorizers }, new RequestForwarder(upstreams, log, _time));
    }

    /// <summary>Connects to a mesh service, for what the node itself sends; null: the mesh has no such host.</summary>
    /// <exception cref="IOException">The mesh has it, and it cannot be reached as the mesh says: nobody may go past that.</exception>
    private async ValueTask<Stream?> ConnectAsync(string hostname, int port, CancellationToken cancellationToken)
    {
        var mesh = _meshes.Current;
        if (mesh.ServicesOfHostname(hostname) is not [var service, ..])
        {
            return null;
        }

        if (Self?.Current is not { } self || _dialer is not { } dialer || _upstreams is not { } upstreams)
        {
            throw new IOException($"{hostname} cannot be reached before our own workload is in the mesh");
        }

        return EndpointChoice.ForOwn(upstreams.Backends, mesh, self, service, port, null, _isGateway) is { } endpoint
            ? await dialer.DialStreamAsync(endpoint, cancellationToken).ConfigureAwait(false)
            : throw new IOException($"{hostname} has no healthy endpoint at port {port}, or its TLS cannot be made");
    }

    private UpstreamPool CreateUpstreams(UpstreamDialer dialer) =>
        _upstreams ??= new UpstreamPool(_meshes, dialer, new UpstreamOptions(), _time, new BackendMetrics(_metrics), _loggers.CreateLogger("upstream"));

    private static Socket Listen(IPEndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(address);
            socket.Listen(1024);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"cannot listen on {address}: {e.Message}", e);
        }
    }

    [LoggerMessage(7020, LogLevel.Information, "waiting for {What} to appear in the mesh")]
    private static partial void LogWaiting(ILogger logger, string what);

    [LoggerMessage(7021, LogLevel.Error, "{Gateway} is not served: no source provides its HTTP configuration (Gateway, routes, layer 7 policies), and without it policies would not be enforced. Set AMBIENT_MANIFESTS to a folder that contains it; until then a waypoint answers 503 and the host is not ready")]
    private static partial void LogUnconfigured(ILogger logger, string gateway);

    [LoggerMessage(7022, LogLevel.Warning, "connection by {Peer} ({Identity}) to {Authority} refused with 503: no source provides the HTTP configuration of this waypoint (AMBIENT_MANIFESTS)")]
    private static partial void LogRefused(ILogger logger, IPEndPoint peer, string identity, string authority);

    [LoggerMessage(7023, LogLevel.Information, "serving {Class} {Gateway} on {Address} as {Identity}")]
    private static partial void LogServing(ILogger logger, string @class, string gateway, IPEndPoint address, string identity);
}
