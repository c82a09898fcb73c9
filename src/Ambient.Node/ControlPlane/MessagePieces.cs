using System.Buffers.Binary;

namespace Ambient.Node.ControlPlane;

/// <summary>
/// A stream of gRPC messages (PROTOCOL-HTTP2 of gRPC: a flag, a length, the message) as one of more and shorter messages: each is cut between its fields, and after the last
/// piece of each comes <see cref="End"/>. gRPC hands a message over when it has all of it, in one buffer; what a control plane says at once is tens of megabytes, and its
/// resources are read as they come instead. A field that is longer than a piece is read into a buffer that is used again, for <see cref="Long"/>. Compressed messages are not cut.
/// </summary>
/// <param name="source">The messages. Owned.</param>
/// <param name="field">Takes long fields, one at a time.</param>
internal sealed class MessagePieces(Stream source, LongField field) : Stream
{
    /// <summary>The longest piece: not for the heap of large objects.</summary>
    internal const int PieceSize = 64 * 1024;

    private const int HeaderSize = 5;

    // Two numbers of variable length, each of ten bytes at most.
    private const int FieldStart = 20;

    private static readonly byte[] s_end = Piece(End);
    private static readonly byte[] s_long = Piece(Long);

    // Room before what is held, for the header of a piece.
    private readonly byte[] _held = new byte[HeaderSize + PieceSize + FieldStart];
    private readonly byte[] _header = new byte[HeaderSize];
    private int _start = HeaderSize;
    private int _end = HeaderSize;
    private ReadOnlyMemory<byte> _out;
    private int _through;
    private int _left;
    private bool _isInMessage;

    /// <summary>The piece that follows the last one of a message: a field of the greatest number that there is.</summary>
    internal static ReadOnlySpan<byte> End => [0xf8, 0xff, 0xff, 0xff, 0x0f, 0x01];

    /// <summary>The piece in whose place the long field is to be read.</summary>
    internal static ReadOnlySpan<byte> Long => [0xf8, 0xff, 0xff, 0xff, 0x0f, 0x02];

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        while (true)
        {
            if (!_out.IsEmpty)
            {
                var count = Math.Min(buffer.Length, _out.Length);
                _out[..count].CopyTo(buffer);
                _out = _out[count..];
                return count;
            }

            if (_through > 0)
            {
                return await ReadThroughAsync(buffer[..Math.Min(buffer.Length, _through)], cancellationToken).ConfigureAwait(false);
            }

            if (!(_isInMessage ? await CutAsync(cancellationToken).ConfigureAwait(false) : await OpenAsync(cancellationToken).ConfigureAwait(false)))
            {
                return 0;
            }
        }
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            source.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>The part of a long field, or of a message that is left as it is, that is there already, or comes next.</summary>
    private async ValueTask<int> ReadThroughAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int count;
        if (_end > _start)
        {
            count = Math.Min(buffer.Length, _end - _start);
            _held.AsSpan(_start, count).CopyTo(buffer.Span);
            _start += count;
        }
        else
        {
            count = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }

        _through -= count;
        _left -= count;
        return count;
    }

    /// <summary>The next message; false: there is none.</summary>
    private async ValueTask<bool> OpenAsync(CancellationToken cancellationToken)
    {
        if (!await HoldAsync(HeaderSize, cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        var header = _held.AsSpan(_start, HeaderSize);
        var length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        _left = (int)Math.Min(length, int.MaxValue);
        _isInMessage = true;
        if (header[0] != 0 || length > ControlPlaneChannel.LargestMessage)
        {
            // Compressed, or too long, which is said by whoever reads it.
            header.CopyTo(_header);
            (_out, _through) = (_header, _left);
        }
        else
        {
            field.Begin(_left);
        }

        _start += HeaderSize;
        return true;
    }

    /// <summary>The next piece of the message; false: it ends within.</summary>
    private async ValueTask<bool> CutAsync(CancellationToken cancellationToken)
    {
        if (_left == 0)
        {
            (_out, _isInMessage) = (s_end, false);
            return true;
        }

        var size = 0;
        while (size < _left && size < PieceSize)
        {
            var start = Math.Min(FieldStart, _left - size);
            if (!IsHeld(size + start) && !await HoldAsync(size + start, cancellationToken).ConfigureAwait(false))
            {
                return false;
            }

            var length = (int)Math.Min(FieldLength(_held.AsSpan(_start + size, start)), _left - size);
            if (size + length > PieceSize)
            {
                if (size > 0)
                {
                    break;
                }

                return await TakeLongAsync(length, cancellationToken).ConfigureAwait(false);
            }

            if (!IsHeld(size + length) && !await HoldAsync(size + length, cancellationToken).ConfigureAwait(false))
            {
                return false;
            }

            size += length;
        }

        // The header goes before the fields, where nothing is needed any more.
        WriteHeader(_held.AsSpan(_start - HeaderSize), size);
        _out = _held.AsMemory(_start - HeaderSize, HeaderSize + size);
        _start += size;
        _left -= size;
        return true;
    }

    /// <summary>Reads a field that is longer than a piece; false: it ends within.</summary>
    private async ValueTask<bool> TakeLongAsync(int length, CancellationToken cancellationToken)
    {
        var buffer = field.Take(length);
        _through = length;
        while (_through > 0)
        {
            if (await ReadThroughAsync(buffer[^_through..], cancellationToken).ConfigureAwait(false) == 0)
            {
                return false;
            }
        }

        _out = s_long;
        return true;
    }

    private bool IsHeld(int count) => _end - _start >= count;

    /// <summary>Waits until so many bytes are held; false: there are no more.</summary>
    private async ValueTask<bool> HoldAsync(int count, CancellationToken cancellationToken)
    {
        if (_start == _end)
        {
            (_start, _end) = (HeaderSize, HeaderSize);
        }
        else if (_start + count > _held.Length)
        {
            _held.AsSpan(_start.._end).CopyTo(_held.AsSpan(HeaderSize));
            (_start, _end) = (HeaderSize, HeaderSize + _end - _start);
        }

        while (!IsHeld(count))
        {
            var read = await source.ReadAsync(_held.AsMemory(_end), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                return false;
            }

            _end += read;
        }

        return true;
    }

    private static byte[] Piece(ReadOnlySpan<byte> bytes)
    {
        var piece = new byte[HeaderSize + bytes.Length];
        WriteHeader(piece, bytes.Length);
        bytes.CopyTo(piece.AsSpan(HeaderSize));
        return piece;
    }

    private static void WriteHeader(Span<byte> header, int length)
    {
        header[0] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(header[1..], (uint)length);
    }

    /// <summary>How long a field is, by how it begins. What is no field is as long as the rest: whoever reads it says so.</summary>
    private static long FieldLength(ReadOnlySpan<byte> start)
    {
        if (!TryNumber(start, out var tag, out var length))
        {
            return long.MaxValue;
        }

        switch (tag & 7)
        {
            case 0 when TryNumber(start[length..], out _, out var number):
                return length + number;
            case 1:
                return length + sizeof(ulong);
            case 2 when TryNumber(start[length..], out var content, out var prefix) && content <= int.MaxValue:
                return length + prefix + (long)content;
            case 5:
                return length + sizeof(uint);
            default:
                return long.MaxValue;
        }
    }

    private static bool TryNumber(ReadOnlySpan<byte> bytes, out ulong number, out int length)
    {
        number = 0;
        for (length = 0; length < bytes.Length && length < 10;)
        {
            var next = bytes[length];
            number |= (ulong)(next & 0x7f) << (7 * length++);
            if (next < 0x80)
            {
                return true;
            }
        }

        return false;
    }
}
