using Ambient.Policy.Authorization;

namespace Ambient.Node.Requests.Stages;

/// <summary>Asks the policies of the place about the request as it came.</summary>
internal sealed class AuthorizeStage : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange)
    {
        ref readonly var arrival = ref exchange.Arrival;
        var decision = RequestAuthorizer.Authorize(arrival.Place!.Policies, exchange.PolicyFacts);
        exchange.Authorization = decision;
        exchange.Services.Log.Decided(decision, arrival.Source, arrival.Identity, arrival.Destination);
        return decision.IsAllowed ? new(true) : DenyAsync(exchange);
    }

    private static async ValueTask<bool> DenyAsync(RequestExchange exchange)
    {
        await LocalReply.DenyAsync(exchange).ConfigureAwait(false);
        return false;
    }
}
