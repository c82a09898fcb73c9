using System.Collections.Concurrent;
using System.Net;
using Ambient.Hbone;
using Ambient.Hbone.AspNetCore;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Connections;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Member;

/// <summary>
/// Delivers tunnels to the application: resolved and authorized as a ztunnel does it, then handed to Kestrel in place of a
/// socket. Open connections are asked about again when the mesh changes.
/// </summary>
internal sealed partial class MemberInbound(IMeshSnapshotProvider meshes, LocalWorkload self, HboneTransport transport, ILogger logger) : IDisposable
{
    /// <summary>Where Kestrel serves HTTP/1 inside tunnels.</summary>
    public static readonly HboneEndPoint Http1 = new("member/http1");

    /// <summary>Where Kestrel serves HTTP/2 inside tunnels.</summary>
    public static readonly HboneEndPoint Http2 = new("member/http2");

    private readonly ConcurrentDictionary<MemberConnection, byte> _open = new();
    private IDisposable? _watch;

    /// <summary>Begins to ask again about open connections at each change of the mesh.</summary>
    public void Watch() => _watch = meshes.OnChange(_ => ThreadPool.UnsafeQueueUserWorkItem(static inbound => inbound.Recheck(), this, preferLocal: false));

    /// <summary>Stops asking again.</summary>
    public void Dispose() => _watch?.Dispose();

    /// <summary>Answers one CONNECT, and carries its tunnel to the end.</summary>
    public async ValueTask RunAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        // 1. Where on the workload.
        var mesh = meshes.Current;
        if (self.Current is not { } workload)
        {
            Refuse(connect, 503, $"{self.Name} is not in the mesh");
            return;
        }

        var route = InboundResolver.Resolve(mesh, workload, connect.LocalEndPoint, connect.Authority);
        if (route.RefusalStatus != 0 || route.Upstream is not { } destination)
        {
            Refuse(connect, route.RefusalStatus == 0 ? 503 : route.RefusalStatus, route.Error ?? "no route");
            return;
        }

        if (!MemberPorts.IsServed(mesh, workload, destination.Port))
        {
            Refuse(connect, 503, $"port {destination.Port} is not a target port of any service of {workload.Namespace}/{workload.Name}");
            return;
        }

        // 2. May this peer come in? Registered first: a change in between finds it.
        var connection = new MemberConnection(connect, destination);
        _open.TryAdd(connection, 0);
        try
        {
            var decision = Decide(meshes.Current, connection);
            if (!decision.IsAllowed)
            {
                Refuse(connect, 401, decision.ToString());
                return;
            }

            await ServeAsync(connect, connection, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _open.TryRemove(connection, out _);
        }
    }

    private async ValueTask ServeAsync(HboneConnect connect, MemberConnection connection, CancellationToken cancellationToken)
    {
        var tunnel = connect.Accept();
        await using (tunnel.ConfigureAwait(false))
        {
            connection.Tunnel = tunnel;
            try
            {
                // 3. Into Kestrel, by the version of HTTP that is spoken inside.
                var protocol = await ProtocolSniffer.DetectAsync(tunnel.Input, declaredHttp: true, cancellationToken).ConfigureAwait(false);
                if (protocol != InnerProtocol.Closed)
                {
                    await transport.ServeAsync(protocol == InnerProtocol.Http2 ? Http2 : Http1, tunnel, connection, cancellationToken).ConfigureAwait(false);
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException)
            {
                // The peer left, or the server is stopping; either way there is nobody to answer.
                tunnel.Abort();
            }
        }
    }

    private void Recheck()
    {
        var mesh = meshes.Current;
        foreach (var (connection, _) in _open)
        {
            if (Decide(mesh, connection) is { IsAllowed: false } decision)
            {
                LogEnded(logger, connection.RemoteEndPoint, connection.PeerIdentity.ToString(), decision.ToString());
                connection.Tunnel?.Abort();
            }
        }
    }

    private AuthorizationDecision Decide(MeshSnapshot mesh, MemberConnection connection) => self.Current is { } workload
        ? ConnectionAuthorizer.Authorize(mesh, workload, new ConnectionFacts(connection.RemoteEndPoint, connection.Destination, connection.PeerIdentity))
        : default;

    private void Refuse(HboneConnect connect, int status, string reason)
    {
        LogRefused(logger, connect.RemoteEndPoint, connect.PeerIdentity.ToString(), connect.Authority, status, reason);
        connect.Reject(status);
    }

    [LoggerMessage(1, LogLevel.Warning, "connection by {Peer} ({Identity}) to {Authority} refused with {Status}: {Reason}")]
    private static partial void LogRefused(ILogger logger, IPEndPoint peer, string identity, string authority, int status, string reason);

    [LoggerMessage(2, LogLevel.Warning, "connection by {Peer} ({Identity}) closed: policies changed: {Reason}")]
    private static partial void LogEnded(ILogger logger, IPEndPoint peer, string identity, string reason);
}
