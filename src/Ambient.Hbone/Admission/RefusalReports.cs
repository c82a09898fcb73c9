namespace Ambient.Hbone.Admission;

/// <summary>Counts refusals for one limit, and lets one report through each interval, so that a flood of them does not flood the log.</summary>
internal sealed class RefusalReports(string limit, TimeProvider time)
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(10);
    private readonly Lock _gate = new();
    private long _total;
    private long _reported;
    private long _lastReport;

    public long Total => Volatile.Read(ref _total);

    /// <summary>Counts one more.</summary>
    /// <returns>The report that is due, or null.</returns>
    public ConnectionRefusal? Count(string reason)
    {
        lock (_gate)
        {
            _total++;
            var now = time.GetTimestamp();
            if (_reported > 0 && time.GetElapsedTime(_lastReport, now) < s_interval)
            {
                return null;
            }

            var report = new ConnectionRefusal(limit, reason, _total - _reported, _total);
            (_reported, _lastReport) = (_total, now);
            return report;
        }
    }
}
