using System.Buffers.Binary;
using System.Numerics;

namespace Ambient.Hbone.Http2.HPack;

/// <summary>
/// The Huffman code of RFC 7541 appendix B. It is canonical (codes of one length are consecutive, in the order of
/// their symbols), so the lengths are all that has to be written down; codes and decoding tables follow from them.
/// </summary>
internal static class Huffman
{
    private const int MaxLength = 30;
    private const int FastBits = 8;
    private const int EndOfString = 256;
    private static readonly Tables s_tables = new();

    private static ReadOnlySpan<byte> Lengths =>
    [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
        6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
        13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
        20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
        22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
        26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
        20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
        30,
    ];

    /// <summary>Bytes that <paramref name="source"/> takes when encoded.</summary>
    public static int EncodedLength(ReadOnlySpan<byte> source)
    {
        long bits = 0;
        foreach (var symbol in source)
        {
            bits += Lengths[symbol];
        }

        return (int)((bits + 7) / 8);
    }

    /// <summary>Encodes into <see cref="EncodedLength"/> bytes, padded with the beginning of EOS.</summary>
    public static int Encode(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        var codes = s_tables.CodesWithLengths;
        ulong pending = 0;
        var bits = 0;
        var written = 0;
        foreach (var symbol in source)
        {
            // A code has 30 bits at most, so that one fits behind the up to 31 that wait.
            var code = codes[symbol];
            var length = (int)(code >> 32);
            pending = (pending << length) | (uint)code;
            bits += length;
            if (bits >= 32)
            {
                bits -= 32;
                BinaryPrimitives.WriteUInt32BigEndian(destination[written..], (uint)(pending >> bits));
                written += sizeof(uint);
            }
        }

        while (bits >= 8)
        {
            bits -= 8;
            destination[written++] = (byte)(pending >> bits);
        }

        if (bits > 0)
        {
            destination[written++] = (byte)((pending << (8 - bits)) | (0xffu >> bits));
        }

        return written;
    }

    /// <summary>Bytes that decoding <paramref name="encodedLength"/> bytes can give at most: no code is shorter than five bits.</summary>
    public static int MaxDecodedLength(int encodedLength) => (int)((long)encodedLength * 8 / 5);

    /// <summary>
    /// Decodes. Fails on EOS inside the string, on padding of eight bits or more and on padding that is not the
    /// beginning of EOS (RFC 7541 section 5.2).
    /// </summary>
    /// <param name="source">Encoded bytes.</param>
    /// <param name="destination">At least <see cref="MaxDecodedLength"/> bytes.</param>
    /// <param name="written">Bytes decoded.</param>
    public static bool TryDecode(ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        var tables = s_tables;
        var shortCodes = tables.Fast;
        ulong window = 0; // the next bits, left-aligned; what lies behind them is zero or what comes next
        var bits = 0;
        var position = 0;
        var count = 0; // not the caller's variable, which lies in memory
        written = 0;
        while (true)
        {
            if (position < source.Length && source.Length >= sizeof(ulong))
            {
                // As many whole bytes as there is room for; what else was read is read again.
                var left = source.Length - position;
                var next = left >= sizeof(ulong)
                    ? BinaryPrimitives.ReadUInt64BigEndian(source[position..])
                    : BinaryPrimitives.ReadUInt64BigEndian(source[^sizeof(ulong)..]) << (8 * (sizeof(ulong) - left));
                var taken = Math.Min((63 - bits) >> 3, left);
                window |= next >> bits;
                position += taken;
                bits += 8 * taken;
                ushort code;
                while ((code = shortCodes[(int)(window >> (64 - FastBits))]) != 0 && bits >= FastBits)
                {
                    destination[count++] = (byte)code;
                    window <<= code >> 8;
                    bits -= code >> 8;
                }

                if (code != 0)
                {
                    continue;
                }
            }

            while (bits < MaxLength && position < source.Length)
            {
                window |= (ulong)source[position++] << (56 - bits);
                bits += 8;
            }

            if (bits == 0)
            {
                written = count;
                return true;
            }

            var fast = tables.Fast[(int)(window >> (64 - FastBits))];
            int length;
            int symbol;
            if (fast != 0)
            {
                length = fast >> 8;
                symbol = fast & 0xff;
            }
            else if (!tables.TryDecodeLong((uint)(window >> 32), out symbol, out length))
            {
                return false;
            }

            if (length > bits)
            {
                // Only padding is left: fewer than eight bits, all of them ones.
                written = count;
                return bits < 8 && BitOperations.LeadingZeroCount(~window) >= bits;
            }

            if (symbol == EndOfString)
            {
                return false;
            }

            destination[count++] = (byte)symbol;
            window <<= length;
            bits -= length;
        }
    }

    private sealed class Tables
    {
        // Symbol and length for each value of the next eight bits whose code is that short; otherwise 0.
        public readonly ushort[] Fast = new ushort[1 << FastBits];

        // For each symbol the length of its code, in the upper half, and the code.
        public readonly ulong[] CodesWithLengths = new ulong[257];

        // For each length: the code after the last one, left-aligned to 32 bits, and where its symbols begin.
        private readonly ulong[] _limit = new ulong[MaxLength + 1];
        private readonly uint[] _first = new uint[MaxLength + 1];
        private readonly int[] _offset = new int[MaxLength + 1];
        private readonly ushort[] _symbols = new ushort[257];

        public Tables()
        {
            uint code = 0;
            var count = 0;
            for (var length = 1; length <= MaxLength; length++)
            {
                code <<= 1;
                _first[length] = code;
                _offset[length] = count;
                for (var symbol = 0; symbol < Lengths.Length; symbol++)
                {
                    if (Lengths[symbol] != length)
                    {
                        continue;
                    }

                    CodesWithLengths[symbol] = ((ulong)length << 32) | code;
                    _symbols[count++] = (ushort)symbol;
                    if (length <= FastBits)
                    {
                        Fast.AsSpan((int)code << (FastBits - length), 1 << (FastBits - length)).Fill((ushort)((length << 8) | symbol));
                    }

                    code++;
                }

                _limit[length] = (ulong)code << (32 - length);
            }
        }

        public bool TryDecodeLong(uint window, out int symbol, out int length)
        {
            for (length = FastBits + 1; length <= MaxLength; length++)
            {
                if (window < _limit[length])
                {
                    symbol = _symbols[_offset[length] + (int)((window >> (32 - length)) - _first[length])];
                    return true;
                }
            }

            symbol = 0;
            return false;
        }
    }
}
