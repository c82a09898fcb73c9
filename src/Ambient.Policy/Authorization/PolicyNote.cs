namespace Ambient.Policy.Authorization;

/// <summary>What a policy that decides nothing has to say.</summary>
public enum PolicyNoteKind
{
    /// <summary>An AUDIT policy matches.</summary>
    Audit,

    /// <summary>A DENY policy on trial would have kept out.</summary>
    DryRunDenies,

    /// <summary>No DENY policy on trial would have kept out.</summary>
    DryRunDoesNotDeny,

    /// <summary>An ALLOW policy on trial would have let in.</summary>
    DryRunAllows,

    /// <summary>There are ALLOW policies on trial, and none would have let in.</summary>
    DryRunAllowsNot,
}

/// <summary>What policies that decide nothing, because they only audit or are on trial, say of a request or connection.</summary>
/// <param name="Kind">What they say.</param>
/// <param name="Policy">The policy (<c>namespace/name</c>) that matches; null when none does.</param>
/// <param name="Rule">Index of the rule that matches; null when none does.</param>
public readonly record struct PolicyNote(PolicyNoteKind Kind, string? Policy, int? Rule)
{
    /// <summary>The note in the words of the original's log, without the policy.</summary>
    public string Text => Kind switch
    {
        PolicyNoteKind.Audit => "audit policy match",
        PolicyNoteKind.DryRunDenies => "dry-run: deny policy match",
        PolicyNoteKind.DryRunDoesNotDeny => "dry-run: no deny policies match",
        PolicyNoteKind.DryRunAllows => "dry-run: allow policy match",
        _ => "dry-run: no allow policies match",
    };
}
