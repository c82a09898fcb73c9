using Ambient.Hbone.Messages;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Forwarding;

/// <summary>
/// The time limits of a request that its rule asks for: of the whole of it, and of each try. Runs from when the request has come in whole. What is under
/// way as it ends is broken off.
/// </summary>
internal sealed class TryClock : IDisposable
{
    private readonly RequestExchange _exchange;
    private readonly TimeProvider _time;
    private readonly TimeSpan? _whole;
    private readonly TimeSpan? _try;
    private readonly Lock _gate = new();
    private readonly ITimer _timer;
    private long _begun;
    private long _armed;
    private TimeSpan? _due;
    private bool _endsAll;

    private TryClock(RequestExchange exchange, RoutePlan plan, TimeProvider time)
    {
        (_exchange, _whole, _try, _time) = (exchange, plan.Timeout, exchange.TryTimeout, time);
        _timer = time.CreateTimer(static clock => ((TryClock)clock!).Fire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Whether the whole request has had its time.</summary>
    public bool IsOver { get; private set; }

    /// <summary>A clock for a request; null when its rule sets no limit.</summary>
    public static TryClock? Of(RequestExchange exchange, RoutePlan plan, TimeProvider time) =>
        plan.Timeout is null && exchange.TryTimeout is null ? null : new TryClock(exchange, plan, time);

    /// <summary>A try has the whole request: its time runs.</summary>
    public void Start()
    {
        lock (_gate)
        {
            _begun = _begun == 0 ? _time.GetTimestamp() : _begun;
            var left = Left();
            _endsAll = left is not null && (_try is null || left <= _try);
            Arm(_endsAll ? left : _try);
        }
    }

    /// <summary>The try is over. What is left of the whole goes on running.</summary>
    public void Pause()
    {
        lock (_gate)
        {
            _endsAll = true;
            Arm(_begun == 0 ? null : Left());
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _due = null;
        }

        _timer.Dispose();
    }

    private TimeSpan? Left() => _whole - _time.GetElapsedTime(_begun) is { } left ? (left > TimeSpan.Zero ? left : TimeSpan.Zero) : null;

    private void Arm(TimeSpan? due)
    {
        (_armed, _due) = (_time.GetTimestamp(), due);
        _timer.Change(due ?? Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private void Fire()
    {
        lock (_gate)
        {
            if (_due is not { } due)
            {
                return;
            }

            // Setting a timer anew does not stop a call that has begun, and a timer may fire a moment early.
            var left = due - _time.GetElapsedTime(_armed);
            if (left > TimeSpan.Zero)
            {
                _timer.Change(left + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
            }
            else
            {
                _due = null;
                IsOver = _endsAll;

                // Under the lock, so that it is this try's: what it ends goes on elsewhere, and may ask for the lock there.
                _exchange.EndTry(MessageFault.TimedOut, isLast: _endsAll);
            }
        }
    }
}
