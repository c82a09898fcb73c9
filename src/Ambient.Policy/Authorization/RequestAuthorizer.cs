using System.Collections.Immutable;

namespace Ambient.Policy.Authorization;

/// <summary>L7 authorization: may this request pass (Istio's AuthorizationPolicy, https://istio.io/latest/docs/reference/config/security/authorization-policy/).</summary>
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
    /// which makes the DENY wider, as in Istio's TCP filters.
    /// </summary>
    /// <param name="policies">Policies of the place.</param>
    /// <param name="connection">The connection.</param>
    /// <param name="serverName">
    /// Server name in the client's TLS handshake; empty where there is known to be none. Null where it is not known: then a policy that
    /// asks for it never allows, and denies what it might have denied.
    /// </param>
    public static AuthorizationDecision Authorize(RequestPolicies policies, in ConnectionFacts connection, string? serverName = null)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return Decide(policies, new RequestContext(connection, serverName));
    }

    /// <summary>What the policies that decide nothing have to say of a request, for logs and metrics.</summary>
    public static ImmutableArray<PolicyNote> Notes(RequestPolicies policies, in RequestFacts request)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return policies.HasNotes ? Notes(policies, new RequestContext(request, policies.TrustsForwardedFor)) : [];
    }

    /// <summary>What the policies that decide nothing have to say of an opaque connection.</summary>
    public static ImmutableArray<PolicyNote> Notes(RequestPolicies policies, in ConnectionFacts connection, string? serverName = null)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return policies.HasNotes ? Notes(policies, new RequestContext(connection, serverName)) : [];
    }

    private static ImmutableArray<PolicyNote> Notes(RequestPolicies policies, in RequestContext context)
    {
        var notes = ImmutableArray.CreateBuilder<PolicyNote>();
        foreach (var audit in policies.Audit.AsSpan())
        {
            // Something that cannot be known may be what the audit is about.
            if (audit.MatchingRule(context, Verdict.Maybe) is var rule and >= 0)
            {
                notes.Add(new PolicyNote(PolicyNoteKind.Audit, audit.Key, rule));
            }
        }

        if (!policies.DryRunDeny.IsEmpty)
        {
            notes.Add(Find(policies.DryRunDeny, context, Verdict.Maybe, out var policy, out var rule)
                ? new PolicyNote(PolicyNoteKind.DryRunDenies, policy.Key, rule)
                : new PolicyNote(PolicyNoteKind.DryRunDoesNotDeny, null, null));
        }

        if (!policies.DryRunAllow.IsEmpty)
        {
            notes.Add(Find(policies.DryRunAllow, context, Verdict.Yes, out var policy, out var rule)
                ? new PolicyNote(PolicyNoteKind.DryRunAllows, policy.Key, rule)
                : new PolicyNote(PolicyNoteKind.DryRunAllowsNot, null, null));
        }

        return notes.ToImmutable();
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
