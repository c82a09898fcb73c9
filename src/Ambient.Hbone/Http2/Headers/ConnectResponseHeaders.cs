namespace Ambient.Hbone.Http2.Headers;

/// <summary>What HBONE reads and writes in the headers of an answer to a CONNECT.</summary>
/// <param name="Status">The <c>:status</c>, 100 to 999.</param>
/// <param name="Baggage">The <c>baggage</c> header, several lines joined with a comma, or null.</param>
internal readonly record struct ConnectResponseHeaders(int Status, string? Baggage)
{
    /// <summary>An answer that another will follow (RFC 9110 section 15.2).</summary>
    public bool IsInformational => Status is >= 100 and < 200;
}
