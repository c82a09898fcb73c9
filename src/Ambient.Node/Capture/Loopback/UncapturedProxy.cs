using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Lifetime;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Capture.Loopback;

/// <summary>
/// Carries what workloads outside the mesh call, the way the cluster would: a service's address leads to one of its endpoints, by
/// plain TCP from the workload's address. A destination that is in the mesh is asked for its policy on the way, because no
/// redirection would do so here: plaintext never gets around a policy.
/// </summary>
internal sealed class UncapturedProxy
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    private readonly IMeshSnapshotProvider _mesh;
    private readonly ISocketConnector _connector;
    private readonly UnredirectedPlaintext _plaintext;
    private readonly ConnectionTable _connections;
    private readonly HboneIo? _io;

    /// <summary>Creates the proxy.</summary>
    public UncapturedProxy(IMeshSnapshotProvider mesh, ISocketConnector connector, UnredirectedPlaintext plaintext, ConnectionTable connections, HboneIo? io)
    {
        _mesh = mesh;
        _connector = connector;
        _plaintext = plaintext;
        _connections = connections;
        _io = io;
    }

    /// <summary>Carries one connection to its end. Never throws.</summary>
    public async Task RunAsync(CapturedConnection captured, CancellationToken deadline)
    {
        var mesh = _mesh.Current;
        var source = captured.Workload.Current;
        var route = ClusterRouting.Resolve(mesh, source, captured.Destination, Random.Shared);
        if (route.Endpoint is not { } endpoint)
        {
            captured.Reset();
            _connections.Log.Failed(captured.Source, captured.Destination, TrafficDirection.Outbound, $"no healthy upstream: {captured.Destination}");
            return;
        }

        if (_plaintext.TryTake(captured, endpoint, route.Workload, deadline) is { } delivering)
        {
            await delivering.ConfigureAwait(false);
            return;
        }

        var connection = _connections.Open(
            new ConnectionParties
            {
                Direction = TrafficDirection.Outbound,
                Source = captured.Source,
                SourceWorkload = source,
                Destination = endpoint,
                DestinationWorkload = route.Workload,
                Service = route.Service,
                OriginalDestination = captured.Destination.ToString(),
            },
            captured.Accepted,
            owner: captured.Owner);
        await connection.CarryAsync(captured, ConnectAsync(captured, endpoint, connection)).ConfigureAwait(false);
    }

    private async ValueTask<ConnectionOutcome> ConnectAsync(CapturedConnection captured, IPEndPoint endpoint, OpenConnection connection)
    {
        using var limit = new TimeLimit(ConnectTimeout, _connections.Time, connection.Ended);
        try
        {
            using var server = await _connector.ConnectAsync(endpoint, captured.Source.Address, limit.Token).ConfigureAwait(false);
            limit.Lift();
            var relayed = await Relay.RunAsync(captured.Client, server, connection.Bytes, _io, connection.Ended).ConfigureAwait(false);
            return ConnectionOutcome.Relayed(relayed, connection.EndedBy);
        }
        catch (OperationCanceledException) when (connection.EndedBy != ConnectionEnd.None)
        {
            return ConnectionOutcome.EndedBy(connection.EndedBy);
        }
        catch (OperationCanceledException)
        {
            return ConnectionOutcome.ConnectFailed(new TimeoutException("connection timed out"));
        }
        catch (SocketException e)
        {
            return ConnectionOutcome.ConnectFailed(e);
        }
    }
}
