using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Xds.Envoy.Policies;

/// <summary>Puts the policies of a service's chains together: those of one place must not hold at another.</summary>
internal static class ChainPolicies
{
    /// <summary>The policies of all places. Where every place has the same, they are these.</summary>
    /// <param name="chains">Policies by place. Several chains of one place have one entry, or the same policies.</param>
    public static ImmutableArray<RequestAuthorizationPolicy> Join(IReadOnlyList<ChainPlace> chains)
    {
        if (chains.Count == 0)
        {
            return [];
        }

        var first = chains[0];
        if (chains.All(first.HasSamePolicies))
        {
            return first.Policies;
        }

        var places = Places(chains);
        var joined = ImmutableArray.CreateBuilder<RequestAuthorizationPolicy>();
        foreach (var policy in places.SelectMany(place => place.Policies).Distinct())
        {
            var own = places.Where(place => place.Policies.Contains(policy)).ToArray();
            var only = new AnyExpression([.. own.Select(place => place.Expression)]);
            joined.Add(policy with
            {
                Name = $"{policy.Name} (port {string.Join(", ", own.Select(place => place.Name).Distinct())})",
                Rules = [.. policy.Rules.Select(rule => rule with { Expressions = [only, .. rule.Expressions] })],
            });
        }

        // With one ALLOW there must be one for every place that has none, or the others' would close it.
        Open(dryRun: false);
        Open(dryRun: true);
        return joined.ToImmutable();

        void Open(bool dryRun)
        {
            var open = places.Where(place => !place.Policies.Any(policy => policy.Action == PolicyAction.Allow && policy.DryRun == dryRun)).ToArray();
            if (open.Length > 0 && open.Length < places.Length)
            {
                joined.Add(new RequestAuthorizationPolicy
                {
                    Namespace = "",
                    Name = dryRun ? "ports without a policy on trial" : "ports without a policy",
                    Action = PolicyAction.Allow,
                    DryRun = dryRun,
                    Rules = [new RequestRule { Expressions = [new AnyExpression([.. open.Select(place => place.Expression)])] }],
                });
            }
        }
    }

    /// <summary>Places that differ in their policies: a port, and of several at one port the server names that lead to it.</summary>
    private static Place[] Places(IReadOnlyList<ChainPlace> chains)
    {
        var places = new List<Place>();
        foreach (var port in chains.GroupBy(chain => chain.Port).OrderBy(port => port.Key))
        {
            var groups = new List<(ChainPlace First, List<string> Names)>();
            foreach (var chain in port)
            {
                var group = groups.FirstOrDefault(group => group.First.HasSamePolicies(chain));
                if (group.Names is null)
                {
                    groups.Add(group = (chain, []));
                }

                group.Names.AddRange(chain.ServerNames.IsEmpty ? [""] : chain.ServerNames);
            }

            var atPort = new PortExpression(port.Key);
            foreach (var (first, names) in groups)
            {
                var others = groups.Where(other => other.Names != names).SelectMany(static other => other.Names);
                places.Add(groups.Count == 1
                    ? new Place($"{port.Key}", atPort, first.Policies)
                    : new Place($"{port.Key} {string.Join(' ', names)}".TrimEnd(), new AllExpression([atPort, ServerNames.Of(names, others)]), first.Policies));
            }
        }

        return [.. places];
    }

    /// <summary>
    /// Policies of one filter and of another behind it: whoever passes both is let in. Policies that allow join those of their own filter, so what allows in the
    /// second one keeps out whomever it does not allow.
    /// </summary>
    public static ImmutableArray<RequestAuthorizationPolicy> Behind(ImmutableArray<RequestAuthorizationPolicy> first, ImmutableArray<RequestAuthorizationPolicy> second)
    {
        if (!first.Any(IsAllow))
        {
            return [.. first, .. second];
        }

        var allowing = second.Where(IsAllow).ToArray();
        return allowing.Length == 0 ? [.. first, .. second] :
        [
            .. first,
            .. second.Where(static policy => !IsAllow(policy)),
            new RequestAuthorizationPolicy
            {
                Namespace = allowing[0].Namespace,
                Name = $"{allowing[0].Name} (not allowed)",
                Action = PolicyAction.Deny,
                Rules = [new RequestRule { Expressions = [new NotExpression(new AnyExpression([.. allowing.SelectMany(static policy => policy.Rules).Select(Whole)]))] }],
            },
        ];

        static bool IsAllow(RequestAuthorizationPolicy policy) => policy is { Action: PolicyAction.Allow, DryRun: false };
        static RequestExpression Whole(RequestRule rule) => new AllExpression([.. rule.Expressions, .. rule.Unsupported.Select(static what => new UnknownExpression(what))]);
    }

    /// <summary>A policy that keeps everybody out.</summary>
    /// <param name="why">Why, for people.</param>
    public static RequestAuthorizationPolicy Nobody(string why) => new()
    {
        Namespace = "",
        Name = "not understood",
        Action = PolicyAction.Deny,
        Rules = [new RequestRule { Expressions = [new UnknownExpression(why)] }],
    };

    private sealed record Place(string Name, RequestExpression Expression, ImmutableArray<RequestAuthorizationPolicy> Policies);
}
