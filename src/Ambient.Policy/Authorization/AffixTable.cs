namespace Ambient.Policy.Authorization;

/// <summary>
/// Texts by what they begin with, or by what they end with. Affixes are sorted, and each knows the longest other one that it begins with
/// itself: the last affix that is not behind a text, and those above it, are all that the text can begin with.
/// </summary>
internal sealed class AffixTable
{
    private readonly string[] _affixes;
    private readonly int[] _above;
    private readonly int[][] _rules;
    private readonly bool _fromEnd;
    private readonly StringComparison _comparison;

    /// <summary>Creates a table.</summary>
    /// <param name="rules">Rules by affix, in ascending order.</param>
    /// <param name="fromEnd">Whether texts end with the affixes.</param>
    /// <param name="comparison">Ordinal, or ordinal without regard to case.</param>
    internal AffixTable(IReadOnlyDictionary<string, List<int>> rules, bool fromEnd, StringComparison comparison)
    {
        _fromEnd = fromEnd;
        _comparison = comparison;
        _affixes = [.. rules.Keys];
        Array.Sort(_affixes, (left, right) => Compare(left, right));
        _rules = [.. _affixes.Select(affix => rules[affix].ToArray())];
        _above = new int[_affixes.Length];
        for (var i = 0; i < _affixes.Length; i++)
        {
            var above = i - 1;
            while (above >= 0 && !Has(_affixes[i], _affixes[above]))
            {
                above = _above[above];
            }

            _above[i] = above;
        }
    }

    /// <summary>The place of the longest affix that a text has; -1: it has none.</summary>
    internal int Find(ReadOnlySpan<char> text)
    {
        var (low, high) = (0, _affixes.Length);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (Compare(_affixes[middle], text) <= 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        var place = low - 1;
        while (place >= 0 && !Has(text, _affixes[place]))
        {
            place = _above[place];
        }

        return place;
    }

    /// <summary>The place of the next shorter affix; -1: there is none.</summary>
    internal int Above(int place) => _above[place];

    /// <summary>The rules of an affix.</summary>
    internal int[] Rules(int place) => _rules[place];

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
