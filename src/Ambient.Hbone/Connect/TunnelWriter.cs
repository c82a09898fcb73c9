using System.IO.Pipelines;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Connect;

/// <summary>The writing side of a tunnel for users of pipes. Memory that it gives out has room for the frame header in front, and is sent as it is.</summary>
internal sealed class TunnelWriter(Http2Stream stream) : PipeWriter
{
    private readonly Queue<(byte[] Buffer, int End)> _full = new();
    private byte[]? _buffer;
    private int _end;
    private long _unflushed;
    private bool _completed;

    // The wait that a cancelled flush has left behind, or null.
    private Task<bool>? _room;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _unflushed;

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, _buffer is null ? 0 : _buffer.Length - _end);
        _end += bytes;
        _unflushed += bytes;
    }

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsMemory(_end);
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsSpan(_end);
    }

    // A flush cannot be cancelled half-way; whoever has enough ends the tunnel.
    public override void CancelPendingFlush()
    {
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (_unflushed == 0)
        {
            return new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: stream.Fault is not null));
        }

        return TryWrite() ? default : SendAsync(cancellationToken);
    }

    public override void Complete(Exception? exception = null)
    {
        if (_completed)
        {
            return;
        }

        _completed = true;
        if (exception is not null)
        {
            Discard();
            stream.Reset(Http2ErrorCode.Cancel);
            return;
        }

        if (_unflushed > 0 && !TryWrite())
        {
            // Nobody waits for room any more, and the end goes behind all that was written.
            Queue();
        }

        Release();
        stream.EndWrite();
    }

    private bool TryWrite()
    {
        if (_full.Count > 0 || !stream.TryWrite(_buffer.AsSpan(FrameHeader.Size, _end - FrameHeader.Size)))
        {
            return false;
        }

        Release();
        _unflushed = 0;
        return true;
    }

    /// <summary>Queues all that was written. False when the stream can send nothing any more.</summary>
    private bool Queue()
    {
        var writable = true;
        while (_full.TryDequeue(out var full))
        {
            writable = stream.Queue(full.Buffer, FrameHeader.Size, full.End - FrameHeader.Size);
        }

        if (_buffer is { } last && _end > FrameHeader.Size)
        {
            _buffer = null;
            writable = stream.Queue(last, FrameHeader.Size, _end - FrameHeader.Size);
        }

        Release();
        _unflushed = 0;
        return writable;
    }

    private async ValueTask<FlushResult> SendAsync(CancellationToken cancellationToken)
    {
        // First everything, then the wait: a flush that is cancelled has taken the bytes all the same.
        var writable = Queue();
        if (writable && _room is not { IsCompleted: false })
        {
            var room = stream.WaitForRoomAsync();
            _room = room.IsCompleted || !cancellationToken.CanBeCanceled ? null : room.AsTask();
            writable = _room is null ? await room.ConfigureAwait(false) : writable;
        }

        if (writable && _room is not null)
        {
            writable = await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        return new FlushResult(isCanceled: false, isCompleted: !writable);
    }

    private void Reserve(int sizeHint)
    {
        ObjectDisposedException.ThrowIf(_completed, this);
        var needed = Math.Max(sizeHint, 1);
        if (_buffer is not null && _buffer.Length - _end >= needed)
        {
            return;
        }

        if (_buffer is not null)
        {
            if (_end > FrameHeader.Size)
            {
                _full.Enqueue((_buffer, _end));
            }
            else
            {
                IoBuffers.Return(_buffer);
            }
        }

        _buffer = IoBuffers.Rent(FrameHeader.Size + Math.Max(needed, _full.Count > 0 ? IoBuffers.Medium - FrameHeader.Size : IoBuffers.Small - FrameHeader.Size));
        _end = FrameHeader.Size;
    }

    private void Release()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            IoBuffers.Return(buffer);
        }
    }

    private void Discard()
    {
        Release();
        _unflushed = 0;
        while (_full.TryDequeue(out var full))
        {
            IoBuffers.Return(full.Buffer);
        }
    }
}
