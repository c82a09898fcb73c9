using System.Buffers.Binary;
using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Http2.HPack;

/// <summary>
/// Encodes header blocks (RFC 7541). One per connection and direction. Not thread-safe, and blocks must go onto the
/// wire in the order in which they were encoded: the caller holds one lock for both.
/// </summary>
internal sealed class HPackEncoder
{
    /// <summary>Bytes that a header can take beyond its name and value: two lengths and an index.</summary>
    public const int MaxHeaderOverhead = 16;

    /// <summary>Bytes that pending table size updates can take at the beginning of a block.</summary>
    public const int MaxBlockOverhead = 12;

    private const int MemoSize = 32;

    private readonly int _tableSizeLimit;
    private readonly DynamicTable _table;

    // By a hash of a header, the number of the entry that it was last found in or inserted as.
    private uint[]? _last;
    private int _smallestPending = -1;
    private bool _resized;

    /// <param name="tableSizeLimit">Bytes of table that we use at most, whatever the peer grants.</param>
    public HPackEncoder(int tableSizeLimit = Http2Constants.DefaultHeaderTableSize)
    {
        _tableSizeLimit = tableSizeLimit;

        // Both sides begin with the default; a smaller limit of ours is announced as any other change.
        _table = new DynamicTable(Http2Constants.DefaultHeaderTableSize);
        SetPeerTableSize(Http2Constants.DefaultHeaderTableSize);
    }

    /// <summary>Takes over the peer's SETTINGS_HEADER_TABLE_SIZE; the next block announces the change.</summary>
    public void SetPeerTableSize(uint size)
    {
        var wanted = (int)Math.Min(size, (uint)_tableSizeLimit);
        if (wanted == _table.MaxSize)
        {
            return;
        }

        // A reduction in between has to be announced too (RFC 7541 section 4.2).
        _smallestPending = _resized ? Math.Min(_smallestPending, wanted) : wanted;
        _resized = true;
        _table.Resize(wanted);
    }

    /// <summary>Begins a block: writes what must precede its headers. Returns the bytes written.</summary>
    public int BeginBlock(Span<byte> destination)
    {
        if (!_resized)
        {
            return 0;
        }

        var written = 0;
        if (_smallestPending < _table.MaxSize)
        {
            written = WriteInteger(destination, 0x20, 5, _smallestPending);
        }

        written += WriteInteger(destination[written..], 0x20, 5, _table.MaxSize);
        _resized = false;
        return written;
    }

    /// <summary>
    /// Writes one header; the destination has room for name, value and <see cref="MaxHeaderOverhead"/>. Returns the
    /// bytes written.
    /// </summary>
    public int WriteHeader(Span<byte> destination, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, HeaderIndexing indexing)
    {
        if (indexing != HeaderIndexing.Incremental)
        {
            // What is never kept is not looked for among what is.
            var whole = StaticTable.Find(name, value, out var known);
            return whole != 0 && indexing == HeaderIndexing.Without
                ? WriteIndexed(destination, whole)
                : WriteUnkept(destination, known, name, value, indexing);
        }

        // A field comes again and again: where it was last is looked at first. What is there now says whether that holds.
        ref var last = ref (_last ??= new uint[MemoSize])[Hash(name, value) % MemoSize];
        var age = _table.Inserted - 1 - last;
        if (age < (uint)_table.Count && _table.Is((int)age, name, value))
        {
            return WriteIndexed(destination, StaticTable.Count + 1 + (int)age);
        }

        var index = StaticTable.Find(name, value, out var nameIndex);
        if (index != 0)
        {
            return WriteIndexed(destination, index);
        }

        var position = _table.Find(name, value, out var namePosition);
        if (position >= 0)
        {
            last = _table.Inserted - 1 - (uint)position;
            return WriteIndexed(destination, StaticTable.Count + 1 + position);
        }

        nameIndex = nameIndex != 0 || namePosition < 0 ? nameIndex : StaticTable.Count + 1 + namePosition;

        // A header that would push most others out is not worth keeping.
        if (name.Length + value.Length + Http2Constants.HeaderOverhead > _table.MaxSize / 2)
        {
            return WriteUnkept(destination, nameIndex, name, value, HeaderIndexing.Without);
        }

        var written = WriteInteger(destination, 0x40, 6, nameIndex);
        if (nameIndex == 0)
        {
            written += WriteHuffman(destination[written..], name);
        }

        written += WriteHuffman(destination[written..], value);
        last = _table.Inserted;
        _table.Insert(name, value);
        return written;
    }

    /// <summary>Writes a header by its index. Returns the bytes written.</summary>
    public static int WriteIndexed(Span<byte> destination, int index) => WriteInteger(destination, 0x80, 7, index);

    /// <summary>
    /// Writes a header that is not kept. Its text stays as it is: Huffman code would save a fifth of the bytes, and cost each time what
    /// for a header that is kept it costs once.
    /// </summary>
    /// <param name="destination">As for <see cref="WriteHeader"/>.</param>
    /// <param name="nameIndex">Index of an entry with the name; 0: none is known.</param>
    /// <param name="name">Name.</param>
    /// <param name="value">Value.</param>
    /// <param name="indexing">Not <see cref="HeaderIndexing.Incremental"/>.</param>
    public static int WriteUnkept(Span<byte> destination, int nameIndex, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, HeaderIndexing indexing)
    {
        var written = WriteInteger(destination, (byte)(indexing == HeaderIndexing.Never ? 0x10 : 0x00), 4, nameIndex);
        if (nameIndex == 0)
        {
            written += WritePlain(destination[written..], name);
        }

        return written + WritePlain(destination[written..], value);
    }

    // Of the lengths and ends, where fields of one name differ. A header that meets another here costs a search, no more.
    private static uint Hash(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var hash = (Tail(name) * 0x9e3779b97f4a7c15) ^ (Tail(value) * 0xc2b2ae3d27d4eb4f) ^ ((ulong)(name.Length + (value.Length << 8)) << 48);
        return (uint)((hash ^ (hash >> 29)) >> 24);
    }

    private static ulong Tail(ReadOnlySpan<byte> text) =>
        text.Length >= sizeof(ulong) ? BinaryPrimitives.ReadUInt64LittleEndian(text[^sizeof(ulong)..])
        : text.Length >= sizeof(uint) ? BinaryPrimitives.ReadUInt32LittleEndian(text) | ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(text[^sizeof(uint)..]) << 32)
        : text.IsEmpty ? 0 : text[0] | ((uint)text[^1] << 8) | ((uint)text[text.Length / 2] << 16);

    private static int WriteHuffman(Span<byte> destination, ReadOnlySpan<byte> text)
    {
        var length = Huffman.EncodedLength(text);
        if (length >= text.Length)
        {
            return WritePlain(destination, text);
        }

        var prefix = WriteInteger(destination, 0x80, 7, length);
        return prefix + Huffman.Encode(text, destination[prefix..]);
    }

    private static int WritePlain(Span<byte> destination, ReadOnlySpan<byte> text)
    {
        var written = WriteInteger(destination, 0, 7, text.Length);
        text.CopyTo(destination[written..]);
        return written + text.Length;
    }

    private static int WriteInteger(Span<byte> destination, byte pattern, int prefix, int value)
    {
        var mask = (1 << prefix) - 1;
        if (value < mask)
        {
            destination[0] = (byte)(pattern | value);
            return 1;
        }

        destination[0] = (byte)(pattern | mask);
        value -= mask;
        var written = 1;
        for (; value >= 0x80; value >>= 7)
        {
            destination[written++] = (byte)(value | 0x80);
        }

        destination[written++] = (byte)value;
        return written;
    }
}
