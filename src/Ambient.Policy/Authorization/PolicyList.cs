using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Ambient.Policy.Authorization;

/// <summary>Policies of one place that mean the same, in the order of evaluation, and which of their rules matches a request.</summary>
internal sealed class PolicyList
{
    // Below this asking every rule is as quick.
    private const int WorthIndexing = 8;

    private readonly bool _isIndexed;
    private RuleIndex? _ofRequests;
    private RuleIndex? _ofConnections;

    /// <summary>Creates a list of policies, which are in order.</summary>
    internal PolicyList(ImmutableArray<CompiledPolicy> policies)
    {
        Policies = policies;
        _isIndexed = policies.Sum(static policy => policy.Rules.Length) >= WorthIndexing;
    }

    internal static PolicyList Empty { get; } = new([]);

    /// <summary>The policies.</summary>
    internal ImmutableArray<CompiledPolicy> Policies { get; }

    /// <summary>Whether there is none.</summary>
    internal bool IsEmpty => Policies.IsEmpty;

    /// <summary>The index of requests, once one was asked about and if there is enough for one.</summary>
    internal RuleIndex? Index => Volatile.Read(ref _ofRequests);

    /// <summary>The list without some policies, and with others; what is known of the rest is taken over.</summary>
    /// <param name="removed">Policies of this list.</param>
    /// <param name="added">Others, in order.</param>
    internal PolicyList With(ImmutableArray<CompiledPolicy> removed, ImmutableArray<CompiledPolicy> added)
    {
        if (removed.IsEmpty && added.IsEmpty)
        {
            return this;
        }

        var next = new PolicyList(Merge(Policies, removed, added));
        if (next._isIndexed)
        {
            next._ofRequests = Volatile.Read(ref _ofRequests)?.With(next.Policies, removed, added);
            next._ofConnections = Volatile.Read(ref _ofConnections)?.With(next.Policies, removed, added);
        }

        return next;
    }

    /// <summary>Policies without some of them, and with others; all are in order.</summary>
    internal static ImmutableArray<CompiledPolicy> Merge(
        ImmutableArray<CompiledPolicy> policies, ImmutableArray<CompiledPolicy> removed, ImmutableArray<CompiledPolicy> added)
    {
        var merged = ImmutableArray.CreateBuilder<CompiledPolicy>(policies.Length - removed.Length + added.Length);
        var (next, without) = (0, 0);
        foreach (var policy in policies.AsSpan())
        {
            if (without < removed.Length && ReferenceEquals(removed[without], policy))
            {
                without++;
                continue;
            }

            for (; next < added.Length && added[next].CompareTo(policy) < 0; next++)
            {
                merged.Add(added[next]);
            }

            merged.Add(policy);
        }

        for (; next < added.Length; next++)
        {
            merged.Add(added[next]);
        }

        return merged.DrainToImmutable();
    }

    /// <summary>The first rule whose verdict is at least <paramref name="enough"/>, by its policy's order and its own. Allocates nothing.</summary>
    internal bool Find(in RequestContext request, Verdict enough, [NotNullWhen(true)] out CompiledPolicy? policy, out int rule)
    {
        if (!_isIndexed)
        {
            return FindPlainly(request, enough, out policy, out rule);
        }

        if (IndexFor(request).Find(request, enough) is { } found)
        {
            (policy, rule) = (found.Policy, found.Number);
            return true;
        }

        (policy, rule) = (null, -1);
        return false;
    }

    /// <summary>The same, by asking every rule.</summary>
    internal bool FindPlainly(in RequestContext request, Verdict enough, [NotNullWhen(true)] out CompiledPolicy? policy, out int rule)
    {
        foreach (var candidate in Policies.AsSpan())
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
            foreach (var policy in Policies.AsSpan())
            {
                if (policy.MatchingRule(request, enough) is var rule and >= 0)
                {
                    found.Add((policy, rule));
                }
            }

            return found;
        }

        CompiledPolicy? last = null;
        foreach (var rule in IndexFor(request).FindAll(request, enough))
        {
            if (!ReferenceEquals(rule.Policy, last))
            {
                found.Add((rule.Policy, rule.Number));
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
        var made = RuleIndex.Of(Policies, ofRequests);
        return Interlocked.CompareExchange(ref index, made, null) ?? made;
    }
}
