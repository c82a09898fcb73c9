using Ambient.Hbone.Sockets;
using Ambient.Identity;

namespace Ambient.Hbone;

/// <summary>Settings of an <see cref="HboneClient"/>. Defaults are those of Istio's ztunnel (docs/protocol.md, "HTTP/2").</summary>
public sealed class HboneClientOptions
{
    /// <summary>Flow-control window of a stream in bytes.</summary>
    public int StreamWindowSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>Flow-control window of a connection in bytes.</summary>
    public int ConnectionWindowSize { get; set; } = 16 * 1024 * 1024;

    /// <summary>SETTINGS_MAX_FRAME_SIZE in bytes.</summary>
    public int MaxFrameSize { get; set; } = 1024 * 1024;

    /// <summary>SETTINGS_MAX_HEADER_LIST_SIZE in bytes.</summary>
    public int MaxHeaderListSize { get; set; } = 16384;

    /// <summary>Streams that one connection carries at a time.</summary>
    public int MaxStreamsPerConnection { get; set; } = 100;

    /// <summary>How long an unused connection stays open.</summary>
    public TimeSpan UnusedReleaseTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Time for the TCP connection.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Time for the TLS handshake and the HTTP/2 preface. The reference has none.</summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How often an open connection is pinged.</summary>
    public TimeSpan PingInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a ping may stay unanswered.</summary>
    public TimeSpan PingTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Makes the TCP connections.</summary>
    public ISocketConnector Connector { get; set; } = SocketConnector.Default;

    /// <summary>
    /// Which servers are revoked: asked at each handshake, and a connection whose peer is revoked later is cut off. Null, the default: nobody is
    /// asked, and nothing is kept for it.
    /// </summary>
    public PeerRevocation? Revocation { get; set; }

    internal HboneClientOptions Clone() => (HboneClientOptions)MemberwiseClone();
}
