namespace Ambient.Policy.Indexing;

/// <summary>
/// An immutable hash table that shares with the one that it was made from all but the few hundred bytes around what has changed. A look costs
/// what one into a dictionary costs, be the table old or new.
/// </summary>
/// <typeparam name="TKey">Keys.</typeparam>
/// <typeparam name="TValue">Values.</typeparam>
internal sealed class SharedTable<TKey, TValue>
    where TKey : notnull
    where TValue : class
{
    // A change copies one part's array, the array of parts, and one slot.
    private const int PartBits = 6;
    private const int MinBits = PartBits;
    private const int MaxBits = 24;

    private readonly IEqualityComparer<TKey> _comparer;
    private readonly Entry[]?[][] _parts;
    private readonly int _bits;

    private SharedTable(IEqualityComparer<TKey> comparer, Entry[]?[][] parts, int bits, int count)
    {
        (_comparer, _parts, _bits) = (comparer, parts, bits);
        Count = count;
    }

    /// <summary>How many keys it has.</summary>
    internal int Count { get; }

    /// <summary>A table of nothing.</summary>
    internal static SharedTable<TKey, TValue> Create(IEqualityComparer<TKey> comparer) => Create(comparer, MinBits);

    /// <summary>The value of a key; null where it has none.</summary>
    internal TValue? Find(TKey key)
    {
        var hash = _comparer.GetHashCode(key);
        foreach (ref readonly var entry in Near(hash))
        {
            if (entry.HashCode == hash && _comparer.Equals(entry.Key, key))
            {
                return entry.Value;
            }
        }

        return null;
    }

    /// <summary>The few entries among which a key of this hash code is, if it is there: for keys that are sought in another form.</summary>
    internal ReadOnlySpan<Entry> Near(int hashCode) => Slot(Spread(hashCode));

    /// <summary>The same table but for some keys; null for a value means that the key is gone.</summary>
    internal SharedTable<TKey, TValue> With(IReadOnlyCollection<KeyValuePair<TKey, TValue?>> changes)
    {
        if (changes.Count == 0)
        {
            return this;
        }

        // Two entries for each slot at most, so that a look compares one or two.
        var bits = _bits;
        while (bits < MaxBits && Count + changes.Count > 2 << bits)
        {
            bits++;
        }

        var editor = new Editor(bits == _bits ? this : Grown(bits), isOwned: bits != _bits);
        foreach (var (key, value) in changes)
        {
            editor.Set(key, value);
        }

        return editor.ToTable();
    }

    private static SharedTable<TKey, TValue> Create(IEqualityComparer<TKey> comparer, int bits)
    {
        var parts = new Entry[]?[1 << (bits - PartBits)][];
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i] = new Entry[]?[1 << PartBits];
        }

        return new SharedTable<TKey, TValue>(comparer, parts, bits, 0);
    }

    private SharedTable<TKey, TValue> Grown(int bits)
    {
        var editor = new Editor(Create(_comparer, bits), isOwned: true);
        foreach (var part in _parts)
        {
            foreach (var slot in part)
            {
                foreach (ref readonly var entry in slot.AsSpan())
                {
                    editor.Set(entry);
                }
            }
        }

        return editor.ToTable();
    }

    private static uint Spread(int hash) => (uint)hash * 0x9E3779B1;

    private Entry[]? Slot(uint hash)
    {
        var place = hash >> (32 - _bits);
        return _parts[place >> PartBits][place & ((1 << PartBits) - 1)];
    }

    /// <summary>A key and its value.</summary>
    /// <param name="HashCode">The key's hash code, by the table's comparer.</param>
    /// <param name="Key">The key.</param>
    /// <param name="Value">The value.</param>
    internal readonly record struct Entry(int HashCode, TKey Key, TValue Value);

    /// <summary>Makes the next table; copies a part when it first writes to it.</summary>
    private struct Editor(SharedTable<TKey, TValue> start, bool isOwned)
    {
        private readonly Entry[]?[][] _parts = isOwned ? start._parts : [.. start._parts];
        private int _count = start.Count;

        internal void Set(TKey key, TValue? value)
        {
            var hash = start._comparer.GetHashCode(key);
            var slot = (int)(Spread(hash) >> (32 - start._bits));
            var entries = _parts[slot >> PartBits][slot & ((1 << PartBits) - 1)];
            var found = -1;
            for (var i = 0; entries is not null && i < entries.Length; i++)
            {
                if (entries[i].HashCode == hash && start._comparer.Equals(entries[i].Key, key))
                {
                    found = i;
                    break;
                }
            }

            if (found < 0)
            {
                if (value is not null)
                {
                    Put(slot, [.. entries ?? [], new Entry(hash, key, value)]);
                    _count++;
                }

                return;
            }

            Entry[] next = value is null ? [.. entries![..found], .. entries[(found + 1)..]] : [.. entries!];
            if (value is null)
            {
                _count--;
            }
            else
            {
                next[found] = new Entry(hash, key, value);
            }

            Put(slot, next.Length == 0 ? null : next);
        }

        internal void Set(in Entry entry)
        {
            var slot = (int)(Spread(entry.HashCode) >> (32 - start._bits));
            Put(slot, [.. _parts[slot >> PartBits][slot & ((1 << PartBits) - 1)] ?? [], entry]);
            _count++;
        }

        internal readonly SharedTable<TKey, TValue> ToTable() => new(start._comparer, _parts, start._bits, _count);

        private readonly void Put(int slot, Entry[]? entries)
        {
            var part = slot >> PartBits;
            if (!isOwned && ReferenceEquals(_parts[part], start._parts[part]))
            {
                _parts[part] = [.. _parts[part]];
            }

            _parts[part][slot & ((1 << PartBits) - 1)] = entries;
        }
    }
}
