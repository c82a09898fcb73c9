namespace Ambient.Hbone.Http1;

/// <summary>Where a message that was received ends.</summary>
/// <param name="Kind">How that is said.</param>
/// <param name="Length">Bytes of the body with <see cref="Http1BodyKind.Length"/>; else 0.</param>
/// <param name="KeepAlive">Whether the sender lets the connection go on after it (RFC 9112 section 9.3).</param>
internal readonly record struct Http1Framing(Http1BodyKind Kind, long Length, bool KeepAlive);
