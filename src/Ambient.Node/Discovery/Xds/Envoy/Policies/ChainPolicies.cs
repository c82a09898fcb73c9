using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Xds.Envoy.Policies;

/// <summary>Puts the policies of a service's chains together: those of one port must not hold at another.</summary>
internal static class ChainPolicies
{
    /// <summary>The policies of all ports. Where every port has the same, they are these.</summary>
    /// <param name="chains">Policies by port.</param>
    public static ImmutableArray<RequestAuthorizationPolicy> Join(IReadOnlyList<(int Port, ImmutableArray<RequestAuthorizationPolicy> Policies)> chains)
    {
        if (chains.Count == 0)
        {
            return [];
        }

        var first = chains[0].Policies;
        if (chains.All(chain => chain.Policies == first || chain.Policies.AsSpan().SequenceEqual(first.AsSpan())))
        {
            return first;
        }

        var joined = ImmutableArray.CreateBuilder<RequestAuthorizationPolicy>();
        foreach (var policy in chains.SelectMany(chain => chain.Policies).Distinct())
        {
            var own = chains.Where(chain => chain.Policies.Contains(policy)).Select(chain => chain.Port).ToArray();
            var ports = Ports(own);
            joined.Add(policy with { Name = $"{policy.Name} (port {string.Join(", ", own)})", Rules = [.. policy.Rules.Select(rule => rule with { Expressions = [ports, .. rule.Expressions] })] });
        }

        // With one ALLOW there must be one for every port that has none, or the others' would close it.
        Open(dryRun: false);
        Open(dryRun: true);
        return joined.ToImmutable();

        void Open(bool dryRun)
        {
            var open = chains.Where(chain => !chain.Policies.Any(policy => policy.Action == PolicyAction.Allow && policy.DryRun == dryRun)).Select(chain => chain.Port).ToArray();
            if (open.Length > 0 && open.Length < chains.Count)
            {
                joined.Add(new RequestAuthorizationPolicy
                {
                    Namespace = "",
                    Name = dryRun ? "ports without a policy on trial" : "ports without a policy",
                    Action = PolicyAction.Allow,
                    DryRun = dryRun,
                    Rules = [new RequestRule { Expressions = [Ports(open)] }],
                });
            }
        }
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

    private static AnyExpression Ports(IEnumerable<int> ports) => new([.. ports.Distinct().Order().Select(port => new PortExpression(port))]);
}
