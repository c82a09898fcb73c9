namespace Ambient.Policy.Authorization;

/// <summary>A rule of a policy: one instance for as long as the policy is the same, whatever else there is.</summary>
internal sealed class CompiledPolicyRule(IRequestMatcher matcher, CompiledPolicy policy, int number) : IComparable<CompiledPolicyRule>
{
    /// <summary>What it asks.</summary>
    internal IRequestMatcher Matcher => matcher;

    /// <summary>Whose rule it is.</summary>
    internal CompiledPolicy Policy => policy;

    /// <summary>Its number within the policy.</summary>
    internal int Number => number;

    /// <summary>Compares by the order of evaluation.</summary>
    public int CompareTo(CompiledPolicyRule? other)
    {
        var order = policy.CompareTo(other?.Policy);
        return order != 0 ? order : number.CompareTo(other!.Number);
    }
}
