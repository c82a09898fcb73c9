using Ambient.Hbone.Options;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tls;
using Ambient.Identity;

namespace Ambient.Hbone;

/// <summary>
/// Settings of an <see cref="HboneClient"/>. Flow-control windows, frame size and streams default to what Istio's ztunnel uses. A value out of
/// its range is refused by <see cref="Validate"/>, which the client calls.
/// </summary>
public sealed class HboneClientOptions
{
    /// <summary>Flow-control window of a stream in bytes: 65,535 to 2,147,483,647 (RFC 9113, 6.9.1); 4 MB by default.</summary>
    public int StreamWindowSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>Flow-control window of a connection in bytes: 65,535 to 2,147,483,647; 16 MB by default.</summary>
    public int ConnectionWindowSize { get; set; } = 16 * 1024 * 1024;

    /// <summary>SETTINGS_MAX_FRAME_SIZE in bytes: 16,384 to 16,777,215 (RFC 9113, 6.5.2); 1 MB by default.</summary>
    public int MaxFrameSize { get; set; } = 1024 * 1024;

    /// <summary>SETTINGS_MAX_HEADER_LIST_SIZE in bytes: 1,024 to 1,048,576; 16,384 by default.</summary>
    public int MaxHeaderListSize { get; set; } = 16384;

    /// <summary>Streams that one connection carries at a time: 1 to 100,000; 100 by default.</summary>
    public int MaxStreamsPerConnection { get; set; } = 100;

    /// <summary>How long an unused connection stays open: 0 to 365 days; 5 minutes by default.</summary>
    public TimeSpan UnusedReleaseTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Time for the TCP connection: 10 ms to 10 minutes; 10 seconds by default.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Time for the TLS handshake, and once more for the HTTP/2 preface: 10 ms to 10 minutes; 10 seconds by default.</summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Bytes of TLS records that a server may send before it is authenticated: 4,096 to 102,400; 16,384 by default, room for a leaf and several
    /// intermediates with RSA keys of 4,096 bits. What goes beyond is refused before TLS looks at it.
    /// </summary>
    public int MaxHandshakeSize { get; set; } = 16 * 1024;

    /// <summary>Certificates that a server may present beside its own: 0 to 32; 8 by default.</summary>
    public int MaxPeerCertificates { get; set; } = 8;

    /// <summary>How often an open connection is pinged: 10 ms to 1 day; 10 seconds by default.</summary>
    public TimeSpan PingInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a ping may stay unanswered: 10 ms to 1 day; 20 seconds by default.</summary>
    public TimeSpan PingTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Makes the TCP connections; not null.</summary>
    public ISocketConnector Connector { get; set; } = SocketConnector.Default;

    /// <summary>Whose threads move the bytes; null, the default: those of <see cref="HboneIo.Default"/>. It stays its maker's to dispose.</summary>
    public HboneIo? Io { get; set; }

    /// <summary>
    /// Whether each of those threads has connections of its own, so that what asks for a tunnel on one of them gets it there and bytes change no
    /// threads; it costs connections. False by default.
    /// </summary>
    public bool StaysOnThread { get; set; }

    /// <summary>
    /// Which servers are revoked: asked at each handshake, and a connection whose peer is revoked later is cut off. Null, the default: nobody is
    /// asked, and nothing is kept for it.
    /// </summary>
    public PeerRevocation? Revocation { get; set; }

    /// <summary>Who does TLS.</summary>
    internal TlsEngine Tls { get; set; } = TlsEngine.Default;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range; the message names each.</exception>
    public void Validate()
    {
        var faults = new OptionFaults(nameof(HboneClientOptions));
        faults.Range(nameof(StreamWindowSize), StreamWindowSize, 65_535, int.MaxValue);
        faults.Range(nameof(ConnectionWindowSize), ConnectionWindowSize, 65_535, int.MaxValue);
        faults.Range(nameof(MaxFrameSize), MaxFrameSize, 16_384, 16_777_215);
        faults.Range(nameof(MaxHeaderListSize), MaxHeaderListSize, 1_024, 1_048_576);
        faults.Range(nameof(MaxStreamsPerConnection), MaxStreamsPerConnection, 1, 100_000);
        faults.Range(nameof(UnusedReleaseTimeout), UnusedReleaseTimeout, TimeSpan.Zero, TimeSpan.FromDays(365));
        faults.Range(nameof(ConnectTimeout), ConnectTimeout, OptionFaults.Shortest, TimeSpan.FromMinutes(10));
        faults.Range(nameof(HandshakeTimeout), HandshakeTimeout, OptionFaults.Shortest, TimeSpan.FromMinutes(10));
        faults.Range(nameof(MaxHandshakeSize), MaxHandshakeSize, 4_096, 102_400);
        faults.Range(nameof(MaxPeerCertificates), MaxPeerCertificates, 0, 32);
        faults.Range(nameof(PingInterval), PingInterval, OptionFaults.Shortest, TimeSpan.FromDays(1));
        faults.Range(nameof(PingTimeout), PingTimeout, OptionFaults.Shortest, TimeSpan.FromDays(1));
        faults.Required(nameof(Connector), Connector);
        faults.Throw();
    }

    internal HboneClientOptions Clone() => (HboneClientOptions)MemberwiseClone();
}
