using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Ambient.Policy.Indexing;

namespace Ambient.Policy.Authorization;

/// <summary>Makes the next index of an index: rules out, rules in. What is not written to stays the same instance.</summary>
internal sealed class RuleIndexEditor
{
    /// <summary>How many attributes are one text: the first of <see cref="RuleAttribute"/>.</summary>
    internal const int TextAttributes = (int)RuleAttribute.Header;

    // What a look at one more table costs, in rules.
    private const int NewTable = 4;

    private readonly TextTable.Editor?[] _texts = new TextTable.Editor?[TextAttributes];
    private readonly RangeTable.Editor?[] _ranges = new RangeTable.Editor?[3];
    private readonly Dictionary<string, TextTable.Editor> _headers = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, TextTable.Editor> _claims = new(StringComparer.Ordinal);
    private readonly OrderedLists<int, CompiledPolicyRule> _ports;
    private readonly OrderedLists<bool, CompiledPolicyRule> _others;
    private Dictionary<RuleKey, int>? _uses;

    internal RuleIndexEditor(RuleIndex start)
    {
        Start = start;
        Count = start.Count;
        _ports = new OrderedLists<int, CompiledPolicyRule>(start.Ports.Find, EqualityComparer<int>.Default, Comparer<CompiledPolicyRule>.Default);
        _others = new OrderedLists<bool, CompiledPolicyRule>(_ => ImmutableCollectionsMarshal.AsArray(start.Others), EqualityComparer<bool>.Default, Comparer<CompiledPolicyRule>.Default);
        foreach (var (name, table) in start.Headers)
        {
            _headers.Add(name, new TextTable.Editor(table));
        }

        foreach (var (name, _, table) in start.Claims)
        {
            _claims.Add(name, new TextTable.Editor(table));
        }
    }

    internal RuleIndex Start { get; }

    internal int Count { get; private set; }

    internal int Changes { get; private set; }

    internal ImmutableArray<CompiledPolicyRule> Others =>
        _others.Changes is [var (_, rules)] ? ImmutableCollectionsMarshal.AsImmutableArray(rules ?? []) : Start.Others;

    internal ImmutableArray<TextTable> Texts => [.. Start.Texts.Select((table, attribute) => _texts[attribute]?.ToTable() ?? table)];

    internal ImmutableArray<(string Name, TextTable Table)> Headers =>
        [.. _headers.Select(name => (name.Key, Table: name.Value.ToTable())).Where(name => !name.Table.IsEmpty)];

    internal ImmutableArray<(string Name, string[] Path, TextTable Table)> Claims =>
        [.. _claims.Select(name => (name.Key, Path: name.Key.Split(RuleIndex.ClaimSeparator), Table: name.Value.ToTable())).Where(name => !name.Table.IsEmpty)];

    internal SharedTable<int, CompiledPolicyRule[]> Ports => Start.Ports.With(_ports.Changes);

    internal ImmutableArray<RangeTable> Ranges => [.. Start.Ranges.Select((table, place) => _ranges[place]?.ToTable() ?? table)];

    /// <summary>Looks over all policies of an index that is to be made anew, so that each rule is found by what the fewest ask for.</summary>
    internal void Survey(ImmutableArray<CompiledPolicy> policies)
    {
        _uses = [];
        foreach (var policy in policies)
        {
            foreach (var rule in policy.Rules)
            {
                foreach (var key in Keys(rule.Matcher))
                {
                    _uses[key] = _uses.GetValueOrDefault(key) + 1;
                }
            }
        }

        // The places for names go to those that most rules ask for.
        Prefer(RuleAttribute.Header, _headers);
        Prefer(RuleAttribute.Claim, _claims);

        void Prefer(RuleAttribute attribute, Dictionary<string, TextTable.Editor> tables)
        {
            var most = RuleIndex.MaxNames;
            foreach (var name in _uses.Where(use => use.Key.Attribute == attribute)
                .GroupBy(use => use.Key.Name, use => use.Value, tables.Comparer)
                .OrderByDescending(name => name.Sum()).ThenBy(name => name.Key, StringComparer.Ordinal))
            {
                if (most-- == 0)
                {
                    break;
                }

                TableOf(tables, name.Key);
            }
        }
    }

    /// <summary>Takes the rules of policies out.</summary>
    internal void Remove(ImmutableArray<CompiledPolicy> policies)
    {
        foreach (var rule in policies.SelectMany(policy => policy.Rules))
        {
            // By which of its keys it is found is not remembered: it is taken out wherever it is.
            foreach (var key in Keys(rule.Matcher))
            {
                Remove(key, rule);
            }

            _others.Remove(true, rule);
            Count--;
        }
    }

    /// <summary>Puts the rules of policies in, which are in the order of evaluation.</summary>
    internal void Add(ImmutableArray<CompiledPolicy> policies)
    {
        foreach (var policy in policies)
        {
            foreach (var rule in policy.Rules)
            {
                if (Choose(rule.Matcher) is { } choice)
                {
                    choice.AddTo(this, rule);
                }
                else
                {
                    _others.Add(true, rule);
                }

                Count++;
            }
        }
    }

    internal RuleIndex ToIndex(int changes)
    {
        Changes = changes;
        return new RuleIndex(this);
    }

    private static IEnumerable<RuleKey> Keys(IRequestMatcher matcher) => matcher switch
    {
        AllOf all => all.Parts.SelectMany(Keys),
        AnyOf any => any.Parts.SelectMany(Keys),
        _ => matcher.Key is { } key ? [key] : [],
    };

    /// <summary>Values, one of which a request must have for the matcher to match; null when there are none such.</summary>
    private Choice? Choose(IRequestMatcher matcher)
    {
        switch (matcher)
        {
            case AllOf all:
                Choice? best = null;
                foreach (var part in all.Parts)
                {
                    if (Choose(part) is { } choice && (best is null || choice.Cost < best.Cost))
                    {
                        best = choice;
                    }
                }

                return best;
            case AnyOf any:
                var together = new Choice(null, [], 0);
                foreach (var part in any.Parts)
                {
                    if (Choose(part) is not { } choice)
                    {
                        return null;
                    }

                    together.Parts.Add(choice);
                    together.Cost += choice.Cost;
                }

                return together;
            default:
                return matcher.Key is { } key && (Start.OfRequests || key.IsOfConnections) && CostOf(key) is { } cost ? new Choice(key, [], cost) : null;
        }
    }

    /// <summary>How many rules a key finds, with one more; null where rules cannot be found by it. A table that is empty otherwise costs each request a look.</summary>
    private int? CostOf(RuleKey key)
    {
        var (count, isEmpty) = key.Attribute switch
        {
            RuleAttribute.Port => (_ports.Count(key.Port), Start.Ports.Count == 0),
            RuleAttribute.Source or RuleAttribute.Remote or RuleAttribute.Destination => (RangesOf(key).Count(key.Range), RangesOf(key).StartsEmpty),
            _ => TextsOf(key) is { } table ? (table.Count(key.Match), table.StartsEmpty) : (default(int?), false),
        };
        return count is null ? null : _uses is null ? count + (isEmpty ? NewTable : 1) : _uses[key];
    }

    private void Add(RuleKey key, CompiledPolicyRule rule)
    {
        switch (key.Attribute)
        {
            case RuleAttribute.Port:
                _ports.Add(key.Port, rule);
                break;
            case RuleAttribute.Source or RuleAttribute.Remote or RuleAttribute.Destination:
                RangesOf(key).Add(key.Range, rule);
                break;
            default:
                TextsOf(key)!.Add(key.Match, rule);
                break;
        }
    }

    private void Remove(RuleKey key, CompiledPolicyRule rule)
    {
        switch (key.Attribute)
        {
            case RuleAttribute.Port:
                _ports.Remove(key.Port, rule);
                break;
            case RuleAttribute.Source or RuleAttribute.Remote or RuleAttribute.Destination:
                RangesOf(key).Remove(key.Range, rule);
                break;
            default:
                TextsOf(key)?.Remove(key.Match, rule);
                break;
        }
    }

    private RangeTable.Editor RangesOf(RuleKey key)
    {
        var place = key.Attribute - RuleAttribute.Source;
        return _ranges[place] ??= new RangeTable.Editor(Start.Ranges[place]);
    }

    private TextTable.Editor? TextsOf(RuleKey key) => key.Attribute switch
    {
        RuleAttribute.Header => TableOf(_headers, key.Name),
        RuleAttribute.Claim => TableOf(_claims, key.Name),
        var attribute => _texts[(int)attribute] ??= new TextTable.Editor(Start.Texts[(int)attribute]),
    };

    private static TextTable.Editor? TableOf(Dictionary<string, TextTable.Editor> tables, string name)
    {
        if (!tables.TryGetValue(name, out var table) && tables.Count < RuleIndex.MaxNames)
        {
            tables.Add(name, table = new TextTable.Editor(new TextTable(ignoreCase: false)));
        }

        return table;
    }

    private sealed record Choice(RuleKey? Key, List<Choice> Parts, int Cost)
    {
        public int Cost { get; set; } = Cost;

        public void AddTo(RuleIndexEditor editor, CompiledPolicyRule rule)
        {
            if (Key is { } key)
            {
                editor.Add(key, rule);
            }

            foreach (var part in Parts)
            {
                part.AddTo(editor, rule);
            }
        }
    }
}
