using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>Reads the chunked transfer coding (RFC 9112 section 7.1) without copying the body. Takes every byte as it comes.</summary>
/// <param name="maxTrailerSize">Bytes of the trailer section.</param>
/// <param name="maxFields">Fields of the trailer section.</param>
internal sealed class ChunkedDecoder(int maxTrailerSize, int maxFields)
{
    // What lines of sizes may take beyond their share: 16 bytes for each chunk, and twice what it brings.
    private const int MaxOverhead = 16 * 1024;

    private TrailerLines _trailer = new(maxTrailerSize);
    private ChunkExtensions _extensions;
    private State _state;
    private long _left;
    private long _overhead;
    private int _digits;

    private enum State
    {
        FirstDigit,
        Digits,
        Blank,
        Extensions,
        SizeLf,
        Data,
        DataCr,
        DataLf,
        Trailer,
        Done,
    }

    /// <summary>Whether the trailer section has ended, and the message with it.</summary>
    public bool IsDone => _state == State.Done;

    /// <summary>
    /// Takes bytes up to and including the next ones of the body, so call again with the rest, until there is none or <see cref="IsDone"/>.
    /// </summary>
    /// <param name="bytes">What comes next; not empty.</param>
    /// <param name="trailers">Where trailers go.</param>
    /// <param name="dataStart">Where the body's bytes are among them.</param>
    /// <param name="dataLength">How many those are; 0: none has come.</param>
    /// <returns>Bytes that are done with: all of them, if no body's bytes come in between and the message does not end.</returns>
    /// <exception cref="Http1Exception">They break the protocol or a limit.</exception>
    public int Decode(ReadOnlySpan<byte> bytes, HttpFields trailers, out int dataStart, out int dataLength)
    {
        (dataStart, dataLength) = (0, 0);
        var at = 0;
        while (at < bytes.Length && _state != State.Done)
        {
            if (_state == State.Data)
            {
                dataStart = at;
                dataLength = (int)Math.Min(bytes.Length - at, _left);
                _left -= dataLength;
                _state = _left == 0 ? State.DataCr : State.Data;
                return at + dataLength;
            }

            if (_state == State.Trailer)
            {
                at += TakeTrailer(bytes[at..], trailers);
            }
            else
            {
                TakeByte(bytes[at++]);
            }
        }

        return at;
    }

    /// <summary>Begins anew.</summary>
    public void Reset()
    {
        _trailer.Reset();
        (_state, _left, _overhead, _digits) = (State.FirstDigit, 0, 0, 0);
    }

    private void TakeByte(byte b)
    {
        if (++_overhead > MaxOverhead)
        {
            throw new Http1Exception(400, "the sizes of chunks and their extensions take too many bytes");
        }

        _state = _state switch
        {
            State.FirstDigit or State.Digits when char.IsAsciiHexDigit((char)b) => TakeDigit(b),
            State.Digits or State.Blank when b is (byte)' ' or (byte)'\t' => State.Blank,
            State.Digits or State.Blank when b == ';' => BeginExtensions(),
            State.Digits when b == '\r' => State.SizeLf,
            State.Extensions when b == '\r' && _extensions.MayEnd => State.SizeLf,
            State.Extensions when _extensions.Take(b) => State.Extensions,
            State.SizeLf when b == '\n' => BeginData(),
            State.DataCr when b == '\r' => State.DataLf,
            State.DataLf when b == '\n' => State.FirstDigit,
            State.DataCr or State.DataLf => throw new Http1Exception(400, "a chunk is longer than its size"),
            _ => throw new Http1Exception(400, "the size of a chunk is not a hexadecimal number and the end of its line"),
        };
    }

    private State TakeDigit(byte b)
    {
        // 16 digits are 64 bits. Readers with another limit take other digits of a longer number.
        if (++_digits > 16 || _left > long.MaxValue >> 4)
        {
            throw new Http1Exception(400, "the size of a chunk has more than 16 digits, or is beyond 63 bits");
        }

        _left = (_left << 4) + (b <= (byte)'9' ? b - '0' : (b | 0x20) - 'a' + 10);
        return State.Digits;
    }

    private State BeginExtensions()
    {
        _extensions.Reset();
        return State.Extensions;
    }

    private State BeginData()
    {
        _digits = 0;
        _overhead = Math.Max(0, _overhead - 16 - (2 * Math.Min(_left, MaxOverhead)));
        return _left == 0 ? State.Trailer : State.Data;
    }

    private int TakeTrailer(ReadOnlySpan<byte> bytes, HttpFields trailers)
    {
        if (!_trailer.TryTake(bytes, out var consumed, out var line))
        {
            return consumed;
        }

        if (line.IsEmpty)
        {
            _trailer.Reset();
            _state = State.Done;
            return consumed;
        }

        if (trailers.Count == maxFields)
        {
            throw new Http1Exception(431, $"the trailer section has more than {maxFields} fields");
        }

        FieldLine.Split(line, out var name, out var value);
        if (FieldKinds.Of(name) != FieldKind.Ordinary)
        {
            throw new Http1Exception(400, "a field of framing, routing or the connection is a trailer (RFC 9110 section 6.5.1)");
        }

        trailers.Add(name, value);
        return consumed;
    }
}
