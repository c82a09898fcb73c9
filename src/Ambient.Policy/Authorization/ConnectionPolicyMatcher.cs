using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>
/// Whether an L4 policy matches a connection. Rules are ORed, clauses ANDed, matches ORed, fields ANDed, values ORed
/// (ztunnel <c>rbac.rs</c>). Allocates nothing.
/// </summary>
internal static class ConnectionPolicyMatcher
{
    /// <summary>Index of the first rule that matches, or -1. A policy without rules never matches.</summary>
    internal static int MatchingRule(AuthorizationPolicy policy, in ConnectionFacts connection)
    {
        var rules = policy.Rules.AsSpan();
        for (var i = 0; i < rules.Length; i++)
        {
            if (Matches(rules[i], connection))
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Whether every clause of a rule matches.</summary>
    internal static bool Matches(PolicyRule rule, in ConnectionFacts connection)
    {
        foreach (var clause in rule.Clauses.AsSpan())
        {
            if (!Matches(clause, connection))
            {
                return false;
            }
        }

        return true;
    }

    private static bool Matches(PolicyClause clause, in ConnectionFacts connection)
    {
        var matches = clause.Matches.AsSpan();
        foreach (var match in matches)
        {
            if (Matches(match, connection))
            {
                return true;
            }
        }

        return matches.IsEmpty;
    }

    /// <summary>Why no rule matches, by rule and field, for a person; null when one does.</summary>
    internal static string? Missed(AuthorizationPolicy policy, in ConnectionFacts connection)
    {
        if (policy.Rules.IsDefaultOrEmpty)
        {
            return "it has no rules, and so never matches";
        }

        if (MatchingRule(policy, connection) >= 0)
        {
            return null;
        }

        var missed = new List<string>();
        for (var i = 0; i < policy.Rules.Length; i++)
        {
            foreach (var clause in policy.Rules[i].Clauses.AsSpan())
            {
                if (!Matches(clause, connection))
                {
                    missed.Add($"rule {i}: {Fails(clause.Matches[0], connection)}");
                    break;
                }
            }
        }

        return string.Join("; ", missed);
    }

    private static bool Matches(PolicyMatch match, in ConnectionFacts connection) => Fails(match, connection) is null;

    /// <summary>Every field that asks something must pass; one that asks nothing at all never matches. The first field that does not pass, or null.</summary>
    private static string? Fails(PolicyMatch match, in ConnectionFacts connection)
    {
        var identity = connection.Identity;
        var asks = false;
        return !(Skip(match.DestinationPorts, ref asks) || Any(match.DestinationPorts, connection.Destination.Port)) ? "destination port"
            : !(Skip(match.NotDestinationPorts, ref asks) || !Any(match.NotDestinationPorts, connection.Destination.Port)) ? "not destination port"
            : !(Skip(match.Principals, ref asks) || AnyPrincipal(match.Principals, identity)) ? "principal"
            : !(Skip(match.NotPrincipals, ref asks) || !AnyPrincipal(match.NotPrincipals, identity)) ? "not principal"
            : !(Skip(match.Namespaces, ref asks) || AnyNamespace(match.Namespaces, identity)) ? "namespace"
            : !(Skip(match.NotNamespaces, ref asks) || !AnyNamespace(match.NotNamespaces, identity)) ? "not namespace"
            : !(Skip(match.ServiceAccounts, ref asks) || AnyAccount(match.ServiceAccounts, identity)) ? "service account"
            : !(Skip(match.NotServiceAccounts, ref asks) || !AnyAccount(match.NotServiceAccounts, identity)) ? "not service account"
            : !(Skip(match.SourceIPs, ref asks) || AnyRange(match.SourceIPs, connection.Source.Address)) ? "source address"
            : !(Skip(match.NotSourceIPs, ref asks) || !AnyRange(match.NotSourceIPs, connection.Source.Address)) ? "not source address"
            : !(Skip(match.DestinationIPs, ref asks) || AnyRange(match.DestinationIPs, connection.Destination.Address)) ? "destination address"
            : !(Skip(match.NotDestinationIPs, ref asks) || !AnyRange(match.NotDestinationIPs, connection.Destination.Address)) ? "not destination address"
            : asks ? null
            : "it asks nothing that can be seen at L4, and so never matches";
    }

    private static bool Skip<T>(ImmutableArray<T> values, ref bool asks)
    {
        if (values.IsDefaultOrEmpty)
        {
            return true;
        }

        asks = true;
        return false;
    }

    private static bool Any(ImmutableArray<int> ports, int port) => ports.AsSpan().Contains(port);

    /// <summary>No identity hits nothing, so <c>notPrincipals: presence</c> keeps plaintext out.</summary>
    private static bool AnyPrincipal(ImmutableArray<StringMatch> values, SpiffeId? identity) =>
        identity is not null && AnyString(values, identity.Principal);

    private static bool AnyNamespace(ImmutableArray<StringMatch> values, SpiffeId? identity) => AnyString(values, identity?.Namespace);

    private static bool AnyString(ImmutableArray<StringMatch> values, ReadOnlySpan<char> value)
    {
        foreach (ref readonly var match in values.AsSpan())
        {
            if (match.IsMatch(value))
            {
                return true;
            }
        }

        return false;
    }

    private static bool AnyAccount(ImmutableArray<ServiceAccountMatch> values, SpiffeId? identity)
    {
        if (identity is null)
        {
            return false;
        }

        foreach (ref readonly var account in values.AsSpan())
        {
            if (account.ServiceAccount == identity.ServiceAccount && account.Namespace == identity.Namespace)
            {
                return true;
            }
        }

        return false;
    }

    private static bool AnyRange(ImmutableArray<IPNetwork> ranges, IPAddress address)
    {
        foreach (ref readonly var range in ranges.AsSpan())
        {
            if (range.Contains(address))
            {
                return true;
            }
        }

        return false;
    }
}
