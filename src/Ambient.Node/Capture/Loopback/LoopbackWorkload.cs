using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Mesh;
using Ambient.Node.Capture.InPod;
using Ambient.Node.Connections;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.Loopback;

/// <summary>
/// The listeners of one workload on its loopback address: SOCKS5 for what it calls, and HBONE for what calls it while it is in
/// the mesh. Owned by <see cref="LoopbackNode"/>, which calls one method at a time.
/// </summary>
internal sealed class LoopbackWorkload : IAsyncDisposable
{
    private readonly LoopbackServices _services;
    private readonly CancellationTokenSource _stop = new();
    private Task _socks = Task.CompletedTask;
    private bool _socksListening;
    private HboneListener? _hbone;
    private Task _hboneRun = Task.CompletedTask;

    /// <summary>Creates the workload's listeners; nothing is bound yet.</summary>
    public LoopbackWorkload(Workload workload, IPAddress address, LoopbackServices services)
    {
        ArgumentNullException.ThrowIfNull(workload);
        _services = services;
        Address = address;
        Info = new PodInfo(workload.Namespace, workload.Name, workload.ServiceAccount);
        Name = $"{workload.Namespace}/{workload.Name}";
        Local = LocalWorkload.ByUid(services.Mesh, workload.Uid, services.Time);
    }

    /// <summary>Loopback address.</summary>
    public IPAddress Address { get; }

    /// <summary>Namespace and name.</summary>
    public string Name { get; }

    /// <summary>The same with the service account.</summary>
    public PodInfo Info { get; }

    /// <summary>The workload in the mesh.</summary>
    public LocalWorkload Local { get; }

    /// <summary>Binds what is missing and closes what is too much; returns what could not be bound, for a retry.</summary>
    public async ValueTask<string?> ReconcileAsync(bool inMesh)
    {
        string? fault = null;
        try
        {
            if (!_socksListening)
            {
                var listener = _services.Sockets.Listen($"socks5 of {Name}", new IPEndPoint(Address, ReservedPorts.Socks5), transparent: false);
                _socks = AcceptLoop.RunAsync($"socks5 of {Name}", listener, _services.Sockets, CaptureAsync, _services.Time, _services.Logger, _stop.Token);
                _socksListening = true;
            }
        }
        catch (IOException e)
        {
            fault = e.Message;
        }

        try
        {
            if (inMesh && _hbone is null)
            {
                var listener = _services.Sockets.Listen($"hbone of {Name}", new IPEndPoint(Address, ReservedPorts.Hbone), transparent: false);
                _hbone = _services.Hbone(listener, Local, this);
                _hboneRun = _hbone.RunAsync(_stop.Token);
            }
            else if (!inMesh && _hbone is not null)
            {
                await CloseHboneAsync().ConfigureAwait(false);
            }
        }
        catch (IOException e)
        {
            fault = fault is null ? e.Message : $"{fault}; {e.Message}";
        }

        return fault;
    }

    /// <summary>Stops accepting; what is open runs on until it ends or the deadline comes.</summary>
    public async Task DrainAsync(CancellationToken deadline)
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _socks.ConfigureAwait(false);
        if (_hbone is not null)
        {
            await _hbone.ShutdownAsync(deadline).ConfigureAwait(false);
        }
    }

    /// <summary>Closes the listeners and ends every connection of the workload at once.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        _services.Connections.End(ConnectionEnd.WorkloadGone, connection => ReferenceEquals(connection.Owner, this));
        await CloseHboneAsync().ConfigureAwait(false);
        await _socks.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async ValueTask CloseHboneAsync()
    {
        if (_hbone is null)
        {
            return;
        }

        _services.Connections.End(
            ConnectionEnd.WorkloadGone, connection => ReferenceEquals(connection.Owner, this) && connection is OpenConnection { Parties.Direction: TrafficDirection.Inbound });
        await _hbone.DisposeAsync().ConfigureAwait(false);
        _hbone = null;
        try
        {
            await _hboneRun.ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            _services.Logger.AcceptingFailed(Name, ErrorText.Of(e));
        }
    }

    private async Task CaptureAsync(Socket client)
    {
        var gauge = _services.Metrics.SocketsOpen(TrafficDirection.Outbound);
        gauge.Increment();
        try
        {
            await _services.Socks5.RunAsync(client, Local, this, CarryAsync, _services.Deadline).ConfigureAwait(false);
        }
        finally
        {
            gauge.Decrement();
        }
    }

    /// <summary>Whoever asks the workload's SOCKS5 port speaks for the workload, from its address.</summary>
    private Task CarryAsync(CapturedConnection captured, CancellationToken deadline)
    {
        captured = captured with { Source = new IPEndPoint(Address, captured.Source.Port) };
        return Local.Current is { Protocol: TunnelProtocol.Hbone }
            ? _services.Outbound.RunAsync(captured, deadline)
            : _services.Uncaptured.RunAsync(captured, deadline);
    }
}
