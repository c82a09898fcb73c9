using Ambient.Http;

namespace Ambient.Hbone.Messages;

/// <summary>A request that a server received, and the response to it. Used again for the next request of a connection.</summary>
public abstract class ServerExchange : MessageExchange
{
    private readonly StallWatch _stalls = new();

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

    /// <summary>Whether the request has come to its end, trailers included.</summary>
    public abstract bool IsRequestWhole { get; }

    /// <summary>Whether nothing moved for <see cref="MessageServerOptions.ExchangeIdleTimeout"/>.</summary>
    public bool IsStalled => _stalls.IsStalled;

    /// <summary>
    /// Called once when the client has gone, or reset the request, before the response was complete: also while nobody reads or writes. From the
    /// connection's thread, so it must be short; set at the beginning of each request. A request may be gone when its handling begins, as
    /// <see cref="MessageExchange.Fault"/> says then: this is called when the handler has not ended with its first wait.
    /// </summary>
    public Action<ServerExchange>? OnGone { get; set; }

    /// <summary>
    /// Called when nothing of the exchange has moved for <see cref="MessageServerOptions.ExchangeIdleTimeout"/>, from any thread, so it must be short; set at
    /// the beginning of each request. Where the final head was sent, or the client does not even take an interim one, the exchange has been broken off
    /// with <see cref="MessageFault.TimedOut"/>. Else reads of the request fail with that fault from here on, and the handler answers: one that leaves
    /// without an answer is answered for, with 408 where the rest of the request is missing and 504 where it is not (RFC 9110 sections 15.5.9 and
    /// 15.6.5). When nothing moves for as long again, the exchange is broken off.
    /// </summary>
    public Action<ServerExchange>? OnStalled { get; set; }

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

    /// <summary>The status for a handler that has not answered.</summary>
    internal int StatusWithoutAnswer => !IsStalled ? 500 : IsRequestWhole ? 504 : 408;

    /// <summary>Breaks the exchange off if nothing of it has moved for too long. From the server's timer.</summary>
    internal void CheckStall(long now, ServerSettings server) => _stalls.Check(this, now, server);

    /// <summary>A request begins.</summary>
    private protected void BeginWatch() => _stalls.Begin();

    /// <summary>The handler has left: nothing is told to it any more.</summary>
    private protected void EndHandling() => _stalls.EndHandling(this);

    /// <summary>The exchange is over.</summary>
    private protected void EndWatch() => _stalls.End();

    /// <summary>A number that is another one whenever something has moved. Any thread.</summary>
    internal abstract long Moved { get; }

    /// <summary>Whether it can still be answered. Any thread.</summary>
    internal abstract bool CanBeAnswered { get; }

    /// <summary>
    /// Whoever is about to wait for more of the request fails with <see cref="MessageFault.TimedOut"/>; who waits already, after <see cref="WakeReader"/>.
    /// </summary>
    /// <param name="reason">For a person.</param>
    internal abstract void StopWaiting(string reason);

    /// <summary>Has whoever waits for more of the request look again. For nothing where nobody does, be it that the exchange is over.</summary>
    internal abstract void WakeReader();

    /// <summary>As <see cref="MessageExchange.Abort"/> with <see cref="MessageFault.TimedOut"/>.</summary>
    /// <param name="reason">For a person.</param>
    internal abstract void BreakStalled(string reason);
}
