using System.Globalization;
using Ambient.Mesh;

namespace Ambient.Node.Connections;

/// <summary>Ends a connection that is silent for too long, or open for too long, as a DestinationRule or the route says. Dispose it when the connection has ended.</summary>
internal sealed class ConnectionClock : IDisposable
{
    private readonly OpenConnection _open;
    private readonly TimeSpan? _idle;
    private readonly TimeSpan? _longest;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly long _begun;
    private long _moved;
    private long _since;

    private ConnectionClock(OpenConnection open, TimeSpan? idle, TimeSpan? longest, TimeProvider time)
    {
        (_open, _idle, _longest, _time) = (open, idle, longest, time);
        _begun = _since = time.GetTimestamp();
        var shortest = idle < (longest ?? TimeSpan.MaxValue) ? idle.Value : longest ?? idle!.Value;
        var period = TimeSpan.FromMilliseconds(Math.Clamp(shortest.TotalMilliseconds / 4, 10, 60_000));
        _timer = time.CreateTimer(static clock => ((ConnectionClock)clock!).Look(), this, period, period);
    }

    /// <summary>Begins to look; null where nothing is said of time.</summary>
    /// <param name="open">The connection.</param>
    /// <param name="settings">What is said of connections to its backend.</param>
    /// <param name="limits">What its route says of it.</param>
    /// <param name="time">Clock.</param>
    public static ConnectionClock? Start(OpenConnection open, ConnectionPoolSettings? settings, StreamLimits? limits, TimeProvider time)
    {
        var (idle, longest) = (Positive(limits?.IdleTimeout ?? settings?.TcpIdleTimeout), Shorter(Positive(limits?.Longest), Positive(settings?.MaxConnectionDuration)));
        return idle is null && longest is null ? null : new ConnectionClock(open, idle, longest, time);
    }

    private static TimeSpan? Positive(TimeSpan? time) => time > TimeSpan.Zero ? time : null;

    private static TimeSpan? Shorter(TimeSpan? one, TimeSpan? other) => one is null || other < one ? other ?? one : one;

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        var moved = _open.Bytes.ClientToServer + _open.Bytes.ServerToClient;
        if (moved != _moved)
        {
            (_moved, _since) = (moved, _time.GetTimestamp());
        }

        var reason = _longest is { } longest && _time.GetElapsedTime(_begun) >= longest ? $"it was open for {Seconds(longest)} s"
            : _idle is { } idle && _time.GetElapsedTime(_since) >= idle ? $"nothing moved for {Seconds(idle)} s"
            : null;
        if (reason is not null && _open.Claim(ConnectionEnd.TimedOut, reason))
        {
            _open.Cut();
        }
    }

    private static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
}
