using System.Runtime.CompilerServices;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Node.Connections;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Node.Requests.Forwarding;
using Ambient.Node.Requests.Stages;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Serving;

/// <summary>
/// What happens to a request at a waypoint or gateway, in the order that users can see:
/// <code>
/// 1 authenticate   who sent it, and which place it came to
/// 2 authorize      policies of the place, on the request as it came     ExternalAuthorizeStage
///                  its tokens                                           AuthenticateStage
///                  and the rest of the policies                         NoteStage, AuthorizeStage
/// 3 route          rules of the place, to a backend                     RouteStage
/// 4 edit           the head as it is sent                               EditStage
///                  an embedder's own                                    FilterStage
/// 5 forward        to an endpoint of the backend                        ForwardStage
/// 6 account        metrics and access log
/// </code>
/// The stages are a list that is compiled for each place. One request sees one snapshot from beginning to end; but it is registered before the first
/// stage (<see cref="OpenRequest"/>), and ended when a later snapshot would not let it in any more.
/// </summary>
internal sealed class RequestPipeline(RequestServices services, RequestForwarder forwarder) : IMessageHandler
{
    private readonly ForwardStage _forward = new(forwarder);
    private readonly ExternalAuthorizeStage _external = new(services.Authorizers);

    /// <summary>Settings of the server whose requests it answers.</summary>
    public MessageServerOptions ServerOptions => new() { ExchangeIdleTimeout = services.StreamIdleTimeout };

    /// <summary>Asks external authorizers; null: nobody can be asked.</summary>
    public AuthorizerClient? Authorizers => services.Authorizers;

    /// <summary>Accounts for its requests.</summary>
    public RequestLog Log => services.Log;

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask HandleAsync(ServerExchange exchange)
    {
        ArgumentNullException.ThrowIfNull(exchange);
        var request = (RequestExchange?)exchange.HandlerState;
        if (request is null)
        {
            exchange.HandlerState = request = new RequestExchange(services, exchange);
        }

        request.Begin();
        try
        {
            await RunAsync(request).ConfigureAwait(false);
        }
        catch (MessageException e)
        {
            // Of the client's side: what breaks on the endpoint's is the forwarder's to answer.
            request.Error ??= e.Message;
            if (exchange.IsStalled && !exchange.HasStarted && exchange.Fault == MessageFault.None)
            {
                // The server answers, as for every handler that leaves without an answer.
                (request.Status, _, request.Flags) = FaultOutcomes.OfStall(exchange.IsRequestWhole);
            }
            else
            {
                request.Flags = FaultOutcomes.OfClient(exchange.Fault);
                request.Status = exchange.HasStarted ? request.Status : 0;
            }
        }
        finally
        {
            // 6 account
            if (request.Open.EndedBy is var cause and not ConnectionEnd.None)
            {
                request.Error = ConnectionOutcome.EndedBy(cause, request.Open.EndReason).Error;
                request.Flags = ResponseFlags.LocalReset;
            }

            Log.Completed(request);
            request.End();
        }
    }

    /// <inheritdoc/>
    public void OnRefused(in MessageRefusal refusal) => Log.Refused(services.Entrance.Arrive(refusal.ConnectionState), refusal);

    /// <inheritdoc/>
    public void OnFailed(ServerExchange exchange, Exception failure) => Log.Failed(failure);

    /// <summary>Runs the stages, or answers. A stage that completes at once costs one call; the last stage's task is returned as it is.</summary>
    private ValueTask<bool> RunAsync(RequestExchange exchange)
    {
        // 1 authenticate
        exchange.Arrived();
        if (exchange.Arrival is not { Place: { } place, Self: not null })
        {
            exchange.Error = "the service or gateway is no longer in the mesh, or no longer bound to this waypoint";
            return RequestStage.ReplyAsync(exchange, 503, LocalReply.NoHealthyUpstream, ResponseFlags.NoHealthyUpstream);
        }

        // Without routes the backend is what was addressed.
        (exchange.BackendService, exchange.BackendPort) = (place.Service, exchange.Arrival.Destination.Port);
        exchange.Trace = RequestTrace.Begin(exchange);
        if (!exchange.TryReadPath(place.Mesh.Requests.PathNormalization))
        {
            exchange.Error = "the target has no path, or characters that no path has";
            return RequestStage.ReplyAsync(exchange, 404, "", ResponseFlags.NoRouteFound);
        }

        HeaderRules.Sanitize(exchange.Head);
        exchange.Host = exchange.Head.Authority;
        if (exchange.Host.Length == 0)
        {
            exchange.Error = "the request names no host";
            return RequestStage.ReplyAsync(exchange, 400, "", ResponseFlags.DownstreamProtocolError);
        }

        if (exchange.Server.Fault is var fault and not MessageFault.None)
        {
            // Nobody is asked or connected to for it: masses of such requests are an attack on whoever would be (CVE-2023-44487).
            exchange.Error = "the client took the request back before it was looked at";
            exchange.Flags = FaultOutcomes.OfClient(fault);
            return new(false);
        }

        return RunStagesAsync(exchange, place.Stages ??= RequestStages.Of(place, !services.Filters.IsEmpty, _external, _forward), 0);
    }

    private static ValueTask<bool> RunStagesAsync(RequestExchange exchange, RequestStage[] stages, int next)
    {
        for (; next < stages.Length - 1; next++)
        {
            var stage = stages[next].RunAsync(exchange);
            if (!stage.IsCompletedSuccessfully)
            {
                return RunRestAsync(stage, exchange, stages, next + 1);
            }

            if (!stage.Result)
            {
                return new(false);
            }
        }

        return stages[next].RunAsync(exchange);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<bool> RunRestAsync(ValueTask<bool> stage, RequestExchange exchange, RequestStage[] stages, int next)
    {
        if (!await stage.ConfigureAwait(false))
        {
            return false;
        }

        // Wherever the stage was led: the connections to endpoints are those of the thread that the request came on.
        await exchange.Thread.ReturnAsync().ConfigureAwait(false);
        return await RunStagesAsync(exchange, stages, next).ConfigureAwait(false);
    }
}
