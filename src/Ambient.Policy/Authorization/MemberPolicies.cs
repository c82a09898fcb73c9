using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Authentication;

namespace Ambient.Policy.Authorization;

/// <summary>
/// The policies of a workload that answers requests itself, without a ztunnel in front of it: those of layer 4 decide about its connections, and
/// those that ask for what only a request has decide about each request. Compiled for one snapshot.
/// </summary>
public sealed class MemberPolicies
{
    private readonly ImmutableArray<AuthorizationPolicy> _ofConnections;
    private readonly ImmutableArray<AuthorizationPolicy> _onlyOfConnections;
    private readonly RequestPolicies _ofRequests;
    private readonly bool _requestsMayBeAllowed;

    private MemberPolicies(
        ImmutableArray<AuthorizationPolicy> ofConnections, ImmutableArray<AuthorizationPolicy> onlyOfConnections, RequestPolicies ofRequests, bool requestsMayBeAllowed)
    {
        _ofConnections = ofConnections;
        _onlyOfConnections = onlyOfConnections;
        _ofRequests = ofRequests;
        _requestsMayBeAllowed = requestsMayBeAllowed;
    }

    /// <summary>Rules of the tokens that requests may carry.</summary>
    public TokenRules Tokens => _ofRequests.Tokens;

    /// <summary>The policies of <paramref name="workload"/>: global ones, those of its namespace, and those that select it.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="workload">The workload.</param>
    /// <param name="earlier">What this returned for an earlier mesh: a source of what is compiled already.</param>
    public static MemberPolicies Of(MeshSnapshot mesh, Workload workload, MemberPolicies? earlier = null)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(workload);
        var ofConnections = ImmutableArray.CreateBuilder<AuthorizationPolicy>();
        var onlyOfConnections = ImmutableArray.CreateBuilder<AuthorizationPolicy>();
        var requestsMayBeAllowed = false;
        foreach (var policy in Applying(mesh, workload))
        {
            if (!mesh.Requests.AuthorizationPolicies.TryGetValue(policy.Key, out var written))
            {
                ofConnections.Add(policy);
                onlyOfConnections.Add(policy);
            }
            else if (written.AsksForRequest)
            {
                // The layer 4 form of it knows only a part, which would deny too much or too little.
                requestsMayBeAllowed |= policy is { Action: PolicyAction.Allow, DryRun: false };
            }
            else
            {
                ofConnections.Add(policy);
            }
        }

        return new MemberPolicies(
            ofConnections.DrainToImmutable(), onlyOfConnections.DrainToImmutable(), RequestPolicies.ForWorkload(mesh, workload, earlier?._ofRequests), requestsMayBeAllowed);
    }

    /// <summary>
    /// May a connection come in? Where an ALLOW policy asks for requests, a connection that no other allows comes in, and its requests are
    /// judged.
    /// </summary>
    public AuthorizationDecision Authorize(in ConnectionFacts connection)
    {
        var decision = Decide(_ofConnections, connection);
        return decision.Reason == AuthorizationReason.NoAllowMatched && _requestsMayBeAllowed ? AuthorizationDecision.NoPolicy : decision;
    }

    /// <summary>Those of requests.</summary>
    public RequestPolicies Requests => _ofRequests;

    /// <summary>Whether any CUSTOM policy applies.</summary>
    public bool HasCustom => _ofRequests.HasCustom;

    /// <summary>The external authorizer that CUSTOM policies name; null: there is none to ask.</summary>
    public ExternalAuthorizer? Authorizer => _ofRequests.Authorizer;

    /// <summary>What the CUSTOM policies say of a request, before anything else is asked (<see cref="RequestAuthorizer.Question(RequestPolicies, in RequestFacts)"/>).</summary>
    public AuthorizationDecision Question(in RequestFacts request) => RequestAuthorizer.Question(_ofRequests, request);

    /// <summary>May a request be answered, on a connection that was let in?</summary>
    public AuthorizationDecision Authorize(in RequestFacts request)
    {
        var decision = RequestAuthorizer.Authorize(_ofRequests, request);
        if (_onlyOfConnections.IsEmpty || decision.Reason is AuthorizationReason.DeniedByPolicy or AuthorizationReason.NoExternalAuthorizer or AuthorizationReason.AsksExternalAuthorizer)
        {
            return decision;
        }

        // What has only a layer 4 form (PeerAuthentication, policies from istiod) counts as well: all DENY policies before all ALLOW policies.
        var rest = Decide(_onlyOfConnections, new ConnectionFacts(request.Source, request.Destination, request.Identity));
        return rest.Reason switch
        {
            AuthorizationReason.DeniedByPolicy => rest,
            AuthorizationReason.AllowedByPolicy => decision.IsAllowed ? decision.Reason == AuthorizationReason.NoPolicy ? rest : decision : rest,
            AuthorizationReason.NoAllowMatched => decision.Reason == AuthorizationReason.AllowedByPolicy ? decision : rest,
            _ => decision,
        };
    }

    /// <summary>What the policies that decide nothing (AUDIT, dry run) have to say of a request.</summary>
    public ImmutableArray<PolicyNote> Notes(in RequestFacts request) => RequestAuthorizer.Notes(_ofRequests, request);

    private static AuthorizationDecision Decide(ImmutableArray<AuthorizationPolicy> policies, in ConnectionFacts connection)
    {
        var (allowed, firstAllow) = (AuthorizationDecision.NoPolicy, (string?)null);
        foreach (var policy in policies)
        {
            if (policy.DryRun || policy.Action is not (PolicyAction.Deny or PolicyAction.Allow))
            {
                continue;
            }

            var rule = ConnectionPolicyMatcher.MatchingRule(policy, connection);
            if (policy.Action == PolicyAction.Deny)
            {
                if (rule >= 0)
                {
                    return AuthorizationDecision.DeniedBy(policy.Key, rule);
                }

                continue;
            }

            firstAllow ??= policy.Key;
            if (rule >= 0 && allowed.Reason == AuthorizationReason.NoPolicy)
            {
                allowed = AuthorizationDecision.AllowedBy(policy.Key, rule);
            }
        }

        return firstAllow is not null && allowed.Reason == AuthorizationReason.NoPolicy ? AuthorizationDecision.NoneAllowed(firstAllow) : allowed;
    }

    private static IEnumerable<AuthorizationPolicy> Applying(MeshSnapshot mesh, Workload workload)
    {
        foreach (var policy in mesh.PoliciesOfNamespace(workload.Namespace))
        {
            yield return policy;
        }

        foreach (var key in workload.AuthorizationPolicies)
        {
            if (mesh.Policies.TryGetValue(key, out var policy))
            {
                yield return policy;
            }
        }
    }
}
