using Ambient.Hbone;
using Ambient.Hbone.AspNetCore;
using Ambient.Hbone.Connect;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Inbound;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Routing.Connections;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Member;

/// <summary>
/// The member's part of <see cref="InboundSequence"/>: a CONNECT is for a port that this workload is declared to serve, and is delivered to
/// Kestrel.
/// </summary>
internal sealed partial class MemberInbound : InboundSequence
{
    /// <summary>Where Kestrel serves HTTP/1 inside tunnels.</summary>
    public static readonly HboneEndPoint Http1 = new("member/http1");

    /// <summary>Where Kestrel serves HTTP/2 inside tunnels.</summary>
    public static readonly HboneEndPoint Http2 = new("member/http2");

    private readonly IMeshSnapshotProvider _meshes;
    private readonly MemberPolicyView _policies;
    private readonly IReadOnlyCollection<int> _ports;
    private readonly HboneTransport _transport;
    private readonly ILogger _logger;

    /// <summary>Creates the engine.</summary>
    /// <param name="meshes">The mesh.</param>
    /// <param name="policies">The member's own policies.</param>
    /// <param name="ports">Ports that the application serves besides the target ports of its services.</param>
    /// <param name="transport">Hands tunnels to Kestrel.</param>
    /// <param name="connections">What is open.</param>
    /// <param name="logger">Log.</param>
    /// <param name="time">Clock.</param>
    public MemberInbound(
        IMeshSnapshotProvider meshes, MemberPolicyView policies, IReadOnlyCollection<int> ports, HboneTransport transport, ConnectionTable connections, ILogger logger, TimeProvider time)
        : base(connections, time)
    {
        _meshes = meshes;
        _policies = policies;
        _ports = ports;
        _transport = transport;
        _logger = logger;
    }

    /// <inheritdoc/>
    protected override ValueTask<InboundResolution> ResolveAsync(HboneConnect connect, LocalWorkload local, CancellationToken cancellationToken)
    {
        var mesh = _meshes.Current;
        if (local.Current is not { } workload)
        {
            return new(InboundResolution.Refuse(503, $"{local.Name} is not in the mesh"));
        }

        var route = InboundResolver.Resolve(mesh, workload, connect.LocalEndPoint, connect.Authority);
        if (route.RefusalStatus != 0 || route.Upstream is not { } destination)
        {
            return new(InboundResolution.Refuse(route.RefusalStatus == 0 ? 503 : route.RefusalStatus, route.Error ?? "no route"));
        }

        if (!MemberPorts.IsServed(mesh, workload, destination.Port, _ports))
        {
            return new(InboundResolution.Refuse(
                503, $"port {destination.Port} is not a target port of any service of {workload.Namespace}/{workload.Name}; ports without a service are declared with Ambient:Ports"));
        }

        var host = ConnectHeaders.ForwardedHost(connect.Forwarded);
        return new(new MemberArrival(_policies, _transport, new MemberConnection(connect, destination))
        {
            Parties = new ConnectionParties
            {
                Direction = TrafficDirection.Inbound,
                Source = connect.RemoteEndPoint,
                SourceWorkload = mesh.FindWorkload(workload.Network, connect.RemoteEndPoint.Address),
                SourceIdentity = connect.PeerIdentity,
                Destination = connect.LocalEndPoint,
                HboneAddress = connect.Authority,
                DestinationWorkload = workload,
                DestinationIdentity = workload.Identity,
                Service = InboundResolver.AttributeService(mesh, workload, route, host, destination.Port),
                OriginalDestination = host,
            },
        });
    }

    /// <inheritdoc/>
    protected override void Refused(HboneConnect connect, int status, string error) =>
        LogRefused(_logger, connect.RemoteEndPoint, connect.PeerIdentity.ToString(), connect.Authority, status, error);

    [LoggerMessage(5710, LogLevel.Warning, "connection by {Peer} ({Identity}) to {Authority} refused with {Status}: {Reason}")]
    private static partial void LogRefused(ILogger logger, System.Net.IPEndPoint peer, string identity, string authority, int status, string reason);
}
