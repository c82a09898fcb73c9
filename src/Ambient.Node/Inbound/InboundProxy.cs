using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ambient.Hbone;
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
/// Delivers tunnels to workloads: a tunnel was accepted and its peer authenticated (that is the listener's part); here the
/// connection is authorized, and bytes are delivered. One method owns a CONNECT from its arrival to its log line.
/// </summary>
internal sealed class InboundProxy
{
    // A connection's CONNECTs share the text that they have in common, and so do its tunnels what was read in it.
    private static readonly ConditionalWeakTable<string, PeerBaggage> s_parsed = [];

    private readonly IMeshSnapshotProvider _mesh;
    private readonly Delivery _delivery;
    private readonly ConnectionTable _connections;
    private readonly ReservedPorts _reserved;
    private readonly InboundAuthorizer _authorizer;
    private readonly InboundOptions _options;
    private readonly TimeProvider _time;
    private readonly IMeshDemand? _demand;
    private readonly PartyLookup _parties;

    /// <summary>Creates the proxy. <paramref name="demand"/>: who is asked for what the mesh does not know; null where it knows everything.</summary>
    public InboundProxy(
        IMeshSnapshotProvider mesh, Delivery delivery, ConnectionTable connections, ReservedPorts reserved, InboundAuthorizer authorizer, InboundOptions options, TimeProvider time,
        IMeshDemand? demand = null)
    {
        _mesh = mesh;
        _delivery = delivery;
        _connections = connections;
        _reserved = reserved;
        _authorizer = authorizer;
        _options = options;
        _time = time;
        _demand = demand;
        _parties = new PartyLookup(mesh, demand);
    }

    /// <summary>Answers one CONNECT for a workload, and carries its tunnel to the end. Throws only what nobody foresaw.</summary>
    public async ValueTask RunAsync(HboneConnect connect, LocalWorkload local, object? owner, CancellationToken cancellationToken)
    {
        var begun = _time.GetTimestamp();

        // 1. For whom.
        if (await FindAsync(local, cancellationToken).ConfigureAwait(false) is not { } workload)
        {
            Refuse(connect, 503, $"failed to fetch information about local workload: {local.Name}");
            return;
        }

        // 2. Where on the workload: a pure decision over one snapshot, which may have to learn of the authority first.
        var route = InboundResolver.Resolve(_mesh.Current, workload, connect.LocalEndPoint, connect.Authority, _reserved.Numbers);
        if (route.Unknown is not null && _demand is not null)
        {
            route = await LearnAsync(_demand, workload, connect, cancellationToken).ConfigureAwait(false);
        }

        if (route.RefusalStatus != 0 || route.Upstream is null)
        {
            Refuse(connect, route.RefusalStatus == 0 ? 503 : route.RefusalStatus, route.Error ?? "no route");
            return;
        }

        // 3. Registered before it is authorized: a policy that changes in between finds it and ends it.
        if (_options.AttributeServices)
        {
            await _parties.LearnServicesAsync(workload, cancellationToken).ConfigureAwait(false);
        }

        var parties = PartiesOf(_mesh.Current, workload, connect, route, await FindSourceAsync(workload, connect, cancellationToken).ConfigureAwait(false));
        var connection = _connections.Register(parties, begun, route.Upstream, owner);
        var outcome = ConnectionOutcome.Complete;
        try
        {
            outcome = await DeliverAsync(workload, connect, route, connection).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // The listener ends the tunnel, or answers 500; counted and logged it is here.
            outcome = ConnectionOutcome.Unexpected(e);
            throw;
        }
        finally
        {
            connection.Close(outcome.Flag, outcome.Error);
        }
    }

    private async ValueTask<ConnectionOutcome> DeliverAsync(Workload workload, HboneConnect connect, InboundRoute route, OpenConnection connection)
    {
        var upstream = route.Upstream!;

        // 4. May this peer come in? Asked of the newest snapshot, now that a newer one would find the connection.
        var mesh = _mesh.Current;
        workload = mesh.Workloads.GetValueOrDefault(workload.Uid) ?? workload;
        var decision = _authorizer.Authorize(mesh, workload, new ConnectionFacts(connect.RemoteEndPoint, upstream, connect.PeerIdentity));
        if (!decision.IsAllowed)
        {
            connect.Reject(401);
            return ConnectionOutcome.Denied(decision.ToString());
        }

        connection.Announce(connection.Parties);

        // 5. The workload's side, from the client's address; the peer learns of a failure before it has sent anything.
        Socket server;
        using (var unanswered = CancellationTokenSource.CreateLinkedTokenSource(connection.Ended, connect.Aborted))
        {
            try
            {
                server = route.SendProxyHeader && _options.LocalhostTunnel
                    ? await _delivery.ConnectToLoopbackAsync(upstream, unanswered.Token).ConfigureAwait(false)
                    : await _delivery.ConnectAsync(upstream, connect.RemoteEndPoint.Address, unanswered.Token).ConfigureAwait(false);
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

        // 6. Who comes, where the application asks for it; 200; and bytes until both sides have ended.
        using (server)
        {
            if (route.SendProxyHeader)
            {
                try
                {
                    // A few hundred bytes on a socket that nothing was sent on: they never wait for room.
                    server.Send(new ProxyHeader { Source = connect.RemoteEndPoint, Destination = route.TunnelTarget, Identity = connect.PeerIdentity }.ToArray());
                }
                catch (SocketException e)
                {
                    connect.Reject(503);
                    return ConnectionOutcome.DeliveryFailed(e);
                }
            }

            var tunnel = connect.Accept(_options.ResponseBaggage ? ConnectRequests.BaggageOf(workload) : null);
            await using (tunnel.ConfigureAwait(false))
            {
                var relayed = await Relay.RunAsync(tunnel, server, connection.Bytes, connection.Ended).ConfigureAwait(false);
                return ConnectionOutcome.Relayed(relayed, connection.EndedBy);
            }
        }
    }

    private void Refuse(HboneConnect connect, int status, string error)
    {
        connect.Reject(status);
        _connections.Log.Failed(connect.RemoteEndPoint, connect.LocalEndPoint, TrafficDirection.Inbound, error);
    }

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
}
