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

        if (_full.Count == 0 && stream.TryWrite(_buffer.AsSpan(FrameHeader.Size, _end - FrameHeader.Size)))
        {
            Release();
            _unflushed = 0;
            return default;
        }

        return SendAsync(cancellationToken);
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

        if (_unflushed > 0)
        {
            // Nobody waits for room any more: what was written goes into the queue behind the rest.
            var sending = FlushAsync();
            if (sending.IsCompleted)
            {
                sending.GetAwaiter().GetResult();
            }
            else
            {
                _ = sending.AsTask();
            }
        }

        Release();
        stream.EndWrite();
    }

    private async ValueTask<FlushResult> SendAsync(CancellationToken cancellationToken)
    {
        var last = _buffer;
        var end = _end;
        _buffer = null;
        _unflushed = 0;
        var writable = true;
        while (_full.TryDequeue(out var full))
        {
            writable = await WriteAsync(full.Buffer, full.End, cancellationToken).ConfigureAwait(false);
        }

        if (last is not null && end > FrameHeader.Size)
        {
            writable = await WriteAsync(last, end, cancellationToken).ConfigureAwait(false);
        }
        else if (last is not null)
        {
            IoBuffers.Return(last);
        }

        return new FlushResult(isCanceled: false, isCompleted: !writable);
    }

    private ValueTask<bool> WriteAsync(byte[] buffer, int end, CancellationToken cancellationToken)
    {
        var room = stream.WriteAsync(buffer, FrameHeader.Size, end - FrameHeader.Size);
        return room.IsCompleted || !cancellationToken.CanBeCanceled ? room : new ValueTask<bool>(room.AsTask().WaitAsync(cancellationToken));
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
