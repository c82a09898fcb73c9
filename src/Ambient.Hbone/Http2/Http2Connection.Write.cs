using System.Text;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>
/// The write loop. Whoever has something to send queues it under the lock, and wakes the loop if it sleeps, which then
/// runs on that thread: with one busy stream nothing ever changes threads. While it runs, others only queue, and what
/// they queued leaves together. Streams take turns, and small frames go ahead of bulk.
/// </summary>
internal sealed partial class Http2Connection
{
    // Bytes of one turn of the loop: with the records' overhead they fit one bulk buffer.
    private const int BatchBudget = 240 * 1024;
    private const int MaxSegments = 64;

    // Bytes that a stream may send in its turn while others wait: with the frame's header, two whole records.
    private const int Quantum = (2 * Record) - FrameHeader.Size;
    private const int Record = 16 * 1024;

    // DATA of this size is copied behind the control frames rather than queued.
    private const int SmallData = 2 * 1024;
    private const int SmallDataLimit = 48 * 1024;

    // Streams in line of which more than half being over is worth a look.
    private const int ReadyWorthSorting = 64;

    // Bytes that the loop sends before it gives way to the other connections of its thread.
    private const int TurnBudget = 512 * 1024;

    private readonly WakeSignal _wake = new();
    private readonly LoopTurn _writeTurn = new();
    private readonly Queue<Http2Stream> _ready = new();
    private readonly Segment[] _segments = new Segment[MaxSegments];
    private readonly Http2Stream?[] _roomy = new Http2Stream?[MaxSegments];
    private readonly Http2Stream?[] _over = new Http2Stream?[MaxSegments];
    private OutputBuffer _control = new();
    private OutputBuffer _controlSending = new();
    private int _controlFrames;
    private int _segmentCount;
    private int _roomyCount;
    private int _overCount;
    private bool _writerActive;
    private int _corkThread;
    private long _dataFramesSent;

    /// <summary>
    /// Bytes worth having in one buffer of <see cref="IoBuffers"/> behind a frame header's place: a whole number of turns, so that no
    /// crumbs are left for a record of their own; one large piece for a stream alone, small ones where many take turns.
    /// Read without the lock: a guess that is out of date costs nothing.
    /// </summary>
    public int WorthReading(int size) =>
        (_ready.Count > 1 ? Math.Min(size, IoBuffers.Large) : size) / (2 * Record) * Quantum;

    /// <summary>DATA frames that this connection has sent.</summary>
    public long DataFramesSent => Volatile.Read(ref _dataFramesSent);

    internal bool TrySendSmall(Http2Stream stream, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > SmallData)
        {
            return false;
        }

        bool kick;
        lock (_gate)
        {
            if (stream.Removed || stream.LocalEnded || stream.Queued > 0 || _closed || _control.Length > SmallDataLimit
                || bytes.Length > stream.SendWindow || bytes.Length > _sendWindow)
            {
                return false;
            }

            var span = _control.GetSpan(FrameHeader.Size + bytes.Length);
            FrameWriter.WriteDataHeader(span, stream.Id, bytes.Length, endStream: false);
            bytes.CopyTo(span[FrameHeader.Size..]);
            _control.Advance(FrameHeader.Size + bytes.Length);
            stream.SendWindow -= bytes.Length;
            _sendWindow -= bytes.Length;
            _dataFramesSent++;
            kick = BeginWriting();
        }

        Kick(kick);
        return true;
    }

    internal ValueTask<bool> Send(Http2Stream stream, byte[] buffer, int offset, int count)
    {
        ValueTask<bool> result;
        bool kick;
        lock (_gate)
        {
            if (!Enqueue(stream, buffer, offset, count))
            {
                return new ValueTask<bool>(false);
            }

            result = RoomFor(stream);
            kick = BeginWriting();
        }

        Kick(kick);
        return result;
    }

    internal bool Queue(Http2Stream stream, byte[] buffer, int offset, int count)
    {
        bool kick;
        lock (_gate)
        {
            if (!Enqueue(stream, buffer, offset, count))
            {
                return false;
            }

            kick = BeginWriting();
        }

        Kick(kick);
        return true;
    }

    internal ValueTask<bool> WaitForRoom(Http2Stream stream)
    {
        lock (_gate)
        {
            return stream.Removed || _closed ? new ValueTask<bool>(false) : RoomFor(stream);
        }
    }

    /// <summary>Under the lock: completes with true when the stream's writer may go on.</summary>
    private static ValueTask<bool> RoomFor(Http2Stream stream)
    {
        if (stream.Queued < Http2Stream.SendQueueLimit)
        {
            return new ValueTask<bool>(true);
        }

        stream.WriterWaits = true;
        return stream.WaitForRoom();
    }

    /// <summary>Under the lock: takes a buffer over. False: the stream can send nothing any more.</summary>
    private bool Enqueue(Http2Stream stream, byte[] buffer, int offset, int count)
    {
        if (stream.Removed || stream.LocalEnded || _closed)
        {
            IoBuffers.Return(buffer);
            return false;
        }

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
        MakeReady(stream);
        return true;
    }

    internal void EndStream(Http2Stream stream)
    {
        var over = false;
        bool kick;
        lock (_gate)
        {
            if (stream.Removed || stream.LocalEnded)
            {
                return;
            }

            stream.LocalEnded = true;
            if (stream.Chunk.Buffer is not null)
            {
                stream.EndQueued = true;
                return;
            }

            _control.Advance(FrameWriter.WriteDataHeader(_control.GetSpan(FrameHeader.Size), stream.Id, 0, endStream: true));
            if (stream.RemoteEnded)
            {
                Remove(stream, settle: false);
                over = true;
            }

            kick = BeginWriting();
        }

        Kick(kick);
        if (over)
        {
            OnStreamOver(stream);
        }
    }

    internal void ResetStream(Http2Stream stream, Http2ErrorCode code)
    {
        bool kick;
        lock (_gate)
        {
            if (stream.Removed)
            {
                return;
            }

            Remove(stream, settle: true);
            WriteReset(stream.Id, code);
            kick = BeginWriting();
        }

        Kick(kick);
        EndFaulted(stream, new StreamFault(StreamFaultOrigin.Local, code));
        CloseIfDone();
    }

    internal void ReleaseStream(Http2Stream stream, Http2ErrorCode code)
    {
        lock (_gate)
        {
            if (stream.EndQueued && !stream.Removed)
            {
                stream.ResetAfterEnd = code;
                return;
            }

            code = stream.LocalEnded ? code : Http2ErrorCode.Cancel;
        }

        ResetStream(stream, code);
    }

    private async Task WriteLoopAsync()
    {
        try
        {
            while (true)
            {
                await _wake.WaitAsync().ConfigureAwait(false);
                bool last;
                var sent = 0;
                while (FillBatch(out last))
                {
                    for (var i = 0; i < _segmentCount; i++)
                    {
                        await _transport.WriteAsync(Prepare(ref _segments[i])).ConfigureAwait(false);
                    }

                    await _transport.FlushAsync().ConfigureAwait(false);
                    sent += CompleteBatch();
                    if (sent >= TurnBudget)
                    {
                        sent = 0;
                        await _writeTurn.NextAsync().ConfigureAwait(false);
                    }
                }

                if (last)
                {
                    await _transport.CloseWriteAsync().ConfigureAwait(false);
                    return;
                }
            }
        }
        catch (Exception e)
        {
            Close(e);
            _transport.Abort();
            AbandonBatch();
        }
    }

    /// <summary>Takes what is to be sent next. False: nothing, and the loop may sleep; or, if <paramref name="last"/>, end.</summary>
    private bool FillBatch(out bool last)
    {
        lock (_gate)
        {
            last = false;
            _segmentCount = 0;
            _roomyCount = 0;
            _overCount = 0;
            if (_control.Length > 0)
            {
                (_control, _controlSending) = (_controlSending, _control);
                _controlFrames = 0;
                _segments[_segmentCount++] = new Segment { Buffer = _controlSending.Buffer, Offset = 0, Count = _controlSending.Length };
            }

            if (!_closed)
            {
                TakeData(BatchBudget - _controlSending.Length);
            }

            if (_segmentCount > 0)
            {
                return true;
            }

            last = _closed;
            if (!last)
            {
                _wake.Reset();
                _writerActive = false;
            }

            return false;
        }
    }

    private void TakeData(int budget)
    {
        while (budget > 0 && _segmentCount < MaxSegments && _sendWindow > 0 && _ready.TryPeek(out var stream))
        {
            ref var chunk = ref stream.Chunk;
            if (chunk.Buffer is null || stream.SendWindow <= 0)
            {
                _ready.Dequeue();
                stream.IsReady = false;
                continue;
            }

            // A last quantum beyond the budget would need a buffer larger than any that is kept, and a collection for each batch.
            if (_ready.Count > 1 && budget < Quantum && _segmentCount > 0)
            {
                break;
            }

            var limit = Math.Min(_ready.Count > 1 ? Quantum : budget, Math.Min(_peer.MaxFrameSize, Math.Min(stream.SendWindow, _sendWindow)));
            var count = chunk.Count <= limit ? chunk.Count : WholeRecords(limit);
            ref var segment = ref _segments[_segmentCount++];
            segment = new Segment { Buffer = chunk.Buffer, Offset = chunk.Offset, Count = count, Stream = stream };
            chunk.Offset += count;
            chunk.Count -= count;
            stream.SendWindow -= count;
            _sendWindow -= count;
            budget -= count;
            _dataFramesSent++;
            if (chunk.Count == 0)
            {
                segment.GiveBack = true;
                if (stream.MoreChunks is null || !stream.MoreChunks.TryDequeue(out chunk))
                {
                    chunk = default;
                    segment.EndStream = stream.EndQueued;
                }
            }

            // To the back of the line; a stream that has no more leaves it.
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

    private static int WholeRecords(int limit)
    {
        var whole = (limit + FrameHeader.Size) / Record * Record;
        return whole > FrameHeader.Size ? whole - FrameHeader.Size : limit;
    }

    /// <summary>
    /// The bytes of a segment, with its frame header in front. Written only now, because the place may hold the end of the
    /// segment before, which is sent by now.
    /// </summary>
    private static ReadOnlyMemory<byte> Prepare(ref Segment segment)
    {
        if (segment.Stream is null)
        {
            return segment.Buffer.AsMemory(segment.Offset, segment.Count);
        }

        var start = segment.Offset - FrameHeader.Size;
        FrameWriter.WriteDataHeader(segment.Buffer.AsSpan(start), segment.Stream.Id, segment.Count, segment.EndStream);
        return segment.Buffer.AsMemory(start, FrameHeader.Size + segment.Count);
    }

    private int CompleteBatch()
    {
        var sent = 0;
        lock (_gate)
        {
            _controlSending.Release();
            for (var i = 0; i < _segmentCount; i++)
            {
                ref var segment = ref _segments[i];
                sent += segment.Count;
                if (segment.Stream is { } stream)
                {
                    CompleteSegment(ref segment, stream);
                }
            }

            Array.Clear(_segments, 0, _segmentCount);
            _segmentCount = 0;
        }

        // Writers that have room again go on here, before the next turn, and what they queue goes into it.
        for (var i = 0; i < _roomyCount; i++)
        {
            var stream = _roomy[i]!;
            _roomy[i] = null;
            stream.SignalRoom(true);
        }

        for (var i = 0; i < _overCount; i++)
        {
            var stream = _over[i]!;
            _over[i] = null;
            OnStreamOver(stream);
        }

        return sent;
    }

    private void CompleteSegment(ref Segment segment, Http2Stream stream)
    {
        if (segment.GiveBack || stream.Removed)
        {
            // A stream that was removed meanwhile has left its buffer to us.
            if (segment.GiveBack || !IsUsedLater(segment))
            {
                IoBuffers.Return(segment.Buffer);
            }
        }

        stream.Queued -= segment.Count;
        if (stream.WriterWaits && stream.Queued < Http2Stream.SendQueueLimit)
        {
            stream.WriterWaits = false;
            _roomy[_roomyCount++] = stream;
        }

        if (segment.EndStream && !stream.Removed)
        {
            stream.EndQueued = false;
            if (stream.RemoteEnded || stream.ResetAfterEnd is not null)
            {
                if (!stream.RemoteEnded)
                {
                    WriteReset(stream.Id, stream.ResetAfterEnd!.Value);
                    stream.RemoteEnded = true;
                }

                // Released: nobody reads what has come or is still coming in, so its credit returns now.
                Remove(stream, settle: stream.ResetAfterEnd is not null);
                _over[_overCount++] = stream;
            }
        }
    }

    /// <summary>
    /// The loop failed in the middle of a batch: its buffers are nobody else's, except those of streams that are yet to be
    /// removed, by another thread that is closing the connection at this moment.
    /// </summary>
    private void AbandonBatch()
    {
        lock (_gate)
        {
            for (var i = 0; i < _segmentCount; i++)
            {
                ref var segment = ref _segments[i];
                if (segment.Stream is { } stream && !IsUsedLater(segment) && !ReferenceEquals(stream.Chunk.Buffer, segment.Buffer))
                {
                    IoBuffers.Return(segment.Buffer);
                }
            }

            Array.Clear(_segments, 0, _segmentCount);
            _segmentCount = 0;
        }
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

    /// <summary>Under the lock: drops what a stream has queued. What is being sent at this moment is given back after that.</summary>
    private void DropQueued(Http2Stream stream)
    {
        if (stream.Chunk.Buffer is { } buffer)
        {
            if (!IsBeingSent(buffer))
            {
                IoBuffers.Return(buffer);
            }

            stream.Chunk = default;
        }

        while (stream.MoreChunks is not null && stream.MoreChunks.TryDequeue(out var chunk))
        {
            IoBuffers.Return(chunk.Buffer!);
        }
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

    private void ReleaseOutput()
    {
        lock (_gate)
        {
            _control.Release();
            _controlSending.Release();
        }
    }

    private void MakeReady(Http2Stream stream)
    {
        if (!stream.IsReady && stream.Chunk.Buffer is not null && stream.SendWindow > 0)
        {
            stream.IsReady = true;
            _ready.Enqueue(stream);
        }
    }

    /// <summary>
    /// Under the lock: while the connection has no window the line stands still, and a peer could fill it with streams that it
    /// opens and resets. They leave it when they are most of it.
    /// </summary>
    private void ForgetRemoved()
    {
        if (_ready.Count < ReadyWorthSorting + (2 * _streams.Count))
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

    /// <summary>Under the lock: whether the caller has to wake the loop once it has left the lock.</summary>
    private bool BeginWriting()
    {
        if (_writerActive)
        {
            return false;
        }

        _writerActive = true;
        return true;
    }

    private bool BeginWritingUnlocked()
    {
        lock (_gate)
        {
            return BeginWriting();
        }
    }

    /// <summary>
    /// After the lock: wakes the write loop. On an event loop at the end of its turn, elsewhere on the read loop's thread
    /// when it has handled what it has read: so that what many events cause leaves together.
    /// </summary>
    private void Kick(bool kick)
    {
        if (!kick)
        {
            return;
        }

        if (EventLoop.Current is { } loop)
        {
            loop.AtEndOfTurn(this);
        }
        else if (_corkThread == Environment.CurrentManagedThreadId)
        {
            _kickDue = true;
        }
        else
        {
            _wake.Set();
        }
    }

    void ILoopWork.Run() => _wake.Set();

    private void Kick() => _wake.Set();

    /// <summary>Under the lock, on the read loop: something was queued, to be sent when what was read is handled.</summary>
    private void DueKick() => _kickDue |= BeginWriting();

    private void WritePreface()
    {
        if (!IsServer)
        {
            Http2Constants.ClientPreface.CopyTo(_control.GetSpan(Http2Constants.ClientPreface.Length));
            _control.Advance(Http2Constants.ClientPreface.Length);
        }

        ReadOnlySpan<Setting> settings = IsServer
            ?
            [
                new(SettingId.MaxConcurrentStreams, (uint)_options.MaxConcurrentStreams),
                new(SettingId.InitialWindowSize, (uint)_options.StreamWindowSize),
                new(SettingId.MaxFrameSize, (uint)_options.MaxFrameSize),
                new(SettingId.MaxHeaderListSize, (uint)_options.MaxHeaderListSize),
            ]
            :
            [
                new(SettingId.EnablePush, 0),
                new(SettingId.InitialWindowSize, (uint)_options.StreamWindowSize),
                new(SettingId.MaxFrameSize, (uint)_options.MaxFrameSize),
                new(SettingId.MaxHeaderListSize, (uint)_options.MaxHeaderListSize),
            ];
        _control.Advance(FrameWriter.WriteSettings(_control.GetSpan(128), settings));
        var more = _options.ConnectionWindowSize - Http2Constants.DefaultWindowSize;
        if (more > 0)
        {
            _control.Advance(FrameWriter.WriteWindowUpdate(_control.GetSpan(FrameWriter.MaxSmallFrame), 0, more));
            _receiveWindow += more;
        }

        _writerActive = true;
    }

    private void WriteReset(int streamId, Http2ErrorCode code)
    {
        _control.Advance(FrameWriter.WriteRstStream(_control.GetSpan(FrameWriter.MaxSmallFrame), streamId, code));
        CountControlFrame();
    }

    private void WriteGoAway(Http2ErrorCode code, string? debug)
    {
        _goAwaySent = true;
        var text = debug is null ? [] : Encoding.UTF8.GetBytes(debug.Length > 256 ? debug[..256] : debug);
        _control.Advance(FrameWriter.WriteGoAway(_control.GetSpan(64 + text.Length), _lastPeerStreamId, code, text));
    }

    /// <summary>Under the lock: an answer that the peer provoked was queued.</summary>
    private void CountControlFrame() => _controlFrames++;

    /// <summary>
    /// Read loop, before it handles more: a peer that does not read its answers has to stop. Checked here and not where
    /// an answer is queued, which may be a handler's thread that must not be told of it.
    /// </summary>
    private void CheckControlQueue()
    {
        lock (_gate)
        {
            if (!_closed)
            {
                _guard.CheckControlQueue(_controlFrames);
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
        public bool EndStream;
    }
}
