using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Connections;

/// <summary>
/// Every connection that a host carries and, where it serves them, every request. The one place that ends many at once: when policies change, when a workload goes,
/// and at the drain deadline. Adding and removing take constant time, and only the connection is allocated; a thread that moves bytes keeps what it adds apart.
/// </summary>
internal sealed class ConnectionTable
{
    // More threads than that share.
    private const int MostParts = 9;

    private readonly Part[] _parts = [.. Enumerable.Range(0, MostParts).Select(static _ => new Part())];
    private readonly TcpMetrics? _metrics;
    private readonly Lock _emptyGate = new();
    private volatile TaskCompletionSource? _empty;

    /// <summary>Creates a table whose connections are logged and counted.</summary>
    public ConnectionTable(ConnectionLog log, TcpMetrics? metrics, MetricRegistry? registry, TimeProvider time)
    {
        Log = log;
        Time = time;
        _metrics = metrics;

        // Bytes are counted where they are moved; a scrape collects what open connections have not reported yet.
        registry?.BeforeScrape(() => ForEach(static flow => flow.Report()));
    }

    /// <summary>How many are open.</summary>
    public int Count
    {
        get
        {
            var count = 0;
            foreach (var part in _parts)
            {
                count += part.Count;
            }

            return count;
        }
    }

    internal ConnectionLog Log { get; }

    internal TcpMetrics? Metrics => _metrics;

    internal TimeProvider Time { get; }

    /// <summary>Registers a connection. Everything that may refuse it comes afterwards, so that no change is missed in between.</summary>
    /// <param name="parties">Who.</param>
    /// <param name="begun">Timestamp of its accept.</param>
    /// <param name="ground">What lets it be open; null where nothing can object, as for outbound connections.</param>
    /// <param name="owner">What it ends with, besides the process.</param>
    public OpenConnection Open(ConnectionParties parties, long begun, IConnectionGround? ground = null, object? owner = null)
    {
        var connection = Register(parties, begun, ground, owner);
        connection.Announce(parties);
        return connection;
    }

    /// <summary>
    /// Registers a connection without counting or logging it: whether its peer is let in, or who the peer is, shows later, and then it is
    /// announced (<see cref="OpenConnection.Announce"/>). It can be ended from here on.
    /// </summary>
    public OpenConnection Register(ConnectionParties parties, long begun, IConnectionGround? ground = null, object? owner = null)
    {
        var connection = new OpenConnection(this, parties, begun, ground, owner);
        Add(connection);
        return connection;
    }

    /// <summary>
    /// Ends those that a condition holds for. The cause is written on all of them before the first is cut: when both ends of a
    /// tunnel are here, the second must not take the first one's end for its peer's failure.
    /// </summary>
    /// <returns>How many were not ending already.</returns>
    public int End(ConnectionEnd cause, Func<OpenFlow, bool> condition) =>
        Cut(Array.FindAll(Flows(), flow => condition(flow) && flow.Claim(cause)));

    /// <summary>Checks everything that is open against the mesh as it is now, and ends what is no longer allowed.</summary>
    /// <returns>How many were ended.</returns>
    public int Reconsider(MeshSnapshot mesh) => Cut(Array.FindAll(Flows(), flow => flow.Objects(mesh)));

    /// <summary>Completes once no connection is open, if only for a moment.</summary>
    public Task WhenEmptyAsync()
    {
        Task empty;
        lock (_emptyGate)
        {
            empty = (_empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        // Whoever removes the last one from here on sees that somebody waits.
        TellIfEmpty();
        return empty;
    }

    /// <summary>The connections open now.</summary>
    public OpenConnection[] Snapshot() => [.. Flows().Select(static flow => flow as OpenConnection).OfType<OpenConnection>()];

    /// <summary>Adds what is about to be authorized.</summary>
    internal void Add(OpenFlow flow)
    {
        var part = _parts[(uint)(HboneIo.CurrentThread + 1) % MostParts];
        flow.Part = part;
        part.Add(flow);
    }

    internal void Remove(OpenFlow flow)
    {
        if (flow.Part?.Remove(flow) == true && _empty is not null)
        {
            TellIfEmpty();
        }
    }

    /// <summary>Tells whoever waits for it that nothing is open, if so. Nobody adds anything while it is looked.</summary>
    private void TellIfEmpty()
    {
        TaskCompletionSource? empty = null;
        lock (_emptyGate)
        {
            foreach (var part in _parts)
            {
                part.Gate.Enter();
            }

            if (Count == 0)
            {
                (empty, _empty) = (_empty, null);
            }

            foreach (var part in _parts)
            {
                part.Gate.Exit();
            }
        }

        empty?.SetResult();
    }

    private static int Cut(OpenFlow[] ending)
    {
        foreach (var flow in ending)
        {
            flow.Cut();
        }

        return ending.Length;
    }

    private OpenFlow[] Flows()
    {
        var all = new List<OpenFlow>();
        foreach (var part in _parts)
        {
            part.CopyTo(all);
        }

        return [.. all];
    }

    private void ForEach(Action<OpenFlow> action)
    {
        foreach (var flow in Flows())
        {
            action(flow);
        }
    }

    /// <summary>What was added by some threads: those that move bytes have one each as a rule, so that none of them waits for another.</summary>
    internal sealed class Part
    {
        private OpenFlow? _first;
        private int _count;

        /// <summary>Nothing is added or removed while it is held.</summary>
        public Lock Gate { get; } = new();

        /// <summary>How many are open.</summary>
        public int Count => Volatile.Read(ref _count);

        /// <summary>Adds one.</summary>
        public void Add(OpenFlow flow)
        {
            lock (Gate)
            {
                flow.Next = _first;
                if (_first is not null)
                {
                    _first.Previous = flow;
                }

                _first = flow;
                flow.Listed = true;
                Volatile.Write(ref _count, _count + 1);
            }
        }

        /// <summary>Removes one; true: it was the last.</summary>
        public bool Remove(OpenFlow flow)
        {
            lock (Gate)
            {
                if (!flow.Listed)
                {
                    return false;
                }

                flow.Listed = false;
                if (flow.Previous is null)
                {
                    _first = flow.Next;
                }
                else
                {
                    flow.Previous.Next = flow.Next;
                }

                if (flow.Next is not null)
                {
                    flow.Next.Previous = flow.Previous;
                }

                flow.Next = flow.Previous = null;
                Volatile.Write(ref _count, _count - 1);
                return _count == 0;
            }
        }

        /// <summary>Appends all of them to a list.</summary>
        public void CopyTo(List<OpenFlow> all)
        {
            lock (Gate)
            {
                for (var flow = _first; flow is not null; flow = flow.Next)
                {
                    all.Add(flow);
                }
            }
        }
    }
}
