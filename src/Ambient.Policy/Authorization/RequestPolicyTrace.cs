using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>What one policy has to say of a request, for whoever asks why it is let in or not.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="Rule">Index of the rule that matches; null: none does.</param>
public readonly record struct RequestPolicyTrace(RequestAuthorizationPolicy Policy, int? Rule)
{
    /// <summary>Asks every policy of a place about a request, in the order in which they are evaluated: CUSTOM, DENY, ALLOW, AUDIT.</summary>
    /// <param name="policies">Policies of the place.</param>
    /// <param name="request">The request.</param>
    public static ImmutableArray<RequestPolicyTrace> Of(RequestPolicies policies, in RequestFacts request)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return Of(policies, new RequestContext(request, policies.ForwardedHops), new RequestContext(request, policies.ForwardedHops, policies.Tokens));
    }

    /// <summary>The same about an opaque connection.</summary>
    /// <param name="policies">Policies of the place.</param>
    /// <param name="connection">The connection.</param>
    /// <param name="serverName">Server name of TLS; empty where there is none, null where it is not known.</param>
    public static ImmutableArray<RequestPolicyTrace> Of(RequestPolicies policies, in ConnectionFacts connection, string? serverName)
    {
        ArgumentNullException.ThrowIfNull(policies);
        var context = new RequestContext(connection, serverName);
        return Of(policies, context, context);
    }

    private static ImmutableArray<RequestPolicyTrace> Of(RequestPolicies policies, in RequestContext context, in RequestContext withoutToken)
    {
        var traces = ImmutableArray.CreateBuilder<RequestPolicyTrace>();
        foreach (var action in (ReadOnlySpan<PolicyAction>)[PolicyAction.Custom, PolicyAction.Deny, PolicyAction.Allow, PolicyAction.Audit])
        {
            foreach (var policy in policies.All)
            {
                if (policy.Action == action)
                {
                    // As in a decision: what cannot be known counts where a policy keeps out, and not where one lets in.
                    var rule = policy.MatchingRule(action == PolicyAction.Custom ? withoutToken : context, action == PolicyAction.Allow ? Verdict.Yes : Verdict.Maybe);
                    traces.Add(new RequestPolicyTrace(policy.Source, rule < 0 ? null : rule));
                }
            }
        }

        return traces.ToImmutable();
    }
}
