namespace Ambient.Policy.Authorization;

/// <summary>What a policy is asked for: a decision, or what is written down.</summary>
internal enum PolicyPurpose
{
    /// <summary>Whether an external authorizer is asked.</summary>
    Custom,

    /// <summary>Whether to keep out.</summary>
    Deny,

    /// <summary>Whether to let in.</summary>
    Allow,

    /// <summary>Whether to write it down.</summary>
    Audit,

    /// <summary>Whether it would be kept out.</summary>
    DryRunDeny,

    /// <summary>Whether it would be let in.</summary>
    DryRunAllow,
}
