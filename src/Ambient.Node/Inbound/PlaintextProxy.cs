using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Relaying;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Inbound;

/// <summary>
/// Delivers plaintext connections to workloads that are in the mesh: what policy says of a peer without identity decides
///.
/// </summary>
internal sealed class PlaintextProxy
{
    private static readonly InboundRoute s_noRoute = new();

    private readonly IMeshSnapshotProvider _mesh;
    private readonly Delivery _delivery;
    private readonly ConnectionTable _connections;
    private readonly ReservedPorts _reserved;
    private readonly InboundAuthorizer _authorizer;
    private readonly InboundOptions _options;
    private readonly PartyLookup _parties;

    /// <summary>Creates the proxy. <paramref name="demand"/>: who is asked for what the mesh does not know; null where it knows everything.</summary>
    public PlaintextProxy(
        IMeshSnapshotProvider mesh, Delivery delivery, ConnectionTable connections, ReservedPorts reserved, InboundAuthorizer authorizer, InboundOptions options,
        IMeshDemand? demand = null)
    {
        _mesh = mesh;
        _delivery = delivery;
        _connections = connections;
        _reserved = reserved;
        _authorizer = authorizer;
        _options = options;
        _parties = new PartyLookup(mesh, demand);
    }

    /// <summary>Delivers one connection to its workload, to its end. Never throws.</summary>
    public async Task RunAsync(CapturedConnection captured, CancellationToken deadline)
    {
        // 1. A call to one of our own ports would come back to us.
        if (_reserved.Contains(captured.Destination.Port))
        {
            Refuse(captured, ReservedPorts.Error);
            return;
        }

        // 2. For whom.
        Workload? workload;
        try
        {
            workload = await captured.Workload.GetAsync(deadline).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            workload = null;
        }

        if (workload is null)
        {
            Refuse(captured, $"failed to fetch information about local workload: {captured.Workload.Name}");
            return;
        }

        // 3. Registered before it is authorized: a policy that changes in between finds it and ends it.
        var source = await _parties.FindSourceAsync(workload.Network, captured.Source.Address, deadline).ConfigureAwait(false);
        if (_options.AttributeServices)
        {
            await _parties.LearnServicesAsync(workload, deadline).ConfigureAwait(false);
        }

        var mesh = _mesh.Current;
        var connection = _connections.Open(
            new ConnectionParties
            {
                Direction = TrafficDirection.Inbound,
                Source = captured.Source,
                SourceWorkload = source,
                Destination = captured.Destination,
                DestinationWorkload = workload,
                Service = _options.AttributeServices ? InboundResolver.AttributeService(mesh, workload, s_noRoute, null, captured.Destination.Port) : null,
            },
            captured.Accepted,
            new WorkloadGround(workload, new ConnectionFacts(captured.Source, captured.Destination, null)),
            captured.Owner);
        await connection.CarryAsync(captured, DeliverAsync(workload, captured, connection)).ConfigureAwait(false);
    }

    private async ValueTask<ConnectionOutcome> DeliverAsync(Workload workload, CapturedConnection captured, OpenConnection connection)
    {
        // 4. May anybody come in here without an identity? Asked of the newest snapshot, now that a newer one would find the connection.
        var mesh = _mesh.Current;
        workload = mesh.Workloads.GetValueOrDefault(workload.Uid) ?? workload;
        var decision = _authorizer.Authorize(mesh, workload, new ConnectionFacts(captured.Source, captured.Destination, null));
        if (!decision.IsAllowed)
        {
            return ConnectionOutcome.Denied(decision.ToString());
        }

        // 5. The workload's side, from the client's address; then bytes until both sides have ended.
        try
        {
            using var server = await _delivery.ConnectAsync(captured.Destination, captured.Source.Address, connection.Ended).ConfigureAwait(false);
            var relayed = await Relay.RunAsync(captured.Client, server, connection.Bytes, _delivery.Io, connection.Ended).ConfigureAwait(false);
            return ConnectionOutcome.Relayed(relayed, connection.EndedBy);
        }
        catch (OperationCanceledException)
        {
            return ConnectionOutcome.EndedBy(connection.EndedBy);
        }
        catch (Exception e) when (e is SocketException or TimeoutException)
        {
            return ConnectionOutcome.DeliveryFailed(e);
        }
    }

    private void Refuse(CapturedConnection captured, string error)
    {
        captured.Reset();
        _connections.Log.Failed(captured.Source, captured.Destination, TrafficDirection.Inbound, error);
    }
}
