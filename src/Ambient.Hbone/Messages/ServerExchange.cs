using Ambient.Http;

namespace Ambient.Hbone.Messages;

/// <summary>A request that a server received, and the response to it. Used again for the next request of a connection.</summary>
public abstract class ServerExchange : MessageExchange
{
    private protected ServerExchange()
    {
    }

    /// <summary>The request's head, which the handler may edit; valid until the handler is done.</summary>
    public RequestHead Request { get; } = new();

    /// <summary>A head for the handler's response, empty at the beginning.</summary>
    public ResponseHead Response { get; } = new();

    /// <summary>What the connection was served with; see <see cref="MessageServer"/>.</summary>
    public object? ConnectionState { get; internal set; }

    /// <summary>A place for whatever the handler wants to keep with this object, for later requests too.</summary>
    public object? HandlerState { get; set; }

    /// <summary>Whether the final head was sent, so that no other can be.</summary>
    public abstract bool HasStarted { get; }

    /// <summary>
    /// Called once when the client has gone, or reset the request, before the response was complete: also while nobody reads or writes. From the
    /// connection's thread, so it must be short; set at the beginning of each request.
    /// </summary>
    public Action<ServerExchange>? OnGone { get; set; }

    /// <summary>Sends an interim head (RFC 9110 section 15.2). A client of HTTP/1.0 is spared it.</summary>
    /// <exception cref="MessageException">The exchange was broken off.</exception>
    /// <exception cref="InvalidOperationException">The head is not interim, or the final one was sent.</exception>
    public abstract ValueTask SendInterimAsync(ResponseHead head, CancellationToken cancellationToken = default);

    /// <summary>
    /// Takes the final head, which leaves with the first flush. What follows is framed by its <see cref="ResponseHead.HasBody"/> and
    /// <see cref="ResponseHead.ContentLength"/>; with <see cref="ResponseHead.Upgrade"/> it is the other protocol.
    /// </summary>
    /// <param name="head">Head.</param>
    /// <param name="end">Whether the message ends with it, as with <see cref="MessageExchange.EndAsync"/>.</param>
    /// <param name="cancellationToken">Cancels the wait for room.</param>
    /// <exception cref="MessageException">The exchange was broken off.</exception>
    /// <exception cref="InvalidOperationException">A final head was sent before.</exception>
    public abstract ValueTask SendHeadAsync(ResponseHead head, bool end, CancellationToken cancellationToken = default);
}
