using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Admission;
using Ambient.Hbone.AspNetCore;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Lifetime;
using Ambient.Node.Membership;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Node.Requests.Tokens;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Member;

/// <summary>
/// The application's part in the mesh, with the host's life: before the server starts, the mesh is read and the first certificate
/// is there; once it serves, port 15008 is opened; when the host stops, clients are told (GOAWAY) and requests finish.
/// </summary>
internal sealed partial class MeshMember : IHostedLifecycleService, IAsyncDisposable
{
    private const int HbonePort = 15008;

    private readonly Stack<IAsyncDisposable> _owned = new();
    private readonly AmbientMeshOptions _options;
    private readonly HboneTransport _transport;
    private readonly PlainEndpoints _plain;
    private readonly TimeSpan _drainTimeout;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly MeshStore _store;
    private readonly IServiceProvider _services;
    private MeshRuntime? _runtime;
    private HboneClient? _client;
    private UpstreamPool? _upstreams;
    private AuthorizerClient? _authorizers;
    private HboneListener? _listener;
    private readonly PolicyWatch _watch;
    private MemberInbound? _inbound;
    private Task _accepting = Task.CompletedTask;
    private Task _draining = Task.CompletedTask;

    /// <summary>Created by the container; does nothing before the host starts.</summary>
    public MeshMember(IOptions<AmbientMeshOptions> options, HboneTransport transport, ILoggerFactory loggers, TimeProvider time, PlainEndpoints plain, IOptions<HostOptions> host, MeshStore store, IServiceProvider services)
    {
        _options = options.Value;
        _services = services;
        _store = store;
        _transport = transport;
        _plain = plain;
        _drainTimeout = _options.DrainTimeout ?? host.Value.ShutdownTimeout;
        _loggers = loggers;
        _logger = loggers.CreateLogger<MeshMember>();
        _time = time;
        Self = LocalWorkload.ByPod(_store, _options.Namespace ?? "", _options.Pod ?? "", time);
        Connector = new OwnAddressConnector(SocketConnector.Default, Self);
        Policies = new MemberPolicyView(_store, Self);
        Connections = new ConnectionTable(new ConnectionLog(HostLoggerFactory.Over(loggers, time), () => _store!.Current.Requests.LogsAccess), new TcpMetrics(Metrics, loggers), Metrics, time);
        _watch = new PolicyWatch(_store, Connections, _logger);
        Tokens = new TokenVerifier(new KeyFetcher(SystemRoots.FindFile(), time), new TokenMetrics(Metrics), loggers.CreateLogger("jwt"), time);
    }

    /// <summary>The mesh.</summary>
    public IMeshSnapshotProvider Meshes => _store;

    /// <summary>What is counted: tunnels, what the control plane sends, revocation.</summary>
    public MetricRegistry Metrics { get; } = new();

    /// <summary>The member's own policies.</summary>
    public MemberPolicyView Policies { get; }

    /// <summary>Verifies the tokens of requests.</summary>
    public TokenVerifier Tokens { get; }

    /// <summary>Asks external authorizers, through the mesh and as this workload.</summary>
    public AuthorizerClient Authorizers => _authorizers ?? throw new InvalidOperationException("a request came before the host has started");

    /// <summary>Clock.</summary>
    public TimeProvider Time => _time;

    /// <summary>Connections and requests under way.</summary>
    public ConnectionTable Connections { get; }

    /// <summary>The newest snapshot.</summary>
    public MeshSnapshot Mesh => _store.Current;

    /// <summary>The workload that this process runs as.</summary>
    public LocalWorkload Self { get; }

    /// <summary>Connects from the workload's own address.</summary>
    public ISocketConnector Connector { get; }

    /// <summary>Opens tunnels with the workload's certificate.</summary>
    public HboneClient Client => _client ?? throw new InvalidOperationException("the application calls through the mesh before its host has started");

    /// <inheritdoc/>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        _plain.Declare();
        // Unlike the hosts, an application keeps the machine's roots: its other clients call HTTPS servers outside the mesh.
        var runtime = _runtime = Own(await MeshRuntime.OpenAsync(_options.ToMeshRuntime().WithOwnParts(_services), _store, _loggers, Metrics, _time, cancellationToken).ConfigureAwait(false));
        runtime.OnceHeard(static () => { });
        _client = Own(new HboneClient(new HboneClientOptions { Connector = Connector, Revocation = runtime.Revocation }, runtime.Svids, _time));
        _upstreams = new UpstreamPool(_store, new UpstreamDialer(_client, Connector, Self), new UpstreamOptions(), _time, new BackendMetrics(Metrics), _loggers.CreateLogger("upstream"));
        _authorizers = new AuthorizerClient(_upstreams, new CheckLimits(), _time);
        await StartAsync(runtime, cancellationToken).ConfigureAwait(false);
        var self = await WaitForSelfAsync(cancellationToken).ConfigureAwait(false);
        await runtime.Svids.GetSvidAsync(self.Identity, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken)
    {
        // Only now: what comes in finds a server that takes it.
        var self = Self.Current!;
        var address = new IPEndPoint(self.Addresses[0], HbonePort);
        _inbound = new MemberInbound(_store, Policies, [.. _options.Ports], _transport, Connections, _logger, _time);
        _listener = Own(new HboneListener(
            Listen(address),
            new HboneServerOptions
            {
                Revocation = _runtime!.Revocation,
                AcceptedPeers = _runtime.AcceptedPeers,
                HandshakeFailed = failure => LogHandshakeFailed(_logger, failure.RemoteEndPoint, failure.Reason),
                Budget = AdmissionLog.Budget(
                    "HBONE",
                    new ConnectionLimits { MaxConnections = _options.MaxConnections, MaxConnectionsPerAddress = _options.MaxConnectionsPerPeer },
                    static limit => limit switch
                    {
                        nameof(ConnectionLimits.MaxConnections) => "Ambient:MaxConnections",
                        nameof(ConnectionLimits.MaxConnectionsPerAddress) => "Ambient:MaxConnectionsPerPeer",
                        _ => null,
                    },
                    _logger,
                    _time),
            },
            _runtime!.Svids,
            (_, _) => new ValueTask<SpiffeId?>(Self.Current?.Identity),
            (connect, cancellation) => _inbound.RunAsync(connect, Self, this, cancellation),
            _time));
        _accepting = _listener.RunAsync(CancellationToken.None);
        LogJoined(_logger, Self.Name, address, self.Identity.ToString());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        // Begun here and awaited last: kept-alive connections hold their tunnels until Kestrel closes them, which comes in between.
        _draining = DrainAsync(cancellationToken);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        await _draining.ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _watch.Dispose();
        Tokens.Dispose();
        _upstreams?.Dispose();
        while (_owned.TryPop(out var owned))
        {
            await owned.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Starts the source, and gives up with everything that is wrong with it when the start's time is over.</summary>
    private async Task StartAsync(MeshRuntime runtime, CancellationToken cancellationToken)
    {
        using var patience = new TimeLimit(_options.StartTimeout, _time, cancellationToken);
        try
        {
            await runtime.StartAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (patience.HasPassed)
        {
            throw new InvalidOperationException(
                $"the mesh was not known within {_options.StartTimeout} (Ambient:StartTimeout){(e.InnerException is MeshSourceException wrong ? $": {wrong.Message}" : "")}", e);
        }
    }

    private async Task DrainAsync(CancellationToken cancellationToken)
    {
        if (_listener is null)
        {
            return;
        }

        using var deadline = new TimeLimit(_drainTimeout, _time, cancellationToken);
        await _listener.ShutdownAsync(deadline.Token).ConfigureAwait(false);
    }

    private async Task<Workload> WaitForSelfAsync(CancellationToken cancellationToken)
    {
        var begun = _time.GetTimestamp();
        while (true)
        {
            if (await Self.GetAsync(cancellationToken).ConfigureAwait(false) is { } self)
            {
                return CheckEnrolment(self);
            }

            if (_time.GetElapsedTime(begun) > _options.StartTimeout)
            {
                throw new InvalidOperationException(
                    $"the mesh ({_options.Manifests ?? _options.LocalConfig ?? _options.Istiod?.Address ?? "the application's own source"}) has no pod {Self.Name} (Ambient:Namespace and Ambient:Pod); the first pod of Deployment \"shop\" is \"shop-0\"");
            }

            LogWaiting(_logger, Self.Name);
        }
    }

    private Workload CheckEnrolment(Workload self)
    {
        if (self is not { Protocol: TunnelProtocol.Hbone, NativeTunnel: true })
        {
            LogNotNative(_logger, Self.Name);
        }

        return self;
    }

    private static Socket Listen(IPEndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(address);
            socket.Listen(512);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException(
                $"cannot listen on {address}: {e.Message}; if a ztunnel serves this pod, label it networking.istio.io/tunnel: http", e);
        }
    }

    private T Own<T>(T part)
        where T : IAsyncDisposable
    {
        _owned.Push(part);
        return part;
    }

    [LoggerMessage(5720, LogLevel.Information, "joined the mesh as pod {Pod}, serving HBONE on {Address} as {Identity}")]
    private static partial void LogJoined(ILogger logger, string pod, IPEndPoint address, string identity);

    [LoggerMessage(5721, LogLevel.Warning, "waiting for pod {Pod} to appear in the mesh")]
    private static partial void LogWaiting(ILogger logger, string pod);

    [LoggerMessage(5722, LogLevel.Warning, "pod {Pod} is not labelled networking.istio.io/tunnel: http: other workloads will not call it over HBONE, or a ztunnel will take its port")]
    private static partial void LogNotNative(ILogger logger, string pod);

    [LoggerMessage(5723, LogLevel.Warning, "handshake with {Peer} failed: {Reason}")]
    private static partial void LogHandshakeFailed(ILogger logger, IPEndPoint peer, string reason);
}
