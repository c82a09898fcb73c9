using System.Collections.Immutable;

namespace Ambient.Policy.Authorization;

/// <summary>L7 authorization: may this request pass (reference/waypoint.md 3).</summary>
public static class RequestAuthorizer
{
    /// <summary>
    /// Decides over the policies that apply at one place: a CUSTOM that matches keeps out, for there is no external
    /// authorizer yet; a DENY that matches keeps out; else, if there are ALLOW policies, one of them must match. A rule
    /// that asks what this version cannot answer never allows, and denies what it might have denied.
    /// </summary>
    public static AuthorizationDecision Authorize(RequestPolicies policies, in RequestFacts request)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return Decide(policies, new RequestContext(request, policies.TrustsForwardedFor));
    }

    /// <summary>
    /// Decides for an opaque connection at the same place. What asks for HTTP never allows one; in a DENY it is left out,
    /// which makes the DENY wider (reference/waypoint.md 3.7).
    /// </summary>
    public static AuthorizationDecision Authorize(RequestPolicies policies, in ConnectionFacts connection, string? serverName = null)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return Decide(policies, new RequestContext(connection, serverName));
    }

    /// <summary>What the dry-run policies would have decided, for logs; null for a kind of which there is none.</summary>
    public static (AuthorizationDecision? Deny, AuthorizationDecision? Allow) DryRun(RequestPolicies policies, in RequestFacts request)
    {
        ArgumentNullException.ThrowIfNull(policies);
        var context = new RequestContext(request, policies.TrustsForwardedFor);
        AuthorizationDecision? deny = policies.DryRunDeny.IsEmpty ? null
            : Find(policies.DryRunDeny, context, Verdict.Maybe, out var policy, out var rule) ? AuthorizationDecision.DeniedBy(policy.Key, rule)
            : AuthorizationDecision.NoPolicy;
        AuthorizationDecision? allow = policies.DryRunAllow.IsEmpty ? null
            : Find(policies.DryRunAllow, context, Verdict.Yes, out policy, out rule) ? AuthorizationDecision.AllowedBy(policy.Key, rule)
            : AuthorizationDecision.NoneAllowed(policies.DryRunAllow[0].Key);
        return (deny, allow);
    }

    private static AuthorizationDecision Decide(RequestPolicies policies, in RequestContext request)
    {
        if (Find(policies.Custom, request, Verdict.Maybe, out var policy, out var rule))
        {
            return AuthorizationDecision.NobodyToAsk(policy.Key, rule);
        }

        if (Find(policies.Deny, request, Verdict.Maybe, out policy, out rule))
        {
            return AuthorizationDecision.DeniedBy(policy.Key, rule);
        }

        if (policies.Allow.IsEmpty)
        {
            return AuthorizationDecision.NoPolicy;
        }

        return Find(policies.Allow, request, Verdict.Yes, out policy, out rule)
            ? AuthorizationDecision.AllowedBy(policy.Key, rule)
            : AuthorizationDecision.NoneAllowed(policies.Allow[0].Key);
    }

    private static bool Find(
        ImmutableArray<CompiledPolicy> policies, in RequestContext request, Verdict enough, out CompiledPolicy policy, out int rule)
    {
        foreach (var candidate in policies.AsSpan())
        {
            rule = candidate.MatchingRule(request, enough);
            if (rule >= 0)
            {
                policy = candidate;
                return true;
            }
        }

        (policy, rule) = (null!, -1);
        return false;
    }
}
