using Ambient.Mesh;
using Ambient.Node.Requests.Tokens;
using Ambient.Policy.Authentication;

namespace Ambient.Node.Requests.Stages;

/// <summary>
/// Asks the place's rules about the tokens of a request: a valid one says who it is, and is taken out or passed on as its rule says; any other ends it.
/// </summary>
internal sealed class AuthenticateStage : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange)
    {
        var rules = exchange.Arrival.Place!.Policies.Tokens;
        TokenEdits.RemoveOutputs(exchange.Head.Fields, rules);
        var found = rules.Find(exchange.Method, exchange.Path.Query, exchange.Header);
        if (found.IsEmpty)
        {
            return new(true);
        }

        return exchange.Services.Tokens.TryDecide(rules, found, out var decision)
            ? FollowAsync(exchange, found, decision)
            : VerifyAsync(exchange, rules, found);
    }

    private static async ValueTask<bool> VerifyAsync(RequestExchange exchange, TokenRules rules, FoundTokens found) =>
        await FollowAsync(exchange, found, await exchange.Services.Tokens.DecideAsync(rules, found, exchange.Arrival.Source.Address).ConfigureAwait(false)).ConfigureAwait(false);

    private static ValueTask<bool> FollowAsync(RequestExchange exchange, FoundTokens found, AuthenticationDecision decision)
    {
        exchange.Authentication = decision;
        exchange.Services.Log.Authenticated(decision, exchange.Arrival.Source, exchange.Arrival.Identity, exchange.Arrival.Destination);
        if (!decision.IsAllowed)
        {
            return RefuseAsync(exchange, decision);
        }

        foreach (var (header, value) in TokenEdits.Outputs(decision))
        {
            exchange.Head.Fields.Add(header, value);
        }

        foreach (var location in TokenEdits.Removed(exchange.Arrival.Place!.Policies.Tokens, found, decision))
        {
            if (location.Part == TokenPart.Header)
            {
                exchange.Head.Fields.Remove(location.Name);
            }
            else
            {
                exchange.Path = exchange.Path with { Query = TokenSearch.WithoutParameter(exchange.Path.Query, location.Name) };
            }
        }

        return new(true);
    }

    private static async ValueTask<bool> RefuseAsync(RequestExchange exchange, AuthenticationDecision decision)
    {
        await LocalReply.RefuseAsync(exchange, decision).ConfigureAwait(false);
        return false;
    }
}
