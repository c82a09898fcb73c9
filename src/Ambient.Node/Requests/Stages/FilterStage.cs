namespace Ambient.Node.Requests.Stages;

/// <summary>Asks an embedder's filters about a request that is about to be sent.</summary>
internal sealed class FilterStage : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange) => RequestFilters.RunOnRequestAsync(exchange, exchange.Services.Filters);
}
