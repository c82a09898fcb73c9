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

    private readonly int _tableSizeLimit;
    private readonly DynamicTable _table;
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
        var index = StaticTable.Find(name, value, out var nameIndex);
        if (indexing != HeaderIndexing.Never)
        {
            // What is never kept is not looked for among what is.
            if (index == 0 && indexing == HeaderIndexing.Incremental)
            {
                var position = _table.Find(name, value, out var namePosition);
                index = position < 0 ? 0 : StaticTable.Count + 1 + position;
                nameIndex = nameIndex != 0 || namePosition < 0 ? nameIndex : StaticTable.Count + 1 + namePosition;
            }

            if (index != 0)
            {
                return WriteInteger(destination, 0x80, 7, index);
            }
        }

        // A header that would push most others out is not worth keeping.
        var keep = indexing == HeaderIndexing.Incremental
            && name.Length + value.Length + Http2Constants.HeaderOverhead <= _table.MaxSize / 2;
        var written = keep
            ? WriteInteger(destination, 0x40, 6, nameIndex)
            : WriteInteger(destination, (byte)(indexing == HeaderIndexing.Never ? 0x10 : 0x00), 4, nameIndex);
        if (nameIndex == 0)
        {
            written += WriteString(destination[written..], name);
        }

        written += WriteString(destination[written..], value);
        if (keep)
        {
            _table.Insert(name, value);
        }

        return written;
    }

    private static int WriteString(Span<byte> destination, ReadOnlySpan<byte> text)
    {
        var huffman = Huffman.EncodedLength(text);
        if (huffman < text.Length)
        {
            var prefix = WriteInteger(destination, 0x80, 7, huffman);
            return prefix + Huffman.Encode(text, destination[prefix..]);
        }

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
