using System.Runtime.InteropServices;

namespace Ambient.Policy.Indexing;

/// <summary>What becomes of a table's lists: those of the keys that are written to, as they will be. Each is in order, and has nothing twice.</summary>
/// <param name="current">The table's present list of a key.</param>
/// <param name="comparer">How keys are compared.</param>
/// <param name="order">The order of the lists.</param>
internal sealed class OrderedLists<TKey, TItem>(Func<TKey, TItem[]?> current, IEqualityComparer<TKey> comparer, IComparer<TItem> order)
    where TKey : notnull
{
    private readonly Dictionary<TKey, List<TItem>> _changed = new(comparer);

    /// <summary>The lists that were written to; null: the key has nothing any more.</summary>
    internal KeyValuePair<TKey, TItem[]?>[] Changes =>
        [.. _changed.Select(entry => KeyValuePair.Create(entry.Key, entry.Value.Count == 0 ? null : entry.Value.ToArray()))];

    /// <summary>How much a key finds.</summary>
    internal int Count(TKey key) => _changed.TryGetValue(key, out var list) ? list.Count : current(key)?.Length ?? 0;

    /// <summary>Adds an item, unless it is there.</summary>
    internal void Add(TKey key, TItem item)
    {
        var list = ListOf(key);
        if (list.Count == 0 || order.Compare(list[^1], item) < 0)
        {
            list.Add(item);
        }
        else if (Find(CollectionsMarshal.AsSpan(list), item, out var place) is false)
        {
            list.Insert(place, item);
        }
    }

    /// <summary>Takes an item out, if it is there.</summary>
    internal void Remove(TKey key, TItem item)
    {
        var list = _changed.TryGetValue(key, out var changed) ? CollectionsMarshal.AsSpan(changed) : current(key).AsSpan();
        if (Find(list, item, out var place))
        {
            ListOf(key).RemoveAt(place);
        }
    }

    /// <summary>Looks for an item among those that have its order, of which there may be several. False: it is not there, and would come behind them.</summary>
    private bool Find(ReadOnlySpan<TItem> list, TItem item, out int place)
    {
        place = list.BinarySearch(item, order);
        if (place < 0)
        {
            place = ~place;
            return false;
        }

        while (place > 0 && order.Compare(list[place - 1], item) == 0)
        {
            place--;
        }

        for (; place < list.Length && order.Compare(list[place], item) == 0; place++)
        {
            if (EqualityComparer<TItem>.Default.Equals(list[place], item))
            {
                return true;
            }
        }

        return false;
    }

    private List<TItem> ListOf(TKey key)
    {
        if (!_changed.TryGetValue(key, out var list))
        {
            _changed.Add(key, list = [.. current(key) ?? []]);
        }

        return list;
    }
}
