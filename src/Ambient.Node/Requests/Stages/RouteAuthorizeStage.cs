using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Requests.Stages;

/// <summary>
/// Asks the external authorizers that the request's rule and backend name (https://gateway-api.sigs.k8s.io/geps/gep-1494/), after preflights were answered and before
/// anything else of the rule is done. Who cannot be asked lets nothing in.
/// </summary>
/// <param name="authorizers">Asks; null: nobody can be asked here.</param>
internal sealed class RouteAuthorizeStage(AuthorizerClient? authorizers) : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange) => exchange.Route!.Authorizers.IsEmpty ? new(true) : AskAsync(exchange);

    private async ValueTask<bool> AskAsync(RequestExchange exchange)
    {
        var route = exchange.Route!;
        foreach (var authorizer in route.Authorizers)
        {
            var question = AuthorizationDecision.Ask(authorizer.Name, 0);
            if (authorizers is null)
            {
                exchange.Authorization = question;
                await LocalReply.DenyAsync(exchange).ConfigureAwait(false);
                return false;
            }

            if (!await ExternalAuthorizeStage.AskAsync(exchange, authorizer, question, authorizers, ofRoute: true).ConfigureAwait(false))
            {
                return false;
            }
        }

        return true;
    }
}
