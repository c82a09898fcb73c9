using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>
/// The policies of a namespace, arranged so that a decision looks only at rules that could match: most rules name
/// principals, service accounts, namespaces or ports in full, and are found by these. Built once per published array of
/// policies and forgotten with it.
/// </summary>
internal sealed class ConnectionPolicySet
{
    /// <summary>Below this walking every policy is as quick.</summary>
    private const int WorthIndexing = 8;

    private static readonly ConditionalWeakTable<AuthorizationPolicy[], ConnectionPolicySet> Built = [];

    private readonly RuleIndex _deny = new();
    private readonly RuleIndex _allow = new();

    private ConnectionPolicySet(ReadOnlySpan<AuthorizationPolicy> policies)
    {
        foreach (var policy in policies)
        {
            if (policy.DryRun || policy.Action is not (PolicyAction.Deny or PolicyAction.Allow))
            {
                continue;
            }

            FirstAllow ??= policy.Action == PolicyAction.Allow ? policy : null;
            for (var i = 0; i < policy.Rules.AsSpan().Length; i++)
            {
                (policy.Action == PolicyAction.Deny ? _deny : _allow).Add(new RuleReference(policy, i));
            }
        }
    }

    /// <summary>The first ALLOW policy, or null when there is none.</summary>
    internal AuthorizationPolicy? FirstAllow { get; }

    /// <summary>The set for an array of policies, or null when the array is too small to be worth one.</summary>
    internal static ConnectionPolicySet? For(ImmutableArray<AuthorizationPolicy> policies) =>
        policies.Length < WorthIndexing
            ? null
            : Built.GetValue(ImmutableCollectionsMarshal.AsArray(policies)!, static array => new ConnectionPolicySet(array));

    /// <summary>A DENY rule that matches.</summary>
    internal RuleReference? FindDeny(in ConnectionFacts connection) => _deny.Find(connection);

    /// <summary>An ALLOW rule that matches.</summary>
    internal RuleReference? FindAllow(in ConnectionFacts connection) => _allow.Find(connection);

    /// <summary>A rule of a policy.</summary>
    internal readonly record struct RuleReference(AuthorizationPolicy Policy, int Rule);

    /// <summary>Rules by what they cannot do without.</summary>
    private sealed class RuleIndex
    {
        private readonly Dictionary<string, List<RuleReference>> _principals = new(StringComparer.Ordinal);
        private readonly Dictionary<ServiceAccountMatch, List<RuleReference>> _accounts = [];
        private readonly Dictionary<string, List<RuleReference>> _namespaces = new(StringComparer.Ordinal);
        private readonly Dictionary<int, List<RuleReference>> _ports = [];
        private readonly List<RuleReference> _others = [];

        internal void Add(RuleReference rule)
        {
            foreach (var clause in rule.Policy.Rules[rule.Rule].Clauses)
            {
                if (Needed(clause, match => ExactValues(match.Principals)) is { } principals)
                {
                    Add(_principals, principals, rule);
                    return;
                }

                if (Needed(clause, match => match.ServiceAccounts) is { } accounts)
                {
                    Add(_accounts, accounts, rule);
                    return;
                }
            }

            foreach (var clause in rule.Policy.Rules[rule.Rule].Clauses)
            {
                if (Needed(clause, match => ExactValues(match.Namespaces)) is { } namespaces)
                {
                    Add(_namespaces, namespaces, rule);
                    return;
                }
            }

            foreach (var clause in rule.Policy.Rules[rule.Rule].Clauses)
            {
                if (Needed(clause, match => match.DestinationPorts) is { } ports)
                {
                    Add(_ports, ports, rule);
                    return;
                }
            }

            _others.Add(rule);
        }

        internal RuleReference? Find(in ConnectionFacts connection)
        {
            if (connection.Identity is { } identity
                && (FindNamed(identity, connection) is { } named))
            {
                return named;
            }

            return First(_ports.GetValueOrDefault(connection.Destination.Port), connection) ?? First(_others, connection);
        }

        private RuleReference? FindNamed(SpiffeId identity, in ConnectionFacts connection)
        {
            if (_principals.Count > 0
                && _principals.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(identity.Principal, out var byPrincipal)
                && First(byPrincipal, connection) is { } found)
            {
                return found;
            }

            if (identity is not { Namespace: { } ns, ServiceAccount: { } account })
            {
                return null;
            }

            return (_accounts.Count > 0 ? First(_accounts.GetValueOrDefault(new ServiceAccountMatch(ns, account)), connection) : null)
                ?? (_namespaces.Count > 0 ? First(_namespaces.GetValueOrDefault(ns), connection) : null);
        }

        private static RuleReference? First(List<RuleReference>? rules, in ConnectionFacts connection)
        {
            foreach (ref readonly var rule in CollectionsMarshal.AsSpan(rules))
            {
                if (ConnectionPolicyMatcher.Matches(rule.Policy.Rules[rule.Rule], connection))
                {
                    return rule;
                }
            }

            return null;
        }

        /// <summary>The values, one of which a connection must have for the clause to match; null when other values match too.</summary>
        private static HashSet<T>? Needed<T>(PolicyClause clause, Func<PolicyMatch, ImmutableArray<T>> values)
        {
            var needed = new HashSet<T>();
            foreach (var match in clause.Matches)
            {
                var own = values(match);
                if (own.IsDefaultOrEmpty)
                {
                    return null;
                }

                needed.UnionWith(own);
            }

            return needed.Count > 0 ? needed : null;
        }

        private static ImmutableArray<string> ExactValues(ImmutableArray<StringMatch> values) =>
            values.IsDefaultOrEmpty || values.Any(value => value.Kind != StringMatchKind.Exact) ? [] : [.. values.Select(value => value.Value)];

        private static void Add<T>(Dictionary<T, List<RuleReference>> index, HashSet<T> values, RuleReference rule)
            where T : notnull
        {
            foreach (var value in values)
            {
                if (!index.TryGetValue(value, out var rules))
                {
                    index[value] = rules = [];
                }

                rules.Add(rule);
            }
        }
    }
}
