namespace Ambient.Node.Telemetry.Metrics;

/// <summary>Why a connection failed, as the label <c>response_flags</c> says it.</summary>
internal enum ResponseFlag
{
    /// <summary>It did not fail.</summary>
    None,

    /// <summary>Policy denied it.</summary>
    Deny,

    /// <summary>The other side could not be reached, refused, or broke off.</summary>
    Connect,

    /// <summary>An inbound TLS handshake failed.</summary>
    TlsFailure,

    /// <summary>HTTP/2 failed before an answer.</summary>
    Http2Handshake,

    /// <summary>Dialling port 15008 took too long: often a NetworkPolicy.</summary>
    NetworkPolicy,

    /// <summary>No certificate could be had.</summary>
    IdentityError,

    /// <summary>The peer's certificate was revoked.</summary>
    CertRevoked,
}
