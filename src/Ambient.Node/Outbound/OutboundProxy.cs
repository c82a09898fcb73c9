using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Capture;
using Ambient.Node.Diagnostics.AccessLog;
using Ambient.Node.Inbound;
using Ambient.Node.Lifetime;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Outbound;

/// <summary>
/// Carries captured connections of workloads: the destination is resolved, a tunnel opened, and bytes relayed. One method owns a
/// connection from its capture to its log line. What cannot be carried as the mesh says is refused, never sent another way.
/// </summary>
internal sealed class OutboundProxy
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    private readonly IMeshSnapshotProvider _mesh;
    private readonly HboneClient _hbone;
    private readonly ISocketConnector _connector;
    private readonly ConnectionTable _connections;
    private readonly ReservedPorts _reserved;
    private readonly TimeProvider _time;
    private readonly PlaintextProxy? _plaintext;

    /// <summary>
    /// Creates the proxy. <paramref name="plaintext"/> where nothing captures plaintext at its destination: it takes what goes to
    /// workloads of the mesh, and their policies decide.
    /// </summary>
    public OutboundProxy(
        IMeshSnapshotProvider mesh, HboneClient hbone, ISocketConnector connector, ConnectionTable connections, ReservedPorts reserved, TimeProvider time,
        PlaintextProxy? plaintext = null)
    {
        _mesh = mesh;
        _hbone = hbone;
        _connector = connector;
        _connections = connections;
        _reserved = reserved;
        _time = time;
        _plaintext = plaintext;
    }

    /// <summary>Carries one connection to its end. Never throws.</summary>
    public async Task RunAsync(CapturedConnection captured, CancellationToken deadline)
    {
        // 1. A call to one of our own ports would be captured again, and again.
        if (_reserved.IsOurselves(captured.Destination))
        {
            Refuse(captured, ReservedPorts.Error);
            return;
        }

        // 2. On whose behalf: identity and network decide everything else.
        if (await FindSourceAsync(captured.Workload, deadline).ConfigureAwait(false) is not { } source)
        {
            Refuse(captured, $"failed to fetch information about local workload: {captured.Workload.Name}");
            return;
        }

        // 3. Where to: a pure decision over one snapshot.
        var mesh = _mesh.Current;
        var route = DestinationResolver.Resolve(mesh, source, captured.Destination, Random.Shared);
        if (route is not { Error: null, NextHop: not null })
        {
            Refuse(captured, route.Error ?? $"no valid routing destination for {captured.Destination}");
            return;
        }

        if (_plaintext is not null && route.Protocol == ConnectionProtocol.Tcp
            && mesh.FindWorkload(source.Network, route.NextHop.Address) is { Protocol: TunnelProtocol.Hbone, NativeTunnel: false } inMesh)
        {
            await _plaintext.RunAsync(
                captured with { Destination = route.NextHop, Workload = LocalWorkload.ByUid(_mesh, inMesh.Uid, _time) }, deadline).ConfigureAwait(false);
            return;
        }

        // 4. From here on the connection is counted, logged, and can be ended.
        var connection = _connections.Open(PartiesOf(captured, source, route), captured.Accepted, owner: captured.Owner);
        ConnectionOutcome outcome;
        try
        {
            outcome = route.Protocol switch
            {
                ConnectionProtocol.Hbone => await TunnelAsync(captured, source, route, connection).ConfigureAwait(false),
                ConnectionProtocol.Tcp => await ConnectAsync(captured, route, connection).ConfigureAwait(false),
                _ => new ConnectionOutcome(Diagnostics.Metrics.ResponseFlag.Connect, $"{captured.Destination} is in another network, and tunnels across networks are not supported yet"),
            };
        }
        catch (Exception e)
        {
            outcome = ConnectionOutcome.Unexpected(e);
        }

        // 5. A client whose connection was not carried to its end learns it at once.
        if (outcome.Error is not null)
        {
            captured.Reset();
        }

        captured.Client.Dispose();
        connection.Close(outcome.Flag, outcome.Error);
    }

    private async ValueTask<ConnectionOutcome> TunnelAsync(CapturedConnection captured, Workload source, ConnectionRoute route, OpenConnection connection)
    {
        try
        {
            var tunnel = await _hbone.ConnectAsync(ConnectRequests.For(captured, source, route), connection.Ended).ConfigureAwait(false);
            await using (tunnel.ConfigureAwait(false))
            {
                var relayed = await Relay.RunAsync(captured.Client, tunnel, connection.Bytes, connection.Ended).ConfigureAwait(false);
                return ConnectionOutcome.Relayed(relayed, connection.EndedBy);
            }
        }
        catch (OperationCanceledException)
        {
            return ConnectionOutcome.EndedBy(connection.EndedBy);
        }
        catch (HboneException e)
        {
            return ConnectionOutcome.TunnelFailed(e, route.ViaWaypoint ? NameOf(route) : null);
        }
    }

    private async ValueTask<ConnectionOutcome> ConnectAsync(CapturedConnection captured, ConnectionRoute route, OpenConnection connection)
    {
        Socket server;
        using (var timeout = CancellationTokenSource.CreateLinkedTokenSource(connection.Ended))
        {
            timeout.CancelAfter(ConnectTimeout);
            try
            {
                server = await _connector.ConnectAsync(route.NextHop!, captured.Source.Address, timeout.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return connection.EndedBy == ConnectionEnd.None
                    ? ConnectionOutcome.ConnectFailed(new TimeoutException($"connection timed out: no answer within {ConnectTimeout.TotalSeconds:0} s"))
                    : ConnectionOutcome.EndedBy(connection.EndedBy);
            }
            catch (SocketException e)
            {
                return ConnectionOutcome.ConnectFailed(e);
            }
        }

        using (server)
        {
            var relayed = await Relay.RunAsync(captured.Client, server, connection.Bytes, connection.Ended).ConfigureAwait(false);
            return ConnectionOutcome.Relayed(relayed, connection.EndedBy);
        }
    }

    private void Refuse(CapturedConnection captured, string error)
    {
        captured.Reset();
        _connections.Log.Failed(captured.Source, captured.Destination, TrafficDirection.Outbound, error);
    }

    private static async ValueTask<Workload?> FindSourceAsync(LocalWorkload local, CancellationToken deadline)
    {
        try
        {
            return await local.GetAsync(deadline).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    private static ConnectionParties PartiesOf(CapturedConnection captured, Workload source, ConnectionRoute route)
    {
        var tunnelled = route.Protocol != ConnectionProtocol.Tcp;
        return new ConnectionParties
        {
            Direction = TrafficDirection.Outbound,
            Source = captured.Source,
            SourceWorkload = source,
            SourceIdentity = tunnelled ? source.Identity : null,
            Destination = route.NextHop!,
            HboneAddress = route.Authority,
            DestinationWorkload = route.NextHopWorkload,
            DestinationIdentity = tunnelled ? route.NextHopWorkload?.Identity : null,
            Service = route.Service,
            OriginalDestination = captured.Destination.ToString(),
        };
    }

    private static string NameOf(ConnectionRoute route) =>
        route.NextHopWorkload is { } waypoint ? $"{waypoint.Namespace}/{waypoint.Name} ({route.NextHop})" : route.NextHop!.ToString();
}
