using Ambient.Hbone.Sockets;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// Connections to one endpoint in one protocol, those of each thread by themselves. Counted by the requests that use it: retired when the endpoint
/// leaves the mesh, closed when the last of them has ended.
/// </summary>
internal sealed class Upstream
{
    private readonly UpstreamConnections?[] _byThread;
    private readonly UpstreamDialer _dialer;
    private readonly UpstreamOptions _options;
    private readonly TimeProvider _time;
    private int _users = 1;
    private bool _retired;

    /// <summary>Creates the connections' pool; nothing is dialled yet.</summary>
    public Upstream(UpstreamEndpoint endpoint, UpstreamDialer dialer, UpstreamOptions options, TimeProvider time)
    {
        Endpoint = endpoint;
        _dialer = dialer;
        _options = options;
        _time = time;

        // The first is for threads that are none of the loops.
        _byThread = new UpstreamConnections?[1 + dialer.Io.Threads];
    }

    /// <summary>Where the connections go.</summary>
    public UpstreamEndpoint Endpoint { get; }

    /// <summary>The pool that it is of; null: none.</summary>
    public UpstreamPool? Pool { get; init; }

    /// <summary>Whether no request uses it now, only the pool holds it.</summary>
    public bool IsUnused => Volatile.Read(ref _users) == 1;

    /// <summary>Whether another one has taken its place, or nobody needs it any more: it begins no further requests.</summary>
    public bool IsRetired { get => Volatile.Read(ref _retired); set => Volatile.Write(ref _retired, value); }

    /// <summary>Whether somebody has come back to it since the pool looked at it last. The pool's; a guess while it changes.</summary>
    public bool IsKnown { get; set; }

    /// <summary>Begins a request on a connection of the thread that asks, made if need be.</summary>
    /// <param name="onNew">Whether the connection must not have been there before.</param>
    /// <param name="patience">Ends the wait; a connection that is being made goes on to be.</param>
    /// <exception cref="UpstreamConnectException">There is none, and none could be made, or became free, in time.</exception>
    /// <exception cref="UpstreamOverflowException">As many requests as may wait for one do.</exception>
    /// <exception cref="OperationCanceledException">The wait was ended before there was one.</exception>
    public ValueTask<UpstreamTurn> BeginAsync(bool onNew, CancellationToken patience = default) => Connections().BeginAsync(onNew, patience);

    /// <summary>The same, where a connection is free; false: none is.</summary>
    public bool TryBegin(out UpstreamTurn turn) => Connections().TryBegin(out turn);

    /// <summary>Those of the thread that asks.</summary>
    private UpstreamConnections Connections()
    {
        var thread = HboneIo.CurrentThread;
        var index = thread + 1 < _byThread.Length ? thread + 1 : 0;
        var connections = Volatile.Read(ref _byThread[index]);
        if (connections is null)
        {
            var made = new UpstreamConnections(Endpoint, _dialer, _options, index - 1, _time);
            connections = Interlocked.CompareExchange(ref _byThread[index], made, null) ?? made;
        }

        return connections;
    }

    /// <summary>Counts a request in; false when the upstream is closed already.</summary>
    public bool TryAcquire()
    {
        for (var users = Volatile.Read(ref _users); users > 0;)
        {
            var seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
            {
                return true;
            }

            users = seen;
        }

        return false;
    }

    /// <summary>Counts a request out. Also called once by the pool, for its own hold.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            foreach (var connections in _byThread)
            {
                connections?.Close();
            }
        }
    }

    /// <summary>Lets go of connections that nobody has used for long, or that are old.</summary>
    public void Sweep()
    {
        foreach (var connections in _byThread)
        {
            connections?.Sweep();
        }
    }
}
