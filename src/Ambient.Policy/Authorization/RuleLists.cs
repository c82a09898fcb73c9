using System.Runtime.InteropServices;

namespace Ambient.Policy.Authorization;

/// <summary>What becomes of a table's lists of rules: those of the keys that are written to, as they will be. Each is in the order of evaluation.</summary>
/// <param name="current">The table's present list of a key.</param>
/// <param name="comparer">How keys are compared.</param>
internal sealed class RuleLists<TKey>(Func<TKey, CompiledPolicyRule[]?> current, IEqualityComparer<TKey> comparer)
    where TKey : notnull
{
    private readonly Dictionary<TKey, List<CompiledPolicyRule>> _changed = new(comparer);

    /// <summary>The lists that were written to; null: the key has no rule any more.</summary>
    internal KeyValuePair<TKey, CompiledPolicyRule[]?>[] Changes =>
        [.. _changed.Select(entry => KeyValuePair.Create(entry.Key, entry.Value.Count == 0 ? null : entry.Value.ToArray()))];

    /// <summary>How many rules a key finds.</summary>
    internal int Count(TKey key) => _changed.TryGetValue(key, out var list) ? list.Count : current(key)?.Length ?? 0;

    /// <summary>Adds a rule, unless it is there.</summary>
    internal void Add(TKey key, CompiledPolicyRule rule)
    {
        var list = ListOf(key);
        if (list.Count == 0 || list[^1].CompareTo(rule) < 0)
        {
            list.Add(rule);
        }
        else if (list.BinarySearch(rule) is var place and < 0)
        {
            list.Insert(~place, rule);
        }
    }

    /// <summary>Takes a rule out, if it is there.</summary>
    internal void Remove(TKey key, CompiledPolicyRule rule)
    {
        var list = _changed.TryGetValue(key, out var changed) ? CollectionsMarshal.AsSpan(changed) : current(key).AsSpan();
        var place = list.BinarySearch(rule);
        if (place >= 0 && ReferenceEquals(list[place], rule))
        {
            ListOf(key).RemoveAt(place);
        }
    }

    private List<CompiledPolicyRule> ListOf(TKey key)
    {
        if (!_changed.TryGetValue(key, out var list))
        {
            _changed.Add(key, list = [.. current(key) ?? []]);
        }

        return list;
    }
}
