using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Indexing;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// Rules in their order, found by the path that they compare: of ten thousand, a request is tested against the few that could match. The result is the
/// same as testing all of them in order. Immutable: what changes of the rules makes another index, which shares with this one what it does not concern.
/// </summary>
internal sealed class RuleIndex
{
    // Below this looking at all of them is as fast.
    private const int WorthIndexing = 16;

    // Prefixes of one path that rules compare; a path that has more is looked for among all.
    private const int MaxLists = 32;

    internal static readonly RuleIndex Empty = new(
        [], isSorted: true, SharedTable<string, PlacedRule[]>.Create(StringComparer.Ordinal), SharedTable<string, PlacedRule[]>.Create(StringComparer.Ordinal), [], []);

    private readonly SharedTable<string, PlacedRule[]> _exact;
    private readonly SharedTable<string, PlacedRule[]> _prefixes;
    private readonly PlacedRule[] _others;
    private readonly bool _isSorted;
    private readonly bool _anyPort;
    private readonly HashSet<int> _ports = [];

    // How many prefixes there are of each length, by length.
    private readonly (int Length, int Count)[] _lengths;

    private RuleIndex(
        ImmutableArray<PlacedRule> rules,
        bool isSorted,
        SharedTable<string, PlacedRule[]> exact,
        SharedTable<string, PlacedRule[]> prefixes,
        PlacedRule[] others,
        (int Length, int Count)[] lengths)
    {
        (Rules, _isSorted, _exact, _prefixes, _others, _lengths) = (rules, isSorted, exact, prefixes, others, lengths);
        foreach (var (rule, _) in rules.AsSpan())
        {
            if (rule.Port is { } port)
            {
                _ports.Add(port);
            }
            else
            {
                _anyPort = true;
            }
        }
    }

    /// <summary>The rules.</summary>
    internal ImmutableArray<PlacedRule> Rules { get; }

    /// <summary>Rules that are tried in the order in which they are written.</summary>
    internal static RuleIndex InOrder(IEnumerable<CompiledRule> rules) => Of([.. rules.Select((rule, place) => new PlacedRule(rule, place))], isSorted: false);

    /// <summary>Rules that are tried by precedence.</summary>
    internal static RuleIndex Sorted(IEnumerable<CompiledRule> rules) =>
        Of([.. rules.Distinct(ReferenceEqualityComparer.Instance).Cast<CompiledRule>().Select(rule => new PlacedRule(rule, 0)).Order()], isSorted: true);

    /// <summary>Whether there is a rule for requests to a port.</summary>
    internal bool HasRulesFor(int port) => _anyPort || _ports.Contains(port);

    /// <summary>These without some rules and with others, tried by precedence.</summary>
    /// <exception cref="InvalidOperationException">They are tried in written order.</exception>
    internal RuleIndex With(IReadOnlyCollection<CompiledRule> removed, IReadOnlyCollection<CompiledRule> added)
    {
        if (removed.Count == 0 && added.Count == 0)
        {
            return this;
        }

        if (!_isSorted)
        {
            return Rules.IsEmpty ? Sorted(added) : throw new InvalidOperationException("rules in written order have no place for others");
        }

        var gone = removed.ToHashSet<object>(ReferenceEqualityComparer.Instance);
        ImmutableArray<PlacedRule> rules = gone.Count == 0 ? Rules : [.. Rules.Where(rule => !gone.Contains(rule.Rule))];
        ImmutableArray<PlacedRule> more = [.. added.Select(rule => new PlacedRule(rule, 0)).Order()];
        rules = Merge(rules, more);

        // The smaller ones have nothing to share.
        return rules.Length < WorthIndexing || Rules.Length < WorthIndexing
            ? Of(rules, isSorted: true)
            : With(rules, [.. removed.Select(rule => new PlacedRule(rule, 0))], more);
    }

    /// <summary>The first rule that a request matches; null when it matches none.</summary>
    internal CompiledRule? FirstMatch(in RouteFacts request)
    {
        if (Rules.Length < WorthIndexing)
        {
            return FirstOfAll(request);
        }

        var path = request.Path.AsSpan();
        var lists = new Lists();
        Span<int> next = stackalloc int[MaxLists];
        var count = 0;
        if (_others.Length > 0)
        {
            lists[count++] = _others;
        }

        if (Find(_exact, path) is { } exact)
        {
            lists[count++] = exact;
        }

        foreach (var (length, _) in _lengths)
        {
            if (length > path.Length)
            {
                break;
            }

            if (Find(_prefixes, path[..length]) is { } found)
            {
                if (count == MaxLists)
                {
                    return FirstOfAll(request);
                }

                lists[count++] = found;
            }
        }

        next[..count].Clear();
        while (true)
        {
            // The earliest of what each list has left.
            var list = -1;
            for (var i = 0; i < count; i++)
            {
                if (next[i] < lists[i].Length && (list < 0 || lists[i][next[i]].CompareTo(lists[list][next[list]]) < 0))
                {
                    list = i;
                }
            }

            if (list < 0)
            {
                return null;
            }

            var earliest = lists[list][next[list]].Rule;
            if (earliest.Matches(request))
            {
                return earliest;
            }

            next[list]++;
        }
    }

    private CompiledRule? FirstOfAll(in RouteFacts request)
    {
        foreach (var (rule, _) in Rules.AsSpan())
        {
            if (rule.Matches(request))
            {
                return rule;
            }
        }

        return null;
    }

    private static RuleIndex Of(ImmutableArray<PlacedRule> rules, bool isSorted) => rules.Length < WorthIndexing
        ? new RuleIndex(rules, isSorted, Empty._exact, Empty._prefixes, [], [])
        : new RuleIndex([], isSorted, Empty._exact, Empty._prefixes, [], []).With(rules, [], rules);

    private RuleIndex With(ImmutableArray<PlacedRule> rules, ImmutableArray<PlacedRule> removed, ImmutableArray<PlacedRule> added)
    {
        var exact = new OrderedLists<string, PlacedRule>(_exact.Find, StringComparer.Ordinal, Comparer<PlacedRule>.Default);
        var prefixes = new OrderedLists<string, PlacedRule>(_prefixes.Find, StringComparer.Ordinal, Comparer<PlacedRule>.Default);
        var others = new OrderedLists<bool, PlacedRule>(_ => _others, EqualityComparer<bool>.Default, Comparer<PlacedRule>.Default);
        foreach (var rule in removed)
        {
            if (ListsOf(rule) is { } lists)
            {
                lists.Remove(rule.Rule.Match.Path, rule);
            }
            else
            {
                others.Remove(true, rule);
            }
        }

        foreach (var rule in added)
        {
            if (ListsOf(rule) is { } lists)
            {
                lists.Add(rule.Rule.Match.Path, rule);
            }
            else
            {
                others.Add(true, rule);
            }
        }

        var changes = prefixes.Changes;
        var lengths = new SortedDictionary<int, int>(_lengths.ToDictionary());
        foreach (var (prefix, list) in changes)
        {
            lengths[prefix.Length] = lengths.GetValueOrDefault(prefix.Length) + (list is null ? 0 : 1) - (_prefixes.Find(prefix) is null ? 0 : 1);
        }

        return new RuleIndex(
            rules,
            _isSorted,
            _exact.With(exact.Changes),
            _prefixes.With(changes),
            others.Changes is [var (_, left)] ? left ?? [] : _others,
            [.. lengths.Where(length => length.Value > 0).Select(length => (length.Key, length.Value))]);

        OrderedLists<string, PlacedRule>? ListsOf(PlacedRule rule) => rule.Rule.Match.IgnoresCase ? null : rule.Rule.Match.PathKind switch
        {
            PathMatchKind.Exact => exact,
            PathMatchKind.Prefix or PathMatchKind.TextPrefix => prefixes,
            _ => null,
        };
    }

    private static ImmutableArray<PlacedRule> Merge(ImmutableArray<PlacedRule> rules, ImmutableArray<PlacedRule> more)
    {
        var merged = ImmutableArray.CreateBuilder<PlacedRule>(rules.Length + more.Length);
        var from = 0;
        foreach (var rule in more.AsSpan())
        {
            var place = rules.BinarySearch(from, rules.Length - from, rule, Comparer<PlacedRule>.Default);
            var upTo = place >= 0 ? place + 1 : ~place;
            merged.AddRange(rules.AsSpan()[from..upTo]);
            if (place < 0)
            {
                merged.Add(rule);
            }

            from = upTo;
        }

        merged.AddRange(rules.AsSpan()[from..]);
        return merged.DrainToImmutable();
    }

    private static PlacedRule[]? Find(SharedTable<string, PlacedRule[]> table, ReadOnlySpan<char> path)
    {
        if (table.Count == 0)
        {
            return null;
        }

        var hashCode = string.GetHashCode(path);
        foreach (ref readonly var entry in table.Near(hashCode))
        {
            if (entry.HashCode == hashCode && path.SequenceEqual(entry.Key))
            {
                return entry.Value;
            }
        }

        return null;
    }

    [System.Runtime.CompilerServices.InlineArray(MaxLists)]
    private struct Lists
    {
        private PlacedRule[] _first;
    }
}
