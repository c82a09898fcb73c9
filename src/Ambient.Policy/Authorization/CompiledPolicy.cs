using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>A policy whose rules are ready to be asked.</summary>
internal sealed class CompiledPolicy
{
    private readonly ImmutableArray<IRequestMatcher> _rules;

    internal CompiledPolicy(RequestAuthorizationPolicy policy, RequestConfiguration configuration)
    {
        Source = policy;
        Key = policy.Key;
        Action = policy.Action;
        DryRun = policy.DryRun;
        var compiler = new RequestRuleCompiler(configuration, policy.Namespace);
        _rules = policy.Rules.IsDefault ? [] : [.. policy.Rules.Select(compiler.Compile)];
    }

    /// <summary>What it was compiled from.</summary>
    internal RequestAuthorizationPolicy Source { get; }

    internal string Key { get; }

    internal PolicyAction Action { get; }

    internal bool DryRun { get; }

    /// <summary>The rules, in their order.</summary>
    internal ImmutableArray<IRequestMatcher> Rules => _rules;

    /// <summary>Index of the first rule whose verdict is at least <paramref name="enough"/>, or -1.</summary>
    internal int MatchingRule(in RequestContext request, Verdict enough)
    {
        var rules = _rules.AsSpan();
        for (var i = 0; i < rules.Length; i++)
        {
            if (rules[i].Match(request) >= enough)
            {
                return i;
            }
        }

        return -1;
    }
}
