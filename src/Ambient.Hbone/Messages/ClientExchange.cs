using Ambient.Http;

namespace Ambient.Hbone.Messages;

/// <summary>
/// A request that a client sends, and its response. Disposing gives the connection back for the next request; an exchange that is not over by then
/// is broken off.
/// </summary>
public abstract class ClientExchange : MessageExchange, IAsyncDisposable
{
    private protected ClientExchange()
    {
    }

    /// <summary>The head that came last, interim or final; valid until the next one, or until the exchange is disposed of.</summary>
    public ResponseHead Response { get; } = new();

    /// <summary>
    /// Whether bytes of the request may have left. While none has, and after <see cref="MessageFault.Refused"/>, it can be sent again elsewhere.
    /// </summary>
    public abstract bool HasSent { get; }

    /// <summary>Takes the head, once. What follows is framed by its <see cref="RequestHead.HasBody"/> and <see cref="RequestHead.ContentLength"/>.</summary>
    /// <param name="head">Head.</param>
    /// <param name="end">Whether the message ends with it, as with <see cref="MessageExchange.EndAsync"/>; not where it asks for another protocol.</param>
    /// <param name="cancellationToken">Cancels the wait for room.</param>
    /// <exception cref="MessageException">The exchange was broken off.</exception>
    public abstract ValueTask SendHeadAsync(RequestHead head, bool end, CancellationToken cancellationToken = default);

    /// <summary>
    /// Waits for the next head: interim ones (<see cref="ResponseHead.IsInterim"/>) come before the final one. May come before the request was sent
    /// whole, and may run beside the writer.
    /// </summary>
    /// <exception cref="MessageException">The exchange was broken off.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled; the exchange goes on.</exception>
    public abstract ValueTask<ResponseHead> ReceiveHeadAsync(CancellationToken cancellationToken = default);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
