namespace Ambient.Policy.Authorization;

/// <summary>
/// A search for the first rule that matches, among those that tables show it. Rules have numbers, in the order of evaluation, so the first is
/// found in whatever order they are shown; or, collecting, for all of them.
/// </summary>
internal ref struct RuleSearch
{
    private readonly RequestContext _request;
    private readonly ReadOnlySpan<RuleIndex.Rule> _rules;
    private readonly Verdict _enough;
    private readonly List<int>? _all;

    internal RuleSearch(in RequestContext request, ReadOnlySpan<RuleIndex.Rule> rules, Verdict enough, List<int>? all)
    {
        _request = request;
        _rules = rules;
        _enough = enough;
        _all = all;
        First = int.MaxValue;
    }

    /// <summary>Number of the first rule found so far; <see cref="int.MaxValue"/>: none.</summary>
    internal int First { get; private set; }

    /// <summary>Asks rules, which are in ascending order.</summary>
    internal void Try(ReadOnlySpan<int> rules)
    {
        foreach (var rule in rules)
        {
            if (rule >= First)
            {
                return;
            }

            if (_rules[rule].Matcher.Match(_request) < _enough)
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
