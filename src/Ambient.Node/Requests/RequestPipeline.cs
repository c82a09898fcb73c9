using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.Upstreams;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Yarp.ReverseProxy.Forwarder;

namespace Ambient.Node.Requests;

/// <summary>
/// What happens to a request at a waypoint or gateway, in the order that users can see:
/// <code>
/// 1 authenticate   who sent it, and which place it came to
/// 2 authorize      policies of the place, on the request as it came
/// 3 route          rules of the place, to a backend
/// 4 forward        to an endpoint of the backend
/// 5 account        metrics and access log
/// </code>
/// One request sees one snapshot from beginning to end; but it is registered before the first stage (<see cref="OpenRequest"/>), and ended
/// when a later snapshot would not let it in any more.
/// </summary>
internal sealed class RequestPipeline(
    IMeshSnapshotProvider meshes, IRequestEntrance entrance, IHttpForwarder forwarder, UpstreamPool upstreams, ConnectionTable connections, RequestLog log, TimeProvider time)
{
    // No time limit of our own: the mesh has none unless a route sets it.
    private static readonly ForwarderRequestConfig ForwarderConfig = new() { ActivityTimeout = Timeout.InfiniteTimeSpan };

    /// <summary>Accounts for its requests.</summary>
    public RequestLog Log => log;

    /// <summary>An exchange for requests of this pipeline.</summary>
    public RequestExchange CreateExchange() => new(entrance, upstreams, connections, log, time);

    /// <summary>Takes one request through.</summary>
    public async Task InvokeAsync(RequestExchange exchange)
    {
        try
        {
            await RunAsync(exchange).ConfigureAwait(false);
        }
        finally
        {
            // 5 account
            if (exchange.Open.EndedBy is var cause and not ConnectionEnd.None)
            {
                exchange.Error = ConnectionOutcome.EndedBy(cause, exchange.Open.EndReason).Error;
                exchange.Flags = ResponseFlags.LocalReset;
            }

            log.Completed(exchange);
        }
    }

    private Task RunAsync(RequestExchange exchange)
    {
        var http = exchange.Http;

        // 1 authenticate
        exchange.Arrival = entrance.Arrive(http);
        if (exchange.Arrival is not { Place: { } place, Self: not null })
        {
            exchange.Error = "the service or gateway is no longer in the mesh, or no longer bound to this waypoint";
            return ReplyAsync(exchange, StatusCodes.Status503ServiceUnavailable, LocalReply.NoHealthyUpstream, ResponseFlags.NoHealthyUpstream);
        }

        var target = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        if (!RequestPath.TryParse(target, out exchange.Path, place.Mesh.Requests.PathNormalization))
        {
            exchange.Error = "the target has no path, or characters that no path has";
            return ReplyAsync(exchange, StatusCodes.Status404NotFound, "", ResponseFlags.NoRouteFound);
        }

        if (Misshapen(exchange, place) is { } fault)
        {
            return RefuseAsync(exchange, fault);
        }

        // 2 authorize
        if (!Authorize(exchange, place))
        {
            exchange.Flags = ResponseFlags.None;
            return LocalReply.DenyAsync(exchange.Http, exchange.Authorization!.Value);
        }

        // 3 route
        var routed = Route(exchange, place, out var status);
        if (exchange.ReliedOn is { } header)
        {
            return RefuseAsync(exchange, $"Connection names {header}, which a policy or route looks at: the endpoint would not see it");
        }

        if (!routed)
        {
            return RespondAsync(exchange, status);
        }

        if (!exchange.Open.Admit(meshes))
        {
            return ReplyAsync(exchange, StatusCodes.Status403Forbidden, LocalReply.AccessDenied, ResponseFlags.None);
        }

        // 4 forward
        return ForwardAsync(exchange);
    }

    /// <summary>Why the request could not be sent on as it is judged; null when it can.</summary>
    private static string? Misshapen(RequestExchange exchange, RequestPlace place)
    {
        var request = exchange.Http.Request;
        if (RequestForm.ChangesMethod(exchange.Method))
        {
            return $"the method {exchange.Method} differs from a known one only in its case";
        }

        exchange.Nominated = RequestForm.NamedByConnection(request.Headers.Connection);
        if (RequestForm.FirstEndToEnd(exchange.Nominated) is { } named)
        {
            return $"Connection names {named}, which is not a field of one connection";
        }

        exchange.Host = request.Headers.Host.ToString();
        if (exchange.Host.Length > 0)
        {
            return null;
        }

        // Only HTTP/1.0 may leave the host out. The service is what the client meant, and it is what the endpoint is told.
        if (place.Service is not { } service || request.Headers.Host.Count > 0 || request.Protocol != HttpProtocol.Http10)
        {
            return "the request names no host";
        }

        exchange.Host = service.Hostname;
        return null;
    }

    private static Task RefuseAsync(RequestExchange exchange, string reason)
    {
        exchange.Error = reason;
        return ReplyAsync(exchange, StatusCodes.Status400BadRequest, "", ResponseFlags.DownstreamProtocolError);
    }

    private bool Authorize(RequestExchange exchange, RequestPlace place)
    {
        if (place.Policies.HasNotes)
        {
            exchange.PolicyNotes = RequestAuthorizer.Notes(place.Policies, exchange.PolicyFacts);
            log.Noted(exchange.PolicyNotes, exchange.Arrival.Source, exchange.Arrival.Identity, exchange.Arrival.Destination);
        }

        var decision = RequestAuthorizer.Authorize(place.Policies, exchange.PolicyFacts);
        exchange.Authorization = decision;
        log.Decided(decision, exchange.Arrival.Source, exchange.Arrival.Identity, exchange.Arrival.Destination);
        return decision.IsAllowed;
    }

    private static bool Route(RequestExchange exchange, RequestPlace place, out int status)
    {
        status = 0;
        var arrival = exchange.Arrival;
        if (place.Routes is null)
        {
            return true;
        }

        var route = place.Routes.Route(exchange.RouteFacts, Random.Shared);
        exchange.Route = route;
        switch (route.Kind)
        {
            case RequestRouteKind.Forward:
                (exchange.BackendService, exchange.BackendPort) = (route.Service, route.Port);
                return true;
            case RequestRouteKind.Default when place.Service is not null:
                (exchange.BackendService, exchange.BackendPort) = (place.Service, arrival.Destination.Port);
                return true;
            case RequestRouteKind.Default:
                status = StatusCodes.Status404NotFound;
                return false;
            default:
                status = route.StatusCode;
                return false;
        }
    }

    private static Task RespondAsync(RequestExchange exchange, int status)
    {
        exchange.Error = exchange.Route?.Error;
        if (exchange.Route?.Location is { } location)
        {
            exchange.Http.Response.Headers.Location = location;
        }

        return ReplyAsync(exchange, status, "", status == StatusCodes.Status404NotFound ? ResponseFlags.NoRouteFound : ResponseFlags.None);
    }

    private async Task ForwardAsync(RequestExchange exchange)
    {
        var http = exchange.Http;
        if (exchange.ChooseEndpoint([]) is null)
        {
            exchange.Error = $"no healthy endpoint for {exchange.BackendService?.Hostname}:{exchange.BackendPort}";
            await ReplyAsync(exchange, StatusCodes.Status503ServiceUnavailable, LocalReply.NoHealthyUpstream, ResponseFlags.NoHealthyUpstream).ConfigureAwait(false);
            return;
        }

        exchange.CountRequestBody();
        var error = await forwarder.SendAsync(http, "http://upstream", exchange.Invoker, ForwarderConfig, exchange).ConfigureAwait(false);
        if (error != ForwarderError.None)
        {
            await FailAsync(exchange, error).ConfigureAwait(false);
        }
    }

    private static Task FailAsync(RequestExchange exchange, ForwarderError error)
    {
        var http = exchange.Http;
        var cause = http.Features.Get<IForwarderErrorFeature>()?.Exception;
        exchange.Error = Describe(error, cause);
        if (http.RequestAborted.IsCancellationRequested)
        {
            exchange.Flags = ResponseFlags.DownstreamConnectionTermination;
            return Task.CompletedTask;
        }

        switch (error)
        {
            case ForwarderError.RequestBodyClient or ForwarderError.UpgradeRequestClient or ForwarderError.UpgradeResponseClient
                or ForwarderError.ResponseBodyClient or ForwarderError.RequestBodyCanceled or ForwarderError.RequestCanceled
                or ForwarderError.ResponseBodyCanceled or ForwarderError.UpgradeRequestCanceled or ForwarderError.UpgradeResponseCanceled:
                exchange.Flags = ResponseFlags.DownstreamConnectionTermination;
                return Task.CompletedTask;
            case ForwarderError.RequestTimedOut:
                return ReplyAsync(exchange, StatusCodes.Status504GatewayTimeout, "upstream request timeout", ResponseFlags.UpstreamRequestTimeout);
            case ForwarderError.Request when UpstreamConnectException.In(cause) is not null:
                return ReplyAsync(exchange, StatusCodes.Status503ServiceUnavailable, LocalReply.UpstreamFailed, ResponseFlags.UpstreamConnectionFailure);
            case ForwarderError.Request when cause is NoHealthyUpstreamException:
                return ReplyAsync(exchange, StatusCodes.Status503ServiceUnavailable, LocalReply.NoHealthyUpstream, ResponseFlags.NoHealthyUpstream);
            default:
                return ReplyAsync(exchange, StatusCodes.Status503ServiceUnavailable, LocalReply.UpstreamFailed, ResponseFlags.UpstreamConnectionTermination);
        }
    }

    // The innermost cause says what happened; what wraps it says only that something did.
    private static string Describe(ForwarderError error, Exception? cause)
    {
        if (UpstreamConnectException.In(cause) is { } connect)
        {
            return connect.Message;
        }

        while (cause?.InnerException is { } inner)
        {
            cause = inner;
        }

        return cause is null ? error.ToString() : $"{error}: {cause.Message}";
    }

    private static Task ReplyAsync(RequestExchange exchange, int status, string body, string flags)
    {
        exchange.Flags = flags;
        return LocalReply.SendAsync(exchange.Http, status, body);
    }
}
