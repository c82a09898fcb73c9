using Ambient.Node.Requests.Forwarding;

namespace Ambient.Node.Requests.Stages;

/// <summary>Sends the request to an endpoint, and its answer back.</summary>
/// <param name="forwarder">Does it.</param>
internal sealed class ForwardStage(RequestForwarder forwarder) : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange) => forwarder.ForwardAsync(exchange);
}
