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
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<bool> ForwardAsync(RequestExchange exchange)
    {
        var plan = exchange.Plan;
        if (!exchange.TryEnter(upstreams.Backends))
        {
            await OverflowAsync(exchange, "there are as many requests as its DestinationRule admits").ConfigureAwait(false);
            return false;
        }

        var clock = TryClock.Of(exchange, plan, time);
        try
        {
            // Kept before anything of it is sent, for whoever may need it again.
            if (exchange.Head.HasBody && (exchange.Mirrors.Length > 0 || RetryDecision.MayFollowBody(exchange.Retry, exchange.IsGrpc)))
            {
                exchange.KeepBody();
            }

            var retry = Retry.Elsewhere;
            while (exchange.ChooseEndpoint() is { } endpoint)
            {
                exchange.Try(endpoint);
                if (exchange.ProxyHeaders.AttemptCount != false)
                {
                    HeaderRules.Set(exchange.Head.Fields, HeaderRules.AttemptCount, exchange.Attempts);
                }

                exchange.Trace?.Try(exchange, endpoint);
                retry = await TryAsync(exchange, endpoint, clock, onNew: retry == Retry.OnNewConnection).ConfigureAwait(false);
                if (retry == Retry.No)
                {
                    return false;
                }

                if (retry == Retry.Elsewhere)
                {
                    if (exchange.Retry.AvoidsFailedEndpoints)
                    {
                        exchange.Failed.Add(endpoint.Workload);
                    }

                    if (!await BackOffAsync(exchange, exchange.Retry, clock).ConfigureAwait(false))
                    {
                        return false;
                    }
                }
            }

            exchange.Error ??= exchange.Backend?.Policy.TlsProblem ?? $"no healthy endpoint for {exchange.BackendService?.Hostname}:{exchange.BackendPort}{(exchange.Route?.Subset is { } subset ? $" in subset {subset}" : "")}";
            var isUnknown = exchange.Backend is { Policy.IsSubsetUnknown: true };
            exchange.Flags = isUnknown ? ResponseFlags.NoClusterFound : ResponseFlags.NoHealthyUpstream;
            await LocalReply.SendAsync(exchange, 503, isUnknown ? "" : LocalReply.NoHealthyUpstream).ConfigureAwait(false);
            return false;
        }
        finally
        {
            exchange.Leave();
            clock?.Dispose();
        }
    }

    private static ValueTask OverflowAsync(RequestExchange exchange, string reason)
    {
        exchange.Error = reason;
        exchange.Flags = ResponseFlags.UpstreamOverflow;
        exchange.IsOverloaded = true;
        return LocalReply.SendAsync(exchange, 503, LocalReply.UpstreamOverflow);
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

    /// <summary>One try.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<Retry> TryAsync(RequestExchange exchange, UpstreamEndpoint endpoint, TryClock? clock, bool onNew)
    {
        var upstream = upstreams.Acquire(endpoint);
        endpoint.State?.Begin();
        try
        {
            UpstreamTurn turn;
            try
            {
                if (!exchange.Head.HasBody || exchange.Sent is { IsWhole: true })
                {
                    clock?.Start();
                }

                turn = await exchange.BeginWithinAsync(upstream, onNew).ConfigureAwait(false);
            }
            catch (UpstreamOverflowException e)
            {
                upstreams.Backends.Metrics?.Overflow();
                await OverflowAsync(exchange, e.Message).ConfigureAwait(false);
                return Retry.No;
            }
            catch (UpstreamConnectException e)
            {
                endpoint.State?.Failed(timedOut: false);
                var again = FaultOutcomes.RetryOf(exchange.Retry, MessageFault.NotConnected, hasSent: false, wasReused: false, exchange.Method, bodyIsLost: false);
                return await FailedAsync(exchange, endpoint, MessageFault.NotConnected, e.Message, again).ConfigureAwait(false);
            }
            catch (MessageException e) when (exchange.Server.Fault == MessageFault.None)
            {
                endpoint.State?.Failed(timedOut: e.Fault == MessageFault.TimedOut);
                return await FailedAsync(exchange, endpoint, e.Fault, e.Message, RetryOf(exchange, e, hasSent: false, wasReused: false, clock)).ConfigureAwait(false);
            }

            var client = turn.Exchange;
            exchange.Attach(client);
            try
            {
                var isLast = exchange.Attempts > exchange.Retry.Attempts;
                if (!await UpstreamConversation.RunAsync(exchange, client, endpoint, clock, isLast ? null : exchange.Retry, _mirrors, time).ConfigureAwait(false))
                {
                    log.TryFailed(exchange, endpoint, exchange.Attempts, $"answered {client.Response.Status}");

                    // More of the body may have come while the answer was read than is kept: what is left of it is not the request.
                    return exchange.IsBodyLost
                        ? await FailedAsync(exchange, endpoint, MessageFault.Reset, $"answered {client.Response.Status}, and its body is not kept to be sent again", Retry.No).ConfigureAwait(false)
                        : Retry.Elsewhere;
                }

                return Retry.No;
            }
            catch (MessageException e) when (exchange.Server.Fault == MessageFault.None)
            {
                var retry = RetryOf(exchange, e, client.HasSent, turn.IsReused, clock);
                if (IsOfEndpoint(e.Fault) && retry != Retry.OnNewConnection)
                {
                    endpoint.State?.Failed(timedOut: e.Fault == MessageFault.TimedOut);
                }

                return await FailedAsync(exchange, endpoint, e.Fault, e.Message, retry).ConfigureAwait(false);
            }
            finally
            {
                exchange.Detach();
                await client.DisposeAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            // Whatever ended the try: its time must not end the next one.
            clock?.Pause();
            endpoint.State?.End();
            upstream.Release();
        }
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
