using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Gateway.Tls;
using Ambient.Node.Requests;
using Ambient.Node.Requests.Serving;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Sockets;
using Ambient.Policy.Routing.Requests;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Gateway;

/// <summary>
/// An ingress gateway at work: one server for each listener port of the Gateway, opened and closed as the Gateway
/// changes. Listeners that share a port share its server; which of them a request belongs to is the router's decision.
/// </summary>
internal sealed class GatewayServer : IAsyncDisposable
{
    private static readonly TimeSpan s_retryInterval = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<int, GatewayPort> _servers = [];
    private readonly Dictionary<int, GatewayTls> _tls = [];
    private Dictionary<(ListenerTls Tls, bool CarriesRequests), TlsIdentity> _identities = [];
    private HashSet<string> _reported = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _changed = new(1, 1);
    private readonly IMeshSnapshotProvider _meshes;
    private readonly string _gatewayKey;
    private readonly LocalWorkload _self;
    private readonly int _portOffset;
    private readonly Func<GatewayEntrance, RequestPipeline> _pipeline;
    private readonly Action<string?> _readiness;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly GatewayLog _log;
    private readonly RequestPlaces _places;
    private readonly NodeSockets _sockets;
    private readonly GatewayCertificates _certificates;
    private readonly ListenerFiles _files;
    private readonly ConnectionTable _connections;
    private readonly GatewayStreams _streams;
    private readonly IDisposable _watch;
    private bool _isRetrying;
    private volatile bool _isLeading;

    /// <summary>Creates a gateway; nothing is bound before <see cref="RunAsync"/>.</summary>
    /// <param name="meshes">Mesh.</param>
    /// <param name="gatewayKey">The Gateway, as <c>namespace/name</c>.</param>
    /// <param name="self">The gateway's own workload: whose address is bound.</param>
    /// <param name="portOffset">Added to the ports of listeners when binding.</param>
    /// <param name="pipeline">Makes the pipeline of one listener port.</param>
    /// <param name="dialer">Connects to the endpoints of what is not looked into.</param>
    /// <param name="backends">Chooses these endpoints.</param>
    /// <param name="connections">What is open.</param>
    /// <param name="sockets">Makes listeners, and admits connections.</param>
    /// <param name="certificates">What TLS listeners show; owned.</param>
    /// <param name="readiness">Told which listeners are not served when none is; null as soon as one is.</param>
    /// <param name="loggers">Logs.</param>
    /// <param name="time">Clock.</param>
    public GatewayServer(
        IMeshSnapshotProvider meshes, string gatewayKey, LocalWorkload self, int portOffset, Func<GatewayEntrance, RequestPipeline> pipeline,
        UpstreamDialer dialer, Backends backends, ConnectionTable connections, NodeSockets sockets, GatewayCertificates certificates, Action<string?> readiness, ILoggerFactory loggers, TimeProvider time)
    {
        _meshes = meshes;
        _gatewayKey = gatewayKey;
        _self = self;
        _portOffset = portOffset;
        _pipeline = pipeline;
        _readiness = readiness;
        _logger = loggers.CreateLogger("gateway");
        _sockets = sockets;
        _certificates = certificates;
        certificates.Changed = Wake;
        _files = new ListenerFiles(_logger, time) { Changed = Wake };
        _time = time;
        _log = new GatewayLog(_logger);
        _places = GatewayEntrance.PlacesOf(meshes, gatewayKey);
        _connections = connections;
        _streams = new GatewayStreams(meshes, gatewayKey, _places, self, dialer, backends, connections, time);
        _watch = meshes.OnChange(_ => Wake());
    }

    /// <summary>Completes when the listeners of the first mesh that has this Gateway are open.</summary>
    public TaskCompletionSource Ready { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Keeps the open ports equal to the Gateway's listeners until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _changed.WaitAsync(cancellationToken).ConfigureAwait(false);
            Synchronize(cancellationToken);
        }
    }

    /// <summary>Tells clients to go on elsewhere, and still accepts: whoever sends them here may not know yet that we leave.</summary>
    public void LeadOn()
    {
        _isLeading = true;
        foreach (var server in _servers.Values)
        {
            server.LeadOn();
        }
    }

    /// <summary>Accepts nothing more, lets requests finish until the token is cancelled.</summary>
    public Task ShutdownAsync(CancellationToken deadline)
    {
        _watch.Dispose();
        return Task.WhenAll(_servers.Values.Select(server => server.StopAsync(deadline)));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _watch.Dispose();
        _certificates.Dispose();
        _files.Dispose();
        foreach (var server in _servers.Values)
        {
            await server.DisposeAsync().ConfigureAwait(false);
        }

        _changed.Dispose();
    }

    private void Wake()
    {
        // One permit is enough: whoever takes it sees the newest snapshot.
        if (_changed.CurrentCount == 0)
        {
            try
            {
                _changed.Release();
            }
            catch (SemaphoreFullException)
            {
            }
        }
    }

    private async Task WakeLaterAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(s_retryInterval, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Volatile.Write(ref _isRetrying, false);
        if (!cancellationToken.IsCancellationRequested)
        {
            Wake();
        }
    }

    private void Synchronize(CancellationToken cancellationToken)
    {
        var configuration = _meshes.Current.Requests;
        if (!configuration.Gateways.TryGetValue(_gatewayKey, out var gateway) || _self.Current is not { } self)
        {
            return;
        }

        var statuses = ListenerStatus.Of(configuration, gateway);
        var shown = TlsListenersOf(statuses);
        Report(gateway, statuses, shown);

        // Files that cannot be read are as a Secret that is not there: the others are served.
        statuses =
        [
            .. statuses.Select(status => status.Tls is { } tls && tls.Files != TlsFiles.None && Array.Find(shown, listener => ReferenceEquals(listener.Status, status)).Problem is { } why
                ? status with { Problem = why }
                : status),
        ];
        var wanted = statuses.Where(status => status.IsServed).GroupBy(status => status.Listener.Port)
            .ToDictionary(listeners => listeners.Key, listeners => (Form: listeners.First().Listener.Protocol switch
            {
                "HTTPS" or "TLS" => PortForm.Tls,
                "TCP" => PortForm.Opaque,
                _ => PortForm.Clear,
            }, listeners.First().Listener.Bind));
        foreach (var port in _servers.Where(open => !wanted.TryGetValue(open.Key, out var now) || now.Form != FormOf(open.Value) || !Equals(now.Bind, open.Value.Bind)).Select(open => open.Key).ToArray())
        {
            _servers.TryRemove(port, out var server);
            _tls.Remove(port);
            _log.Closed(port);

            // Requests on it finish in their own time, while other listeners are served.
            _ = StopAsync(server!);
        }

        foreach (var (port, (form, bind)) in wanted)
        {
            if ((form != PortForm.Tls || Show(port, shown)) && !_servers.ContainsKey(port))
            {
                Open(self, port, form, bind);
            }
        }

        if (!wanted.Keys.All(_servers.ContainsKey))
        {
            // The port may become free: another process that ends, a privilege that is granted. One look ahead is enough, however often the mesh changes.
            if (!Volatile.Read(ref _isRetrying))
            {
                Volatile.Write(ref _isRetrying, true);
                _ = WakeLaterAsync(cancellationToken);
            }
        }

        // A gateway that serves nothing must not be sent anything.
        if (wanted.Count == 0)
        {
            _readiness(string.Join(", ", statuses.Select(status => $"listener {status.Title} ({status.Problem})")));
        }
        else if (wanted.Keys.All(_servers.ContainsKey))
        {
            _readiness(null);
            Ready.TrySetResult();
        }
    }

    private static PortForm FormOf(GatewayPort port) => port.IsTls ? PortForm.Tls : port.IsOpaque ? PortForm.Opaque : PortForm.Clear;

    /// <summary>What each listener that speaks TLS shows its clients. What was made before of the same Secrets is used again.</summary>
    private (ListenerStatus Status, TlsListener Listener, string? Problem)[] TlsListenersOf(ImmutableArray<ListenerStatus> statuses)
    {
        var earlier = _identities;
        _identities = [];
        var listeners = new List<(ListenerStatus, TlsListener, string?)>();
        foreach (var status in statuses.Where(status => status is { IsTaken: true, Listener.Protocol: "HTTPS" or "TLS" }))
        {
            var listener = new TlsListener(status.Listener.Hostname, null) { CarriesRequests = status.Listener.Protocol == "HTTPS" };
            string? problem = null;
            if (status is { IsServed: true, Listener.TerminatesTls: false })
            {
                listener = listener with { IsPassthrough = true, CarriesRequests = false };
            }
            else if (status.IsServed)
            {
                listener = listener with { Identity = IdentityOf(status, listener.CarriesRequests, earlier, out problem) };
            }

            listeners.Add((status, listener, problem));
        }

        _files.Keep([.. listeners.Select(static listener => listener.Item1.Tls).OfType<ListenerTls>()]);
        return [.. listeners];
    }

    private TlsIdentity? IdentityOf(
        ListenerStatus status, bool carriesRequests, Dictionary<(ListenerTls Tls, bool CarriesRequests), TlsIdentity> earlier, out string? problem)
    {
        problem = null;
        if (status.Tls is { } named && named.Files != TlsFiles.None)
        {
            return _files.Of(named, carriesRequests, out problem);
        }

        if (status.Tls is not { Certificates.IsEmpty: false } tls)
        {
            var fromFile = status.Set is null ? _certificates.Of(status.Listener) : null;
            problem = fromFile is null ? "no certificate of it could be read" : null;
            return fromFile;
        }

        try
        {
            var identity = earlier.GetValueOrDefault((tls, carriesRequests)) ?? TlsIdentity.Of(tls, carriesRequests);
            _identities[(tls, carriesRequests)] = identity;
            return identity;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            problem = $"its certificate cannot be used: {e.Message}";
            return null;
        }
    }

    /// <summary>Says once what is not served, and which routes answer nothing.</summary>
    private void Report(Mesh.Gateway gateway, ImmutableArray<ListenerStatus> statuses, (ListenerStatus Status, TlsListener Listener, string? Problem)[] shown)
    {
        var said = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (status, problem) in statuses.Select(status => (status, status.Problem)).Concat(shown.Select(listener => (listener.Status, listener.Problem))))
        {
            if (problem is not null && IsNews($"{status.Title} {problem}"))
            {
                _log.NotServed(_gatewayKey, status.Title, problem);
            }
        }

        foreach (var refused in RouteAttachment.Refused(_meshes.Current, gateway))
        {
            if (IsNews($"{refused.Kind} {refused.Route} {refused.Problem}"))
            {
                _log.NotAttached(refused.Kind, refused.Route, _gatewayKey, refused.Problem);
            }
        }

        if (GatewayBackendCertificate.Find(_meshes.Current.Requests, gateway, out var unusable) is null && unusable is not null && IsNews(unusable))
        {
            _log.NotShown(_gatewayKey, unusable);
        }

        // What was mended and comes back is said again.
        _reported = said;

        bool IsNews(string text) => said.Add(text) && !_reported.Contains(text);
    }

    /// <summary>Shows the certificates of the port's listeners. False: they speak TLS, and there is none yet.</summary>
    private bool Show(int port, (ListenerStatus Status, TlsListener Listener, string? Problem)[] shown)
    {
        ImmutableArray<TlsListener> ofPort = [.. shown.Where(listener => listener.Status.Listener.Port == port).Select(listener => listener.Listener)];
        if (!ofPort.Any(listener => listener.IsPassthrough || listener.Identity is not null))
        {
            return false;
        }

        if (!_tls.TryGetValue(port, out var tls))
        {
            _tls[port] = tls = new GatewayTls(_time);
        }

        tls.Show(ofPort);
        return true;
    }

    private void Open(Workload self, int port, PortForm form, IPAddress? bind)
    {
        var address = new IPEndPoint(self.Addresses[0], port);
        var bound = new IPEndPoint(bind ?? address.Address, port + _portOffset);
        try
        {
            var use = new GatewayPortUse(address, _pipeline(new GatewayEntrance(_places, _self, _gatewayKey, address)), _streams, _connections)
            {
                ExpectsProxyHeader = () => _meshes.Current.Requests.Gateways.TryGetValue(_gatewayKey, out var gateway) && gateway.ExpectsProxyHeader,
                Tls = form == PortForm.Tls ? _tls[port] : null,
                IsOpaque = form == PortForm.Opaque,
            };
            var opened = _servers[port] = new GatewayPort(bound, _sockets, use, _time, _logger) { Bind = bind };
            if (_isLeading)
            {
                opened.LeadOn();
            }

            _log.Opened(port, bound);
        }
        catch (IOException e)
        {
            _log.NotOpened(port, bound, e.InnerException?.Message ?? e.Message);
        }
    }

    private enum PortForm
    {
        Clear,
        Tls,
        Opaque,
    }

    private static async Task StopAsync(GatewayPort server)
    {
        await server.StopAsync(CancellationToken.None).ConfigureAwait(false);
        await server.DisposeAsync().ConfigureAwait(false);
    }
}
