using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// What an L4 proxy makes of an AuthorizationPolicy. Attributes of requests cannot be seen at L4: a rule that allows by
/// one is dropped, so it never allows; in a rule that denies, the attribute is dropped and the rest still denies.
/// </summary>
internal static class AuthorizationPolicyTranslation
{
    /// <summary>The L4 policy, or null when the policy does not concern L4 proxies.</summary>
    public static AuthorizationPolicy? Translate(RequestAuthorizationPolicy policy, string rootNamespace)
    {
        // Attached policies are enforced by what they are attached to. A dry run is only evaluated where requests are.
        if (policy.Targets.Length > 0 || policy.DryRun || policy.Action is not (PolicyAction.Allow or PolicyAction.Deny))
        {
            return null;
        }

        var scope = policy.Selector is not null ? PolicyScope.WorkloadSelector
            : policy.Namespace == rootNamespace ? PolicyScope.Global
            : PolicyScope.Namespace;
        var rules = ImmutableArray.CreateBuilder<PolicyRule>();
        foreach (var rule in policy.Rules)
        {
            if (policy.Action == PolicyAction.Deny || !rule.AsksForRequest)
            {
                rules.Add(new PolicyRule(Clauses(rule, policy.Namespace)));
            }
        }

        return new AuthorizationPolicy
        {
            Name = policy.Name,
            Namespace = policy.Namespace,
            Scope = scope,
            Action = policy.Action,
            Rules = rules.ToImmutable(),
        };
    }

    private static ImmutableArray<PolicyClause> Clauses(RequestRule rule, string ns)
    {
        var clauses = ImmutableArray.CreateBuilder<PolicyClause>();
        if (rule.To.Length > 0)
        {
            clauses.Add(new PolicyClause([.. rule.To.Select(to => new PolicyMatch
            {
                DestinationPorts = Ports(to.Ports.Values),
                NotDestinationPorts = Ports(to.Ports.NotValues),
            })]));
        }

        if (rule.From.Length > 0)
        {
            clauses.Add(new PolicyClause([.. rule.From.Select(from => new PolicyMatch
            {
                SourceIPs = Ranges(from.IpBlocks.Values),
                NotSourceIPs = Ranges(from.IpBlocks.NotValues),
                Namespaces = Strings(from.Namespaces.Values),
                NotNamespaces = Strings(from.Namespaces.NotValues),
                ServiceAccounts = ServiceAccounts(from.ServiceAccounts.Values, ns),
                NotServiceAccounts = ServiceAccounts(from.ServiceAccounts.NotValues, ns),
                Principals = Strings(from.Principals.Values),
                NotPrincipals = Strings(from.Principals.NotValues),
            })]));
        }

        clauses.AddRange(rule.When.Select(when => new PolicyClause([Condition(when)])));
        return clauses.ToImmutable();
    }

    private static PolicyMatch Condition(RequestCondition when) => when.Key switch
    {
        "source.ip" => new PolicyMatch { SourceIPs = Ranges(when.Match.Values), NotSourceIPs = Ranges(when.Match.NotValues) },
        "source.namespace" => new PolicyMatch { Namespaces = Strings(when.Match.Values), NotNamespaces = Strings(when.Match.NotValues) },
        "source.principal" => new PolicyMatch { Principals = Strings(when.Match.Values), NotPrincipals = Strings(when.Match.NotValues) },
        "destination.ip" => new PolicyMatch { DestinationIPs = Ranges(when.Match.Values), NotDestinationIPs = Ranges(when.Match.NotValues) },
        "destination.port" => new PolicyMatch { DestinationPorts = Ports(when.Match.Values), NotDestinationPorts = Ports(when.Match.NotValues) },
        _ => new PolicyMatch(),
    };

    private static ImmutableArray<StringMatch> Strings(ImmutableArray<string> values) => [.. values.Select(StringMatch.Parse)];

    private static ImmutableArray<int> Ports(ImmutableArray<string> values) =>
        [.. values.Select(value => int.Parse(value, NumberStyles.None, CultureInfo.InvariantCulture))];

    private static ImmutableArray<IPNetwork> Ranges(ImmutableArray<string> values) =>
        [.. values.Select(value => IPText.TryParseRange(value, out var range) ? range : throw new FormatException($"\"{value}\" is not an IP range"))];

    private static ImmutableArray<ServiceAccountMatch> ServiceAccounts(ImmutableArray<string> values, string ns) =>
    [
        .. values.Select(value => value.IndexOf('/', StringComparison.Ordinal) is var slash and >= 0
            ? new ServiceAccountMatch(value[..slash], value[(slash + 1)..])
            : new ServiceAccountMatch(ns, value)),
    ];
}
