using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Stages;

/// <summary>Asks the routes of the place for a backend, or answers as they say.</summary>
internal sealed class RouteStage : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange)
    {
        var place = exchange.Arrival.Place!;
        var route = place.Routes!.Route(exchange.RouteFacts, Random.Shared);
        exchange.Route = route;
        switch (route.Kind)
        {
            case RequestRouteKind.Forward:
                (exchange.BackendService, exchange.BackendPort) = (route.Service, route.Port);
                return new(true);
            case RequestRouteKind.Default when place.Service is not null:
                (exchange.BackendService, exchange.BackendPort) = (place.Service, exchange.Arrival.Destination.Port);
                return new(true);
            default:
                var status = route.Kind == RequestRouteKind.Default ? 404 : route.StatusCode;
                exchange.Error = route.Error;
                return ReplyAsync(exchange, status, "", status == 404 ? ResponseFlags.NoRouteFound : ResponseFlags.None, route.Location);
        }
    }
}
