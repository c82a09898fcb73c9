using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Messages;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.Serving;
using Ambient.Node.Requests.Upstreams;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Waypoint;

/// <summary>
/// A waypoint at work:
/// <code>
/// 1 accept     an HBONE connection: mutual TLS, HTTP/2            HboneListener
/// 2 resolve    what a CONNECT is for, or refuse it               WaypointInbound
/// 3 detect     HTTP/1, HTTP/2 or opaque bytes inside             ProtocolSniffer
/// 4 terminate  HTTP into the request pipeline                    MessageServer, RequestPipeline
///   or relay   opaque bytes to an endpoint                       WaypointArrival, Relay
/// </code>
/// </summary>
internal sealed class WaypointServer : IAsyncDisposable
{
    private readonly LocalWorkload _self;
    private readonly WaypointInbound _inbound;
    private readonly WaypointLog _log;
    private readonly ConnectionTable _connections;
    private readonly MessageServer _requests;
    private readonly HboneListener _listener;

    private WaypointServer(
        LocalWorkload self, WaypointInbound inbound, WaypointLog log, ConnectionTable connections, MessageServer requests,
        Socket socket, HboneServerOptions options, ISvidSource svids, TimeProvider time)
    {
        _self = self;
        _inbound = inbound;
        _log = log;
        _connections = connections;
        _requests = requests;
        options.HandshakeFailed ??= log.HandshakeFailed;
        _listener = new HboneListener(socket, options, svids, IdentityOf, HandleAsync, time);
    }

    /// <summary>Starts to serve HBONE on a socket that listens; the server owns it from here.</summary>
    public static WaypointServer Start(
        Socket socket, HboneServerOptions options, ISvidSource svids, IMeshSnapshotProvider meshes, LocalWorkload self, WaypointEntrance entrance,
        RequestPipeline pipeline, UpstreamDialer dialer, Backends backends, ConnectionTable connections, ILoggerFactory loggers, TimeProvider time)
    {
        var requests = new MessageServer(pipeline, pipeline.ServerOptions, time);
        var log = new WaypointLog(loggers.CreateLogger("waypoint"));
        var inbound = new WaypointInbound(meshes, self, entrance, dialer, backends, requests, log, pipeline.Log, connections, time) { Authorizers = pipeline.Authorizers };
        return new WaypointServer(self, inbound, log, connections, requests, socket, options, svids, time);
    }

    /// <summary>Accepts until shut down; fails when accepting itself fails.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => _listener.RunAsync(cancellationToken);

    /// <summary>Tells clients to go on elsewhere, and still accepts: not everybody knows yet that we leave.</summary>
    public void LeadOn()
    {
        _listener.LeadOn();
        _requests.LeadOn();
    }

    /// <summary>Accepts nothing more, tells clients so (GOAWAY), lets requests and connections finish until the token is cancelled.</summary>
    public async Task ShutdownAsync(CancellationToken deadline)
    {
        // What is still open at the deadline ends with its reason, before the listener cuts it off.
        await using (deadline.UnsafeRegister(static table => ((ConnectionTable)table!).End(ConnectionEnd.Drain, static _ => true), _connections).ConfigureAwait(false))
        {
            // Together: kept-alive HTTP connections hold their tunnels open, and the server of requests is what closes those.
            var tunnels = _listener.ShutdownAsync(deadline);
            await _requests.StopAsync(deadline).ConfigureAwait(false);
            await tunnels.ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _listener.DisposeAsync().ConfigureAwait(false);
        await _requests.DisposeAsync().ConfigureAwait(false);
    }

    private ValueTask<SpiffeId?> IdentityOf(IPEndPoint local, CancellationToken cancellationToken) => new(_self.Current?.Identity);

    private async ValueTask HandleAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        try
        {
            await _inbound.RunAsync(connect, _self, this, cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever goes wrong with one tunnel is logged and ends that tunnel only.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _log.Failed(connect, e);
            throw;
        }
    }
}
