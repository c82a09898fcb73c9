using Ambient.Policy.Authorization;

namespace Ambient.Node.Requests.Stages;

/// <summary>Reports what policies say that decide nothing (AUDIT, dry run).</summary>
internal sealed class NoteStage : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange)
    {
        var arrival = exchange.Arrival;
        exchange.PolicyNotes = RequestAuthorizer.Notes(arrival.Place!.Policies, exchange.PolicyFacts);
        exchange.Services.Log.Noted(exchange.PolicyNotes, arrival.Source, arrival.Identity, arrival.Destination);
        return new(true);
    }
}
