using System.Text;

namespace Ambient.Http;

/// <summary>
/// Fields of a message, headers or trailers, in their order (RFC 9110 section 5): what a codec reads into, what policies, routes and logs look at,
/// and what is written out. Names are in lower case; names and values are bytes until somebody asks for text (Latin-1, so that nothing is lost).
/// One list serves many messages: <see cref="Clear"/> keeps its memory. Not thread-safe.
/// </summary>
public sealed class HttpFields
{
    // What an ordinary head needs; memory beyond it is given up when the list is cleared.
    private const int KeptBytes = 4096;
    private const int KeptFields = 64;

    // A field lies here as the line that HTTP/1.1 writes: a colon and a blank between name and value, and CRLF behind.
    private const int Around = 4;

    private byte[] _bytes = [];
    private Entry[] _entries = [];
    private int _used;

    // A bit for each length and first letter that a name had since the list was cleared: most names that are asked for are not there.
    private ulong _seen;

    /// <summary>How many fields there are; a name that occurs twice counts twice.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of all names and values.</summary>
    public int Size { get; private set; }

    /// <summary>A field by its place in the order. Valid until the list is changed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such place.</exception>
    public HttpField this[int index] => new(Line(index), _entries[index].NameLength);

    /// <summary>A field by its place in the order, as HTTP/1.1 writes it, with the CRLF at its end (RFC 9112 section 5). Valid until the list is changed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such place.</exception>
    public ReadOnlySpan<byte> Line(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        ref readonly var entry = ref _entries[index];
        return _bytes.AsSpan(entry.Start, entry.NameLength + entry.ValueLength + Around);
    }

    /// <summary>
    /// Adds a field whose bytes a codec has checked: the name, kept in lower case, is a token (RFC 9110 section 5.6.2); the value has no control
    /// characters and no blanks around it (section 5.5).
    /// </summary>
    public void Add(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var room = Append(name.Length, value.Length);
        AsciiLetters.ToLower(name, room);
        _seen |= BitOf(name.Length, room[0]);
        value.CopyTo(room[(name.Length + 2)..]);
    }

    /// <summary>Adds a field, its name in lower case, its value without the blanks around it.</summary>
    /// <exception cref="ArgumentException">The name is not a token, or the value has control characters or characters beyond Latin-1.</exception>
    public void Add(string name, string value)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(value);
        var trimmed = value.AsSpan().Trim(" \t");
        if (name.Length == 0)
        {
            throw new ArgumentException("a field name must not be empty", nameof(name));
        }

        if (!HttpSyntax.IsToken(name))
        {
            throw new ArgumentException($"'{name}' is not a valid field name", nameof(name));
        }

        if (!HttpSyntax.IsFieldValue(trimmed))
        {
            throw new ArgumentException($"the value of {name} has a character that no field value may have", nameof(value));
        }

        var room = Append(name.Length, trimmed.Length);
        Ascii.ToLower(name, room, out _);
        _seen |= BitOf(name.Length, room[0]);
        Encoding.Latin1.GetBytes(trimmed, room[(name.Length + 2)..]);
    }

    /// <summary>Replaces every field of a name by one, which stands where the first stood, or at the end where there was none.</summary>
    /// <exception cref="ArgumentException">See <see cref="Add(string, string)"/>.</exception>
    public void Set(string name, string value)
    {
        var first = IndexOf(name);
        Add(name, value);
        if (first >= 0)
        {
            Replace(first);
        }
    }

    /// <summary>As <see cref="Set(string, string)"/>, of bytes that were checked as those of <see cref="Add(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>.</summary>
    public void Set(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var first = IndexOf(name, 0);
        if (first < 0)
        {
            Add(name, value);
        }
        else if (_entries[first].ValueLength >= value.Length)
        {
            Shorten(first, value);
        }
        else
        {
            Add(name, value);
            Replace(first);
        }
    }

    /// <summary>Removes every field of a name, whatever its case. False: there was none.</summary>
    public bool Remove(string name)
    {
        var found = false;
        for (var i = IndexOf(name); i >= 0; i = IndexOf(name, i))
        {
            RemoveAt(i);
            found = true;
        }

        return found;
    }

    /// <summary>Removes every field of a name, whatever its case.</summary>
    public void Remove(ReadOnlySpan<byte> name)
    {
        RemoveFrom(0, name);
    }

    /// <summary>Removes one field.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such place.</exception>
    public void RemoveAt(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        Size -= _entries[index].NameLength + _entries[index].ValueLength;
        _entries.AsSpan(index + 1, Count - index - 1).CopyTo(_entries.AsSpan(index));
        Count--;
    }

    /// <summary>Whether there is a field of a name, whatever its case.</summary>
    public bool Contains(string name) => IndexOf(name) >= 0;

    /// <summary>The place of the first field of a name, whatever its case, from <paramref name="from"/> on; -1: there is none.</summary>
    public int IndexOf(string name, int from = 0)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Length == 0 || (_seen & BitOf(name.Length, name[0])) == 0 ? -1 : Find(name, from);
    }

    private int Find(string name, int from)
    {
        var entries = _entries.AsSpan(0, Count);
        for (var i = from; i < entries.Length; i++)
        {
            // Names are short, and most differ in length or in how they begin: the comparison itself costs more than the list.
            ref readonly var entry = ref entries[i];
            if (entry.NameLength == name.Length && (_bytes[entry.Start] | 0x20) == (name[0] | 0x20) && Ascii.EqualsIgnoreCase(NameOf(entry), name))
            {
                return i;
            }
        }

        return -1;
    }

    private int IndexOf(ReadOnlySpan<byte> name, int from)
    {
        if (!name.IsEmpty && (_seen & BitOf(name.Length, name[0])) == 0)
        {
            return -1;
        }

        var entries = _entries.AsSpan(0, Count);
        for (var i = from; i < entries.Length; i++)
        {
            ref readonly var entry = ref entries[i];
            if (entry.NameLength == name.Length && Ascii.EqualsIgnoreCase(NameOf(entry), name))
            {
                return i;
            }
        }

        return -1;
    }

    // Letters of either case, which differ in one bit, have the same.
    private static ulong BitOf(int length, int first) => 1UL << (length + (3 * (first & 31)));

    private ReadOnlySpan<byte> NameOf(in Entry entry) => _bytes.AsSpan(entry.Start, entry.NameLength);

    /// <summary>A value takes the place of one that is not shorter, in the first field of its name, and of all others of that name.</summary>
    private void Shorten(int first, ReadOnlySpan<byte> value)
    {
        ref var entry = ref _entries[first];
        Size -= entry.ValueLength - value.Length;
        entry = entry with { ValueLength = value.Length };
        var room = _bytes.AsSpan(entry.Start + entry.NameLength + 2, value.Length + 2);
        value.CopyTo(room);
        room[^2] = (byte)'\r';
        room[^1] = (byte)'\n';
        RemoveFrom(first + 1, NameOf(entry));
    }

    private void RemoveFrom(int index, ReadOnlySpan<byte> name)
    {
        for (var next = IndexOf(name, index); next >= 0; next = IndexOf(name, next))
        {
            RemoveAt(next);
        }
    }

    /// <summary>The field that was added last takes the place of the first one of its name, and of all others.</summary>
    private void Replace(int first)
    {
        var added = _entries[--Count];
        var replaced = _entries[first];
        Size -= replaced.NameLength + replaced.ValueLength;
        _entries[first] = added;
        RemoveFrom(first + 1, NameOf(added));
    }

    /// <summary>The value of a name, several joined with a comma (RFC 9110 section 5.3); null: there is no such field.</summary>
    public string? Get(string name)
    {
        var first = IndexOf(name);
        if (first < 0)
        {
            return null;
        }

        var value = this[first].ValueText;
        for (var next = IndexOf(name, first + 1); next >= 0; next = IndexOf(name, next + 1))
        {
            value = string.Concat(value, ",", this[next].ValueText);
        }

        return value;
    }

    /// <summary>The bytes of the first value of a name, valid until the list is changed. False: there is no such field.</summary>
    public bool TryGet(string name, out ReadOnlySpan<byte> value)
    {
        var index = IndexOf(name);
        value = index < 0 ? default : this[index].Value;
        return index >= 0;
    }

    /// <summary>Takes over every field of another list, in place of its own.</summary>
    public void CopyFrom(HttpFields other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (ReferenceEquals(this, other))
        {
            return;
        }

        Clear();
        if (other._used > 2 * (other.Size + (Around * other.Count)))
        {
            // What was removed and replaced would be most of what is copied.
            for (var i = 0; i < other.Count; i++)
            {
                var field = other[i];
                Add(field.Name, field.Value);
            }

            return;
        }

        if (_bytes.Length < other._used)
        {
            _bytes = new byte[Math.Max(512, other._bytes.Length)];
        }

        if (_entries.Length < other.Count)
        {
            _entries = new Entry[Math.Max(16, other._entries.Length)];
        }

        other._bytes.AsSpan(0, other._used).CopyTo(_bytes);
        other._entries.AsSpan(0, other.Count).CopyTo(_entries);
        (Count, Size, _used, _seen) = (other.Count, other.Size, other._used, other._seen);
    }

    /// <summary>Removes all, and gives up memory beyond what an ordinary head needs.</summary>
    public void Clear()
    {
        // A message has several lists, and most are empty.
        if (_used > 0)
        {
            ClearUsed();
        }
    }

    private void ClearUsed()
    {
        (Count, Size, _used, _seen) = (0, 0, 0, 0);
        if (_bytes.Length > KeptBytes)
        {
            _bytes = [];
        }

        if (_entries.Length > KeptFields)
        {
            _entries = [];
        }
    }

    /// <summary>Adds the line of another field, whose name and value are still to be written; gives the line.</summary>
    private Span<byte> Append(int nameLength, int valueLength)
    {
        var length = nameLength + valueLength + Around;
        if (_bytes.Length - _used < length)
        {
            Array.Resize(ref _bytes, Math.Max(_used + length, Math.Max(512, _bytes.Length * 2)));
        }

        if (Count == _entries.Length)
        {
            Array.Resize(ref _entries, Math.Max(16, Count * 2));
        }

        _entries[Count++] = new Entry(_used, nameLength, valueLength);
        var line = _bytes.AsSpan(_used, length);
        _used += length;
        Size += nameLength + valueLength;
        line[nameLength] = (byte)':';
        line[nameLength + 1] = (byte)' ';
        line[^2] = (byte)'\r';
        line[^1] = (byte)'\n';
        return line;
    }

    private readonly record struct Entry(int Start, int NameLength, int ValueLength);
}
