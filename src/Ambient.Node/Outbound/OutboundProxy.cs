using System.Net;
using System.Net.Sockets;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Metrics;
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
    private readonly TakePlaintext? _takePlaintext;
    private readonly bool _readBaggage;
    private readonly OnDemandDns? _names;
    private readonly IMeshDemand? _demand;
    private readonly string? _network;
    private readonly HboneIo? _io;
    private readonly Lazy<Counter>? _skippedWaypoints;

    /// <summary>
    /// Creates the proxy. <paramref name="takePlaintext"/> is for where nothing captures plaintext at its destination; null where
    /// redirection does. <paramref name="readBaggage"/>: whether what peers say of themselves is used (<c>ENABLE_RESPONSE_BAGGAGE</c>).
    /// <paramref name="demand"/>: who is asked for what the mesh does not know; null where it knows everything. <paramref name="network"/>: this
    /// proxy's own (<c>NETWORK</c>); null: each workload's. <paramref name="io"/>: whose threads move the bytes; null: those that everybody shares.
    /// <paramref name="skippedWaypoints"/>: counts connections that went past a waypoint without anything to do; null: nobody counts them.
    /// </summary>
    public OutboundProxy(
        IMeshSnapshotProvider mesh, HboneClient hbone, ISocketConnector connector, ConnectionTable connections, ReservedPorts reserved, TimeProvider time,
        TakePlaintext? takePlaintext, bool readBaggage = true, OnDemandDns? names = null, IMeshDemand? demand = null, string? network = null, HboneIo? io = null,
        Lazy<Counter>? skippedWaypoints = null)
    {
        _mesh = mesh;
        _hbone = hbone;
        _connector = connector;
        _connections = connections;
        _reserved = reserved;
        _time = time;
        _takePlaintext = takePlaintext;
        _readBaggage = readBaggage;
        _names = names;
        _demand = demand;
        _network = network;
        _io = io;
        _skippedWaypoints = skippedWaypoints;
    }

    /// <summary>Carries one connection to its end. Never throws.</summary>
    public Task RunAsync(CapturedConnection captured, CancellationToken deadline) => BeginAsync(captured, deadline).Unwrap();

    /// <summary>
    /// Everything up to the bytes, which the task that is returned moves: what was decided on the way there is garbage by then, and an idle tunnel
    /// keeps none of it.
    /// </summary>
    private async Task<Task> BeginAsync(CapturedConnection captured, CancellationToken deadline)
    {
        // 1. A call to one of our own ports would be captured again, and again.
        if (_reserved.IsOurselves(captured.Destination))
        {
            Refuse(captured, ReservedPorts.Error);
            return Task.CompletedTask;
        }

        // 2. On whose behalf: identity and network decide everything else.
        if (await FindSourceAsync(captured.Workload, deadline).ConfigureAwait(false) is not { } source)
        {
            Refuse(captured, $"failed to fetch information about local workload: {captured.Workload.Name}");
            return Task.CompletedTask;
        }

        // 3. Where to: a pure decision over one snapshot, which may have to learn of the destination first.
        var mesh = _mesh.Current;
        var route = DestinationResolver.Resolve(mesh, source, captured.Destination, Random.Shared, _network);
        if (route.Unknown is not null && _demand is not null)
        {
            (mesh, route) = await LearnAsync(_demand, source, captured.Destination, deadline).ConfigureAwait(false);
        }

        if (route.HostToResolve is not null && _names is not null)
        {
            route = await ResolveAsync(route, source, captured.Destination, deadline).ConfigureAwait(false);
        }

        if (route is not { Error: null, NextHop: not null })
        {
            Refuse(captured, route.Error ?? $"no valid routing destination for {captured.Destination}");
            return Task.CompletedTask;
        }

        if (route.SkipsIdleWaypoint)
        {
            _skippedWaypoints?.Value.Increment();
        }

        // 4. Plaintext that only we can ask a policy about is another engine's.
        if (route.Protocol == ConnectionProtocol.Tcp
            && _takePlaintext?.Invoke(captured, route.NextHop, mesh.FindWorkload(source.Network, route.NextHop.Address), deadline) is { } delivering)
        {
            return delivering;
        }

        // 5. From here on the connection is counted, logged, and can be ended.
        //    Whom a connection across networks is with, the peer behind the gateway tells; until then it is only registered.
        var parties = PartiesOf(captured, source, route);
        var connection = route.Protocol == ConnectionProtocol.DoubleHbone
            ? _connections.Register(parties, captured.Accepted, owner: captured.Owner)
            : _connections.Open(parties, captured.Accepted, owner: captured.Owner);

        // 6. Bytes, until both sides have ended or something fails.
        if (route.Protocol is not (ConnectionProtocol.Hbone or ConnectionProtocol.DoubleHbone))
        {
            return connection.CarryAsync(captured, ConnectAsync(captured, route, connection));
        }

        var (tunnel, failure) = route.Protocol == ConnectionProtocol.Hbone
            ? await TunnelAsync(captured, source, route, connection).ConfigureAwait(false)
            : await TunnelTwiceAsync(captured, source, route, connection).ConfigureAwait(false);
        if (tunnel is not null)
        {
            return connection.CarryAsync(captured.Client, tunnel);
        }

        connection.Finish(captured.Client, failure);
        return Task.CompletedTask;
    }

    private async ValueTask<(MeshSnapshot Mesh, ConnectionRoute Route)> LearnAsync(IMeshDemand demand, Workload source, IPEndPoint destination, CancellationToken deadline)
    {
        var mesh = _mesh.Current;
        var route = await demand.DecideAsync(
            _mesh,
            snapshot => DestinationResolver.Resolve(mesh = snapshot, source, destination, Random.Shared, _network),
            static decision => decision.Unknown,
            deadline).ConfigureAwait(false);
        return (mesh, route ?? new ConnectionRoute { Error = MeshDemand.Unanswered(destination) });
    }

    private async ValueTask<ConnectionRoute> ResolveAsync(ConnectionRoute route, Workload source, IPEndPoint destination, CancellationToken deadline)
    {
        try
        {
            return await _names!.CompleteAsync(route, source, destination, deadline).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return route;
        }
    }

    private async ValueTask<(HboneTunnel? Tunnel, ConnectionOutcome Failure)> TunnelAsync(CapturedConnection captured, Workload source, ConnectionRoute route, OpenConnection connection)
    {
        try
        {
            return (await _hbone.ConnectAsync(ConnectRequests.For(captured, source, route), connection.Ended).ConfigureAwait(false), default);
        }
        catch (OperationCanceledException)
        {
            return (null, ConnectionOutcome.EndedBy(connection.EndedBy));
        }
        catch (HboneException e)
        {
            return (null, ConnectionOutcome.TunnelFailed(e, route.ViaWaypoint ? NetworkTunnel.NameOf(route) : null));
        }
        catch (Exception e)
        {
            return (null, ConnectionOutcome.Unexpected(e));
        }
    }

    private async ValueTask<(HboneTunnel? Tunnel, ConnectionOutcome Failure)> TunnelTwiceAsync(CapturedConnection captured, Workload source, ConnectionRoute route, OpenConnection connection)
    {
        var twice = new NetworkTunnel(_hbone, route);
        HboneTunnel? tunnel = null;
        try
        {
            tunnel = await twice.OpenAsync(ConnectRequests.For(captured, source, route), _network ?? source.Network, connection.Ended).ConfigureAwait(false);
            connection.Announce(connection.Parties with
            {
                DestinationPeer = new InnerPeer(tunnel.PeerIdentity, _readBaggage && tunnel.PeerBaggage is { Length: > 0 } baggage ? ConnectHeaders.ParseBaggage(baggage) : null),
            });
            return (tunnel, default);
        }
        catch (OperationCanceledException)
        {
            return (null, ConnectionOutcome.EndedBy(connection.EndedBy));
        }
        catch (HboneException e)
        {
            var outcome = ConnectionOutcome.TunnelFailed(e, null);
            return (null, outcome with { Error = $"{twice.Layer}: {outcome.Error}" });
        }
        catch (Exception e)
        {
            tunnel?.Abort();
            return (null, ConnectionOutcome.Unexpected(e));
        }
    }

    private async ValueTask<ConnectionOutcome> ConnectAsync(CapturedConnection captured, ConnectionRoute route, OpenConnection connection)
    {
        Socket server;
        using (var limit = new TimeLimit(ConnectTimeout, _time, connection.Ended))
        {
            try
            {
                server = await _connector.ConnectAsync(route.NextHop!, captured.Source.Address, limit.Token).ConfigureAwait(false);
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
            var relayed = await Relay.RunAsync(captured.Client, server, connection.Bytes, _io, connection.Ended).ConfigureAwait(false);
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
}
