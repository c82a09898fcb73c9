using Ambient.Hbone.Admission;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>What a connection offers its peer, and how long it waits for it.</summary>
internal sealed record Http2ConnectionOptions
{
    /// <summary>Whose threads it lives on, and where its users go on.</summary>
    public HboneIo Io { get; init; } = HboneIo.Default;

    public int StreamWindowSize { get; init; } = 4 * 1024 * 1024;

    public int ConnectionWindowSize { get; init; } = 16 * 1024 * 1024;

    public int MaxFrameSize { get; init; } = 1024 * 1024;

    public int MaxHeaderListSize { get; init; } = 65536;

    /// <summary>Server: streams that the peer may have open. Client: streams that we open at most.</summary>
    public int MaxConcurrentStreams { get; init; } = 200;

    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan PingTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Server: how long the last GOAWAY of a drain waits for the PING behind the first (RFC 9113 section 6.8).</summary>
    public TimeSpan DrainPingTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>What the connection holds of what its peer may make us hold; null: only the connection itself is bounded.</summary>
    public BufferShare? Buffers { get; init; }

    public Http2AbuseLimits AbuseLimits { get; init; } = Http2AbuseLimits.Default;
}
