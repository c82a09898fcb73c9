using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>L4 authorization: may this connection reach this workload (ztunnel <c>rbac.rs</c> and <c>state/policy.rs</c>).</summary>
public static class ConnectionAuthorizer
{
    /// <summary>
    /// Decides over every policy that applies to <paramref name="destination"/>: global ones, those of its namespace, and
    /// those it lists. Any DENY that matches keeps out; else, if there are ALLOW policies, one of them must match.
    /// Dry-run policies decide nothing. Allocates nothing.
    /// </summary>
    public static AuthorizationDecision Authorize(MeshSnapshot mesh, Workload destination, in ConnectionFacts connection)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(destination);
        var facts = Canonical(connection);
        var verdict = new Verdict();
        var policies = mesh.PoliciesOfNamespace(destination.Namespace);
        if (ConnectionPolicySet.For(policies) is { } many)
        {
            if (verdict.Denies(many, facts))
            {
                return verdict.Decision;
            }
        }
        else
        {
            foreach (var policy in policies.AsSpan())
            {
                if (verdict.Denies(policy, facts))
                {
                    return verdict.Decision;
                }
            }
        }

        foreach (var key in destination.AuthorizationPolicies.AsSpan())
        {
            if (FindReferenced(mesh, key) is { } policy && verdict.Denies(policy, facts))
            {
                return verdict.Decision;
            }
        }

        return verdict.Decision;
    }

    /// <summary>
    /// What an operator should hear of besides the decision: policies that the workload lists and nobody knows, and what
    /// dry-run policies would have done. Costs allocations; meant for logs.
    /// </summary>
    public static AuthorizationNotes Explain(MeshSnapshot mesh, Workload destination, in ConnectionFacts connection)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(destination);
        var facts = Canonical(connection);
        var unknown = ImmutableArray.CreateBuilder<string>();
        var denies = ImmutableArray.CreateBuilder<string>();
        var allows = ImmutableArray.CreateBuilder<string>();
        var (anyAllow, anyDryRunAllow) = (false, false);
        foreach (var key in destination.AuthorizationPolicies.AsSpan())
        {
            if (!mesh.Policies.ContainsKey(key))
            {
                unknown.Add(key);
            }
        }

        foreach (var policy in Applying(mesh, destination))
        {
            anyAllow |= policy is { DryRun: false, Action: PolicyAction.Allow };
            anyDryRunAllow |= policy is { DryRun: true, Action: PolicyAction.Allow };
            if (policy.DryRun && ConnectionPolicyMatcher.MatchingRule(policy, facts) >= 0)
            {
                (policy.Action == PolicyAction.Deny ? denies : allows).Add(policy.Key);
            }
        }

        var wouldDenyForLack = anyDryRunAllow && !anyAllow && allows.Count == 0;
        return new AuthorizationNotes(unknown.DrainToImmutable(), denies.DrainToImmutable(), allows.DrainToImmutable(), wouldDenyForLack);
    }

    /// <summary>
    /// Every policy that applies, in the order of evaluation (DENY before ALLOW), and what it says to a connection. Costs allocations; meant
    /// for people. The decision over all of them is <see cref="Authorize"/>'s.
    /// </summary>
    public static ImmutableArray<PolicyTrace> Trace(MeshSnapshot mesh, Workload destination, in ConnectionFacts connection)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(destination);
        var facts = Canonical(connection);
        var traces = ImmutableArray.CreateBuilder<PolicyTrace>();
        foreach (var policy in Applying(mesh, destination).OrderBy(policy => policy.Action != PolicyAction.Deny))
        {
            var rule = ConnectionPolicyMatcher.MatchingRule(policy, facts);
            traces.Add(new PolicyTrace(policy, rule >= 0 ? rule : null, ConnectionPolicyMatcher.Missed(policy, facts)));
        }

        return traces.DrainToImmutable();
    }

    /// <summary>
    /// Whether <see cref="Explain"/> can have anything to say about connections to a workload. Cheap enough to ask for
    /// every connection.
    /// </summary>
    public static bool HasNotes(MeshSnapshot mesh, Workload destination)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(destination);
        foreach (var policy in mesh.PoliciesOfNamespace(destination.Namespace).AsSpan())
        {
            if (policy.DryRun)
            {
                return true;
            }
        }

        foreach (var key in destination.AuthorizationPolicies.AsSpan())
        {
            if (!mesh.Policies.TryGetValue(key, out var policy) || policy.DryRun)
            {
                return true;
            }
        }

        return false;
    }

    private static IEnumerable<AuthorizationPolicy> Applying(MeshSnapshot mesh, Workload destination) =>
        mesh.PoliciesOfNamespace(destination.Namespace)
            .Concat(destination.AuthorizationPolicies.Select(key => FindReferenced(mesh, key)).Where(static policy => policy is not null))!;

    /// <summary>
    /// An unknown name is skipped, as the reference does: names arrive before policies during a roll-out, and
    /// <see cref="Explain"/> reports them.
    /// </summary>
    private static AuthorizationPolicy? FindReferenced(MeshSnapshot mesh, string key) =>
        mesh.Policies.TryGetValue(key, out var policy) ? policy : null;

    /// <summary>IPv4-mapped addresses would slip past every IPv4 range.</summary>
    private static ConnectionFacts Canonical(in ConnectionFacts connection) =>
        connection.Source.Address.IsIPv4MappedToIPv6 || connection.Destination.Address.IsIPv4MappedToIPv6
            ? connection with { Source = PlainAddress.Of(connection.Source), Destination = PlainAddress.Of(connection.Destination) }
            : connection;

    /// <summary>One pass over the policies: a DENY ends it, ALLOWs are remembered.</summary>
    private struct Verdict
    {
        private AuthorizationPolicy? _denied;
        private AuthorizationPolicy? _allowed;
        private AuthorizationPolicy? _firstAllow;
        private int _rule;

        public readonly AuthorizationDecision Decision =>
            _denied is not null ? AuthorizationDecision.DeniedBy(_denied.Key, _rule)
            : _allowed is not null ? AuthorizationDecision.AllowedBy(_allowed.Key, _rule)
            : _firstAllow is not null ? AuthorizationDecision.NoneAllowed(_firstAllow.Key)
            : AuthorizationDecision.NoPolicy;

        public bool Denies(ConnectionPolicySet policies, in ConnectionFacts connection)
        {
            if (policies.FindDeny(connection) is { } denying)
            {
                return Deny(denying.Policy, denying.Rule);
            }

            _firstAllow = policies.FirstAllow;
            if (_firstAllow is not null && policies.FindAllow(connection) is { } allowing)
            {
                (_allowed, _rule) = (allowing.Policy, allowing.Rule);
            }

            return false;
        }

        public bool Denies(AuthorizationPolicy policy, in ConnectionFacts connection)
        {
            if (policy.DryRun)
            {
                return false;
            }

            if (policy.Action == PolicyAction.Deny)
            {
                return ConnectionPolicyMatcher.MatchingRule(policy, connection) is var rule and >= 0 && Deny(policy, rule);
            }

            if (policy.Action == PolicyAction.Allow)
            {
                _firstAllow ??= policy;
                if (_allowed is null && ConnectionPolicyMatcher.MatchingRule(policy, connection) is var rule and >= 0)
                {
                    (_allowed, _rule) = (policy, rule);
                }
            }

            return false;
        }

        private bool Deny(AuthorizationPolicy policy, int rule)
        {
            (_denied, _rule) = (policy, rule);
            return true;
        }
    }
}

/// <summary>What an operator should hear of besides a decision.</summary>
/// <param name="UnknownPolicies">Policies that the workload lists and nobody knows; they are skipped.</param>
/// <param name="DryRunDenies">Dry-run DENY policies that match.</param>
/// <param name="DryRunAllows">Dry-run ALLOW policies that match.</param>
/// <param name="DryRunNoneAllows">There are dry-run ALLOW policies and no real ones, and none of them matches.</param>
public sealed record AuthorizationNotes(
    ImmutableArray<string> UnknownPolicies,
    ImmutableArray<string> DryRunDenies,
    ImmutableArray<string> DryRunAllows,
    bool DryRunNoneAllows);

/// <summary>What one policy says to a connection.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="Rule">Index of the rule that matches; null: none does.</param>
/// <param name="Missed">Why none does, by rule and field; null when one does.</param>
public sealed record PolicyTrace(AuthorizationPolicy Policy, int? Rule, string? Missed);
