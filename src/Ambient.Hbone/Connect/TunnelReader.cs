using System.Buffers;
using System.IO.Pipelines;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Connect;

/// <summary>
/// The reading side of a tunnel for users of pipes. The pipe in it never pauses its writer: the stream's window bounds
/// it, and the peer gets credit as the reader advances.
/// </summary>
internal sealed class TunnelReader : PipeReader, IStreamSink
{
    private static readonly PipeOptions s_threadPool = new(pauseWriterThreshold: 0, resumeWriterThreshold: 0, useSynchronizationContext: false);
    private static readonly PipeOptions s_inline = new(
        readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: 0, resumeWriterThreshold: 0, useSynchronizationContext: false);

    private readonly Http2Stream _stream;
    private readonly Pipe _pipe;
    private readonly Lock _gate = new();
    private ReadOnlySequence<byte> _last;
    private bool _writerCompleted;
    private bool _readerCompleted;
    private long _unconsumed;

    // Bytes that the reader has not been shown yet: it gets them before it hears of a fault.
    private long _unexamined;
    private IOException? _fault;

    public TunnelReader(Http2Stream stream, bool inline)
    {
        _stream = stream;
        _pipe = new Pipe(inline ? s_inline : s_threadPool);
    }

    public void Begin(ChunkQueue? early, bool ended)
    {
        if (early is not null)
        {
            while (early.Length > 0)
            {
                var head = early.Head;
                _pipe.Writer.Write(head.Span);
                _unconsumed += head.Length;
                _unexamined += head.Length;
                early.Consume(head.Length);
            }

            // No reader waits yet, so nothing runs here.
            Flush();
        }

        if (ended)
        {
            CompleteWriter(null);
        }
    }

    public void OnData(ReadOnlySpan<byte> data)
    {
        var taken = false;
        lock (_gate)
        {
            if (!_writerCompleted && !_readerCompleted)
            {
                _pipe.Writer.Write(data);
                _unconsumed += data.Length;
                _unexamined += data.Length;
                taken = true;
            }
        }

        if (taken)
        {
            Flush();
        }
        else
        {
            _stream.Consumed(data.Length);
        }
    }

    public void OnEnd() => CompleteWriter(null);

    public void OnFault(StreamFault fault)
    {
        if (!fault.IsQuiet)
        {
            lock (_gate)
            {
                if (_unexamined > 0 && !_readerCompleted)
                {
                    _fault ??= fault.ToException();
                    return;
                }
            }
        }

        CompleteWriter(fault.IsQuiet ? null : fault.ToException());
    }

    public override bool TryRead(out ReadResult result)
    {
        var read = _pipe.Reader.TryRead(out result);
        _last = read ? result.Buffer : default;
        return read;
    }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        var read = _pipe.Reader.ReadAsync(cancellationToken);
        if (!read.IsCompletedSuccessfully)
        {
            return WaitAsync(read);
        }

        var result = read.Result;
        _last = result.Buffer;
        return new ValueTask<ReadResult>(result);
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        var count = _last.Slice(0, consumed).Length;
        var seen = _last.Slice(0, examined).Length;
        _last = default;
        _pipe.Reader.AdvanceTo(consumed, examined);
        IOException? fault;
        lock (_gate)
        {
            // Bytes that are left are shown again, those before the examined position need not be.
            _unexamined = Math.Min(_unexamined, _unconsumed - seen);
            _unconsumed -= count;
            fault = _unexamined == 0 ? _fault : null;
        }

        if (count > 0)
        {
            _stream.Consumed((int)count);
        }

        if (fault is not null)
        {
            CompleteWriter(fault);
        }
    }

    public override void CancelPendingRead() => _pipe.Reader.CancelPendingRead();

    public override void Complete(Exception? exception = null)
    {
        long rest;
        lock (_gate)
        {
            if (_readerCompleted)
            {
                return;
            }

            _readerCompleted = true;
            (rest, _unconsumed) = (_unconsumed, 0);
        }

        // Bytes that nobody will read give their credit back; those still to come do so as they come.
        _pipe.Reader.Complete(exception);
        _stream.Consumed((int)rest);
        if (_fault is not null)
        {
            // Nobody will be told of it any more, but the pipe gives its memory back only when both ends are done.
            CompleteWriter(null);
        }
    }

    /// <summary>Wakes the reader. Completes at once, since the pipe never pauses its writer.</summary>
    private void Flush()
    {
        var flush = _pipe.Writer.FlushAsync();
        if (flush.IsCompleted)
        {
            flush.GetAwaiter().GetResult();
        }
    }

    private async ValueTask<ReadResult> WaitAsync(ValueTask<ReadResult> read)
    {
        var result = await read.ConfigureAwait(false);
        _last = result.Buffer;
        return result;
    }

    private void CompleteWriter(Exception? error)
    {
        lock (_gate)
        {
            if (_writerCompleted)
            {
                return;
            }

            _writerCompleted = true;
        }

        _pipe.Writer.Complete(error);
    }
}
