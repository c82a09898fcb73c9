using System.Net;

namespace Ambient.Hbone.Admission;

/// <summary>
/// Who may be in a handshake, and who may compute for one: before a peer is authenticated it is worth an equal share and no more.
/// </summary>
/// <remarks>
/// Handshakes in flight are few in number, in all and for each address; the oldest of the address that has the most gives way. What costs a
/// processor is done in turns, as many at once as there are processors, and each address that waits gets one before any gets a second. An
/// address whose handshakes fail has to wait nine times as long as they took, so that failing ones cost it a tenth of a processor.
/// </remarks>
internal sealed class HandshakeGate
{
    private const int PenaltyFactor = 9;
    private static readonly TimeSpan s_longestPenalty = TimeSpan.FromSeconds(2);

    private readonly ConnectionLimits _limits;
    private readonly ConnectionBudget _budget;
    private readonly TimeProvider _time;
    private readonly int _width;
    private readonly Lock _gate = new();
    private readonly Dictionary<AddressKey, AddressState> _addresses = [];

    // Addresses that have somebody waiting for a turn, in the order in which they get one.
    private readonly LinkedList<AddressState> _line = new();
    private ITimer? _timer;
    private int _inFlight;
    private int _atWork;

    public HandshakeGate(ConnectionLimits limits, ConnectionBudget budget, TimeProvider time, int? width = null)
    {
        _limits = limits;
        _budget = budget;
        _time = time;
        _width = width ?? Environment.ProcessorCount;
    }

    internal TimeProvider Time => _time;

    /// <summary>Handshakes in flight at present.</summary>
    public int InFlight
    {
        get
        {
            lock (_gate)
            {
                return _inFlight;
            }
        }
    }

    /// <summary>Addresses that anything is remembered of.</summary>
    public int Addresses
    {
        get
        {
            lock (_gate)
            {
                return _addresses.Count;
            }
        }
    }

    /// <summary>Begins a handshake; another one may have to give way to it.</summary>
    /// <param name="address">The peer's address.</param>
    /// <param name="giveWay">Ends this handshake when it has to give way; must be quick and not throw.</param>
    public HandshakeTurns Begin(IPAddress address, Action giveWay)
    {
        HandshakeTurns? loser = null;
        HandshakeTurns mine;
        string? reason = null;
        lock (_gate)
        {
            Forget();
            var key = AddressKey.Of(address);
            if (!_addresses.TryGetValue(key, out var state))
            {
                _addresses.Add(key, state = new AddressState(key));
            }

            if (state.InFlight.Count >= _limits.MaxHandshakesPerAddress)
            {
                loser = state.InFlight.First!.Value;
                reason = $"{address} has {_limits.MaxHandshakesPerAddress} TLS handshakes in flight, the limit for one address; its oldest was ended";
            }
            else if (_inFlight >= _limits.MaxHandshakes)
            {
                loser = Largest().InFlight.First!.Value;
                reason = $"{_limits.MaxHandshakes} TLS handshakes are in flight, the limit in all; the oldest of {loser.Address}, which has the most, was ended";
            }

            if (loser is not null)
            {
                Remove(loser);
            }

            mine = new HandshakeTurns(this, state, address, giveWay);
            mine.Place = state.InFlight.AddLast(mine);
            _inFlight++;
        }

        if (loser is not null)
        {
            _budget.ReportHandshake(reason!);
            loser.GiveWay();
        }

        return mine;
    }

    /// <summary>Waits for a turn. What follows runs on the thread pool.</summary>
    internal Task EnterAsync(HandshakeTurns turns)
    {
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            var state = turns.State;
            state.Waiting.Enqueue((turns, waiter));
            state.Line ??= _line.AddLast(state);
            Pump();
        }

        return waiter.Task;
    }

    /// <summary>A turn is over.</summary>
    internal void Leave()
    {
        lock (_gate)
        {
            _atWork--;
            Pump();
        }
    }

    /// <summary>A handshake is over.</summary>
    /// <param name="turns">Which.</param>
    /// <param name="failed">Whether it failed by the peer's doing.</param>
    internal void End(HandshakeTurns turns, bool failed)
    {
        lock (_gate)
        {
            Remove(turns);
            if (failed)
            {
                var penalty = turns.Worked * PenaltyFactor;
                penalty = penalty < s_longestPenalty ? penalty : s_longestPenalty;
                var until = _time.GetTimestamp() + (long)(penalty.TotalSeconds * _time.TimestampFrequency);
                turns.State.BlockedUntil = Math.Max(turns.State.BlockedUntil, until);
            }

            if (turns.State.IsForgettable(_time.GetTimestamp()))
            {
                _addresses.Remove(turns.State.Key);
            }
        }
    }

    private void Remove(HandshakeTurns turns)
    {
        if (turns.Place is { } place)
        {
            turns.Place = null;
            turns.State.InFlight.Remove(place);
            _inFlight--;
        }
    }

    /// <summary>Only those with something in flight, or with a penalty of at most two seconds, are remembered.</summary>
    private void Forget()
    {
        if (_addresses.Count < _limits.MaxHandshakes * 2)
        {
            return;
        }

        var now = _time.GetTimestamp();
        foreach (var (key, state) in _addresses)
        {
            if (state.IsForgettable(now) || (state.InFlight.Count == 0 && state.Waiting.Count == 0))
            {
                _addresses.Remove(key);
            }
        }
    }

    private AddressState Largest()
    {
        AddressState? largest = null;
        foreach (var state in _addresses.Values)
        {
            if (largest is null || state.InFlight.Count > largest.InFlight.Count)
            {
                largest = state;
            }
        }

        return largest!;
    }

    /// <summary>Under the lock: gives turns while there are any, to each address in line once before any again.</summary>
    private void Pump()
    {
        var now = _time.GetTimestamp();
        var earliest = long.MaxValue;
        for (var node = _line.First; node is not null && _atWork < _width;)
        {
            var next = node.Next;
            var state = node.Value;
            if (state.BlockedUntil > now)
            {
                earliest = Math.Min(earliest, state.BlockedUntil);
                node = next;
                continue;
            }

            var (_, waiter) = state.Waiting.Dequeue();
            _line.Remove(node);
            state.Line = state.Waiting.Count > 0 ? _line.AddLast(state) : null;
            _atWork++;
            waiter.SetResult();
            node = next ?? (_line.First?.Value.BlockedUntil <= now ? _line.First : null);
        }

        if (earliest != long.MaxValue && _atWork < _width)
        {
            var wait = TimeSpan.FromSeconds(Math.Max(0.001, (earliest - now) / (double)_time.TimestampFrequency));
            if (_timer is null)
            {
                _timer = _time.CreateTimer(static gate => ((HandshakeGate)gate!).OnTimer(), this, wait, Timeout.InfiniteTimeSpan);
            }
            else
            {
                _timer.Change(wait, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            Pump();
        }
    }

    /// <summary>What is known of one address.</summary>
    internal sealed class AddressState(AddressKey key)
    {
        public AddressKey Key { get; } = key;

        /// <summary>Its handshakes, the oldest first.</summary>
        public LinkedList<HandshakeTurns> InFlight { get; } = new();

        public Queue<(HandshakeTurns Turns, TaskCompletionSource Waiter)> Waiting { get; } = new();

        public LinkedListNode<AddressState>? Line { get; set; }

        public long BlockedUntil { get; set; }

        public bool IsForgettable(long now) => InFlight.Count == 0 && Waiting.Count == 0 && BlockedUntil <= now;
    }
}
