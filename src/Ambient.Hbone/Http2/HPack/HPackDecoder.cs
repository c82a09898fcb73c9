using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Http2.HPack;

/// <summary>
/// Decodes header blocks (RFC 7541). One per connection and direction, used by its read loop: not thread-safe. Memory
/// is bounded by the block that it is given and by the dynamic table. Every fault is a connection error, because the
/// two tables would no longer agree.
/// </summary>
internal sealed class HPackDecoder
{
    private const int StackScratch = 512;
    private readonly DynamicTable _table;
    private readonly int _tableSizeLimit;

    /// <param name="tableSizeLimit">The SETTINGS_HEADER_TABLE_SIZE that we advertise.</param>
    public HPackDecoder(int tableSizeLimit = Http2Constants.DefaultHeaderTableSize)
    {
        _tableSizeLimit = tableSizeLimit;
        _table = new DynamicTable(tableSizeLimit);
    }

    /// <summary>Decodes a complete block.</summary>
    /// <exception cref="Http2ConnectionException">COMPRESSION_ERROR: the block is not well-formed.</exception>
    [SkipLocalsInit]
    public void Decode<TSink>(ReadOnlySpan<byte> block, ref TSink sink)
        where TSink : IHeaderSink, allows ref struct
    {
        // Both strings of one header fit: each decodes to at most 8/5 of its bytes.
        var needed = Huffman.MaxDecodedLength(block.Length);
        if (needed <= StackScratch)
        {
            Span<byte> scratch = stackalloc byte[StackScratch];
            Decode(block, scratch, ref sink);
            return;
        }

        var rented = ArrayPool<byte>.Shared.Rent(needed);
        try
        {
            Decode(block, rented, ref sink);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private void Decode<TSink>(ReadOnlySpan<byte> block, scoped Span<byte> scratch, ref TSink sink)
        where TSink : IHeaderSink, allows ref struct
    {
        var mayResize = true;
        var position = 0;
        while (position < block.Length)
        {
            var first = block[position];
            if ((first & 0x80) != 0)
            {
                Lookup(ReadInteger(block, ref position, 7), out var name, out var value);
                sink.OnHeader(name, value);
            }
            else if ((first & 0xe0) == 0x20)
            {
                if (!mayResize)
                {
                    Fail("a table size update after a header");
                }

                Resize(ReadInteger(block, ref position, 5));
                continue;
            }
            else
            {
                var indexed = (first & 0x40) != 0;
                var index = ReadInteger(block, ref position, indexed ? 6 : 4);
                scoped ReadOnlySpan<byte> name;
                var used = 0;
                if (index == 0)
                {
                    name = ReadString(block, ref position, scratch, out used);
                }
                else
                {
                    Lookup(index, out name, out _);
                }

                scoped var value = ReadString(block, ref position, scratch[used..], out _);
                sink.OnHeader(name, value);
                if (indexed)
                {
                    _table.Insert(name, value);
                }
            }

            mayResize = false;
        }
    }

    private void Resize(int size)
    {
        if (size > _tableSizeLimit)
        {
            Fail($"a table size update to {size}, {_tableSizeLimit} is the limit");
        }

        _table.Resize(size);
    }

    private void Lookup(int index, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        if (index is >= 1 and <= StaticTable.Count)
        {
            name = StaticTable.Name(index);
            value = StaticTable.Value(index);
            return;
        }

        var position = index - StaticTable.Count - 1;
        if (index == 0 || position >= _table.Count)
        {
            Fail($"index {index}, the table ends at {StaticTable.Count + _table.Count}");
        }

        name = _table.Name(position);
        value = _table.Value(position);
    }

    private static ReadOnlySpan<byte> ReadString(ReadOnlySpan<byte> block, ref int position, Span<byte> scratch, out int used)
    {
        var huffman = position < block.Length && (block[position] & 0x80) != 0;
        var length = ReadInteger(block, ref position, 7);
        if (length > block.Length - position)
        {
            Fail($"a string of {length} bytes where {block.Length - position} are left");
        }

        used = 0;
        var raw = block.Slice(position, length);
        position += length;
        if (!huffman)
        {
            return raw;
        }

        if (!Huffman.TryDecode(raw, scratch, out used))
        {
            Fail("a string that is not Huffman code");
        }

        return scratch[..used];
    }

    // RFC 7541 section 5.1. Nothing here needs more than 28 bits: four continuation bytes, leading zeros included.
    private static int ReadInteger(ReadOnlySpan<byte> block, ref int position, int prefix)
    {
        if (position == block.Length)
        {
            Fail("the block ends inside a header");
        }

        var mask = (1 << prefix) - 1;
        var value = block[position++] & mask;
        if (value < mask)
        {
            return value;
        }

        for (var shift = 0; shift < 28; shift += 7)
        {
            if (position == block.Length)
            {
                Fail("the block ends inside an integer");
            }

            var next = block[position++];
            value += (next & 0x7f) << shift;
            if ((next & 0x80) == 0)
            {
                return value;
            }
        }

        Fail("an integer of more than 28 bits");
        return 0;
    }

    [DoesNotReturn]
    private static void Fail(string what) => throw new Http2ConnectionException(Http2ErrorCode.CompressionError, $"header block: {what}");
}
