using System.Collections;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Ambient.Mesh;

/// <summary>What all maps have in common, whatever is in them.</summary>
internal static class SharedMap
{
    /// <summary>Stands for the value of a key that was removed.</summary>
    internal static readonly object Removed = new();
}

/// <summary>
/// An immutable map that shares what did not change with the one it was made from: a large hash table that is never written again, and
/// the few entries that differ from it. Cheaper than a tree for a mesh that is loaded at once and then changes a little at a time: to
/// fill it, to look something up, and in bytes for each entry.
/// </summary>
internal sealed class SharedMap<TKey, TValue> : IReadOnlyDictionary<TKey, TValue>
    where TKey : notnull
{
    // The share of the table up to which differences are kept beside it. Beyond, the table is made anew: a copy that
    // is paid for by as many changes as make up this share.
    private const int Share = 16;
    private const int AlwaysBeside = 32;

    private readonly Dictionary<TKey, TValue> _table;

    // What a key has now, or Removed. Objects whatever the values are: of each tree that .NET lays out for a pair of types of its own a process has
    // 13 KB more at rest, and there are many maps and few changes.
    private readonly ImmutableDictionary<TKey, object?> _changes;

    private SharedMap(Dictionary<TKey, TValue> table, ImmutableDictionary<TKey, object?> changes, int count)
    {
        _table = table;
        _changes = changes;
        Count = count;
    }

    private static object Removed => SharedMap.Removed;

    internal static SharedMap<TKey, TValue> Empty { get; } = new([], ImmutableDictionary<TKey, object?>.Empty, 0);

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public IEnumerable<TKey> Keys
    {
        get
        {
            foreach (var (key, _) in this)
            {
                yield return key;
            }
        }
    }

    /// <inheritdoc/>
    public IEnumerable<TValue> Values
    {
        get
        {
            foreach (var (_, value) in this)
            {
                yield return value;
            }
        }
    }

    /// <inheritdoc/>
    public TValue this[TKey key] => TryGetValue(key, out var value) ? value : throw new KeyNotFoundException($"the key {key} is not in the map");

    /// <inheritdoc/>
    public bool TryGetValue(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        object? now = null;
        return Find(_table, !_changes.IsEmpty && _changes.TryGetValue(key, out now), now, key, out value);
    }

    /// <inheritdoc/>
    public bool ContainsKey(TKey key) => TryGetValue(key, out _);

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<TKey, TValue>> GetEnumerator()
    {
        foreach (var pair in _table)
        {
            if (_changes.IsEmpty || !_changes.ContainsKey(pair.Key))
            {
                yield return pair;
            }
        }

        foreach (var (key, now) in _changes)
        {
            if (now != Removed)
            {
                yield return new(key, (TValue)now!);
            }
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal Builder ToBuilder() => new(this);

    private static bool Find(Dictionary<TKey, TValue> table, bool isChanged, object? now, TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        if (isChanged)
        {
            value = now == Removed ? default : (TValue)now!;
            return now != Removed;
        }

        return table.TryGetValue(key, out value);
    }

    /// <summary>Makes the next map; not thread-safe. The map it began with stays as it is.</summary>
    internal sealed class Builder
    {
        private SharedMap<TKey, TValue> _start;
        private ImmutableDictionary<TKey, object?>.Builder? _changes;

        // The table of the next map, once there is more to change than is kept beside the old one.
        private Dictionary<TKey, TValue>? _table;

        internal Builder(SharedMap<TKey, TValue> start)
        {
            _start = start;
            Count = start.Count;
        }

        internal int Count { get; private set; }

        internal IEnumerable<TKey> Keys => ToImmutable().Keys;

        internal TValue this[TKey key]
        {
            set
            {
                if (_table is { } table)
                {
                    CollectionsMarshal.GetValueRefOrAddDefault(table, key, out var wasThere) = value;
                    Count += wasThere ? 0 : 1;
                    return;
                }

                Count += ContainsKey(key) ? 0 : 1;
                Write(key, value);
            }
        }

        internal bool TryGetValue(TKey key, [MaybeNullWhen(false)] out TValue value)
        {
            object? now = null;
            return _table is { } table ? table.TryGetValue(key, out value)
                : _changes is { } changes ? Find(_start._table, changes.TryGetValue(key, out now), now, key, out value)
                : _start.TryGetValue(key, out value);
        }

        internal bool ContainsKey(TKey key) => TryGetValue(key, out _);

        internal TValue? GetValueOrDefault(TKey key) => TryGetValue(key, out var value) ? value : default;

        internal bool Remove(TKey key) => Remove(key, out _);

        internal bool Remove(TKey key, [MaybeNullWhen(false)] out TValue value)
        {
            if (!TryGetValue(key, out value))
            {
                return false;
            }

            Count--;
            Write(key, Removed);
            return true;
        }

        /// <summary>Makes room for that many more keys, where there are so many that the table is made anew for them.</summary>
        internal void EnsureCapacity(int more)
        {
            if (_table is null && more > AlwaysBeside && more > _start._table.Count / Share)
            {
                _table = MakeTable(Count + more);
            }
            else
            {
                _table?.EnsureCapacity(Count + more);
            }
        }

        /// <summary>The map as it is now; the same one as before when nothing was written since.</summary>
        internal SharedMap<TKey, TValue> ToImmutable()
        {
            if (_table is { } table)
            {
                // The hash table doubles as it grows; a mesh is kept for days.
                if (table.Capacity > table.Count + (table.Count / 4))
                {
                    table.TrimExcess();
                }

                _start = new SharedMap<TKey, TValue>(table, ImmutableDictionary<TKey, object?>.Empty, table.Count);
            }
            else if (_changes is { } changes)
            {
                _start = new SharedMap<TKey, TValue>(_start._table, changes.ToImmutable(), Count);
            }

            (_table, _changes) = (null, null);
            return _start;
        }

        private void Write(TKey key, object? now)
        {
            if (_table is null)
            {
                _changes ??= _start._changes.ToBuilder();
                if (_changes.Count < AlwaysBeside || _changes.Count < _start._table.Count / Share)
                {
                    _changes[key] = now;
                    return;
                }

                _table = MakeTable(_start._table.Count);
            }

            Apply(_table, key, now);
        }

        /// <summary>A table of what there is now, with the changes so far applied.</summary>
        private Dictionary<TKey, TValue> MakeTable(int capacity)
        {
            var table = _start._table.Count > 0 ? new Dictionary<TKey, TValue>(_start._table) : [];
            table.EnsureCapacity(capacity);
            foreach (var (changed, change) in _changes ?? (IEnumerable<KeyValuePair<TKey, object?>>)_start._changes)
            {
                Apply(table, changed, change);
            }

            _changes = null;
            return table;
        }

        private static void Apply(Dictionary<TKey, TValue> table, TKey key, object? now)
        {
            if (now != Removed)
            {
                table[key] = (TValue)now!;
            }
            else
            {
                table.Remove(key);
            }
        }
    }
}
