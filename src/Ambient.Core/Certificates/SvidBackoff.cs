namespace Ambient.Certificates;

/// <summary>When to try again after failures in a row: 1 s, doubled each time, ±20 %, at most 150 s, and 150 s flat after 15 minutes.</summary>
internal struct SvidBackoff
{
    private static readonly TimeSpan Cap = TimeSpan.FromSeconds(150);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private TimeSpan _next;
    private DateTimeOffset _firstFailure;

    internal TimeSpan Next(DateTimeOffset now)
    {
        if (_next == TimeSpan.Zero)
        {
            _next = TimeSpan.FromSeconds(1);
            _firstFailure = now;
        }

        if (now - _firstFailure >= Patience)
        {
            return Cap;
        }

        var delay = _next * (0.8 + (0.4 * Random.Shared.NextDouble()));
        _next = _next * 2 < Cap ? _next * 2 : Cap;
        return delay < Cap ? delay : Cap;
    }
}
