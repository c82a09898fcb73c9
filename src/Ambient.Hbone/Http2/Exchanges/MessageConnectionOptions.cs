using Ambient.Hbone.Messages;

namespace Ambient.Hbone.Http2.Exchanges;

/// <summary>What a connection of messages offers its peer.</summary>
internal static class MessageConnectionOptions
{
    // Large enough that frames are few, small enough that one stream's frame does not hold up the others for long.
    private const int FrameSize = 64 * 1024;

    private static readonly TimeSpan s_pingInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_pingTimeout = TimeSpan.FromSeconds(20);

    /// <summary>Streams that we open at most, whatever the server grants.</summary>
    public const int MaxOpened = 1000;

    public static Http2ConnectionOptions Of(MessageServerOptions options) => new()
    {
        StreamWindowSize = options.StreamWindowSize,
        ConnectionWindowSize = options.ConnectionWindowSize,
        MaxFrameSize = FrameSize,
        MaxHeaderListSize = options.MaxHeadSize,
        MaxConcurrentStreams = options.MaxConcurrentStreams,
        PingInterval = s_pingInterval,
        PingTimeout = s_pingTimeout,
        ExtendedConnect = true,
        WatchesHeads = true,
    };

    public static Http2ConnectionOptions Of(MessageClientOptions options) => new()
    {
        StreamWindowSize = options.StreamWindowSize,
        ConnectionWindowSize = options.ConnectionWindowSize,
        MaxFrameSize = FrameSize,
        MaxHeaderListSize = options.MaxHeadSize,
        MaxConcurrentStreams = MaxOpened,
        PingInterval = options.PingInterval,
        PingTimeout = options.PingTimeout,
    };

    /// <summary>How often the connection of a client looks at the time: every 10 s, or more often where PINGs are.</summary>
    public static TimeSpan TickOf(MessageClientOptions options) =>
        TimeSpan.FromTicks(Math.Min(TimeSpan.FromSeconds(10).Ticks, Math.Min(options.PingInterval.Ticks, options.PingTimeout.Ticks) / 2));
}
