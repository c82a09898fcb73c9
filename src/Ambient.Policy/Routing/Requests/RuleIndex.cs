using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// Rules in their order, found by the path that they compare: of ten thousand, a request is tested against the few that could match. The result is the
/// same as testing all of them in order.
/// </summary>
internal sealed class RuleIndex
{
    // Below this looking at all of them is as fast.
    private const int WorthIndexing = 16;

    // Prefixes of one path that rules compare; a path that has more is looked for among all.
    private const int MaxLists = 32;

    private readonly Dictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _exact;
    private readonly Dictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _prefixes;
    private readonly int[] _lengths;
    private readonly int[] _others;
    private readonly bool _isIndexed;
    private readonly bool _anyPort;
    private readonly HashSet<int> _ports;

    internal RuleIndex(IEnumerable<CompiledRule> rules)
    {
        Rules = [.. rules];
        _anyPort = Rules.Any(rule => rule.Port is null);
        _ports = [.. Rules.Where(rule => rule.Port is not null).Select(rule => rule.Port!.Value)];
        _isIndexed = Rules.Length >= WorthIndexing;
        var (exact, prefixes, others) = (new Dictionary<string, List<int>>(), new Dictionary<string, List<int>>(), new List<int>());
        for (var i = 0; _isIndexed && i < Rules.Length; i++)
        {
            var match = Rules[i].Match;
            var list = match.IgnoresCase ? others : match.PathKind switch
            {
                PathMatchKind.Exact => ListOf(exact, match.Path),
                PathMatchKind.Prefix or PathMatchKind.TextPrefix => ListOf(prefixes, match.Path),
                _ => others,
            };
            list.Add(i);
        }

        _exact = Frozen(exact);
        _prefixes = Frozen(prefixes);
        _lengths = [.. prefixes.Keys.Select(prefix => prefix.Length).Distinct().Order()];
        _others = [.. others];
    }

    /// <summary>The rules.</summary>
    internal ImmutableArray<CompiledRule> Rules { get; }

    /// <summary>Whether there is a rule for requests to a port.</summary>
    internal bool HasRulesFor(int port) => _anyPort || _ports.Contains(port);

    /// <summary>The first rule that a request matches; null when it matches none.</summary>
    internal CompiledRule? FirstMatch(in RouteFacts request)
    {
        if (!_isIndexed)
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

        if (_exact.TryGetValue(path, out var found))
        {
            lists[count++] = found;
        }

        foreach (var length in _lengths)
        {
            if (length > path.Length)
            {
                break;
            }

            if (_prefixes.TryGetValue(path[..length], out found))
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
            var (list, earliest) = (-1, int.MaxValue);
            for (var i = 0; i < count; i++)
            {
                if (next[i] < lists[i].Length && lists[i][next[i]] < earliest)
                {
                    (list, earliest) = (i, lists[i][next[i]]);
                }
            }

            if (list < 0)
            {
                return null;
            }

            if (Rules[earliest].Matches(request))
            {
                return Rules[earliest];
            }

            next[list]++;
        }
    }

    private CompiledRule? FirstOfAll(in RouteFacts request)
    {
        foreach (var rule in Rules.AsSpan())
        {
            if (rule.Matches(request))
            {
                return rule;
            }
        }

        return null;
    }

    private static List<int> ListOf(Dictionary<string, List<int>> lists, string key)
    {
        if (!lists.TryGetValue(key, out var list))
        {
            lists.Add(key, list = []);
        }

        return list;
    }

    private static Dictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> Frozen(Dictionary<string, List<int>> lists) =>
        lists.ToDictionary(entry => entry.Key, entry => entry.Value.ToArray(), StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();

    [System.Runtime.CompilerServices.InlineArray(MaxLists)]
    private struct Lists
    {
        private int[] _first;
    }
}
