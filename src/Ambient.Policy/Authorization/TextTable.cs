using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>Rules by the text that an attribute must have, begin with, or end with.</summary>
internal sealed class TextTable
{
    private readonly Dictionary<string, int[]>? _exact;
    private readonly Dictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly AffixTable? _prefixes;
    private readonly AffixTable? _suffixes;

    /// <summary>Creates a table of keys of one attribute, each with its rules in ascending order.</summary>
    internal TextTable(IEnumerable<KeyValuePair<RuleKey, List<int>>> rules, bool ignoreCase)
    {
        var comparer = ignoreCase ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal;
        var byKind = rules.GroupBy(entry => entry.Key.Match.Kind).ToDictionary(kind => kind.Key, kind => Merge(kind, comparer));
        if (byKind.TryGetValue(StringMatchKind.Exact, out var exact))
        {
            _exact = exact.ToDictionary(entry => entry.Key, entry => entry.Value.ToArray(), comparer);
            _lookup = _exact.GetAlternateLookup<ReadOnlySpan<char>>();
        }

        var comparison = ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        _prefixes = byKind.TryGetValue(StringMatchKind.Prefix, out var prefixes) ? new AffixTable(prefixes, fromEnd: false, comparison) : null;
        _suffixes = byKind.TryGetValue(StringMatchKind.Suffix, out var suffixes) ? new AffixTable(suffixes, fromEnd: true, comparison) : null;
    }

    /// <summary>Shows a search the rules that a text may match.</summary>
    internal void Visit(ReadOnlySpan<char> text, ref RuleSearch search)
    {
        // What is empty matches nothing.
        if (text.IsEmpty)
        {
            return;
        }

        if (_exact is not null && _lookup.TryGetValue(text, out var exact))
        {
            search.Try(exact);
        }

        Visit(_prefixes, text, ref search);
        Visit(_suffixes, text, ref search);
    }

    private static void Visit(AffixTable? table, ReadOnlySpan<char> text, ref RuleSearch search)
    {
        if (table is null)
        {
            return;
        }

        for (var place = table.Find(text); place >= 0; place = table.Above(place))
        {
            search.Try(table.Rules(place));
        }
    }

    // Spellings that are one without regard to case share their rules.
    private static Dictionary<string, List<int>> Merge(IEnumerable<KeyValuePair<RuleKey, List<int>>> rules, StringComparer comparer)
    {
        var merged = new Dictionary<string, List<int>>(comparer);
        foreach (var (key, own) in rules)
        {
            if (!merged.TryAdd(key.Match.Value, own))
            {
                merged[key.Match.Value] = [.. merged[key.Match.Value].Union(own).Order()];
            }
        }

        return merged;
    }
}
