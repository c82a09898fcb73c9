using Ambient.Hbone.Admission;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>
/// What streams have queued to be sent. Streams take turns, each for a quantum while others wait, and what one turn of the write
/// loop takes is a batch: segments of their buffers, which go to the wire as they are. Buffers that wait are bounded for each
/// stream and for the connection, so that a peer which does not read, or opens no window, makes us hold little. Every member is
/// called under the connection's lock unless it says otherwise.
/// </summary>
internal sealed class SendQueue(ConnectionWindows windows, PeerSettings peer, BufferShare? share = null)
{
    /// <summary>
    /// Bytes of buffers from which on a stream that has something queued waits. What the connection holds is at most this, one
    /// buffer of a reader that was let in last, and one small buffer for each other stream.
    /// </summary>
    public const int Budget = 1024 * 1024;

    /// <summary>Bytes of one batch.</summary>
    public const int BatchBudget = IoBuffers.Piece;

    // Bytes that a stream may send in its turn while others wait, which is what one read brought it.
    private const int Quantum = IoBuffers.Piece - FrameHeader.Size;
    private const int Record = 16 * 1024;
    private const int MaxSegments = 64;

    // Buffers of a connection up to which a source is asked for several pieces at once: few streams share them, and together they stay far below the budget.
    private const int PiecesBudget = SocketChannel.MaxPieces * IoBuffers.Large;

    // Streams in turn of which more than half being over is worth a look.
    private const int ReadyWorthSorting = 64;

    // Streams in turn from which on each reads a record at a time: together they would fill the budget.
    private const int Crowd = 16;

    private readonly Queue<Http2Stream> _ready = new();
    private readonly List<Http2Stream> _roomy = [];
    private readonly List<Http2Stream> _over = [];
    private Segment[] _segments = new Segment[4];
    private int _segmentCount;
    private long _queued;
    private long _held;
    private long _framesSent;
    private long _bytesSent;

    /// <summary>Bytes of buffers that wait to be sent, or are being sent. Any thread.</summary>
    public long Held => Volatile.Read(ref _held);

    /// <summary>DATA frames sent so far. Any thread.</summary>
    public long FramesSent => Volatile.Read(ref _framesSent);

    /// <summary>Bytes sent in them. Any thread.</summary>
    public long BytesSent => Volatile.Read(ref _bytesSent);

    /// <summary>Whether this connection, or all of its peer's together, hold as much as they may: who has nothing queued takes a small buffer. Any thread.</summary>
    public bool IsFull => Held >= Budget || share is { IsFull: true };

    /// <summary>Whether a stream has something that the windows allow to leave.</summary>
    public bool HasReady => _ready.Count > 0;

    /// <summary>Streams whose writers have room again since the batch was sent. The write loop's, without the lock.</summary>
    public List<Http2Stream> Roomy => _roomy;

    /// <summary>Streams whose last data was in the batch. The write loop's, without the lock.</summary>
    public List<Http2Stream> Ended => _over;

    /// <summary>
    /// Bytes worth reading from a stream's source now, behind a frame header's place; 0 when the source has to wait for room. No
    /// more than may be sent, except for one small buffer, and less where many streams take turns. Any thread: a guess that is out of
    /// date costs one buffer.
    /// </summary>
    /// <param name="stream">Stream.</param>
    /// <param name="size">Small, medium or large, as <see cref="IoBuffers"/> has them: what the source is likely to have.</param>
    public int ReadAhead(Http2Stream stream, int size)
    {
        if (!HasRoom(stream))
        {
            return 0;
        }

        if (IsFull)
        {
            size = IoBuffers.Small;
        }

        var waiting = _ready.Count;
        var piece = size <= IoBuffers.Medium ? size - FrameHeader.Size : waiting > Crowd ? IoBuffers.Medium - FrameHeader.Size : Quantum;
        return (int)Math.Min(piece, Math.Max(Open(stream), IoBuffers.Small - FrameHeader.Size));
    }

    /// <summary>
    /// How many times as much may be read from the source in one go: several pieces, where the windows are open for them and the connection holds little
    /// else. Any thread, as <see cref="ReadAhead"/>.
    /// </summary>
    /// <param name="stream">Stream.</param>
    /// <param name="piece">What is worth reading.</param>
    public int PiecesAhead(Http2Stream stream, int piece) =>
        piece < Quantum ? 1 : (int)Math.Clamp(Math.Min(Open(stream) / Quantum, (PiecesBudget - Held) / IoBuffers.Large), 1, SocketChannel.MaxPieces);

    /// <summary>
    /// Whether a stream's writer may go on. With nothing queued it always may, so that no stream waits for others that are stuck;
    /// and a writer that has to wait has something queued, so that its own progress lets it in again. Any thread.
    /// </summary>
    public bool HasRoom(Http2Stream stream)
    {
        if (stream.Held == 0)
        {
            return true;
        }

        var open = stream.SendWindow > stream.Queued && windows.Send > Volatile.Read(ref _queued);
        return !IsFull && stream.Queued < (open ? stream.SendLimit : stream.SendAhead);
    }

    /// <summary>Completes with true when the stream's writer may go on.</summary>
    public ValueTask<bool> WaitForRoom(Http2Stream stream)
    {
        if (HasRoom(stream))
        {
            return new ValueTask<bool>(true);
        }

        stream.WriterWaits = true;
        return stream.WaitForRoom();
    }

    /// <summary>Takes a buffer over, with room for a frame header before the offset.</summary>
    public void Enqueue(Http2Stream stream, byte[] buffer, int offset, int count)
    {
        var chunk = new Http2Stream.OutgoingChunk { Buffer = buffer, Offset = offset, Count = count };
        if (stream.Chunk.Buffer is null)
        {
            stream.Chunk = chunk;
        }
        else
        {
            (stream.MoreChunks ??= new Queue<Http2Stream.OutgoingChunk>()).Enqueue(chunk);
        }

        stream.Queued += count;
        stream.Held += buffer.Length;
        _queued += count;
        _held += buffer.Length;
        share?.Add(buffer.Length);
        MakeReady(stream);
    }

    /// <summary>Accounts for DATA that leaves with the control frames.</summary>
    public void CountSent(Http2Stream stream, int bytes, bool newFrame)
    {
        windows.Spend(stream, bytes);
        _framesSent += newFrame ? 1 : 0;
        _bytesSent += bytes;
    }

    /// <summary>A stream's window or queue has changed: it gets its turn if it has something that may leave.</summary>
    public void MakeReady(Http2Stream stream)
    {
        if (!stream.IsReady && stream.Chunk.Buffer is not null && stream.SendWindow > 0)
        {
            stream.IsReady = true;
            _ready.Enqueue(stream);
        }
    }

    /// <summary>Begins a batch.</summary>
    public void Begin()
    {
        _segmentCount = 0;
        _roomy.Clear();
        _over.Clear();
    }

    /// <summary>Puts bytes that are complete frames into the batch.</summary>
    public void TakeControl(OutputBuffer frames) => Add(new Segment { Buffer = frames.Buffer, Count = frames.Length });

    /// <summary>Puts data into the batch, as much as windows, turns and the budget allow.</summary>
    public void TakeData(int budget)
    {
        var before = _segmentCount;
        while (budget > FrameHeader.Size && _segmentCount < MaxSegments && windows.Send > 0 && _ready.TryPeek(out var stream))
        {
            ref var chunk = ref stream.Chunk;
            if (chunk.Buffer is null || stream.SendWindow <= 0)
            {
                _ready.Dequeue();
                stream.IsReady = false;
                continue;
            }

            // What does not fit behind other data is not cut in two, but begins the next batch.
            budget -= FrameHeader.Size;
            if (chunk.Count > budget && _segmentCount > before)
            {
                break;
            }

            var limit = Math.Min(Math.Min(Quantum, budget), Math.Min(peer.MaxFrameSize, Math.Min(stream.SendWindow, windows.Send)));
            var count = chunk.Count <= limit ? chunk.Count : WholeRecords(limit);
            var segment = new Segment { Buffer = chunk.Buffer, Offset = chunk.Offset, Count = count, Stream = stream };
            chunk.Offset += count;
            chunk.Count -= count;
            budget -= count;
            CountSent(stream, count, newFrame: true);
            if (chunk.Count == 0)
            {
                segment.GiveBack = true;
                if (stream.MoreChunks is null || !stream.MoreChunks.TryDequeue(out chunk))
                {
                    chunk = default;
                    segment.IsLast = stream.EndQueued;
                    segment.EndStream = stream.EndQueued && stream.Owner is not { HasTrailers: true };
                }
            }

            Add(segment);

            // To the end of the queue; a stream that has no more leaves it.
            _ready.Dequeue();
            if (chunk.Buffer is not null)
            {
                _ready.Enqueue(stream);
            }
            else
            {
                stream.IsReady = false;
            }
        }
    }

    /// <summary>Segments of the batch. The write loop's, without the lock, as it alone changes it.</summary>
    public int SegmentCount => _segmentCount;

    /// <summary>
    /// The bytes of a segment, with its frame header in front. Written only now, because the place may hold the end of the
    /// segment before, which is sent by now. The write loop's, without the lock.
    /// </summary>
    public ReadOnlyMemory<byte> Prepare(int index)
    {
        ref var segment = ref _segments[index];
        if (segment.Stream is null)
        {
            return segment.Buffer.AsMemory(segment.Offset, segment.Count);
        }

        var start = segment.Offset - FrameHeader.Size;
        FrameWriter.WriteDataHeader(segment.Buffer.AsSpan(start), segment.Stream.Id, segment.Count, segment.EndStream);
        return segment.Buffer.AsMemory(start, FrameHeader.Size + segment.Count);
    }

    /// <summary>The batch was sent: its buffers are given back, and <see cref="Roomy"/> and <see cref="Ended"/> say who goes on.</summary>
    /// <returns>Its bytes.</returns>
    public int Complete()
    {
        var sent = 0;
        for (var i = 0; i < _segmentCount; i++)
        {
            ref var segment = ref _segments[i];
            sent += segment.Count;
            if (segment.Stream is { } stream)
            {
                Complete(ref segment, stream);
            }
        }

        Array.Clear(_segments, 0, _segmentCount);
        _segmentCount = 0;
        return sent;
    }

    /// <summary>
    /// The write loop failed in the middle of a batch: its buffers are nobody else's, except those of streams that are yet to be
    /// removed, by another thread that is closing the connection at this moment.
    /// </summary>
    public void Abandon()
    {
        for (var i = 0; i < _segmentCount; i++)
        {
            ref var segment = ref _segments[i];
            if (segment.Stream is { } stream && !IsUsedLater(segment) && !ReferenceEquals(stream.Chunk.Buffer, segment.Buffer))
            {
                GiveBack(stream, segment.Buffer);
            }
        }

        Array.Clear(_segments, 0, _segmentCount);
        _segmentCount = 0;
    }

    /// <summary>A stream is over: drops what it has queued. What is being sent at this moment is given back after that.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="open">Streams that are still open.</param>
    public void Drop(Http2Stream stream, int open)
    {
        if (stream.Chunk.Buffer is { } buffer)
        {
            _queued -= stream.Chunk.Count;
            if (!IsBeingSent(buffer))
            {
                GiveBack(stream, buffer);
            }

            stream.Chunk = default;
        }

        while (stream.MoreChunks is not null && stream.MoreChunks.TryDequeue(out var chunk))
        {
            _queued -= chunk.Count;
            GiveBack(stream, chunk.Buffer!);
        }

        ForgetRemoved(open);
    }

    private long Open(Http2Stream stream) => Math.Min(stream.SendWindow - (long)stream.Queued, windows.Send - Volatile.Read(ref _queued));

    private static int WholeRecords(int limit)
    {
        var whole = (limit + FrameHeader.Size) / Record * Record;
        return whole > FrameHeader.Size ? whole - FrameHeader.Size : limit;
    }

    private void Add(in Segment segment)
    {
        if (_segmentCount == _segments.Length)
        {
            Array.Resize(ref _segments, Math.Min(MaxSegments, _segmentCount * 2));
        }

        _segments[_segmentCount++] = segment;
    }

    private void Complete(ref Segment segment, Http2Stream stream)
    {
        // A stream that was removed meanwhile has left its buffer to us.
        if (segment.GiveBack || (stream.Removed && !IsUsedLater(segment)))
        {
            GiveBack(stream, segment.Buffer);
        }

        stream.Queued -= segment.Count;
        _queued -= segment.Count;
        if (stream.WriterWaits && HasRoom(stream))
        {
            stream.WriterWaits = false;
            _roomy.Add(stream);
        }

        if (segment.IsLast && !stream.Removed)
        {
            _over.Add(stream);
        }
    }

    private void GiveBack(Http2Stream stream, byte[] buffer)
    {
        stream.Held -= buffer.Length;
        _held -= buffer.Length;
        share?.Add(-buffer.Length);
        IoBuffers.Return(buffer);
    }

    private bool IsUsedLater(in Segment segment)
    {
        for (var i = _segmentCount - 1; i >= 0; i--)
        {
            if (ReferenceEquals(_segments[i].Buffer, segment.Buffer))
            {
                return !(_segments[i].Offset == segment.Offset && _segments[i].Count == segment.Count);
            }
        }

        return false;
    }

    private bool IsBeingSent(byte[] buffer)
    {
        for (var i = 0; i < _segmentCount; i++)
        {
            if (ReferenceEquals(_segments[i].Buffer, buffer))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// While the connection has no window nobody's turn comes, and a peer could fill the queue with streams that it opens and
    /// resets. They leave it when they are most of it.
    /// </summary>
    private void ForgetRemoved(int open)
    {
        if (_ready.Count < ReadyWorthSorting + (2 * open))
        {
            return;
        }

        for (var left = _ready.Count; left > 0; left--)
        {
            var stream = _ready.Dequeue();
            if (stream.Removed)
            {
                stream.IsReady = false;
            }
            else
            {
                _ready.Enqueue(stream);
            }
        }
    }

    private struct Segment
    {
        public byte[] Buffer;
        public int Offset;
        public int Count;
        public Http2Stream? Stream;
        public bool GiveBack;
        public bool IsLast;
        public bool EndStream;
    }
}
