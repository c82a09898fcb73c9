using Ambient.Mesh;
using Ambient.Policy.Indexing;

namespace Ambient.Policy.Authorization;

/// <summary>Rules by the text that an attribute must have, begin with, or end with.</summary>
internal sealed class TextTable
{
    private readonly bool _ignoreCase;
    private readonly SharedTable<string, CompiledPolicyRule[]> _exact;
    private readonly AffixTable _prefixes;
    private readonly AffixTable _suffixes;

    /// <summary>Creates a table of nothing.</summary>
    internal TextTable(bool ignoreCase)
    {
        var comparison = ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        _ignoreCase = ignoreCase;
        _exact = SharedTable<string, CompiledPolicyRule[]>.Create(StringComparer.FromComparison(comparison));
        (_prefixes, _suffixes) = (new AffixTable(fromEnd: false, comparison), new AffixTable(fromEnd: true, comparison));
    }

    private TextTable(bool ignoreCase, SharedTable<string, CompiledPolicyRule[]> exact, AffixTable prefixes, AffixTable suffixes) =>
        (_ignoreCase, _exact, _prefixes, _suffixes) = (ignoreCase, exact, prefixes, suffixes);

    /// <summary>Whether no rule is found by it.</summary>
    internal bool IsEmpty => _exact.Count == 0 && _prefixes.IsEmpty && _suffixes.IsEmpty;

    /// <summary>Shows a search the rules that a text may match.</summary>
    internal void Visit(ReadOnlySpan<char> text, ref RuleSearch search)
    {
        // What is empty matches nothing.
        if (text.IsEmpty)
        {
            return;
        }

        if (_exact.Count > 0)
        {
            VisitExact(text, ref search);
        }

        if (!_prefixes.IsEmpty)
        {
            Visit(_prefixes, text, ref search);
        }

        if (!_suffixes.IsEmpty)
        {
            Visit(_suffixes, text, ref search);
        }
    }

    private void VisitExact(ReadOnlySpan<char> text, ref RuleSearch search)
    {
        var hashCode = _ignoreCase ? string.GetHashCode(text, StringComparison.OrdinalIgnoreCase) : string.GetHashCode(text);
        foreach (ref readonly var entry in _exact.Near(hashCode))
        {
            if (entry.HashCode == hashCode && (_ignoreCase ? text.Equals(entry.Key, StringComparison.OrdinalIgnoreCase) : text.SequenceEqual(entry.Key)))
            {
                search.Try(entry.Value);
                return;
            }
        }
    }

    private static void Visit(AffixTable table, ReadOnlySpan<char> text, ref RuleSearch search)
    {
        for (var place = table.Find(text); place >= 0; place = table.Above(place))
        {
            search.Try(table.Rules(place));
        }
    }

    /// <summary>Makes the next table.</summary>
    internal sealed class Editor
    {
        private readonly TextTable _start;
        private readonly OrderedLists<string, CompiledPolicyRule> _exact;
        private readonly OrderedLists<string, CompiledPolicyRule> _prefixes;
        private readonly OrderedLists<string, CompiledPolicyRule> _suffixes;

        internal Editor(TextTable start)
        {
            // Spellings that are one without regard to case share their rules.
            var comparer = start._ignoreCase ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal;
            _start = start;
            _exact = new OrderedLists<string, CompiledPolicyRule>(start._exact.Find, comparer, Comparer<CompiledPolicyRule>.Default);
            _prefixes = new OrderedLists<string, CompiledPolicyRule>(start._prefixes.RulesOf, comparer, Comparer<CompiledPolicyRule>.Default);
            _suffixes = new OrderedLists<string, CompiledPolicyRule>(start._suffixes.RulesOf, comparer, Comparer<CompiledPolicyRule>.Default);
        }

        /// <summary>Whether no rule was found by it before.</summary>
        internal bool StartsEmpty => _start.IsEmpty;

        internal int Count(StringMatch match) => ListsOf(match).Count(match.Value);

        internal void Add(StringMatch match, CompiledPolicyRule rule) => ListsOf(match).Add(match.Value, rule);

        internal void Remove(StringMatch match, CompiledPolicyRule rule) => ListsOf(match).Remove(match.Value, rule);

        internal TextTable ToTable()
        {
            var (exact, prefixes, suffixes) =
                (_start._exact.With(_exact.Changes), _start._prefixes.With(_prefixes.Changes), _start._suffixes.With(_suffixes.Changes));
            return ReferenceEquals(exact, _start._exact) && ReferenceEquals(prefixes, _start._prefixes) && ReferenceEquals(suffixes, _start._suffixes)
                ? _start
                : new TextTable(_start._ignoreCase, exact, prefixes, suffixes);
        }

        private OrderedLists<string, CompiledPolicyRule> ListsOf(StringMatch match) => match.Kind switch
        {
            StringMatchKind.Exact => _exact,
            StringMatchKind.Prefix => _prefixes,
            _ => _suffixes,
        };
    }
}
