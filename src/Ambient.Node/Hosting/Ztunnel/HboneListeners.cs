using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Node.Connections;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Inbound;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Hosting.Ztunnel;

/// <summary>Makes the HBONE listeners of workloads: each presents its workload's certificate and hands its CONNECTs to the inbound engine.</summary>
internal sealed class HboneListeners
{
    private readonly ZtunnelOptions _options;
    private readonly HboneIo _io;
    private readonly ConnectionBudget _budget;
    private readonly ISvidSource _svids;
    private readonly PeerRevocation? _revocation;
    private readonly InboundProxy _inbound;
    private readonly ConnectionLog _log;
    private readonly TcpMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly List<WeakReference<HboneListener>> _listeners = [];
    private int _observed;

    /// <summary>Creates the factory.</summary>
    public HboneListeners(
        ZtunnelOptions options, HboneIo io, ConnectionBudget budget, ISvidSource svids, PeerRevocation? revocation, InboundProxy inbound, ConnectionLog log, TcpMetrics metrics,
        TimeProvider time)
    {
        _options = options;
        _io = io;
        _budget = budget;
        _svids = svids;
        _revocation = revocation;
        _inbound = inbound;
        _log = log;
        _metrics = metrics;
        _time = time;
    }

    /// <summary>Makes a listener on a bound socket.</summary>
    /// <param name="socket">Listening socket; owned by the listener.</param>
    /// <param name="local">Whose it is.</param>
    /// <param name="owner">What its connections end with.</param>
    public HboneListener Create(Socket socket, LocalWorkload local, object owner)
    {
        var options = new HboneServerOptions
        {
            StreamWindowSize = _options.StreamWindowSize,
            ConnectionWindowSize = _options.ConnectionWindowSize,
            MaxFrameSize = _options.FrameSize,
            Io = _io,
            Revocation = _revocation,
            Budget = _budget,
            HandshakeFailed = failure => _log.Failed(failure.RemoteEndPoint, failure.LocalEndPoint, TrafficDirection.Inbound, $"tls handshake error: {failure.Reason}"),
        };
        var listener = new HboneListener(
            socket,
            options,
            _svids,
            async (_, cancellationToken) =>
            {
                ObserveSockets();
                return (await local.GetAsync(cancellationToken).ConfigureAwait(false))?.Identity;
            },
            (connect, cancellationToken) => _inbound.RunAsync(connect, local, owner, cancellationToken),
            _time);
        lock (_lock)
        {
            _listeners.RemoveAll(reference => !reference.TryGetTarget(out _));
            _listeners.Add(new WeakReference<HboneListener>(listener));
        }

        return listener;
    }

    /// <summary>From the first HBONE connection on, metrics show how many there are.</summary>
    private void ObserveSockets()
    {
        if (Interlocked.Exchange(ref _observed, 1) == 0)
        {
            _metrics.ObserveSockets(TrafficDirection.Inbound, CountConnections);
        }
    }

    private long CountConnections()
    {
        var count = 0L;
        lock (_lock)
        {
            foreach (var reference in _listeners)
            {
                count += reference.TryGetTarget(out var listener) ? listener.OpenConnections : 0;
            }
        }

        return count;
    }
}
