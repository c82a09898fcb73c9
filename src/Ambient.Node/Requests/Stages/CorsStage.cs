using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Stages;

/// <summary>Answers preflights, and remembers what the answers to other requests must say, as the rule that they match asks.</summary>
internal sealed class CorsStage : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange)
    {
        if (exchange.Route?.Plan.Cors is not { } policy)
        {
            return new(true);
        }

        var origin = exchange.Head.Get("origin");
        var outcome = policy.Judge(exchange.Method, origin, exchange.Head.Get("access-control-request-method"), out var isAllowed);
        exchange.Cors = isAllowed ? new CorsGrant(policy, origin!) : null;
        return outcome == CorsOutcome.Preflight ? AnswerAsync(exchange, policy) : new(true);
    }

    private static async ValueTask<bool> AnswerAsync(RequestExchange exchange, CorsPolicy policy)
    {
        await LocalReply.SendAsync(exchange, 200, "", preflight: policy).ConfigureAwait(false);
        return false;
    }
}
