using System.Collections.Concurrent;
using Ambient.Hbone.Messages;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>A handler that does what a test says, and remembers what it was told.</summary>
internal sealed class ScriptedHandler(Func<ServerExchange, ValueTask> handle) : IMessageHandler
{
    public ConcurrentQueue<MessageRefusal> Refusals { get; } = new();

    public ConcurrentQueue<Exception> Failures { get; } = new();

    public ValueTask HandleAsync(ServerExchange exchange) => handle(exchange);

    public void OnRefused(in MessageRefusal refusal) => Refusals.Enqueue(refusal);

    public void OnFailed(ServerExchange exchange, Exception failure) => Failures.Enqueue(failure);
}
