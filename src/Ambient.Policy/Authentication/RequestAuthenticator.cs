using Ambient.Mesh;

namespace Ambient.Policy.Authentication;

/// <summary>Says of one token what came of it, from what is known already or by looking at it.</summary>
public interface ITokenJudge
{
    /// <summary>Judges a token by a rule. <see cref="TokenStatus.Undecided"/>: not without work that cannot be done here.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="text">The token.</param>
    /// <param name="claims">What it says; null unless it is valid.</param>
    TokenStatus Judge(TokenRule rule, string text, out TokenClaims? claims);
}

/// <summary>
/// Who a request claims to be: may its tokens pass (Istio's RequestAuthentication,
/// https://istio.io/latest/docs/reference/config/security/request_authentication/). A request needs one rule whose tokens are valid, or no token in any
/// place of any rule.
/// </summary>
public static class RequestAuthenticator
{
    /// <summary>
    /// Decides about a request. A rule holds where every token in its places is valid by it; the first that holds says who it is. Where none
    /// holds, the answer is that of the first rule that found a token, unless all that it had to say was that the token is another issuer's.
    /// </summary>
    /// <param name="rules">The rules of the place.</param>
    /// <param name="found">The tokens of the request.</param>
    /// <param name="judge">Judges each.</param>
    public static AuthenticationDecision Decide(TokenRules rules, FoundTokens found, ITokenJudge judge)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(found);
        ArgumentNullException.ThrowIfNull(judge);
        if (found.IsEmpty)
        {
            return AuthenticationDecision.NoToken;
        }

        if (found.IsTooMany)
        {
            return AuthenticationDecision.Refused(rules.Rules[found.Tokens[0].Rule], TokenStatus.TooManyTokens);
        }

        var (first, last) = (default(AuthenticationDecision), default(AuthenticationDecision));
        for (var next = 0; next < found.Tokens.Length;)
        {
            var decision = DecideRule(rules, found, judge, ref next);
            if (decision.IsAllowed || decision.Status == TokenStatus.Undecided)
            {
                return decision;
            }

            first = first.Rule is null ? decision : first;
            last = decision.Status == TokenStatus.UnknownIssuer ? last : decision;
        }

        // Envoy's requirement: any of the rules, or of each that it holds or finds nothing. Its answer is that of the latter's first failure; an issuer
        // that is unknown to one rule counts less than what any other has to say.
        return first.Status == TokenStatus.UnknownIssuer && last.Rule is not null ? last : first;
    }

    private static AuthenticationDecision DecideRule(TokenRules rules, FoundTokens found, ITokenJudge judge, ref int next)
    {
        var index = found.Tokens[next].Rule;
        var rule = rules.Rules[index];
        var (status, claims) = (TokenStatus.Valid, (TokenClaims?)null);
        for (; next < found.Tokens.Length && found.Tokens[next].Rule == index; next++)
        {
            if (status != TokenStatus.Valid)
            {
                continue;
            }

            // With a good token beside a bad one the endpoint might take the bad one, so all of them have to be good.
            status = judge.Judge(rule, found.Tokens[next].Text, out var said);
            claims ??= said;
        }

        return status == TokenStatus.Valid ? AuthenticationDecision.Verified(rule, claims!) : AuthenticationDecision.Refused(rule, status);
    }
}

/// <summary>Whether a request's tokens let it pass, and who it is then. A value, so that deciding allocates nothing.</summary>
public readonly record struct AuthenticationDecision
{
    private AuthenticationDecision(TokenStatus status, TokenRule? rule, TokenClaims? claims)
    {
        Status = status;
        Rule = rule;
        Claims = claims;
    }

    /// <summary>There is no token: it passes, and is nobody.</summary>
    public static AuthenticationDecision NoToken { get; } = new(TokenStatus.Missing, null, null);

    /// <summary>What came of it.</summary>
    public TokenStatus Status { get; }

    /// <summary>The rule that decided; null where none found a token.</summary>
    public TokenRule? Rule { get; }

    /// <summary>What the token says; null unless it is valid.</summary>
    public TokenClaims? Claims { get; }

    /// <summary>Whether it passes.</summary>
    public bool IsAllowed => Status is TokenStatus.Valid or TokenStatus.Missing;

    /// <summary>A rule holds.</summary>
    public static AuthenticationDecision Verified(TokenRule rule, TokenClaims claims)
    {
        ArgumentNullException.ThrowIfNull(rule);
        ArgumentNullException.ThrowIfNull(claims);
        return new AuthenticationDecision(TokenStatus.Valid, rule, claims);
    }

    /// <summary>No rule holds, or it is not known yet.</summary>
    public static AuthenticationDecision Refused(TokenRule rule, TokenStatus status)
    {
        ArgumentNullException.ThrowIfNull(rule);
        return new AuthenticationDecision(status, rule, null);
    }

    /// <summary>For people: what came of it, and which object asked. Says nothing of what the token says, which nobody vouches for.</summary>
    public override string ToString() => Rule is { } rule ? $"{Status.Text()} ({rule.Origin}, issuer {rule.Rule.Issuer})" : Status.Text();
}
