using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Stages;

/// <summary>Asks the routes of the place what becomes of a request.</summary>
internal sealed class RouteStage : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange)
    {
        var place = exchange.Arrival.Place!;
        var route = place.Routes!.Route(exchange.RouteFacts, Random.Shared);
        exchange.Route = route;
        (exchange.BackendService, exchange.BackendPort) = route.Kind == RequestRouteKind.Forward
            ? (route.Service, route.Port == RequestRoute.ArrivalPort ? exchange.Arrival.Destination.Port : route.Port)
            : (place.Service, exchange.Arrival.Destination.Port);
        return new(true);
    }
}
