using System.Net.Sockets;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Mesh;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Connections;

/// <summary>
/// One connection from its registration to its end: who, since when, how many bytes, and who may end it early. Made by
/// <see cref="ConnectionTable.Open"/> or <see cref="ConnectionTable.Register"/>; whoever opened it calls <see cref="CarryAsync(CapturedConnection, ValueTask{ConnectionOutcome})"/> or one of its kin, <see cref="Finish"/> or <see cref="Close"/>, exactly once.
/// </summary>
#pragma warning disable CA1001 // The source has no timer and no link, so there is nothing to dispose of, and End may come at any time.
internal sealed class OpenConnection : OpenFlow
#pragma warning restore CA1001
{
    private readonly ConnectionTable _table;
    private CancellationTokenSource? _ended;
    private volatile bool _isCut;
    private readonly long _begun;
    private bool _announced;
    private IConnectionGround? _ground;
    private long _reportedReceived;
    private long _reportedSent;

    internal OpenConnection(ConnectionTable table, ConnectionParties parties, long begun, IConnectionGround? ground, object? owner)
    {
        _table = table;
        _begun = begun;
        Parties = parties;
        _ground = ground;
        Owner = owner;
    }

    /// <summary>Who it is between.</summary>
    public ConnectionParties Parties { get; private set; }

    /// <summary>Bytes so far.</summary>
    public RelayCounters Bytes { get; } = new();

    /// <summary>Cancelled when the host ends the connection.</summary>
    public CancellationToken Ended
    {
        get
        {
            var source = Volatile.Read(ref _ended);
            if (source is null && !_isCut)
            {
                var made = new CancellationTokenSource();
                source = Interlocked.CompareExchange(ref _ended, made, null) ?? made;
            }

            if (_isCut)
            {
                // In between, perhaps, when there was no source yet.
                return new CancellationToken(true);
            }

            return source!.Token;
        }
    }

    /// <summary>Whether others account for what it carries, request by request: it has no line and no metrics of its own then.</summary>
    public bool CarriesRequests { get; set; }

    /// <summary>Writes its line where the host's own may not be wanted; null: that one is.</summary>
    public IConnectionAccount? Account { get; set; }

    internal TcpSeries? Series { get; private set; }

    /// <summary>Counts the connection as opened and logs it, now that its peer has been let in. At most once, by whoever opened it.</summary>
    /// <param name="parties">Who it is between, as is known by now.</param>
    public void Announce(ConnectionParties parties)
    {
        _announced = true;
        Parties = parties;
        Series = _table.Metrics?.SeriesOf(parties);
        Series?.Opened?.Increment();
        _table.Log.Opened(parties);
    }

    /// <summary>Says what lets the connection be open, where that shows only after it was registered. The caller asks it once more from here on.</summary>
    public void StandOn(IConnectionGround ground) => Volatile.Write(ref _ground, ground);

    /// <inheritdoc/>
    internal override bool Objects(MeshSnapshot mesh) =>
        Volatile.Read(ref _ground)?.ObjectionIn(mesh) is { } objection && Claim(objection.Cause, objection.Reason);

    /// <inheritdoc/>
    internal override void Cut()
    {
        _isCut = true;
        Bytes.Abort();

        // What is carried ends elsewhere: whoever cuts it may have many to cut, and hold a lock meanwhile.
        _ = Volatile.Read(ref _ended)?.CancelAsync();
    }

    /// <summary>
    /// Waits until a captured connection has been carried, and closes it on every side: a client whose connection was cut short
    /// notices at once. Whatever goes wrong, the connection is removed from the table.
    /// </summary>
    /// <param name="captured">The client's side.</param>
    /// <param name="carrying">The engine's part, begun.</param>
    public async Task CarryAsync(CapturedConnection captured, ValueTask<ConnectionOutcome> carrying)
    {
        ConnectionOutcome outcome;
        try
        {
            outcome = await carrying.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            outcome = ConnectionOutcome.Unexpected(e);
        }

        Finish(captured.Client, outcome);
    }

    /// <summary>Relays between a captured connection and its tunnel until both have ended, and closes everything as the other does.</summary>
    /// <param name="client">The client's socket; owned from here.</param>
    /// <param name="server">The tunnel; owned from here.</param>
    public Task CarryAsync(Socket client, HboneTunnel server) => RelayAsync(client, server, inbound: false);

    /// <summary>Relays between a tunnel and the workload's socket until both have ended, and closes everything.</summary>
    /// <param name="client">The client's tunnel; owned from here.</param>
    /// <param name="server">The workload's socket; owned from here.</param>
    public Task CarryAsync(HboneTunnel client, Socket server) => RelayAsync(server, client, inbound: true);

    /// <summary>It was not carried at all: closes it on every side.</summary>
    /// <param name="client">The client's socket.</param>
    /// <param name="outcome">Why.</param>
    public void Finish(Socket client, ConnectionOutcome outcome)
    {
        ArgumentNullException.ThrowIfNull(client);
        if (outcome.Error is not null)
        {
            CapturedConnection.Reset(client);
        }

        client.Dispose();
        Close(outcome.Flag, outcome.Error);
    }

    /// <summary>Relays a tunnel to its end. Each idle tunnel keeps this state machine, so it holds only what the relay needs.</summary>
    private async Task RelayAsync(Socket socket, HboneTunnel tunnel, bool inbound)
    {
        ConnectionOutcome outcome;
        try
        {
            // From here on the relay is ended by what it counts with. Nobody waits for the token any more, which is 200 bytes of an idle tunnel.
            Volatile.Write(ref _ended, null);
            var relay = inbound
                ? Relay.RunAsync(tunnel, socket, Bytes, CancellationToken.None)
                : Relay.RunAsync(socket, tunnel, Bytes, CancellationToken.None);
            outcome = ConnectionOutcome.Relayed(await relay.ConfigureAwait(false), EndedBy);
        }
        catch (Exception e)
        {
            outcome = ConnectionOutcome.Unexpected(e);
            tunnel.Abort();
        }

        await tunnel.DisposeAsync().ConfigureAwait(false);
        if (inbound)
        {
            socket.Dispose();
            Close(outcome.Flag, outcome.Error);
        }
        else
        {
            Finish(socket, outcome);
        }
    }

    /// <summary>Removes the connection from the table, counts it, and writes its log line.</summary>
    public void Close(ResponseFlag flag, string? error)
    {
        if (CarriesRequests)
        {
            _table.Remove(this);
            return;
        }

        if (!_announced)
        {
            // It failed before its peer was allowed or even known: metrics use only what the mesh knows of it. The log line shows the rest.
            Series = _table.Metrics?.SeriesOf(Parties.WithoutHearsay());
            Series?.Opened?.Increment();
            _table.Log.Opened(Parties);
        }

        _table.Remove(this);
        Report();
        Series?.Closed(flag);
        var duration = _table.Time.GetElapsedTime(_begun);
        if (Account?.TryComplete(this, duration, error) == true)
        {
            return;
        }

        var outbound = Parties.Direction == TrafficDirection.Outbound;
        _table.Log.Completed(
            Parties,
            outbound ? Bytes.ClientToServer : Bytes.ServerToClient,
            outbound ? Bytes.ServerToClient : Bytes.ClientToServer,
            duration,
            error);
    }

    /// <inheritdoc/>
    internal override void Report()
    {
        if (Series is null)
        {
            return;
        }

        lock (Bytes)
        {
            var (received, sent) = (Bytes.ClientToServer, Bytes.ServerToClient);
            Series.Received?.Add(received - _reportedReceived);
            Series.Sent?.Add(sent - _reportedSent);
            (_reportedReceived, _reportedSent) = (received, sent);
        }
    }
}
