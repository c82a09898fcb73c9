using Ambient.Hbone.Http2;
using Ambient.Identity;

namespace Ambient.Hbone.Tls;

/// <summary>HTTP/2 over TLS over a socket or another tunnel, which it owns.</summary>
internal abstract class TlsTransport : Http2Transport
{
    /// <summary>By what the peer was verified; null where nobody asks about revocation.</summary>
    public VerifiedPath? PeerPath { get; init; }
}
