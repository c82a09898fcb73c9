namespace Ambient.Hbone.Sockets;

/// <summary>One timer for everything in a client or listener that happens "after a while", instead of one for each connection.</summary>
internal sealed class Heartbeat : IAsyncDisposable
{
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(1);
    private readonly ITimer _timer;

    /// <param name="beat">What to do; must be quick and not throw.</param>
    /// <param name="time">Clock.</param>
    /// <param name="spans">The spans that matter: the beat is a quarter of the shortest, within 10 ms to 1 s.</param>
    public Heartbeat(Action beat, TimeProvider time, params ReadOnlySpan<TimeSpan> spans)
    {
        var period = s_longest;
        foreach (var span in spans)
        {
            var quarter = span / 4;
            period = quarter < period ? quarter : period;
        }

        period = period < s_shortest ? s_shortest : period;
        _timer = time.CreateTimer(static state => ((Action)state!)(), beat, period, period);
    }

    public ValueTask DisposeAsync() => _timer.DisposeAsync();
}
