using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>A policy whose rules are ready to be asked. Policies are evaluated in their order: the oldest first, then by name. No two have the same place in it.</summary>
internal sealed class CompiledPolicy : IComparable<CompiledPolicy>
{
    private static long s_compiled;

    // Two may have one name, where a configuration is put together of several: they are still two.
    private readonly long _number = Interlocked.Increment(ref s_compiled);

    internal CompiledPolicy(RequestAuthorizationPolicy policy, RequestConfiguration configuration)
    {
        Source = policy;
        Key = policy.Key;
        Action = policy.Action;
        DryRun = policy.DryRun;
        CreationTime = policy.CreationTime;
        AsksForServerName = !policy.Rules.IsDefault && policy.Rules.Any(static rule => rule.AsksForServerName);
        var compiler = new RequestRuleCompiler(configuration, policy.Namespace);
        Rules = policy.Rules.IsDefault ? [] : [.. policy.Rules.Select((rule, number) => new CompiledPolicyRule(compiler.Compile(rule), this, number))];
    }

    /// <summary>What it was compiled from.</summary>
    internal RequestAuthorizationPolicy Source { get; }

    internal string Key { get; }

    internal PolicyAction Action { get; }

    internal bool DryRun { get; }

    /// <summary>Whether a rule asks for the server name of the client's TLS.</summary>
    internal bool AsksForServerName { get; }

    /// <summary>The rules, in their order.</summary>
    internal ImmutableArray<CompiledPolicyRule> Rules { get; }

    private DateTimeOffset CreationTime { get; }

    /// <inheritdoc/>
    public int CompareTo(CompiledPolicy? other)
    {
        if (other is null || ReferenceEquals(this, other))
        {
            return other is null ? 1 : 0;
        }

        var order = CreationTime.CompareTo(other.CreationTime);
        order = order != 0 ? order : string.CompareOrdinal(Key, other.Key);
        return order != 0 ? order : _number.CompareTo(other._number);
    }

    /// <summary>Index of the first rule whose verdict is at least <paramref name="enough"/>, or -1.</summary>
    internal int MatchingRule(in RequestContext request, Verdict enough)
    {
        foreach (var rule in Rules.AsSpan())
        {
            if (rule.Matcher.Match(request) >= enough)
            {
                return rule.Number;
            }
        }

        return -1;
    }
}
