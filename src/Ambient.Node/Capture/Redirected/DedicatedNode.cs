using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Capture.Socks5;
using Ambient.Node.Connections;
using Ambient.Node.Inbound;
using Ambient.Node.Outbound;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.Redirected;

/// <summary>
/// The listeners of one workload in its own network namespace (<c>PROXY_MODE=dedicated</c>): 15001 for what it calls and 15006 for
/// plaintext to it, both redirected here, and 15008 for HBONE. All are bound when the node is made, so that a conflict stops the start.
/// </summary>
internal sealed class DedicatedNode : INodeCapture
{
    /// <summary>How long a connection may take from its beginning until it is there to be accepted: a round trip, and room to spare.</summary>
    private static readonly TimeSpan s_handshake = TimeSpan.FromMilliseconds(200);

    private readonly DedicatedServices _services;
    private readonly Socket _outbound;
    private readonly Socket _plaintext;
    private readonly Socket _hboneSocket;
    private readonly HboneListener _hbone;
    private readonly Socket? _socks;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _loops = [];
    private readonly DnsListener? _dns;
    private int _dnsClosed;

    /// <summary>Binds all ports.</summary>
    /// <exception cref="IOException">A port cannot be had; the message says which.</exception>
    public DedicatedNode(DedicatedServices services)
    {
        ArgumentNullException.ThrowIfNull(services);
        _services = services;
        var sockets = services.Sockets;
        Socket? hbone = null;
        try
        {
            _outbound = sockets.Listen("outbound", new IPEndPoint(sockets.Any, ReservedPorts.Outbound), transparent: true);
            _plaintext = sockets.Listen("inbound plaintext", new IPEndPoint(sockets.Any, ReservedPorts.InboundPlaintext), transparent: true);
            hbone = sockets.Listen("inbound HBONE", new IPEndPoint(sockets.Any, ReservedPorts.Hbone), transparent: true);
            if (services.Socks5 is not null)
            {
                _socks = sockets.Listen("socks5", new IPEndPoint(IPAddress.Loopback, ReservedPorts.Socks5), transparent: true);
            }

            // The last: where another proxy listens already, the error should name the port that carries traffic.
            _dns = services.Dns();
        }
        catch
        {
            _socks?.Dispose();
            _outbound?.Dispose();
            _plaintext?.Dispose();
            hbone?.Dispose();
            throw;
        }

        _hboneSocket = hbone;
        _hbone = services.Hbone(hbone, services.Local, this);
    }

    /// <inheritdoc/>
    public Task StartAsync()
    {
        _loops.Add(Loop("outbound", _outbound, socket => CaptureAsync(socket, TrafficDirection.Outbound)));
        _loops.Add(Loop("inbound plaintext", _plaintext, socket => CaptureAsync(socket, TrafficDirection.Inbound)));
        if (_socks is not null)
        {
            _loops.Add(Loop("socks5", _socks, SocksAsync));
        }

        _loops.Add(_hbone.RunAsync(_stop.Token));
        _dns?.Start();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task DrainAsync(CancellationToken deadline)
    {
        await HandOverAsync(deadline).ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_loops).ConfigureAwait(false);
        await _hbone.ShutdownAsync(deadline).ConfigureAwait(false);

        // Names to the end: what is still open may have to find somebody.
        await CloseDnsAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        _services.Connections.End(ConnectionEnd.WorkloadGone, connection => ReferenceEquals(connection.Owner, this));
        await _hbone.DisposeAsync().ConfigureAwait(false);
        await Task.WhenAll(_loops).ConfigureAwait(false);
        await CloseDnsAsync().ConfigureAwait(false);
        await _services.Tunnels.DisposeAsync().ConfigureAwait(false);
        _outbound.Dispose();
        _plaintext.Dispose();
        _socks?.Dispose();
        _stop.Dispose();
    }

    private ValueTask CloseDnsAsync() => Interlocked.Exchange(ref _dnsClosed, 1) == 0 && _dns is { } dns ? dns.DisposeAsync() : ValueTask.CompletedTask;

    // The next ztunnel may be here already. What begins now is its business; what has begun is still accepted here.
    private async Task HandOverAsync(CancellationToken deadline)
    {
        var shared = false;
        foreach (var listener in (Socket?[])[_outbound, _plaintext, _hboneSocket, _socks])
        {
            shared |= listener is not null && _services.Sockets.HandOver(listener);
        }

        if (shared)
        {
            await Task.WhenAny(Task.Delay(s_handshake, _services.Time, deadline)).ConfigureAwait(false);
        }
    }

    private Task Loop(string name, Socket listener, Func<Socket, Task> handler) =>
        AcceptLoop.RunAsync(name, listener, _services.Sockets, handler, _services.Time, _services.Logger, _stop.Token);

    private async Task CaptureAsync(Socket client, TrafficDirection direction)
    {
        var open = _services.Metrics.SocketsOpen(direction);
        open.Increment();
        try
        {
            var captured = new CapturedConnection(
                client, EndPoints.Remote(client), OriginalDestination.Of(client), _services.Time.GetTimestamp(), _services.Local, this);
            await (direction == TrafficDirection.Outbound
                ? _services.Outbound.RunAsync(captured, _services.Deadline)
                : _services.Plaintext.RunAsync(captured, _services.Deadline)).ConfigureAwait(false);
        }
        catch (SocketException)
        {
            // It was gone before we could ask it where it was going.
            client.Dispose();
        }
        finally
        {
            open.Decrement();
        }
    }

    private async Task SocksAsync(Socket client)
    {
        var open = _services.Metrics.SocketsOpen(TrafficDirection.Outbound);
        open.Increment();
        try
        {
            await _services.Socks5!.RunAsync(client, _services.Local, this, _services.Outbound.RunAsync, _services.Deadline).ConfigureAwait(false);
        }
        finally
        {
            open.Decrement();
        }
    }
}

/// <summary>What the listeners of a dedicated ztunnel need.</summary>
internal sealed record DedicatedServices
{
    /// <summary>The workload.</summary>
    public required LocalWorkload Local { get; init; }

    /// <summary>Makes sockets.</summary>
    public required NodeSockets Sockets { get; init; }

    /// <summary>Reads SOCKS5 requests; null when SOCKS5 is off.</summary>
    public required Socks5Proxy? Socks5 { get; init; }

    /// <summary>Carries what the workload calls.</summary>
    public required OutboundProxy Outbound { get; init; }

    /// <summary>Delivers plaintext.</summary>
    public required PlaintextProxy Plaintext { get; init; }

    /// <summary>Makes the HBONE listener on a bound socket; the last argument is what its connections end with.</summary>
    public required Func<Socket, LocalWorkload, object, HboneListener> Hbone { get; init; }

    /// <summary>Binds what answers the workload's questions for names; gives null when DNS is off.</summary>
    public required Func<DnsListener?> Dns { get; init; }

    /// <summary>The tunnels that <see cref="Outbound"/> opens; closed with the listeners.</summary>
    public required IAsyncDisposable Tunnels { get; init; }

    /// <summary>What is open, to end what is the workload's when its listeners go.</summary>
    public required ConnectionTable Connections { get; init; }

    /// <summary>Counts accepted sockets.</summary>
    public required TcpMetrics Metrics { get; init; }

    /// <summary>Cancelled at the drain deadline.</summary>
    public required CancellationToken Deadline { get; init; }

    /// <summary>Clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Log.</summary>
    public required ILogger Logger { get; init; }
}
