using Ambient.Mesh;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Requests;

/// <summary>
/// Asks an external authorizer about one opaque connection, before anything of it is delivered. Until then policies are asked without CUSTOM ones;
/// from then on the authorizer's word counts for as long as policies name this very authorizer.
/// </summary>
/// <param name="authorizers">Asks; null: nobody can be asked, and CUSTOM policies deny what they match.</param>
/// <param name="log">Told of answers.</param>
/// <param name="time">Clock.</param>
internal sealed class ConnectionCheck(AuthorizerClient? authorizers, RequestLog log, TimeProvider time)
{
    private readonly PendingCheck _check = new();
    private volatile bool _isQuestioned;
    private volatile ExternalAuthorizer? _letInBy;

    /// <summary>What policies say of the connection as far as it is known by now.</summary>
    public AuthorizationDecision Decide(RequestPlace place, in ConnectionFacts facts, string? serverName)
    {
        var decision = RequestAuthorizer.Authorize(place.Policies, facts with { LetInBy = _letInBy }, serverName);
        return decision.Reason == AuthorizationReason.AsksExternalAuthorizer && !_isQuestioned && authorizers is not null ? AuthorizationDecision.NoPolicy : decision;
    }

    /// <summary>Asks the external authorizer, where a CUSTOM policy matches. Null: nothing keeps the connection out so far; policies are asked once more.</summary>
    /// <param name="place">The place; null: it is gone, and there is nothing to ask about.</param>
    /// <param name="self">Who asks.</param>
    /// <param name="facts">The connection.</param>
    /// <param name="serverName">Server name of its TLS; null: not known.</param>
    /// <param name="ended">Breaks the question off.</param>
    public async ValueTask<AuthorizationDecision?> AskAsync(RequestPlace? place, Workload? self, ConnectionFacts facts, string? serverName, CancellationToken ended)
    {
        if (place is { Policies.HasCustom: true } && self is not null && authorizers is not null
            && RequestAuthorizer.Question(place.Policies, facts, serverName) is { Reason: AuthorizationReason.AsksExternalAuthorizer } question
            && place.Policies.Authorizer is { } authorizer)
        {
            CheckVerdict verdict;
            using (_check.BreakWhen(ended))
            {
                verdict = await authorizers.CheckAsync(
                    authorizer,
                    place.Mesh,
                    self,
                    new CheckFacts
                    {
                        Source = facts.Remote ?? facts.Source,
                        Destination = facts.Destination,
                        Identity = facts.Identity,
                        Self = self.Identity,
                        ServerName = serverName,
                        Time = time.GetUtcNow(),
                    },
                    _check).ConfigureAwait(false);
            }

            if (verdict.Outcome == CheckOutcome.Failed)
            {
                log.AuthorizerFailed(authorizer.Name, authorizer.FailOpen, verdict.Reason!);
            }
            else if (verdict.Outcome == CheckOutcome.Overloaded)
            {
                log.AuthorizerNotAsked(authorizer.Name, verdict.Reason!);
            }

            if (verdict.Outcome is CheckOutcome.Denied or CheckOutcome.Overloaded || (verdict.Outcome == CheckOutcome.Failed && !authorizer.FailOpen))
            {
                var denied = verdict.Outcome == CheckOutcome.Denied
                    ? AuthorizationDecision.DeniedExternally(question.Policy!, question.Rule ?? 0)
                    : AuthorizationDecision.FailedExternally(question.Policy!, question.Rule ?? 0);
                log.Decided(denied, facts.Remote ?? facts.Source, facts.Identity, facts.Destination);
                return denied;
            }

            log.Policies.LetIn(question.Policy!, asFailed: verdict.Outcome == CheckOutcome.Failed);
            _letInBy = authorizer;
        }

        _isQuestioned = true;
        return null;
    }
}
