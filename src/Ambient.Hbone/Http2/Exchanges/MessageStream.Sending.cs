using System.Buffers;
using System.Runtime.CompilerServices;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Http2.HPack;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Hbone.Http2.Exchanges;

/// <summary>What is sent: bytes are gathered behind the place of a frame header, so that they leave in whole frames and without a copy more.</summary>
internal sealed partial class MessageStream
{
    private byte[]? _out;
    private int _outEnd;
    private long _toSend;
    private long _bytesSent;
    private bool _headSent;
    private bool _bodyless;
    private bool _endSent;
    private bool _isOver;
    private bool _endedEarly;
    private HttpFields? _trailersToSend;
    private HttpFields? _trailerCopy;

    // The wait for room that a cancelled write has left behind, or null.
    private Task<bool>? _room;

    /// <summary>Bytes that one buffer gathers; few while the connection holds as much as it may, as <see cref="SendQueue.ReadAhead"/> has it for tunnels.</summary>
    private int MostAtOnce => (Stream.Connection.Sender.Queue.IsFull ? IoBuffers.Small : IoBuffers.Piece) - FrameHeader.Size;

    bool IHttp2StreamOwner.HasTrailers => Volatile.Read(ref _trailersToSend) is not null;

    public long BytesSent => Volatile.Read(ref _bytesSent);

    /// <summary>Whether the final head was sent.</summary>
    public bool HasSentHead => _headSent;

    /// <summary>Whether the message that is sent was ended.</summary>
    public bool HasSentEnd => _endSent;

    /// <summary>The final head leaves; what follows is held against it.</summary>
    /// <param name="length">Bytes of the body that it announces; -1: any number.</param>
    /// <param name="bodyless">Whether there cannot be a body: what is written of it all the same goes nowhere.</param>
    /// <param name="end">Whether the message ends with it.</param>
    public void OnHeadSent(long length, bool bodyless, bool end)
    {
        if (end && length > 0 && !bodyless)
        {
            throw new InvalidOperationException($"the head announces {length} bytes and ends the message");
        }

        (_headSent, _toSend, _bodyless, _endSent) = (true, bodyless ? -1 : length, bodyless, end);
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        CheckWritable();
        if (_toSend >= 0)
        {
            _toSend = _toSend >= bytes.Length
                ? _toSend - bytes.Length
                : throw new InvalidOperationException($"the head announces {bytes.Length - _toSend} bytes fewer than are written");
        }

        if (_bodyless)
        {
            return default;
        }

        if (Stream.Fault is not null)
        {
            return ValueTask.FromException(Failure());
        }

        Volatile.Write(ref _bytesSent, _bytesSent + bytes.Length);
        return TryGather(bytes.Span) ? default : WriteLongAsync(bytes, cancellationToken);
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (!_headSent || _endSent)
        {
            return default;
        }

        if (Stream.Fault is not null)
        {
            Discard();
            return ValueTask.FromException(Failure());
        }

        if (_out is null)
        {
            Stream.Connection.Flush();
            return default;
        }

        return TrySendGathered(endStream: false) ? default : SendGatheredAsync(cancellationToken);
    }

    public ValueTask EndAsync(HttpFields? trailers)
    {
        CheckWritable();
        if (_toSend > 0)
        {
            throw new InvalidOperationException($"the head announces {_toSend} bytes more than were written");
        }

        _endSent = true;
        if (Stream.Fault is not null)
        {
            Discard();
            return ValueTask.FromException(Failure());
        }

        if (trailers is { Count: > 0 })
        {
            EndWith(trailers);
            return default;
        }

        if (_out is null || !TrySendGathered(endStream: true))
        {
            if (!QueueGathered())
            {
                return ValueTask.FromException(Failure());
            }

            Stream.EndWrite();
        }

        return default;
    }

    /// <summary>Writes a head.</summary>
    /// <returns>False: the stream can send nothing any more.</returns>
    public bool WriteHead(ResponseHead head, bool answers, bool endStream, bool later) =>
        Stream.Connection.WriteBlock(Stream, new ResponseBlock(head), answers, endStream, later);

    /// <summary>Gives back what was gathered. The writer's: who leaves while it writes leaves its buffer to it, and to the collector.</summary>
    private void Discard()
    {
        if (_out is { } buffer)
        {
            _out = null;
            IoBuffers.Return(buffer);
        }
    }

    void IHttp2StreamOwner.WriteTrailers(IBufferWriter<byte> output, HPackEncoder encoder, int streamId, int maxFrameSize)
    {
        MessageHeaderWriter.WriteTrailers(output, encoder, streamId, _trailersToSend!, maxFrameSize);
        Volatile.Write(ref _trailersToSend, null);
    }

    private void ClearWriting()
    {
        Discard();
        (_toSend, _bytesSent, _headSent, _bodyless, _endSent, _isOver, _endedEarly) = (0, 0, false, false, false, false, false);
        (_trailersToSend, _room) = (null, null);
    }

    private void CheckWritable()
    {
        if (!_headSent || _endSent)
        {
            throw new InvalidOperationException(_endSent ? "the message has ended" : "the head was not sent");
        }
    }

    /// <summary>Trailers go behind all data: at once where none is queued, else when it has left.</summary>
    private void EndWith(HttpFields trailers)
    {
        if (_out is not null && !TrySendGathered(endStream: false))
        {
            QueueGathered();
        }

        // They are the caller's, and data may be queued before them for long.
        _trailerCopy ??= new HttpFields();
        _trailerCopy.CopyFrom(trailers);
        Volatile.Write(ref _trailersToSend, _trailerCopy);
        Stream.EndWrite();
    }

    private bool TryGather(ReadOnlySpan<byte> bytes)
    {
        if (_out is null)
        {
            if (bytes.Length > MostAtOnce)
            {
                return false;
            }

            _out = IoBuffers.Rent(FrameHeader.Size + bytes.Length);
            _outEnd = FrameHeader.Size;
        }

        if (_out.Length - _outEnd < bytes.Length)
        {
            return false;
        }

        bytes.CopyTo(_out.AsSpan(_outEnd));
        _outEnd += bytes.Length;
        return true;
    }

    private bool TrySendGathered(bool endStream)
    {
        if (!Stream.Connection.TrySendSmall(Stream, _out.AsSpan(FrameHeader.Size, _outEnd - FrameHeader.Size), endStream))
        {
            return false;
        }

        Discard();
        return true;
    }

    /// <summary>False: the stream can send nothing any more.</summary>
    private bool QueueGathered()
    {
        if (_out is not { } buffer)
        {
            return true;
        }

        _out = null;
        return Stream.Queue(buffer, FrameHeader.Size, _outEnd - FrameHeader.Size);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask WriteLongAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            if (_out is null)
            {
                // Halves rather than a whole and a crumb.
                var most = MostAtOnce;
                var size = bytes.Length <= most ? bytes.Length : bytes.Length <= 2 * most ? (bytes.Length + 1) / 2 : most;
                _out = IoBuffers.Rent(FrameHeader.Size + size);
                _outEnd = FrameHeader.Size;
            }

            var count = Math.Min(bytes.Length, _out.Length - _outEnd);
            bytes.Span[..count].CopyTo(_out.AsSpan(_outEnd));
            _outEnd += count;
            bytes = bytes[count..];
            if (!bytes.IsEmpty)
            {
                try
                {
                    await SendGatheredAsync(cancellationToken).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    // Half of what was to be written is queued, the other half nobody has: what follows would not fit to it.
                    Abort(MessageFault.Aborted, "a write was cancelled");
                    throw;
                }
            }
        }
    }

    /// <summary>Queues what was gathered, then waits for room: a wait that is cancelled has sent the bytes all the same.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask SendGatheredAsync(CancellationToken cancellationToken)
    {
        var writable = QueueGathered();
        if (writable && _room is not { IsCompleted: false })
        {
            var room = Stream.WaitForRoomAsync();
            _room = room.IsCompleted || !cancellationToken.CanBeCanceled ? null : room.AsTask();
            writable = _room is not null || await room.ConfigureAwait(false);
        }

        if (writable && _room is not null)
        {
            writable = await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        if (!writable)
        {
            throw Failure();
        }
    }
}
