namespace Ambient.Hbone.Http2;

/// <summary>A request ended before the peer did anything with it: by GOAWAY, or refused as such (RFC 9113 section 8.7).</summary>
internal sealed class UnprocessedException(string message) : IOException(message);
