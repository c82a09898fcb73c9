namespace Ambient.Hbone.Tls;

/// <summary>A record breaks a rule of RFC 8446, after which nothing more is taken from the peer.</summary>
/// <param name="alert">What the peer is told; null when it is the one that told us.</param>
/// <param name="message">A sentence for the log.</param>
internal sealed class TlsRecordException(byte? alert, string message) : IOException(message)
{
    /// <summary>What the peer is told; null when it is the one that told us.</summary>
    public byte? Alert { get; } = alert;
}
