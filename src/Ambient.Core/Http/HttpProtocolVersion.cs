namespace Ambient.Http;

/// <summary>The protocol that a message came in, or leaves in.</summary>
public enum HttpProtocolVersion
{
    /// <summary>HTTP/1.0 (RFC 1945).</summary>
    Http10,

    /// <summary>HTTP/1.1 (RFC 9112).</summary>
    Http11,

    /// <summary>HTTP/2 (RFC 9113).</summary>
    Http2,
}
