using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>L7 authorization: may this request pass (Istio's AuthorizationPolicy, https://istio.io/latest/docs/reference/config/security/authorization-policy/).</summary>
public static class RequestAuthorizer
{
    /// <summary>
    /// Decides over the policies that apply at one place: a CUSTOM that matches keeps out unless its external authorizer has let in; a DENY that
    /// matches keeps out; else, if there are ALLOW policies, one of them must match. A rule
    /// that asks what this version cannot answer never allows, and denies what it might have denied. CUSTOM is about the request as it is before its token is
    /// looked at; where the same policies were asked then (<see cref="RequestFacts.Questioned"/>), they are not asked again.
    /// </summary>
    public static AuthorizationDecision Authorize(RequestPolicies policies, in RequestFacts request)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return !policies.Custom.IsEmpty && !policies.QuestionsAs(request.Questioned)
            && Question(policies, new RequestContext(request, policies.ForwardedHops, policies.Tokens), request.LetInBy) is { IsAllowed: false } question
            ? question
            : Decide(policies, new RequestContext(request, policies.ForwardedHops));
    }

    /// <summary>
    /// What the CUSTOM policies say of a request, before anything else is asked: nothing, that their external authorizer
    /// (<see cref="RequestPolicies.Authorizer"/>) is to be asked, or that there is none.
    /// </summary>
    public static AuthorizationDecision Question(RequestPolicies policies, in RequestFacts request)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return policies.Custom.IsEmpty ? AuthorizationDecision.NoPolicy : Question(policies, new RequestContext(request, policies.ForwardedHops), null);
    }

    /// <summary>What the CUSTOM policies say of an opaque connection. One whose external authorizer speaks HTTP says nothing of connections.</summary>
    public static AuthorizationDecision Question(RequestPolicies policies, in ConnectionFacts connection, string? serverName = null)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return policies.Custom.IsEmpty ? AuthorizationDecision.NoPolicy : Question(policies, new RequestContext(connection, serverName), null);
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
        var context = new RequestContext(connection, serverName);
        return !policies.Custom.IsEmpty && Question(policies, context, connection.LetInBy) is { IsAllowed: false } question ? question : Decide(policies, context);
    }

    /// <summary>What the policies that decide nothing have to say of a request, for logs and metrics.</summary>
    public static ImmutableArray<PolicyNote> Notes(RequestPolicies policies, in RequestFacts request)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return policies.HasNotes ? Notes(policies, new RequestContext(request, policies.ForwardedHops)) : [];
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
        if (!policies.Audit.IsEmpty)
        {
            // Something that cannot be known may be what the audit is about.
            foreach (var (audit, matching) in policies.Audit.FindAll(context, Verdict.Maybe))
            {
                notes.Add(new PolicyNote(PolicyNoteKind.Audit, audit.Key, matching));
            }
        }

        if (!policies.DryRunDeny.IsEmpty)
        {
            notes.Add(policies.DryRunDeny.Find(context, Verdict.Maybe, out var policy, out var rule)
                ? new PolicyNote(PolicyNoteKind.DryRunDenies, policy.Key, rule)
                : new PolicyNote(PolicyNoteKind.DryRunDoesNotDeny, null, null));
        }

        if (!policies.DryRunAllow.IsEmpty)
        {
            notes.Add(policies.DryRunAllow.Find(context, Verdict.Yes, out var policy, out var rule)
                ? new PolicyNote(PolicyNoteKind.DryRunAllows, policy.Key, rule)
                : new PolicyNote(PolicyNoteKind.DryRunAllowsNot, null, null));
        }

        return notes.ToImmutable();
    }

    private static AuthorizationDecision Question(RequestPolicies policies, in RequestContext request, ExternalAuthorizer? asked)
    {
        if ((!request.IsHttp && policies.Authorizer?.Protocol == ExternalAuthorizerProtocol.Http)
            || !policies.Custom.Find(request, Verdict.Maybe, out var policy, out var rule))
        {
            return AuthorizationDecision.NoPolicy;
        }

        return policies.Authorizer is null ? AuthorizationDecision.NobodyToAsk(policy.Key, rule)
            : !policies.Authorizer.Equals(asked) ? AuthorizationDecision.Ask(policy.Key, rule)
            : AuthorizationDecision.NoPolicy;
    }

    private static AuthorizationDecision Decide(RequestPolicies policies, in RequestContext request)
    {
        if (policies.Deny.Find(request, Verdict.Maybe, out var policy, out var rule))
        {
            return AuthorizationDecision.DeniedBy(policy.Key, rule);
        }

        if (policies.Allow.IsEmpty)
        {
            return AuthorizationDecision.NoPolicy;
        }

        return policies.Allow.Find(request, Verdict.Yes, out policy, out rule)
            ? AuthorizationDecision.AllowedBy(policy.Key, rule)
            : AuthorizationDecision.NoneAllowed(policies.Allow.Policies[0].Key);
    }
}
