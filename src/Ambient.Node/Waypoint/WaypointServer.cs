using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.AspNetCore;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Waypoint;

/// <summary>
/// A waypoint at work:
/// <code>
/// 1 accept     an HBONE connection: mutual TLS, HTTP/2            HboneListener
/// 2 resolve    what a CONNECT is for, or refuse it               WaypointResolver
/// 3 detect     HTTP/1, HTTP/2 or opaque bytes inside             ProtocolSniffer
/// 4 terminate  HTTP into Kestrel and the request pipeline        HboneTransport, RequestPipeline
///   or relay   opaque bytes to an endpoint                       OpaqueRelay
/// </code>
/// </summary>
internal sealed class WaypointServer : IAsyncDisposable
{
    private static readonly HboneEndPoint Http1 = new("http1");
    private static readonly HboneEndPoint Http2 = new("http2");

    private readonly IMeshSnapshotProvider _meshes;
    private readonly LocalWorkload _self;
    private readonly OpaqueRelay _opaque;
    private readonly WaypointLog _log;
    private readonly HboneTransport _transport;
    private readonly RequestServer _requests;
    private readonly HboneListener _listener;

    private WaypointServer(
        IMeshSnapshotProvider meshes, LocalWorkload self, OpaqueRelay opaque, WaypointLog log, HboneTransport transport, RequestServer requests,
        Socket socket, HboneServerOptions options, ISvidSource svids, TimeProvider time)
    {
        _meshes = meshes;
        _self = self;
        _opaque = opaque;
        _log = log;
        _transport = transport;
        _requests = requests;
        options.HandshakeFailed ??= log.HandshakeFailed;
        _listener = new HboneListener(socket, options, svids, IdentityOf, HandleAsync, time);
    }

    /// <summary>Starts to serve HBONE on a socket that listens; the server owns it from here.</summary>
    public static async Task<WaypointServer> StartAsync(
        Socket socket, HboneServerOptions options, ISvidSource svids, IMeshSnapshotProvider meshes, LocalWorkload self,
        RequestPipeline pipeline, OpaqueRelay opaque, ILoggerFactory loggers, TimeProvider time, CancellationToken cancellationToken)
    {
        var transport = new HboneTransport();
        var requests = await RequestServer.StartAsync(
            transport,
            pipeline,
            loggers,
            kestrel =>
            {
                kestrel.Listen(Http1, listen => listen.Protocols = HttpProtocols.Http1);
                kestrel.Listen(Http2, listen => listen.Protocols = HttpProtocols.Http2);
            },
            cancellationToken).ConfigureAwait(false);
        return new WaypointServer(meshes, self, opaque, new WaypointLog(loggers.CreateLogger("waypoint")), transport, requests, socket, options, svids, time);
    }

    /// <summary>Accepts until shut down; fails when accepting itself fails.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => _listener.RunAsync(cancellationToken);

    /// <summary>Accepts nothing more, tells clients so (GOAWAY), lets requests finish until the token is cancelled.</summary>
    public async Task ShutdownAsync(CancellationToken deadline)
    {
        // Together: kept-alive HTTP connections hold their tunnels open, and Kestrel is what closes those.
        var tunnels = _listener.ShutdownAsync(deadline);
        await _requests.StopAsync(deadline).ConfigureAwait(false);
        await tunnels.ConfigureAwait(false);
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
            await ServeAsync(connect, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The client went away, or we are stopping: the tunnel ends, and nobody is left to tell.
        }
#pragma warning disable CA1031 // Whatever goes wrong with one tunnel is logged and ends that tunnel only.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _log.Failed(connect, e);
            throw;
        }
    }

    private async ValueTask ServeAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        // 2 resolve
        var destination = _self.Current is { } self
            ? WaypointResolver.Resolve(_meshes.Current, self, connect.Authority)
            : WaypointDestination.Refuse(503, "this waypoint is not in the mesh");
        if (destination.RefusalStatus != 0)
        {
            _log.Refused(connect, destination.RefusalStatus, destination.Error!);
            connect.Reject(destination.RefusalStatus);
            return;
        }

        if (destination.Kind == PortKind.Opaque)
        {
            await _opaque.RunAsync(connect, destination, cancellationToken).ConfigureAwait(false);
            return;
        }

        var connection = new WaypointConnection(connect, destination);
        var tunnel = connect.Accept();
        await using (tunnel.ConfigureAwait(false))
        {
            // 3 detect
            var protocol = await ProtocolSniffer.DetectAsync(tunnel.Input, destination.Kind == PortKind.Http, cancellationToken).ConfigureAwait(false);

            // 4 terminate or relay
            switch (protocol)
            {
                case InnerProtocol.Http1:
                    await _transport.ServeAsync(Http1, tunnel, connection, cancellationToken).ConfigureAwait(false);
                    break;
                case InnerProtocol.Http2:
                    await _transport.ServeAsync(Http2, tunnel, connection, cancellationToken).ConfigureAwait(false);
                    break;
                case InnerProtocol.Opaque:
                    await _opaque.RunAsync(tunnel, connection, cancellationToken).ConfigureAwait(false);
                    break;
                default:
                    await tunnel.Output.CompleteAsync().ConfigureAwait(false);
                    break;
            }
        }
    }
}
