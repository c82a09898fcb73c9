using Ambient.Hbone.Admission;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Options;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>What a connection offers its peer, and how long it waits for it. <see cref="Http2Connection"/> refuses values out of their ranges.</summary>
internal sealed record Http2ConnectionOptions
{
    private static readonly TimeSpan s_day = TimeSpan.FromDays(1);

    /// <summary>Whose threads it lives on, and where its users go on; not null.</summary>
    public HboneIo Io { get; init; } = HboneIo.Default;

    /// <summary>SETTINGS_INITIAL_WINDOW_SIZE in bytes: 1 to 2,147,483,647.</summary>
    public int StreamWindowSize { get; init; } = 4 * 1024 * 1024;

    /// <summary>Window of the connection in bytes: 65,535, which it is at first and never less, to 2,147,483,647 (RFC 9113 section 6.9.2).</summary>
    public int ConnectionWindowSize { get; init; } = 16 * 1024 * 1024;

    /// <summary>SETTINGS_MAX_FRAME_SIZE in bytes: 16,384 to 16,777,215.</summary>
    public int MaxFrameSize { get; init; } = 1024 * 1024;

    /// <summary>SETTINGS_MAX_HEADER_LIST_SIZE in bytes: 1 to 1,048,576.</summary>
    public int MaxHeaderListSize { get; init; } = 65536;

    /// <summary>Server: streams that the peer may have open. Client: streams that we open at most. 1 to 100,000.</summary>
    public int MaxConcurrentStreams { get; init; } = 200;

    /// <summary>Server: whether SETTINGS_ENABLE_CONNECT_PROTOCOL is sent (RFC 8441 section 3).</summary>
    public bool ExtendedConnect { get; init; }

    /// <summary>Whether <see cref="Http2Connection.PartialSince"/> is kept.</summary>
    public bool WatchesHeads { get; init; }

    /// <summary>How often the connection is pinged: 10 ms to 1 day.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a ping may stay unanswered: 10 ms to 1 day.</summary>
    public TimeSpan PingTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Server: how long the last GOAWAY of a drain waits for the PING behind the first (RFC 9113 section 6.8): 10 ms to 1 day.</summary>
    public TimeSpan DrainPingTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>What the connection holds of what its peer may make us hold; null: only the connection itself is bounded.</summary>
    public BufferShare? Buffers { get; init; }

    /// <summary>How much of each frame is too much; not null.</summary>
    public Http2AbuseLimits AbuseLimits { get; init; } = Http2AbuseLimits.Default;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range; the message names each.</exception>
    public void Validate()
    {
        var faults = new OptionFaults(nameof(Http2ConnectionOptions));
        faults.Required(nameof(Io), Io);
        faults.Range(nameof(StreamWindowSize), StreamWindowSize, 1, int.MaxValue);
        faults.Range(nameof(ConnectionWindowSize), ConnectionWindowSize, Http2Constants.DefaultWindowSize, int.MaxValue);
        faults.Range(nameof(MaxFrameSize), MaxFrameSize, Http2Constants.MinMaxFrameSize, Http2Constants.MaxMaxFrameSize);
        faults.Range(nameof(MaxHeaderListSize), MaxHeaderListSize, 1, 1_048_576);
        faults.Range(nameof(MaxConcurrentStreams), MaxConcurrentStreams, 1, 100_000);
        faults.Range(nameof(PingInterval), PingInterval, OptionFaults.Shortest, s_day);
        faults.Range(nameof(PingTimeout), PingTimeout, OptionFaults.Shortest, s_day);
        faults.Range(nameof(DrainPingTimeout), DrainPingTimeout, OptionFaults.Shortest, s_day);
        faults.Required(nameof(AbuseLimits), AbuseLimits);
        AbuseLimits?.AddFaults(faults);
        faults.Throw();
    }
}
