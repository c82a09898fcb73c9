namespace Ambient.Hbone.Messages;

/// <summary>Answers the requests of a <see cref="MessageServer"/>.</summary>
public interface IMessageHandler
{
    /// <summary>
    /// Answers one request. Runs on the thread that moves the connection's bytes, so it must not block. A response that was not started when it is
    /// done is a 500; one that was not ended is broken off. What it throws breaks the exchange off and is told to <see cref="OnFailed"/>.
    /// </summary>
    ValueTask HandleAsync(ServerExchange exchange);

    /// <summary>A request was refused before it became one, because its head breaks the protocol or a limit. Must not throw.</summary>
    void OnRefused(in MessageRefusal refusal);

    /// <summary>The handler threw. Must not throw.</summary>
    void OnFailed(ServerExchange exchange, Exception failure);
}
