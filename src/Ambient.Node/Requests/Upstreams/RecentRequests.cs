namespace Ambient.Node.Requests.Upstreams;

/// <summary>How many requests began within a time that is just over, in two halves: what is told is of between one half and the whole of it.</summary>
internal sealed class RecentRequests
{
    private readonly Lock _gate = new();
    private long _half;
    private int _now;
    private int _before;

    /// <summary>A request begins.</summary>
    public void Count(TimeProvider time, TimeSpan interval)
    {
        lock (_gate)
        {
            Turn(time, interval);
            _now++;
        }
    }

    /// <summary>How many began.</summary>
    public int Of(TimeProvider time, TimeSpan interval)
    {
        lock (_gate)
        {
            Turn(time, interval);
            return _now + _before;
        }
    }

    private void Turn(TimeProvider time, TimeSpan interval)
    {
        var half = time.GetTimestamp() / Math.Max(1, (long)(interval.TotalSeconds * time.TimestampFrequency / 2));
        if (half != _half)
        {
            (_before, _now) = (half == _half + 1 ? _now : 0, 0);
            _half = half;
        }
    }
}
