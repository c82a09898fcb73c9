using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Ambient.Policy.Authorization;

/// <summary>Policies of one place that mean the same, the oldest first, and which of their rules matches a request.</summary>
internal sealed class PolicyList(ImmutableArray<CompiledPolicy> policies)
{
    // Below this asking every rule is as quick.
    private const int WorthIndexing = 8;

    private readonly bool _isIndexed = policies.Sum(static policy => policy.Rules.Length) >= WorthIndexing;
    private RuleIndex? _ofRequests;
    private RuleIndex? _ofConnections;

    /// <summary>The policies.</summary>
    internal ImmutableArray<CompiledPolicy> Policies => policies;

    /// <summary>Whether there is none.</summary>
    internal bool IsEmpty => policies.IsEmpty;

    /// <summary>The first rule whose verdict is at least <paramref name="enough"/>, by its policy's order and its own. Allocates nothing.</summary>
    internal bool Find(in RequestContext request, Verdict enough, [NotNullWhen(true)] out CompiledPolicy? policy, out int rule)
    {
        if (!_isIndexed)
        {
            return FindPlainly(request, enough, out policy, out rule);
        }

        if (IndexFor(request).Find(request, enough) is { } found)
        {
            (policy, rule) = (policies[found.Policy], found.Number);
            return true;
        }

        (policy, rule) = (null, -1);
        return false;
    }

    /// <summary>The same, by asking every rule.</summary>
    internal bool FindPlainly(in RequestContext request, Verdict enough, [NotNullWhen(true)] out CompiledPolicy? policy, out int rule)
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

        (policy, rule) = (null, -1);
        return false;
    }

    /// <summary>Every policy of which a rule's verdict is at least <paramref name="enough"/>, with its first such rule.</summary>
    internal IEnumerable<(CompiledPolicy Policy, int Rule)> FindAll(in RequestContext request, Verdict enough)
    {
        var found = new List<(CompiledPolicy, int)>();
        if (!_isIndexed)
        {
            foreach (var policy in policies.AsSpan())
            {
                if (policy.MatchingRule(request, enough) is var rule and >= 0)
                {
                    found.Add((policy, rule));
                }
            }

            return found;
        }

        var last = -1;
        foreach (var rule in IndexFor(request).FindAll(request, enough))
        {
            if (rule.Policy != last)
            {
                found.Add((policies[rule.Policy], rule.Number));
                last = rule.Policy;
            }
        }

        return found;
    }

    // Made when it is first needed; losing the race makes one for nothing.
    private RuleIndex IndexFor(in RequestContext request) => request.IsHttp
        ? Volatile.Read(ref _ofRequests) ?? Make(ref _ofRequests, ofRequests: true)
        : Volatile.Read(ref _ofConnections) ?? Make(ref _ofConnections, ofRequests: false);

    private RuleIndex Make(ref RuleIndex? index, bool ofRequests)
    {
        var made = new RuleIndex(policies, ofRequests);
        return Interlocked.CompareExchange(ref index, made, null) ?? made;
    }
}
