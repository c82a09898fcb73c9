using System.Diagnostics;
using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Http2.HPack;

/// <summary>
/// The dynamic table (RFC 7541 section 2.3.2): the newest entry has index 0 here. Names and values lie one after
/// another in one byte array that is compacted when its end is reached, so that steady use allocates nothing. The
/// arrays are made on the first insertion and grow to twice the table's size at most. Not thread-safe.
/// </summary>
internal sealed class DynamicTable
{
    private byte[] _bytes = [];
    private int _used;
    private Entry[] _entries = [];
    private int _oldest;

    /// <param name="maxSize">Bytes as RFC 7541 section 4.1 counts them.</param>
    public DynamicTable(int maxSize) => MaxSize = maxSize;

    /// <summary>Entries held.</summary>
    public int Count { get; private set; }

    /// <summary>Entries inserted so far, modulo 2^32: what was inserted as number N has index <c>Inserted - 1 - N</c>.</summary>
    public uint Inserted { get; private set; }

    /// <summary>Size now, as RFC 7541 section 4.1 counts it.</summary>
    public int Size { get; private set; }

    /// <summary>Most that <see cref="Size"/> may be.</summary>
    public int MaxSize { get; private set; }

    /// <summary>Changes the size; entries that no longer fit are dropped, oldest first.</summary>
    public void Resize(int maxSize)
    {
        MaxSize = maxSize;
        EvictUntil(maxSize);
    }

    public ReadOnlySpan<byte> Name(int index)
    {
        ref readonly var entry = ref At(index);
        return _bytes.AsSpan(entry.Start, entry.NameLength);
    }

    public ReadOnlySpan<byte> Value(int index)
    {
        ref readonly var entry = ref At(index);
        return _bytes.AsSpan(entry.Start + entry.NameLength, entry.ValueLength);
    }

    /// <summary>
    /// Inserts an entry, dropping the oldest to make room. One larger than the whole table empties it, which is no
    /// error (RFC 7541 section 4.4). The name may lie in this table.
    /// </summary>
    public void Insert(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var length = name.Length + value.Length;
        if (length > MaxSize - Http2Constants.HeaderOverhead)
        {
            EvictUntil(0);
            return;
        }

        // Room is made in the bytes first, while everything is still there: the name may be one of ours, and eviction
        // alone moves nothing, but compaction does.
        name = Reserve(name, length);
        EvictUntil(MaxSize - length - Http2Constants.HeaderOverhead);
        name.CopyTo(_bytes.AsSpan(_used));
        value.CopyTo(_bytes.AsSpan(_used + name.Length));
        PushEntry(new Entry(_used, name.Length, value.Length));
        _used += length;
        Size += length + Http2Constants.HeaderOverhead;
        Debug.Assert(Size <= MaxSize, "the table outgrew its size");
    }

    /// <summary>Index of the newest entry equal in name and value, or -1; and of the newest with the name, or -1.</summary>
    public int Find(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, out int nameIndex)
    {
        nameIndex = -1;
        var position = _oldest + Count;
        for (var index = 0; index < Count; index++)
        {
            position--;
            ref readonly var entry = ref _entries[position < _entries.Length ? position : position - _entries.Length];
            if (entry.NameLength != name.Length || (nameIndex >= 0 && entry.ValueLength != value.Length) || !_bytes.AsSpan(entry.Start, entry.NameLength).SequenceEqual(name))
            {
                continue;
            }

            if (nameIndex < 0)
            {
                nameIndex = index;
            }

            if (_bytes.AsSpan(entry.Start + entry.NameLength, entry.ValueLength).SequenceEqual(value))
            {
                return index;
            }
        }

        return -1;
    }

    /// <summary>Whether an entry is equal in name and value.</summary>
    public bool Is(int index, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        ref readonly var entry = ref At(index);
        if (entry.NameLength != name.Length || entry.ValueLength != value.Length)
        {
            return false;
        }

        // The value first, which differs more often.
        var both = _bytes.AsSpan(entry.Start, name.Length + value.Length);
        return both[name.Length..].SequenceEqual(value) && both[..name.Length].SequenceEqual(name);
    }

    private ref readonly Entry At(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        var position = _oldest + Count - 1 - index;
        return ref _entries[position < _entries.Length ? position : position - _entries.Length];
    }

    private void EvictUntil(int size)
    {
        while (Size > size)
        {
            ref readonly var entry = ref _entries[_oldest];
            Size -= entry.NameLength + entry.ValueLength + Http2Constants.HeaderOverhead;
            _oldest = _oldest + 1 == _entries.Length ? 0 : _oldest + 1;
            Count--;
        }

        if (Count == 0)
        {
            _oldest = 0;
        }
    }

    private ReadOnlySpan<byte> Reserve(ReadOnlySpan<byte> name, int length)
    {
        if (_bytes.Length - _used >= length)
        {
            return name;
        }

        // Twice the live bytes, so that compaction is paid by as many bytes of insertions.
        var live = Size - (Count * Http2Constants.HeaderOverhead);
        var wanted = Math.Max(256, 2 * (live + length));
        var isOurs = name.Overlaps(_bytes, out var offset);
        var first = Count == 0 ? _used : _entries[_oldest].Start;
        if (wanted > _bytes.Length)
        {
            var bytes = new byte[wanted];
            _bytes.AsSpan(first, _used - first).CopyTo(bytes);
            _bytes = bytes;
        }
        else
        {
            _bytes.AsSpan(first, _used - first).CopyTo(_bytes);
        }

        _used -= first;
        for (var index = 0; index < Count; index++)
        {
            var position = (_oldest + index) % _entries.Length;
            _entries[position] = _entries[position] with { Start = _entries[position].Start - first };
        }

        return isOurs ? _bytes.AsSpan(-offset - first, name.Length) : name;
    }

    private void PushEntry(Entry entry)
    {
        if (Count == _entries.Length)
        {
            var entries = new Entry[Math.Max(8, Count * 2)];
            for (var index = 0; index < Count; index++)
            {
                entries[index] = _entries[(_oldest + index) % _entries.Length];
            }

            _entries = entries;
            _oldest = 0;
        }

        var position = _oldest + Count;
        _entries[position < _entries.Length ? position : position - _entries.Length] = entry;
        Count++;
        Inserted++;
    }

    private readonly record struct Entry(int Start, int NameLength, int ValueLength);
}
