using Ambient.Hbone.Connect;

namespace Ambient.Hbone.Pooling;

/// <summary>
/// Shares connections among streams: reserve a place, release it. One dial at a time for each key; whoever else needs
/// that key waits for it, and gets a place on the new connection or the dial's failure, never nothing. A connection
/// that is full is passed over until one of its streams has ended.
/// </summary>
/// <typeparam name="TKey">What makes connections interchangeable.</typeparam>
/// <typeparam name="TConnection">The connection.</typeparam>
internal sealed class ConnectionPool<TKey, TConnection> : IDisposable
    where TKey : notnull
    where TConnection : class, IPooledConnection
{
    /// <summary>Connections that gave a caller nothing, before it gives up.</summary>
    public const int MaxUseless = 10;

    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, Shelf> _shelves = [];
    private readonly Func<TKey, CancellationToken, Task<TConnection>> _dial;
    private readonly TimeSpan _unusedTimeout;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _disposed = new();
    private readonly CancellationToken _closing;

    /// <param name="dial">Makes a connection. Its token is cancelled with the pool.</param>
    /// <param name="unusedTimeout">How long a connection without streams is kept.</param>
    /// <param name="time">Clock.</param>
    public ConnectionPool(Func<TKey, CancellationToken, Task<TConnection>> dial, TimeSpan unusedTimeout, TimeProvider time)
    {
        _dial = dial;
        _closing = _disposed.Token;
        _unusedTimeout = unusedTimeout;
        _time = time;
    }

    /// <summary>Connections that the pool knows of.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _shelves.Values.Sum(shelf => shelf.Connections.Count);
            }
        }
    }

    /// <summary>Reserves a place for one stream, on a connection that is there or on a new one.</summary>
    /// <param name="key">What the connection is for.</param>
    /// <param name="useless">Connections that have given the caller nothing so far: they count against <see cref="MaxUseless"/>.</param>
    /// <param name="cancellationToken">Ends the wait, not the dial.</param>
    /// <exception cref="HboneException">The dial failed, or too many connections in a row took no stream.</exception>
    public ValueTask<Place> ReserveAsync(TKey key, int useless, CancellationToken cancellationToken) =>
        TryReserve(key, out var slot, out var dialing) ? new ValueTask<Place>(new Place(slot!, useless)) : WaitAsync(key, useless, dialing!, cancellationToken);

    /// <summary>The stream on a reserved place has ended, or never began.</summary>
    public void Release(Slot slot)
    {
        TConnection? unwanted = null;
        lock (_gate)
        {
            slot.InUse--;
            slot.UnusedSince = _time.GetTimestamp();
            if (slot.InUse == 0 && !slot.Connection.CanOpen)
            {
                Remove(slot);
                unwanted = slot.Connection;
            }
        }

        unwanted?.ShutDown();
    }

    /// <summary>Time has passed: lets go of connections that nobody has used for long, and lets the others keep alive.</summary>
    public void Tick()
    {
        List<Slot> unwanted = [];
        List<Slot> kept = [];
        lock (_gate)
        {
            // Every second, also where nothing is held: whatever code this runs through stays in the memory of a host at rest.
            if (_shelves.Count == 0)
            {
                return;
            }

            foreach (var shelf in _shelves.Values)
            {
                foreach (var slot in shelf.Connections)
                {
                    var isUnwanted = slot.InUse == 0 && (!slot.Connection.CanOpen || _time.GetElapsedTime(slot.UnusedSince) >= _unusedTimeout);
                    (isUnwanted ? unwanted : kept).Add(slot);
                }
            }

            foreach (var slot in unwanted)
            {
                Remove(slot);
            }
        }

        foreach (var slot in unwanted)
        {
            slot.Connection.ShutDown();
        }

        foreach (var slot in kept)
        {
            slot.Connection.Tick();
        }
    }

    /// <summary>Empties the pool for good; the caller ends the connections that it returns.</summary>
    public IReadOnlyList<TConnection> Close()
    {
        if (!_closing.IsCancellationRequested)
        {
            _disposed.Cancel();
        }

        lock (_gate)
        {
            var all = _shelves.Values.SelectMany(shelf => shelf.Connections).Select(slot => slot.Connection).ToList();
            _shelves.Clear();
            return all;
        }
    }

    /// <summary>Closes the pool.</summary>
    public void Dispose()
    {
        Close();
        _disposed.Dispose();
    }

    private async ValueTask<Place> WaitAsync(TKey key, int useless, Task<TConnection> dialing, CancellationToken cancellationToken)
    {
        while (true)
        {
            // Not bound to this caller's token: others wait for the same dial.
            ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
            var dialed = await dialing.WaitAsync(cancellationToken).ConfigureAwait(false);

            // One that others have filled meanwhile is progress; one that takes no streams at all would be dialed for ever.
            var useful = IsUseful(dialed);
            if (!useful)
            {
                GiveUpAfterTooMany(++useless);
            }

            ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
            if (TryReserve(key, out var slot, out var next))
            {
                return new Place(slot!, useless);
            }

            if (useful && !IsUseful(dialed))
            {
                // It went away between the two looks at it.
                GiveUpAfterTooMany(++useless);
            }

            dialing = next!;
        }
    }

    private static void GiveUpAfterTooMany(int useless)
    {
        if (useless > MaxUseless)
        {
            throw new HboneException(HboneFailure.Http2Failed, $"none of {useless} connections takes a stream: the peer goes away, or allows none");
        }
    }

    private static bool IsUseful(TConnection connection) => connection.CanOpen && connection.StreamLimit > 0;

    private bool TryReserve(TKey key, out Slot? place, out Task<TConnection>? dialing)
    {
        TaskCompletionSource<TConnection> dial;
        lock (_gate)
        {
            place = null;
            dialing = null;
            if (!_shelves.TryGetValue(key, out var shelf))
            {
                _shelves.Add(key, shelf = new Shelf());
            }

            foreach (var slot in shelf.Connections)
            {
                if (slot.Connection.CanOpen && slot.InUse < slot.Connection.StreamLimit)
                {
                    slot.InUse++;
                    place = slot;
                    return true;
                }
            }

            if (shelf.Dialing is not null)
            {
                dialing = shelf.Dialing.Task;
                return false;
            }

            dial = new TaskCompletionSource<TConnection>(TaskCreationOptions.RunContinuationsAsynchronously);
            shelf.Dialing = dial;
            dialing = dial.Task;
        }

        _ = DialAsync(key, dial);
        return false;
    }

    private async Task DialAsync(TKey key, TaskCompletionSource<TConnection> dial)
    {
        TConnection? connection = null;
        TConnection? unwanted;
        Exception? failure = null;
        try
        {
            connection = await _dial(key, _closing).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            failure = e;
        }

        var useful = connection is not null && IsUseful(connection);
        lock (_gate)
        {
            unwanted = connection;
            if (_shelves.TryGetValue(key, out var shelf) && shelf.Dialing == dial)
            {
                shelf.Dialing = null;
                if (useful)
                {
                    shelf.Connections.Add(new Slot(key, connection!) { UnusedSince = _time.GetTimestamp() });
                    unwanted = null;
                }
                else if (shelf.Connections.Count == 0)
                {
                    _shelves.Remove(key);
                }
            }
        }

        // The pool was closed meanwhile, or the connection is good for nothing.
        unwanted?.ShutDown();
        if (failure is null)
        {
            dial.SetResult(connection!);
        }
        else
        {
            dial.SetException(failure);
            _ = dial.Task.Exception;
        }
    }

    private void Remove(Slot slot)
    {
        if (_shelves.TryGetValue(slot.Key, out var shelf) && shelf.Connections.Remove(slot) && shelf.Connections.Count == 0 && shelf.Dialing is null)
        {
            _shelves.Remove(slot.Key);
        }
    }

    /// <summary>A reserved place on a connection.</summary>
    internal readonly struct Place
    {
        internal Place(Slot slot, int useless)
        {
            Slot = slot;
            Useless = useless;
        }

        internal Slot Slot { get; }

        /// <summary>Connections that gave the caller nothing before this one.</summary>
        public int Useless { get; }

        public TConnection Connection => Slot.Connection;
    }

    internal sealed class Slot(TKey key, TConnection connection)
    {
        public TKey Key { get; } = key;

        public TConnection Connection { get; } = connection;

        public int InUse { get; set; }

        public long UnusedSince { get; set; }
    }

    private sealed class Shelf
    {
        public List<Slot> Connections { get; } = [];

        public TaskCompletionSource<TConnection>? Dialing { get; set; }
    }
}
