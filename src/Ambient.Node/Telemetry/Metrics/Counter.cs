namespace Ambient.Node.Telemetry.Metrics;

/// <summary>One series that only grows. Incrementing takes no lock and allocates nothing.</summary>
internal sealed class Counter
{
    private long _value;

    /// <summary>Value so far.</summary>
    public long Value => Volatile.Read(ref _value);

    /// <summary>Adds one.</summary>
    public void Increment() => Interlocked.Increment(ref _value);

    /// <summary>Adds a number of things.</summary>
    public void Add(long amount) => Interlocked.Add(ref _value, amount);
}
