using System.Buffers;
using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Http2.Headers;

/// <summary>
/// Puts a header block together from HEADERS and its CONTINUATIONs. Between them no other frame may come
/// (RFC 9113 section 6.10). A block in one frame is passed through without a copy. Belongs to the read loop.
/// </summary>
internal sealed class HeaderBlockAssembler(Http2AbuseGuard guard)
{
    private byte[]? _buffer;
    private int _length;
    private bool _open;

    /// <summary>Whether a block has begun and not ended.</summary>
    public bool IsOpen => _open;

    /// <summary>Stream of the block that is being, or was last, put together.</summary>
    public int StreamId { get; private set; }

    /// <summary>Whether its HEADERS frame ended the stream.</summary>
    public bool EndStream { get; private set; }

    /// <summary>Called with the header of every frame, before anything else is done with it.</summary>
    /// <exception cref="Http2ConnectionException">The frame breaks into a header block, or continues none.</exception>
    public void CheckOrder(in FrameHeader header)
    {
        if (_open != (header.Type == FrameType.Continuation) || (_open && header.StreamId != StreamId))
        {
            throw new Http2ConnectionException(
                Http2ErrorCode.ProtocolError,
                _open ? $"{header}: inside the header block of stream {StreamId}" : $"{header}: continues nothing");
        }
    }

    /// <summary>Adds a HEADERS or CONTINUATION frame.</summary>
    /// <param name="header">Its header.</param>
    /// <param name="payload">Its whole payload.</param>
    /// <param name="block">The complete block, valid until the next call, when the answer is true.</param>
    /// <returns>Whether the block is complete.</returns>
    public bool TryComplete(in FrameHeader header, ReadOnlySpan<byte> payload, out ReadOnlySpan<byte> block)
    {
        var end = header.HasFlag(FrameFlags.EndHeaders);
        if (header.Type == FrameType.Headers)
        {
            block = FramePayload.HeaderBlock(header, payload);
            StreamId = header.StreamId;
            EndStream = header.HasFlag(FrameFlags.EndStream);
            guard.OnHeaders(block.Length);
            Release();
            if (end)
            {
                return true;
            }

            Append(block);
        }
        else
        {
            guard.OnContinuation(_length + payload.Length);
            Append(payload);
        }

        _open = !end;
        block = end ? _buffer.AsSpan(0, _length) : default;
        return end;
    }

    /// <summary>Gives the buffer back, once a block that needed one has been read or the connection is over.</summary>
    public void Release()
    {
        if (_buffer is not null)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = null;
        }

        _length = 0;
    }

    private void Append(ReadOnlySpan<byte> piece)
    {
        var needed = _length + piece.Length;
        if (_buffer is null || _buffer.Length < needed)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(4096, needed));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            if (_buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(_buffer);
            }

            _buffer = larger;
        }

        piece.CopyTo(_buffer.AsSpan(_length));
        _length = needed;
    }
}
