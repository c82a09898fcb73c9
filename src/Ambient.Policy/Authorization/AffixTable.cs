namespace Ambient.Policy.Authorization;

/// <summary>
/// Texts by what they begin with, or by what they end with. Affixes are sorted, and each knows the longest other one that it begins with
/// itself: the last affix that is not behind a text, and those above it, are all that the text can begin with.
/// </summary>
internal sealed class AffixTable
{
    private readonly string[] _affixes;
    private readonly int[] _above;
    private readonly CompiledPolicyRule[][] _rules;
    private readonly bool _fromEnd;
    private readonly StringComparison _comparison;

    /// <summary>Creates a table of nothing.</summary>
    /// <param name="fromEnd">Whether texts end with the affixes.</param>
    /// <param name="comparison">Ordinal, or ordinal without regard to case.</param>
    internal AffixTable(bool fromEnd, StringComparison comparison)
        : this([], [], [], fromEnd, comparison)
    {
    }

    private AffixTable(string[] affixes, int[] above, CompiledPolicyRule[][] rules, bool fromEnd, StringComparison comparison) =>
        (_affixes, _above, _rules, _fromEnd, _comparison) = (affixes, above, rules, fromEnd, comparison);

    /// <summary>Whether it has none.</summary>
    internal bool IsEmpty => _affixes.Length == 0;

    /// <summary>The rules of exactly this affix; null: it has none.</summary>
    internal CompiledPolicyRule[]? RulesOf(string affix) => PlaceOf(affix) is var place and >= 0 ? _rules[place] : null;

    /// <summary>The same table but for the rules of some affixes, each named once; null means that an affix is gone.</summary>
    internal AffixTable With(KeyValuePair<string, CompiledPolicyRule[]?>[] changes)
    {
        if (changes.Length == 0)
        {
            return this;
        }

        if (Array.TrueForAll(changes, change => change.Value is not null && PlaceOf(change.Key) >= 0))
        {
            CompiledPolicyRule[][] same = [.. _rules];
            foreach (var (affix, own) in changes)
            {
                same[PlaceOf(affix)] = own!;
            }

            return new AffixTable(_affixes, _above, same, _fromEnd, _comparison);
        }

        Array.Sort(changes, (left, right) => Compare(left.Key, right.Key));
        var (affixes, rules) = (new List<string>(_affixes.Length + changes.Length), new List<CompiledPolicyRule[]>(_affixes.Length + changes.Length));
        var next = 0;
        foreach (var (affix, own) in changes)
        {
            // What is in front of it stays as it is.
            var place = PlaceOf(affix);
            var upTo = place >= 0 ? place : ~place;
            affixes.AddRange(_affixes.AsSpan(next, upTo - next));
            rules.AddRange(_rules.AsSpan(next, upTo - next));
            next = place >= 0 ? place + 1 : upTo;
            if (own is not null)
            {
                affixes.Add(affix);
                rules.Add(own);
            }
        }

        affixes.AddRange(_affixes.AsSpan(next));
        rules.AddRange(_rules.AsSpan(next));
        string[] all = [.. affixes];
        return new AffixTable(all, Above(all), [.. rules], _fromEnd, _comparison);
    }

    private int[] Above(string[] affixes)
    {
        var all = new int[affixes.Length];
        for (var i = 0; i < affixes.Length; i++)
        {
            var above = i - 1;
            while (above >= 0 && !Has(affixes[i], affixes[above]))
            {
                above = all[above];
            }

            all[i] = above;
        }

        return all;
    }

    /// <summary>The place of the longest affix that a text has; -1: it has none.</summary>
    internal int Find(ReadOnlySpan<char> text)
    {
        var found = PlaceOf(text);
        var place = found >= 0 ? found : ~found - 1;
        while (place >= 0 && !Has(text, _affixes[place]))
        {
            place = _above[place];
        }

        return place;
    }

    /// <summary>The place of the next shorter affix; -1: there is none.</summary>
    internal int Above(int place) => _above[place];

    /// <summary>The rules of an affix.</summary>
    internal CompiledPolicyRule[] Rules(int place) => _rules[place];

    // The place of an affix; where there is no such, the complement of the place that it would have.
    private int PlaceOf(ReadOnlySpan<char> text)
    {
        var (low, high) = (0, _affixes.Length);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            var order = Compare(_affixes[middle], text);
            if (order == 0)
            {
                return middle;
            }

            (low, high) = order < 0 ? (middle + 1, high) : (low, middle);
        }

        return ~low;
    }

    private bool Has(ReadOnlySpan<char> text, ReadOnlySpan<char> affix) => _fromEnd ? text.EndsWith(affix, _comparison) : text.StartsWith(affix, _comparison);

    private int Compare(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        if (!_fromEnd)
        {
            return left.CompareTo(right, _comparison);
        }

        var common = Math.Min(left.Length, right.Length);
        for (var i = 1; i <= common; i++)
        {
            var (a, b) = (left[^i], right[^i]);
            if (a != b && _comparison == StringComparison.OrdinalIgnoreCase)
            {
                (a, b) = (char.ToUpperInvariant(a), char.ToUpperInvariant(b));
            }

            if (a != b)
            {
                return a - b;
            }
        }

        return left.Length - right.Length;
    }
}
