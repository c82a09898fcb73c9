using System.Runtime.CompilerServices;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Forwarding;

/// <summary>
/// Sends a request to an endpoint of its backend, and again as its rule has it (<see cref="RetryRule"/>), other endpoints first. A request whose body is
/// gone is not sent again, nor is one whose answer has begun. One that met a connection which was closed while it idled is, if it may be repeated.
/// </summary>
internal sealed class RequestForwarder(UpstreamPool upstreams, RequestLog log, TimeProvider time)
{
    private const int LongestBackoff = 10;

    private readonly MirrorSender _mirrors = new(upstreams, time);

    /// <summary>Sends a request on and its answer back, or answers it when that cannot be done. Always false, as a last stage has it: no stage follows.</summary>
    /// <exception cref="MessageException">The client is gone.</exception>
    public ValueTask<bool> ForwardAsync(RequestExchange exchange)
    {
        var plan = exchange.Plan;
        return exchange.TryEnter(upstreams.Backends) ? SendAsync(exchange, TryClock.Of(exchange, plan, time)) : RefuseAsync(exchange);
    }

    /// <summary>
    /// Tries until one try has answered. One method, as each that waits has a state of its own to be kept; what only happens when something goes wrong is in
    /// others, so that the processor does not come by it with every request.
    /// </summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> SendAsync(RequestExchange exchange, TryClock? clock)
    {
        try
        {
            var retry = Retry.Elsewhere;
            KeepBody(exchange);
            while (exchange.ChooseEndpoint() is { } endpoint)
            {
                var upstream = Begin(exchange, endpoint);
                UpstreamTurn turn = default;
                try
                {
                    Exception? failure = null;
                    var isAnswered = false;
                    try
                    {
                        if (!exchange.Head.HasBody || exchange.Sent is { IsWhole: true })
                        {
                            clock?.Start();
                        }

                        turn = await exchange.BeginWithinAsync(upstream, onNew: retry == Retry.OnNewConnection).ConfigureAwait(false);
                        exchange.Attach(turn.Exchange);
                        isAnswered = await UpstreamConversation.RunAsync(exchange, turn.Exchange, endpoint, clock, RetryLeft(exchange), _mirrors, time).ConfigureAwait(false);
                    }
                    catch (Exception e) when (IsOfTry(exchange, e, hasBegun: turn.Exchange is not null))
                    {
                        failure = e;
                    }

                    retry = isAnswered ? Retry.No : await UnansweredAsync(exchange, endpoint, turn, failure, clock).ConfigureAwait(false);
                }
                finally
                {
                    End(exchange, endpoint, upstream, turn.Exchange, clock);
                }

                if (retry == Retry.No || (retry == Retry.Elsewhere && !await GoElsewhereAsync(exchange, endpoint, clock).ConfigureAwait(false)))
                {
                    return false;
                }
            }

            await AnswerWithoutEndpointAsync(exchange).ConfigureAwait(false);
            return false;
        }
        finally
        {
            exchange.Leave();
            clock?.Dispose();
        }
    }

    /// <summary>Kept before anything of it is sent, for whoever may need it again.</summary>
    private static void KeepBody(RequestExchange exchange)
    {
        if (exchange.Head.HasBody && (exchange.Mirrors.Length > 0 || RetryDecision.MayFollowBody(exchange.Retry, exchange.IsGrpc)))
        {
            exchange.KeepBody();
        }
    }

    /// <summary>Which answers the request is sent again for; null: none, as this is its last try.</summary>
    private static RetryRule? RetryLeft(RequestExchange exchange) => exchange.Retry is var rule && exchange.Attempts <= rule.Attempts ? rule : null;

    /// <summary>A try begins, at connections that <see cref="End"/> counts it out of.</summary>
    private Upstream Begin(RequestExchange exchange, UpstreamEndpoint endpoint)
    {
        exchange.Try(endpoint);
        if (exchange.ProxyHeaders.AttemptCount != false)
        {
            HeaderRules.Set(exchange.Head.Fields, HeaderRules.AttemptCount, exchange.Attempts);
        }

        exchange.Trace?.Try(exchange, endpoint);
        var upstream = upstreams.Acquire(endpoint);
        endpoint.State?.Begin();
        return upstream;
    }

    private static void End(RequestExchange exchange, UpstreamEndpoint endpoint, Upstream upstream, ClientExchange? client, TryClock? clock)
    {
        if (client is not null)
        {
            exchange.Detach();

            // Completes at once; what its connection has still to do is its own.
            _ = client.DisposeAsync().AsTask();
        }

        // Whatever ended the try: its time must not end the next one.
        clock?.Pause();
        endpoint.State?.End();
        upstream.Release();
    }

    private static async ValueTask<bool> RefuseAsync(RequestExchange exchange)
    {
        await OverflowAsync(exchange, "there are as many requests as its DestinationRule admits").ConfigureAwait(false);
        return false;
    }

    private static ValueTask AnswerWithoutEndpointAsync(RequestExchange exchange)
    {
        exchange.Error ??= exchange.Backend?.Policy.TlsProblem ?? $"no healthy endpoint for {exchange.BackendService?.Hostname}:{exchange.BackendPort}{(exchange.Route?.Subset is { } subset ? $" in subset {subset}" : "")}";
        var isUnknown = exchange.Backend is { Policy.IsSubsetUnknown: true };
        exchange.Flags = isUnknown ? ResponseFlags.NoClusterFound : ResponseFlags.NoHealthyUpstream;
        return LocalReply.SendAsync(exchange, 503, isUnknown ? "" : LocalReply.NoHealthyUpstream);
    }

    private static ValueTask OverflowAsync(RequestExchange exchange, string reason)
    {
        exchange.Error = reason;
        exchange.Flags = ResponseFlags.UpstreamOverflow;
        exchange.IsOverloaded = true;
        return LocalReply.SendAsync(exchange, 503, LocalReply.UpstreamOverflow);
    }

    /// <summary>The try has failed: the next one is for another endpoint, after a while. False: the time for the request ran out, and it was answered.</summary>
    private ValueTask<bool> GoElsewhereAsync(RequestExchange exchange, UpstreamEndpoint failed, TryClock? clock)
    {
        if (exchange.Retry.AvoidsFailedEndpoints)
        {
            exchange.Failed.Add(failed.Workload);
        }

        return BackOffAsync(exchange, exchange.Retry, clock);
    }

    /// <summary>Waits before the next try. False: the time for the request ran out, and it was answered.</summary>
    private async ValueTask<bool> BackOffAsync(RequestExchange exchange, RetryRule rule, TryClock? clock)
    {
        var longest = rule.Backoff * Math.Min(LongestBackoff, 1 << Math.Min(exchange.Attempts - 1, LongestBackoff));
        try
        {
            await exchange.WaitAsync(longest * Random.Shared.NextDouble()).ConfigureAwait(false);
            return true;
        }
        catch (MessageException) when (clock is { IsOver: true } && exchange.Server.Fault == MessageFault.None)
        {
            await FailedAsync(exchange, exchange.Endpoint!, MessageFault.TimedOut, "the request's time ran out", Retry.No).ConfigureAwait(false);
            return false;
        }
    }

    /// <summary>Whether a failure is one that the try is answered for, or another made: what the client has broken off is not.</summary>
    private static bool IsOfTry(RequestExchange exchange, Exception failure, bool hasBegun) =>
        failure is MessageException ? exchange.Server.Fault == MessageFault.None : !hasBegun && failure is UpstreamOverflowException or UpstreamConnectException;

    /// <summary>A try has brought no answer to pass on: for a failure, or for one (null) that the request is sent again for.</summary>
    private async ValueTask<Retry> UnansweredAsync(RequestExchange exchange, UpstreamEndpoint endpoint, UpstreamTurn turn, Exception? failure, TryClock? clock)
    {
        if (failure is null)
        {
            try
            {
                return await AnsweredAgainstAsync(exchange, endpoint, turn.Exchange.Response.Status).ConfigureAwait(false);
            }
            catch (MessageException e) when (exchange.Server.Fault == MessageFault.None)
            {
                failure = e;
            }
        }

        switch (failure)
        {
            case UpstreamOverflowException:
                upstreams.Backends.Metrics?.Overflow();
                await OverflowAsync(exchange, failure.Message).ConfigureAwait(false);
                return Retry.No;

            case MessageException e:
                var retry = RetryOf(exchange, e, turn.Exchange is { HasSent: true }, turn.IsReused, clock);
                if (turn.Exchange is null || (IsOfEndpoint(e.Fault) && retry != Retry.OnNewConnection))
                {
                    endpoint.State?.Failed(timedOut: e.Fault == MessageFault.TimedOut);
                }

                return await FailedAsync(exchange, endpoint, e.Fault, e.Message, retry).ConfigureAwait(false);

            default:
                endpoint.State?.Failed(timedOut: false);
                var again = FaultOutcomes.RetryOf(exchange.Retry, MessageFault.NotConnected, hasSent: false, wasReused: false, exchange.Method, bodyIsLost: false);
                return await FailedAsync(exchange, endpoint, MessageFault.NotConnected, failure.Message, again).ConfigureAwait(false);
        }
    }

    private ValueTask<Retry> AnsweredAgainstAsync(RequestExchange exchange, UpstreamEndpoint endpoint, int status)
    {
        log.TryFailed(exchange, endpoint, exchange.Attempts, $"answered {status}");

        // More of the body may have come while the answer was read than is kept: what is left of it is not the request.
        return exchange.IsBodyLost
            ? FailedAsync(exchange, endpoint, MessageFault.Reset, $"answered {status}, and its body is not kept to be sent again", Retry.No)
            : new(Retry.Elsewhere);
    }

    /// <summary>Whether a fault is the endpoint's, and not of whoever ended the request.</summary>
    private static bool IsOfEndpoint(MessageFault fault) => fault is not (MessageFault.ClientGone or MessageFault.Aborted);

    private static Retry RetryOf(RequestExchange exchange, MessageException failure, bool hasSent, bool wasReused, TryClock? clock) => clock is { IsOver: true }
        ? Retry.No
        : FaultOutcomes.RetryOf(exchange.Retry, failure.Fault, hasSent, wasReused, exchange.Method, exchange.IsBodyLost);

    /// <summary>Says whether it is tried again; where not, answers it, or breaks off what has begun.</summary>
    private async ValueTask<Retry> FailedAsync(RequestExchange exchange, UpstreamEndpoint endpoint, MessageFault fault, string reason, Retry retry)
    {
        var isOverBudget = false;
        if (exchange.Server.HasStarted)
        {
            retry = Retry.No;
        }
        else if (retry != Retry.No)
        {
            log.TryFailed(exchange, endpoint, exchange.Attempts, reason);
            var mayRetry = exchange.Attempts <= exchange.Retry.Attempts;
            if (mayRetry || (retry == Retry.OnNewConnection && exchange.Attempts < upstreams.Options.MaxAttempts))
            {
                // A connection that was closed while it idled is no failure of the endpoint's: nobody is asked whether that may be tried again.
                if (retry == Retry.OnNewConnection || exchange.TryRetry())
                {
                    return retry;
                }

                isOverBudget = true;
            }
        }

        exchange.Error = reason;
        var (status, body, flags) = exchange.Server.IsStalled ? FaultOutcomes.OfStall(exchange.Server.IsRequestWhole) : FaultOutcomes.OfUpstream(fault);
        exchange.Flags = isOverBudget ? $"{flags},{ResponseFlags.UpstreamOverflow}" : retry == Retry.Elsewhere ? $"{flags},{ResponseFlags.RetryLimitExceeded}" : flags;
        if (exchange.Server.HasStarted)
        {
            // What was cut off must not look complete.
            exchange.Server.Abort(fault);
        }
        else if (status != 0)
        {
            await LocalReply.SendAsync(exchange, status, body).ConfigureAwait(false);
        }

        return Retry.No;
    }
}
