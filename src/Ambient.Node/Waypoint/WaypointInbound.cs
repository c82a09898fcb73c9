using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Messages;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Inbound;
using Ambient.Node.Requests;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Waypoint;

/// <summary>
/// The waypoint's part of <see cref="InboundSequence"/>: a CONNECT is for a service or workload that is bound to this waypoint, and is
/// delivered to the request engine, or, when it carries something else than HTTP, to an endpoint.
/// </summary>
internal sealed class WaypointInbound : InboundSequence
{
    private readonly IMeshSnapshotProvider _meshes;

    /// <summary>Creates the engine.</summary>
    public WaypointInbound(
        IMeshSnapshotProvider meshes, LocalWorkload self, WaypointEntrance entrance, UpstreamDialer dialer, Backends backends, MessageServer server, WaypointLog log,
        RequestLog requests, ConnectionTable connections, TimeProvider time)
        : base(connections, time)
    {
        _meshes = meshes;
        Self = self;
        Entrance = entrance;
        Streams = new StreamDialer(dialer, backends, time);
        Server = server;
        Log = log;
        Requests = requests;
        Time = time;
    }

    /// <summary>The waypoint's own workload.</summary>
    public LocalWorkload Self { get; }

    /// <summary>Knows the policies of what a tunnel is for.</summary>
    public WaypointEntrance Entrance { get; }

    /// <summary>Connects opaque connections to endpoints.</summary>
    public StreamDialer Streams { get; }

    /// <summary>Serves HTTP inside tunnels.</summary>
    public MessageServer Server { get; }

    /// <summary>Lines about connections.</summary>
    public WaypointLog Log { get; }

    /// <summary>What policies say of connections and requests that decide nothing.</summary>
    public RequestLog Requests { get; }

    /// <summary>Clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>Asks external authorizers; null: nobody can be asked.</summary>
    public AuthorizerClient? Authorizers { get; init; }

    /// <inheritdoc/>
    protected override ValueTask<InboundResolution> ResolveAsync(HboneConnect connect, LocalWorkload local, CancellationToken cancellationToken)
    {
        var mesh = _meshes.Current;
        if (local.Current is not { } self)
        {
            return new(InboundResolution.Refuse(503, "this waypoint is not in the mesh"));
        }

        var destination = WaypointResolver.Resolve(mesh, self, connect.Authority);
        if (destination.RefusalStatus != 0)
        {
            return new(InboundResolution.Refuse(destination.RefusalStatus, destination.Error!));
        }

        return new(new WaypointArrival(this, new WaypointConnection(connect, destination))
        {
            Parties = new ConnectionParties
            {
                Direction = TrafficDirection.Inbound,
                Reporter = "waypoint",
                Source = connect.RemoteEndPoint,
                SourceWorkload = mesh.FindWorkload(self.Network, connect.RemoteEndPoint.Address),
                SourceIdentity = connect.PeerIdentity,
                Destination = connect.LocalEndPoint,
                HboneAddress = connect.Authority,
                DestinationWorkload = destination.Workload,
                DestinationIdentity = destination.Workload?.Identity,
                Service = destination.Service,
                Overrides = Entrance.Find(destination)?.Telemetry.Connections(destination.Address.Port).Metrics,
            },
        });
    }

    /// <inheritdoc/>
    protected override void Refused(HboneConnect connect, int status, string error) => Log.Refused(connect, status, error);
}
