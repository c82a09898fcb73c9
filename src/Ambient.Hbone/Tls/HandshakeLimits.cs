namespace Ambient.Hbone.Tls;

/// <summary>What a peer may make a handshake cost before it is authenticated.</summary>
/// <param name="Timeout">Time for it all.</param>
/// <param name="MaxBytes">Bytes of TLS records that the peer may send.</param>
/// <param name="MaxCertificates">Certificates that the peer may present beside its own.</param>
internal sealed record HandshakeLimits(TimeSpan Timeout, int MaxBytes, int MaxCertificates)
{
    /// <summary>Records that the peer may send: each costs a turn, however small. An honest handshake has about five.</summary>
    public const int MaxRecords = 64;
}
