namespace Ambient.Testing.Messages;

/// <summary>
/// One side of a connection of HTTP/1.1 or 2, client or server, that sends a message part by part and tells what comes, byte by byte what no client of the
/// platform shows: interim answers, trailers of requests, and when each piece is there. One message at a time each way.
/// </summary>
internal abstract class MessagePeer : IAsyncDisposable
{
    /// <summary>Sends a head.</summary>
    /// <param name="isWhole">Whether nothing follows it; else a body does, or the final head of an answer.</param>
    /// <param name="fields">Headers, <c>:method</c>, <c>:path</c> and <c>:authority</c> or <c>:status</c> first.</param>
    public abstract Task SendHeadAsync(bool isWhole, params (string Name, string Value)[] fields);

    /// <summary>Sends a piece of the body.</summary>
    public abstract Task SendAsync(string piece);

    /// <summary>Ends the body.</summary>
    public abstract Task EndAsync(params (string Name, string Value)[] trailers);

    /// <summary>The next head.</summary>
    public abstract Task<MessageStart> ReceiveHeadAsync();

    /// <summary>As much of the body as that many bytes, whether or not more comes.</summary>
    public abstract Task<string> ReceiveAsync(int count);

    /// <summary>The end of the message, with its trailers. Fails where there is more of a body.</summary>
    public abstract Task<List<(string Name, string Value)>> ReceiveEndAsync();

    public abstract ValueTask DisposeAsync();
}
