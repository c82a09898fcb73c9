using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Gateway.Tls;
using Ambient.Node.Requests;
using Ambient.Node.Requests.Serving;
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

    private readonly Dictionary<int, GatewayPort> _servers = [];
    private readonly Dictionary<int, GatewayTls> _tls = [];
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
    private readonly IDisposable _watch;

    /// <summary>Creates a gateway; nothing is bound before <see cref="RunAsync"/>.</summary>
    /// <param name="meshes">Mesh.</param>
    /// <param name="gatewayKey">The Gateway, as <c>namespace/name</c>.</param>
    /// <param name="self">The gateway's own workload: whose address is bound.</param>
    /// <param name="portOffset">Added to the ports of listeners when binding.</param>
    /// <param name="pipeline">Makes the pipeline of one listener port.</param>
    /// <param name="sockets">Makes listeners, and admits connections.</param>
    /// <param name="certificates">What TLS listeners show; owned.</param>
    /// <param name="readiness">Told which listeners are not served when none is; null as soon as one is.</param>
    /// <param name="loggers">Logs.</param>
    /// <param name="time">Clock.</param>
    public GatewayServer(
        IMeshSnapshotProvider meshes, string gatewayKey, LocalWorkload self, int portOffset, Func<GatewayEntrance, RequestPipeline> pipeline,
        NodeSockets sockets, GatewayCertificates certificates, Action<string?> readiness, ILoggerFactory loggers, TimeProvider time)
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
        _time = time;
        _log = new GatewayLog(_logger);
        _places = GatewayEntrance.PlacesOf(meshes, gatewayKey);
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
        if (!cancellationToken.IsCancellationRequested)
        {
            Wake();
        }
    }

    private void Synchronize(CancellationToken cancellationToken)
    {
        if (!_meshes.Current.Requests.Gateways.TryGetValue(_gatewayKey, out var gateway) || _self.Current is not { } self)
        {
            return;
        }

        var statuses = ListenerStatus.Of(gateway);
        Report(gateway, statuses);
        var wanted = statuses.Where(status => status.IsServed).Select(status => status.Listener.Port).ToHashSet();
        var inTls = statuses.Where(status => status is { IsServed: true, Listener.TerminatesTls: true }).Select(status => status.Listener.Port).ToHashSet();
        foreach (var port in _servers.Where(open => !wanted.Contains(open.Key) || open.Value.IsTls != inTls.Contains(open.Key)).Select(open => open.Key).ToArray())
        {
            _servers.Remove(port, out var server);
            _log.Closed(port);

            // Requests on it finish in their own time, while other listeners are served.
            _ = StopAsync(server!);
        }

        foreach (var port in wanted)
        {
            var listeners = statuses.Where(status => status.IsServed && status.Listener.Port == port).Select(status => status.Listener).ToArray();
            if (Show(port, listeners) && !_servers.ContainsKey(port))
            {
                Open(self, port);
            }
        }

        if (!wanted.All(_servers.ContainsKey))
        {
            // The port may become free: another process that ends, a privilege that is granted.
            _ = WakeLaterAsync(cancellationToken);
        }

        // A gateway that serves nothing must not be sent anything.
        if (wanted.Count == 0)
        {
            _readiness(string.Join(", ", statuses.Select(status => $"listener {status.Listener.Name} ({status.Problem})")));
        }
        else if (wanted.All(_servers.ContainsKey))
        {
            _readiness(null);
            Ready.TrySetResult();
        }
    }

    /// <summary>Says once what is not served, and which routes answer nothing.</summary>
    private void Report(Mesh.Gateway gateway, ImmutableArray<ListenerStatus> statuses)
    {
        var said = new HashSet<string>(StringComparer.Ordinal);
        foreach (var status in statuses)
        {
            if (status.Problem is { } problem && said.Add($"{status.Listener.Name} {problem}") && !_reported.Contains($"{status.Listener.Name} {problem}"))
            {
                _log.NotServed(_gatewayKey, status.Listener.Name, problem);
            }
        }

        foreach (var listener in statuses.Where(status => status is { IsServed: true, Listener.TerminatesTls: true }).Select(status => status.Listener))
        {
            const string problem = "no certificate of it could be read";
            if (_certificates.Of([listener]).IsEmpty && said.Add($"{listener.Name} {problem}") && !_reported.Contains($"{listener.Name} {problem}"))
            {
                _log.NotServed(_gatewayKey, listener.Name, problem);
            }
        }

        foreach (var refused in RouteAttachment.Refused(_meshes.Current, gateway))
        {
            if (said.Add($"{refused.Route} {refused.Problem}") && !_reported.Contains($"{refused.Route} {refused.Problem}"))
            {
                _log.NotAttached(refused.Route, _gatewayKey, refused.Problem);
            }
        }

        // What was mended and comes back is said again.
        _reported = said;
    }

    /// <summary>Shows the certificates of the port's listeners. False: they speak TLS, and there is none yet.</summary>
    private bool Show(int port, GatewayListener[] listeners)
    {
        if (!Array.Exists(listeners, static listener => listener.TerminatesTls))
        {
            _tls.Remove(port);
            return true;
        }

        var shown = _certificates.Of(listeners);
        if (shown.IsEmpty)
        {
            return false;
        }

        if (!_tls.TryGetValue(port, out var tls))
        {
            _tls[port] = tls = new GatewayTls(_time);
        }

        tls.Show(shown);
        return true;
    }

    private void Open(Workload self, int port)
    {
        var address = new IPEndPoint(self.Addresses[0], port);
        var bound = new IPEndPoint(address.Address, port + _portOffset);
        try
        {
            _servers[port] = new GatewayPort(bound, _sockets, _pipeline(new GatewayEntrance(_places, _self, address)), _tls.GetValueOrDefault(port), _time, _logger);
            _log.Opened(port, bound);
        }
        catch (IOException e)
        {
            _log.NotOpened(port, bound, e.InnerException?.Message ?? e.Message);
        }
    }

    private static async Task StopAsync(GatewayPort server)
    {
        await server.StopAsync(CancellationToken.None).ConfigureAwait(false);
        await server.DisposeAsync().ConfigureAwait(false);
    }
}
