namespace Ambient.Hbone.Messages;

/// <summary>
/// Notices when an exchange makes no progress. The code that moves bytes is not involved: a timer compares how far the exchange has come. The lock keeps
/// the timer away from an exchange that is being reused.
/// </summary>
internal sealed class StallWatch
{
    private readonly Lock _gate = new();
    private long _moved;
    private long _since;
    private int _ordinal;
    private int _seen;
    private bool _isOpen;
    private volatile bool _isStalled;

    /// <summary>Whether nothing has moved for too long.</summary>
    public bool IsStalled => _isStalled;

    /// <summary>A request begins. The timer does not look at it before.</summary>
    public void Begin()
    {
        _isStalled = false;
        _ordinal++;
        Volatile.Write(ref _isOpen, true);
    }

    /// <summary>The handler has left: nothing is told to it any more.</summary>
    public void EndHandling(ServerExchange exchange)
    {
        lock (_gate)
        {
            exchange.OnStalled = null;
        }
    }

    /// <summary>The exchange is over.</summary>
    public void End()
    {
        lock (_gate)
        {
            _isOpen = false;
        }
    }

    /// <summary>Looks at an exchange.</summary>
    public void Check(ServerExchange exchange, long now, ServerSettings server)
    {
        if (!Volatile.Read(ref _isOpen))
        {
            return;
        }

        lock (_gate)
        {
            if (!_isOpen)
            {
                return;
            }

            var moved = exchange.Moved;
            if (moved != _moved || _seen != _ordinal)
            {
                // From here, not from when the timer began its round: the thread may have stood still in between.
                (_moved, _seen, _since) = (moved, _ordinal, server.Time.GetTimestamp());
                return;
            }

            var limit = server.Options.ExchangeIdleTimeout;
            if (server.Time.GetElapsedTime(_since, now) < limit)
            {
                return;
            }

            // Whoever is told has as long again to do something about it.
            _since = now;
            var reason = $"nothing of it moved for {limit.TotalSeconds:0.###} s";
            if (_isStalled || !exchange.CanBeAnswered)
            {
                _isStalled = true;
                exchange.BreakStalled(reason);
                exchange.OnStalled?.Invoke(exchange);
                return;
            }

            _isStalled = true;
            exchange.StopWaiting(reason);
            exchange.OnStalled?.Invoke(exchange);
        }

        // Last, and without the lock: a reader answers, leaves, and may begin with the connection's next request.
        exchange.WakeReader();
    }
}
