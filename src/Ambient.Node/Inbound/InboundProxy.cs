using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.ProxyProtocol;
using Ambient.Hbone.Relaying;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Inbound;

/// <summary>
/// Delivers tunnels to the sockets of workloads: the ztunnel's part of <see cref="InboundSequence"/>.
/// </summary>
internal sealed class InboundProxy : InboundSequence
{
    // A connection's CONNECTs share the text that they have in common, and so do its tunnels what was read in it.
    private static readonly ConditionalWeakTable<string, PeerBaggage> s_parsed = [];

    private readonly IMeshSnapshotProvider _mesh;
    private readonly Delivery _delivery;
    private readonly ReservedPorts _reserved;
    private readonly InboundAuthorizer _authorizer;
    private readonly InboundOptions _options;
    private readonly IMeshDemand? _demand;
    private readonly PartyLookup _parties;

    /// <summary>Creates the proxy. <paramref name="demand"/>: who is asked for what the mesh does not know; null where it knows everything.</summary>
    public InboundProxy(
        IMeshSnapshotProvider mesh, Delivery delivery, ConnectionTable connections, ReservedPorts reserved, InboundAuthorizer authorizer, InboundOptions options, TimeProvider time,
        IMeshDemand? demand = null)
        : base(connections, time)
    {
        _mesh = mesh;
        _delivery = delivery;
        _reserved = reserved;
        _authorizer = authorizer;
        _options = options;
        _demand = demand;
        _parties = new PartyLookup(mesh, demand);
    }

    /// <inheritdoc/>
    protected override async ValueTask<InboundResolution> ResolveAsync(HboneConnect connect, LocalWorkload local, CancellationToken cancellationToken)
    {
        if (await FindAsync(local, cancellationToken).ConfigureAwait(false) is not { } workload)
        {
            return InboundResolution.Refuse(503, $"failed to fetch information about local workload: {local.Name}");
        }

        // Where on the workload: a pure decision over one snapshot, which may have to learn of the authority first.
        var route = InboundResolver.Resolve(_mesh.Current, workload, connect.LocalEndPoint, connect.Authority, _reserved.Numbers);
        if (route.Unknown is not null && _demand is not null)
        {
            route = await LearnAsync(_demand, workload, connect, cancellationToken).ConfigureAwait(false);
        }

        if (route.RefusalStatus != 0 || route.Upstream is null)
        {
            return InboundResolution.Refuse(route.RefusalStatus == 0 ? 503 : route.RefusalStatus, route.Error ?? "no route");
        }

        if (_options.AttributeServices)
        {
            await _parties.LearnServicesAsync(workload, cancellationToken).ConfigureAwait(false);
        }

        var source = await FindSourceAsync(workload, connect, cancellationToken).ConfigureAwait(false);
        return new SocketArrival(this, workload, route, new ConnectionFacts(connect.RemoteEndPoint, route.Upstream, connect.PeerIdentity))
        {
            Parties = PartiesOf(_mesh.Current, workload, connect, route, source),
        };
    }

    /// <inheritdoc/>
    protected override void Refused(HboneConnect connect, int status, string error) =>
        Connections.Log.Failed(connect.RemoteEndPoint, connect.LocalEndPoint, TrafficDirection.Inbound, error);

    private async ValueTask<InboundRoute> LearnAsync(IMeshDemand demand, Workload workload, HboneConnect connect, CancellationToken cancellationToken) =>
        await demand.DecideAsync(
            _mesh,
            mesh => InboundResolver.Resolve(mesh, workload, connect.LocalEndPoint, connect.Authority, _reserved.Numbers),
            static decision => decision.Unknown,
            cancellationToken).ConfigureAwait(false)
        ?? new InboundRoute { RefusalStatus = 503, Error = MeshDemand.Unanswered(connect.Authority) };

    /// <summary>Behind another network's gateway the peer's address says nothing about the client.</summary>
    private ValueTask<Workload?> FindSourceAsync(Workload workload, HboneConnect connect, CancellationToken cancellationToken) =>
        connect.ForwardedNetwork is { } network && !network.Equals(workload.Network, StringComparison.OrdinalIgnoreCase)
            ? ValueTask.FromResult<Workload?>(null)
            : _parties.FindSourceAsync(workload.Network, connect.RemoteEndPoint.Address, cancellationToken);

    private ConnectionParties PartiesOf(MeshSnapshot mesh, Workload workload, HboneConnect connect, InboundRoute route, Workload? source)
    {
        var host = ConnectHeaders.ForwardedHost(connect.Forwarded);
        return new ConnectionParties
        {
            Direction = TrafficDirection.Inbound,
            Source = connect.RemoteEndPoint,
            SourceWorkload = source,
            SourceBaggage = _options.ResponseBaggage && connect.Baggage is { } baggage ? s_parsed.GetValue(baggage, ConnectHeaders.ParseBaggage) : null,
            SourceIdentity = connect.PeerIdentity,
            Destination = connect.LocalEndPoint,
            Upstream = route.Upstream,
            HboneAddress = connect.Authority,
            DestinationWorkload = workload,
            DestinationIdentity = workload.Identity,
            Service = _options.AttributeServices ? InboundResolver.AttributeService(mesh, workload, route, host, route.Upstream!.Port) : null,
            OriginalDestination = host,
        };
    }

    private static async ValueTask<Workload?> FindAsync(LocalWorkload local, CancellationToken cancellationToken)
    {
        try
        {
            return await local.GetAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>A connection that is delivered to a socket of the workload.</summary>
    private sealed class SocketArrival(InboundProxy inbound, Workload workload, InboundRoute route, ConnectionFacts facts) : InboundArrival
    {
        private readonly WorkloadGround _ground = new(workload, facts);

        public override AuthorizationDecision Authorize()
        {
            var mesh = inbound._mesh.Current;
            return inbound._authorizer.Authorize(mesh, mesh.Workloads.GetValueOrDefault(workload.Uid) ?? workload, facts);
        }

        public override ConnectionObjection? ObjectionIn(MeshSnapshot mesh) => _ground.ObjectionIn(mesh);

        public override async ValueTask<InboundDelivery> DeliverAsync(HboneConnect connect, OpenConnection connection, CancellationToken cancellationToken)
        {
            var upstream = route.Upstream!;

            // The workload's side, from the client's address; the peer learns of a failure before it has sent anything.
            Socket server;
            using (var unanswered = CancellationTokenSource.CreateLinkedTokenSource(connection.Ended, connect.Aborted))
            {
                try
                {
                    server = route.SendProxyHeader && inbound._options.LocalhostTunnel
                        ? await inbound._delivery.ConnectToLoopbackAsync(upstream, unanswered.Token).ConfigureAwait(false)
                        : await inbound._delivery.ConnectAsync(upstream, connect.RemoteEndPoint.Address, unanswered.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    connect.Reject(connection.EndedBy == ConnectionEnd.PolicyChange ? 401 : 503);
                    return connection.EndedBy == ConnectionEnd.None
                        ? new ConnectionOutcome(ResponseFlag.Connect, "the peer gave up before the workload answered")
                        : ConnectionOutcome.EndedBy(connection.EndedBy);
                }
                catch (Exception e) when (e is SocketException or TimeoutException)
                {
                    connect.Reject(503);
                    return ConnectionOutcome.DeliveryFailed(e);
                }
            }

            // Who comes, where the application asks for it; and 200.
            try
            {
                if (route.SendProxyHeader)
                {
                    // A few hundred bytes on a socket that nothing was sent on: they never wait for room.
                    server.Send(new ProxyHeader { Source = connect.RemoteEndPoint, Destination = route.TunnelTarget, Identity = connect.PeerIdentity }.ToArray());
                }

                return InboundDelivery.To(server, connect.Accept(inbound._options.ResponseBaggage ? ConnectRequests.BaggageOf(workload) : null));
            }
            catch (SocketException e)
            {
                server.Dispose();
                connect.Reject(503);
                return ConnectionOutcome.DeliveryFailed(e);
            }
            catch
            {
                server.Dispose();
                throw;
            }
        }
    }
}
