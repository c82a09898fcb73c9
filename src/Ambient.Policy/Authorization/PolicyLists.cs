using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>The policies of one place, and by what they are for.</summary>
internal sealed class PolicyLists
{
    internal static readonly PolicyLists Empty = new([], [.. Enum.GetValues<PolicyPurpose>().Select(_ => PolicyList.Empty)]);

    private readonly ImmutableArray<PolicyList> _lists;

    private PolicyLists(ImmutableArray<CompiledPolicy> all, ImmutableArray<PolicyList> lists) => (All, _lists) = (all, lists);

    /// <summary>All of them, in order.</summary>
    internal ImmutableArray<CompiledPolicy> All { get; }

    /// <summary>Those for one purpose.</summary>
    internal PolicyList this[PolicyPurpose purpose] => _lists[(int)purpose];

    /// <summary>The policies that were compiled from some.</summary>
    internal ImmutableArray<CompiledPolicy> CompiledFrom(IEnumerable<RequestAuthorizationPolicy> sources)
    {
        var wanted = sources.ToHashSet<object>(ReferenceEqualityComparer.Instance);
        return wanted.Count == 0 ? [] : [.. All.Where(policy => wanted.Contains(policy.Source))];
    }

    /// <summary>Without some policies, and with others; lists that this does not concern stay the same instances.</summary>
    /// <param name="removed">Policies of these, in order.</param>
    /// <param name="added">Others, in order.</param>
    internal PolicyLists With(ImmutableArray<CompiledPolicy> removed, ImmutableArray<CompiledPolicy> added)
    {
        if (removed.IsEmpty && added.IsEmpty)
        {
            return this;
        }

        return new(
            PolicyList.Merge(All, removed, added),
            [.. _lists.Select((list, purpose) => list.With(Of(removed, (PolicyPurpose)purpose), Of(added, (PolicyPurpose)purpose)))]);

        static ImmutableArray<CompiledPolicy> Of(ImmutableArray<CompiledPolicy> policies, PolicyPurpose purpose) =>
            [.. policies.Where(policy => PurposeOf(policy) == purpose)];
    }

    // A CUSTOM policy is asked even when it is marked as dry run: its authorizer may count on being asked.
    private static PolicyPurpose? PurposeOf(CompiledPolicy policy) => policy.Action switch
    {
        PolicyAction.Custom => PolicyPurpose.Custom,
        PolicyAction.Deny => policy.DryRun ? PolicyPurpose.DryRunDeny : PolicyPurpose.Deny,
        PolicyAction.Allow => policy.DryRun ? PolicyPurpose.DryRunAllow : PolicyPurpose.Allow,
        PolicyAction.Audit => PolicyPurpose.Audit,
        _ => null,
    };
}
