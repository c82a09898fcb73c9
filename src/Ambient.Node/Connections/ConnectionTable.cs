using System.Net;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Connections;

/// <summary>
/// Every connection that a host carries. The one place that ends many of them: on a policy change, when a workload goes, at the
/// drain deadline. Adding and removing is O(1) and allocates only the connection.
/// </summary>
internal sealed class ConnectionTable
{
    private readonly Lock _lock = new();
    private readonly TcpMetrics? _metrics;
    private OpenConnection? _first;
    private TaskCompletionSource? _empty;
    private int _count;

    /// <summary>Creates a table whose connections are logged and counted.</summary>
    public ConnectionTable(ConnectionLog log, TcpMetrics? metrics, MetricRegistry? registry, TimeProvider time)
    {
        Log = log;
        Time = time;
        _metrics = metrics;

        // Bytes are counted where they move; a scrape collects what open connections have not reported yet.
        registry?.BeforeScrape(() => ForEach(static connection => connection.Report()));
    }

    /// <summary>How many are open.</summary>
    public int Count => Volatile.Read(ref _count);

    internal ConnectionLog Log { get; }

    internal TcpMetrics? Metrics => _metrics;

    internal TimeProvider Time { get; }

    /// <summary>Registers a connection. Everything that may refuse it comes after, so that no change can slip between.</summary>
    /// <param name="parties">Who.</param>
    /// <param name="begun">Timestamp of its accept.</param>
    /// <param name="delivery">Inbound: the address on the workload that policy is asked about.</param>
    /// <param name="owner">What it ends with, besides the process.</param>
    public OpenConnection Open(ConnectionParties parties, long begun, IPEndPoint? delivery = null, object? owner = null)
    {
        var connection = Register(parties, begun, delivery, owner);
        connection.Announce(parties);
        return connection;
    }

    /// <summary>
    /// Registers a connection without counting or logging it: whether its peer is let in, or who the peer is, shows later, and then it is
    /// announced (<see cref="OpenConnection.Announce"/>). It can be ended from here on.
    /// </summary>
    public OpenConnection Register(ConnectionParties parties, long begun, IPEndPoint? delivery = null, object? owner = null)
    {
        var connection = new OpenConnection(this, parties, begun, delivery, owner);
        lock (_lock)
        {
            connection.Next = _first;
            if (_first is not null)
            {
                _first.Previous = connection;
            }

            _first = connection;
            connection.Listed = true;
            _count++;
        }

        return connection;
    }

    /// <summary>
    /// Ends those that a condition holds for. The cause is written on all of them before the first is cut: when both ends of a
    /// tunnel are here, the second must not take the first one's end for its peer's failure.
    /// </summary>
    /// <returns>How many were not ending already.</returns>
    public int End(ConnectionEnd cause, Func<OpenConnection, bool> condition)
    {
        var ending = Array.FindAll(Snapshot(), connection => condition(connection) && connection.Claim(cause));
        foreach (var connection in ending)
        {
            connection.Cut();
        }

        return ending.Length;
    }

    /// <summary>Completes when no connection is open (for a moment at least).</summary>
    public Task WhenEmptyAsync()
    {
        lock (_lock)
        {
            return _count == 0 ? Task.CompletedTask : (_empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>The connections open now.</summary>
    public OpenConnection[] Snapshot()
    {
        lock (_lock)
        {
            var all = new OpenConnection[_count];
            var i = 0;
            for (var connection = _first; connection is not null; connection = connection.Next)
            {
                all[i++] = connection;
            }

            return all;
        }
    }

    internal void Remove(OpenConnection connection)
    {
        TaskCompletionSource? empty = null;
        lock (_lock)
        {
            if (!connection.Listed)
            {
                return;
            }

            connection.Listed = false;
            if (connection.Previous is null)
            {
                _first = connection.Next;
            }
            else
            {
                connection.Previous.Next = connection.Next;
            }

            if (connection.Next is not null)
            {
                connection.Next.Previous = connection.Previous;
            }

            connection.Next = connection.Previous = null;
            if (--_count == 0)
            {
                (empty, _empty) = (_empty, null);
            }
        }

        empty?.SetResult();
    }

    private void ForEach(Action<OpenConnection> action)
    {
        foreach (var connection in Snapshot())
        {
            action(connection);
        }
    }
}
