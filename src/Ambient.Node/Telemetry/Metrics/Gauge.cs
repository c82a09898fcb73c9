namespace Ambient.Node.Telemetry.Metrics;

/// <summary>One series that goes up and down. Takes no lock and allocates nothing.</summary>
internal sealed class Gauge
{
    private long _value;

    /// <summary>Value now.</summary>
    public long Value => Volatile.Read(ref _value);

    /// <summary>One more.</summary>
    public void Increment() => Interlocked.Increment(ref _value);

    /// <summary>One less.</summary>
    public void Decrement() => Interlocked.Decrement(ref _value);
}
