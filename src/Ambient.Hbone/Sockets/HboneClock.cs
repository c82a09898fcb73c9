using System.Diagnostics;

namespace Ambient.Hbone.Sockets;

/// <summary>
/// The system's clock, which each thread of an <see cref="HboneIo"/> looks at once for all events that it has at hand, and not for each step of each
/// request: times that are taken in one turn of such a thread are the same. On other threads it is the system's clock. Timers are the system's.
/// </summary>
public sealed class HboneClock : TimeProvider
{
    private HboneClock()
    {
    }

    /// <summary>The one instance.</summary>
    public static HboneClock Instance { get; } = new();

    /// <inheritdoc/>
    public override long GetTimestamp() => EventLoop.Current is { } loop ? loop.Timestamp : Stopwatch.GetTimestamp();

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => EventLoop.Current is { } loop ? loop.UtcNow : base.GetUtcNow();
}
