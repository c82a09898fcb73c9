using Ambient.Http;
using Ambient.Mesh;
using Ambient.Policy.Authentication;

namespace Ambient.Node.Requests.Tokens;

/// <summary>What a valid token changes in a request: it is taken out, and what it says is written into headers, as its rule asks.</summary>
internal static class TokenEdits
{
    /// <summary>Takes out what clients say where rules write: whoever believes these headers must not believe them.</summary>
    public static void RemoveOutputs(HttpFields fields, TokenRules rules)
    {
        foreach (var header in rules.OutputHeaders)
        {
            fields.Remove(header);
        }
    }

    /// <summary>Headers that are written, those that a header can have.</summary>
    public static IEnumerable<(string Header, string Value)> Outputs(AuthenticationDecision decision)
    {
        if (decision.Claims is not { } claims)
        {
            yield break;
        }

        var rule = claims.Rule;
        if (rule.OutputPayloadToHeader is { } payload)
        {
            yield return (payload, claims.Payload);
        }

        foreach (var output in rule.OutputClaimToHeaders)
        {
            // What no header can have would end the line and begin another; a claim that does is left out.
            if (claims.ToHeader(output.Claim) is { Length: > 0 } value && value.All(HttpSyntax.IsFieldValue))
            {
                yield return (output.Header, value);
            }
        }
    }

    /// <summary>Where tokens of the rule that holds are taken out: headers and parameters. Cookies stay, as the original leaves them.</summary>
    public static IEnumerable<TokenLocation> Removed(TokenRules rules, FoundTokens found, AuthenticationDecision decision)
    {
        if (decision.Claims is null || decision.Rule is not { Rule.ForwardOriginalToken: false } rule)
        {
            yield break;
        }

        foreach (var token in found.Tokens)
        {
            if (ReferenceEquals(rules.Rules[token.Rule], rule) && token.Location.Part != TokenPart.Cookie)
            {
                yield return token.Location;
            }
        }
    }
}
