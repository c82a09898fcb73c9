using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Stages;

/// <summary>Answers requests that no backend takes: redirected, answered by a rule, or matched by none.</summary>
internal sealed class RespondStage : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange)
    {
        var route = exchange.Route!;
        switch (route.Kind)
        {
            case RequestRouteKind.Forward:
            case RequestRouteKind.Default when exchange.Arrival.Place!.Service is not null:
                return new(true);
            default:
                var status = route.Kind == RequestRouteKind.Default ? 404 : route.StatusCode;
                exchange.Error = route.Error;
                return ReplyAsync(exchange, status, route.Body, status == 404 && route.Error is not null ? ResponseFlags.NoRouteFound : ResponseFlags.None, route.Location, isOfRoute: true);
        }
    }
}
