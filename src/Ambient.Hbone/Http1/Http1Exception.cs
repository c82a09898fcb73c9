namespace Ambient.Hbone.Http1;

/// <summary>A message that breaks RFC 9112 or a limit. Nothing that comes after it on the connection can be trusted.</summary>
/// <param name="status">What a server answers a request with.</param>
/// <param name="reason">What is wrong, for a log.</param>
internal sealed class Http1Exception(int status, string reason) : Exception(reason)
{
    /// <summary>What a server answers a request with: 400, 431, 501 or 505. In a response it only tells 431, too large, from the rest.</summary>
    public int Status { get; } = status;
}
