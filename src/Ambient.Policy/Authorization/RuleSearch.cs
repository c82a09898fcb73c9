namespace Ambient.Policy.Authorization;

/// <summary>
/// A search for the first rule that matches, among those that tables show it. Rules have an order, that of evaluation, so the first is
/// found in whatever order they are shown; or, collecting, for all of them.
/// </summary>
internal ref struct RuleSearch
{
    private readonly RequestContext _request;
    private readonly Verdict _enough;
    private readonly List<CompiledPolicyRule>? _all;

    internal RuleSearch(in RequestContext request, Verdict enough, List<CompiledPolicyRule>? all)
    {
        _request = request;
        _enough = enough;
        _all = all;
    }

    /// <summary>The first rule found so far; null: none.</summary>
    internal CompiledPolicyRule? First { get; private set; }

    /// <summary>Asks rules, which are in their order.</summary>
    internal void Try(ReadOnlySpan<CompiledPolicyRule> rules)
    {
        foreach (var rule in rules)
        {
            if (First is not null && rule.CompareTo(First) >= 0)
            {
                return;
            }

            if (rule.Matcher.Match(_request) < _enough)
            {
                continue;
            }

            if (_all is null)
            {
                First = rule;
                return;
            }

            _all.Add(rule);
        }
    }
}
