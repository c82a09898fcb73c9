using System.Runtime.CompilerServices;
using Ambient.Hbone.Messages;
using Ambient.Node.Requests.Upstreams;

namespace Ambient.Node.Requests.Forwarding;

/// <summary>
/// Sends a request to an endpoint of its backend, and to another one when no connection could be made (Istio's default: two more tries, other
/// endpoints first). A request of which anything may have arrived is not sent again, save for one that met a connection which was closed while it
/// idled, and may be repeated.
/// </summary>
internal sealed class RequestForwarder(UpstreamPool upstreams, RequestLog log, TimeProvider time)
{
    /// <summary>Sends a request on and its answer back, or answers it when that cannot be done. Always false, as a last stage has it: no stage follows.</summary>
    /// <exception cref="MessageException">The client is gone.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> ForwardAsync(RequestExchange exchange)
    {
        var retry = Retry.Elsewhere;
        while (exchange.ChooseEndpoint() is { } endpoint)
        {
            exchange.Try(endpoint);
            exchange.Head.Fields.Set(HeaderRules.AttemptCount, s_counts[Math.Min(exchange.Attempts, s_counts.Length - 1)]);
            retry = await TryAsync(exchange, endpoint, onNew: retry == Retry.OnNewConnection).ConfigureAwait(false);
            if (retry == Retry.No)
            {
                return false;
            }

            if (retry == Retry.Elsewhere)
            {
                exchange.Failed.Add(endpoint.Workload);
                var longest = upstreams.Options.RetryBackoff * (1 << (exchange.Attempts - 1));
                await Task.Delay(longest * Random.Shared.NextDouble(), time).ConfigureAwait(false);
            }
        }

        exchange.Error ??= $"no healthy endpoint for {exchange.BackendService?.Hostname}:{exchange.BackendPort}";
        exchange.Flags = ResponseFlags.NoHealthyUpstream;
        await LocalReply.SendAsync(exchange, 503, LocalReply.NoHealthyUpstream).ConfigureAwait(false);
        return false;
    }

    private static readonly string[] s_counts = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];

    /// <summary>One try.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Retry> TryAsync(RequestExchange exchange, UpstreamEndpoint endpoint, bool onNew)
    {
        var upstream = upstreams.Acquire(endpoint);
        try
        {
            UpstreamTurn turn;
            try
            {
                turn = await upstream.BeginAsync(onNew).ConfigureAwait(false);
            }
            catch (UpstreamConnectException e)
            {
                return await FailedAsync(exchange, endpoint, MessageFault.NotConnected, e.Message, Retry.Elsewhere).ConfigureAwait(false);
            }

            var client = turn.Exchange;
            exchange.Attach(client);
            try
            {
                await UpstreamConversation.RunAsync(exchange, client, endpoint, time).ConfigureAwait(false);
                return Retry.No;
            }
            catch (MessageException e) when (exchange.Server.Fault == MessageFault.None)
            {
                var retry = FaultOutcomes.RetryOf(e.Fault, client.HasSent, turn.IsReused, exchange.Method, exchange.Server.BytesReceived > 0);
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
            upstream.Release();
        }
    }

    /// <summary>Says whether it is tried again; where not, answers it, or breaks off what has begun.</summary>
    private async ValueTask<Retry> FailedAsync(RequestExchange exchange, UpstreamEndpoint endpoint, MessageFault fault, string reason, Retry retry)
    {
        if (exchange.Server.HasStarted)
        {
            retry = Retry.No;
        }
        else if (retry != Retry.No)
        {
            log.TryFailed(exchange, endpoint, exchange.Attempts, reason);
            if (exchange.Attempts < upstreams.Options.MaxAttempts)
            {
                return retry;
            }
        }

        exchange.Error = reason;
        var (status, body, flags) = exchange.Server.IsStalled ? FaultOutcomes.OfStall(exchange.Server.IsRequestWhole) : FaultOutcomes.OfUpstream(fault);
        exchange.Flags = flags;
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
