namespace Ambient.Hbone.Tls;

/// <summary>A peer went beyond <see cref="HandshakeLimits"/>.</summary>
internal sealed class HandshakeLimitException(string message) : IOException(message);
