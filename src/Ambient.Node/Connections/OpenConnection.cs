using System.Net;
using Ambient.Hbone.Relaying;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Connections;

/// <summary>
/// One connection from its registration to its end: who, since when, how many bytes, and who may end it early. Made by
/// <see cref="ConnectionTable.Open"/> or <see cref="ConnectionTable.Register"/>; whoever opened it calls <see cref="CarryAsync"/> or <see cref="Close"/>, exactly once.
/// </summary>
#pragma warning disable CA1001 // The source has no timer and no link, so there is nothing to dispose of, and End may come at any time.
internal sealed class OpenConnection
#pragma warning restore CA1001
{
    private readonly ConnectionTable _table;
    private readonly CancellationTokenSource _ended = new();
    private readonly Lock _reporting = new();
    private readonly long _begun;
    private int _end;
    private bool _announced;
    private long _reportedReceived;
    private long _reportedSent;

    internal OpenConnection(ConnectionTable table, ConnectionParties parties, long begun, IPEndPoint? delivery, object? owner)
    {
        _table = table;
        _begun = begun;
        Parties = parties;
        Delivery = delivery;
        Owner = owner;
    }

    /// <summary>Who it is between.</summary>
    public ConnectionParties Parties { get; private set; }

    /// <summary>Address on the workload that policy was asked about; null for outbound connections.</summary>
    public IPEndPoint? Delivery { get; }

    /// <summary>What it ends with, besides the process: a workload's listeners.</summary>
    public object? Owner { get; }

    /// <summary>Bytes so far.</summary>
    public RelayCounters Bytes { get; } = new();

    /// <summary>Cancelled when the host ends the connection.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <summary>Why the host ended it; the first cause stays.</summary>
    public ConnectionEnd EndedBy => (ConnectionEnd)Volatile.Read(ref _end);

    internal TcpSeries? Series { get; private set; }

    /// <summary>Neighbours in the table, under its lock.</summary>
    internal OpenConnection? Next { get; set; }

    internal OpenConnection? Previous { get; set; }

    internal bool Listed { get; set; }

    /// <summary>Counts the connection as opened and logs it, now that its peer has been let in. At most once, by whoever opened it.</summary>
    /// <param name="parties">Who it is between, as is known by now.</param>
    public void Announce(ConnectionParties parties)
    {
        _announced = true;
        Parties = parties;
        Series = _table.Metrics?.SeriesOf(parties);
        Series?.Opened.Increment();
        _table.Log.Opened(parties);
    }

    /// <summary>Ends the connection at once. Safe from any thread, any number of times.</summary>
    public void End(ConnectionEnd cause)
    {
        if (Claim(cause))
        {
            Cut();
        }
    }

    /// <summary>Writes down why it is about to end; false when something else has ended it already.</summary>
    internal bool Claim(ConnectionEnd cause) => Interlocked.CompareExchange(ref _end, (int)cause, (int)ConnectionEnd.None) == (int)ConnectionEnd.None;

    /// <summary>Ends it, after <see cref="Claim"/>.</summary>
    internal void Cut() => _ended.Cancel();

    /// <summary>
    /// Waits until a captured connection has been carried, and closes it on every side: a client whose connection was not carried
    /// to its end learns it at once. Whatever goes wrong, the connection does not stay in the table.
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

        if (outcome.Error is not null)
        {
            captured.Reset();
        }

        captured.Client.Dispose();
        Close(outcome.Flag, outcome.Error);
    }

    /// <summary>Takes the connection off the table, counts it, and writes its log line.</summary>
    public void Close(ResponseFlag flag, string? error)
    {
        if (!_announced)
        {
            // It failed before its peer was let in, or known: what the mesh knows of it has to do for the metrics. The log line shows the rest.
            Series = _table.Metrics?.SeriesOf(Parties.WithoutHearsay());
            Series?.Opened.Increment();
            _table.Log.Opened(Parties);
        }

        _table.Remove(this);
        Report();
        Series?.Closed(flag);
        var outbound = Parties.Direction == TrafficDirection.Outbound;
        _table.Log.Completed(
            Parties,
            outbound ? Bytes.ClientToServer : Bytes.ServerToClient,
            outbound ? Bytes.ServerToClient : Bytes.ClientToServer,
            _table.Time.GetElapsedTime(_begun),
            error);
    }

    /// <summary>Adds to the metrics what has moved since the last time.</summary>
    internal void Report()
    {
        if (Series is null)
        {
            return;
        }

        lock (_reporting)
        {
            var (received, sent) = (Bytes.ClientToServer, Bytes.ServerToClient);
            Series.Received.Add(received - _reportedReceived);
            Series.Sent.Add(sent - _reportedSent);
            (_reportedReceived, _reportedSent) = (received, sent);
        }
    }
}
