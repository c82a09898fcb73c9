using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>What streams ask of their connection: to be opened, answered, written, ended.</summary>
internal sealed partial class Http2Connection
{
    /// <summary>Opens a stream and sends its request.</summary>
    /// <param name="request">Its header block.</param>
    /// <param name="owner">Who opens it.</param>
    /// <param name="endStream">Whether the request ends with its block.</param>
    /// <param name="later">Whether the block may wait for what follows it, up to the next call of <see cref="Flush"/> or one that sends.</param>
    /// <exception cref="UnprocessedException">The connection takes no new streams, or not this many.</exception>
    /// <exception cref="ArgumentException">A value of the request cannot be sent.</exception>
    public Http2Stream Open<TBlock>(in TBlock request, IHttp2StreamOwner owner, bool endStream = false, bool later = false)
        where TBlock : IHeaderBlock
    {
        Http2Stream stream;
        bool kick;
        lock (Gate)
        {
            if (_closed || !_farewell.MayOpen || Streams.NextId < 0)
            {
                throw new UnprocessedException("the connection takes no new streams");
            }

            request.Write(Sender.Control, Encoder, Streams.NextId, endStream, Peer.MaxFrameSize);
            stream = AddStream(Streams.TakeId(), owner);
            stream.LocalEnded = endStream;
            owner.OnOpened(stream);
            kick = !later && Sender.Begin();
        }

        Sender.Kick(kick);
        return stream;
    }

    /// <summary>Server: answers a CONNECT.</summary>
    /// <param name="stream">Stream.</param>
    /// <param name="status">Status; anything but 200 ends the stream.</param>
    /// <param name="baggage">The <c>baggage</c> response header, or null.</param>
    public void Respond(Http2Stream stream, int status, string? baggage)
    {
        bool kick;
        var ended = false;
        lock (Gate)
        {
            if (stream.Removed || stream.Answered || _closed)
            {
                return;
            }

            stream.Answered = true;
            WriteResponse(stream.Id, status, baggage);
            if (status != 200)
            {
                stream.LocalEnded = true;

                // The rest of the request will not be read (RFC 9113 section 8.1).
                if (!stream.RemoteEnded)
                {
                    WriteReset(stream, Http2ErrorCode.NoError);
                }

                Remove(stream, settle: true);
                ended = true;
            }

            kick = Sender.Begin();
        }

        Sender.Kick(kick);
        if (ended)
        {
            stream.DeliverFault(new StreamFault(StreamFaultOrigin.Local, Http2ErrorCode.NoError));
            StreamEnded?.Invoke(stream);
            CloseIfDone();
        }
    }

    /// <summary>Writes a header block within a stream.</summary>
    /// <param name="stream">Stream.</param>
    /// <param name="block">Its header block.</param>
    /// <param name="answers">Whether it is the answer that the peer waits for.</param>
    /// <param name="endStream">Whether it ends our half; nothing may be queued then.</param>
    /// <param name="later">Whether it may wait for what follows it, up to the next call of <see cref="Flush"/> or one that sends.</param>
    /// <returns>False: the stream can send nothing any more.</returns>
    /// <exception cref="ArgumentException">A value cannot be sent. Nothing was.</exception>
    internal bool WriteBlock<TBlock>(Http2Stream stream, in TBlock block, bool answers, bool endStream, bool later)
        where TBlock : IHeaderBlock
    {
        bool kick;
        var over = false;
        lock (Gate)
        {
            if (!MaySend(stream))
            {
                return false;
            }

            block.Write(Sender.Control, Encoder, stream.Id, endStream, Peer.MaxFrameSize);
            stream.Answered |= answers;
            if (_isServer)
            {
                Sender.CountAnswer();
            }

            if (endStream)
            {
                over = EndNeedsLock(stream);
            }

            kick = !later && Sender.Begin();
        }

        Sender.Kick(kick);
        if (over)
        {
            OnStreamOver(stream);
        }

        return true;
    }

    /// <summary>Sends what was written and may have waited.</summary>
    internal void Flush()
    {
        // Under the lock the loop sleeps only when nothing is written: one that was awake since the caller wrote has taken it, or will.
        if (Sender.IsActive)
        {
            return;
        }

        bool kick;
        lock (Gate)
        {
            kick = Sender.Control.Length > 0 && Sender.Begin();
        }

        Sender.Kick(kick);
    }

    /// <summary>Returns credit for bytes of a stream that were consumed, or that nobody will consume.</summary>
    internal void ReturnCredit(Http2Stream stream, int bytes)
    {
        if (bytes == 0)
        {
            return;
        }

        bool kick;
        lock (Gate)
        {
            if (stream.Settled || _closed)
            {
                return;
            }

            stream.Unconsumed -= bytes;
            var due = Sender.WriteWindowUpdate(0, Sender.Windows.Return(bytes));
            if (!stream.Removed && !stream.RemoteEnded)
            {
                due |= Sender.WriteWindowUpdate(stream.Id, Sender.Windows.Return(stream, bytes));
            }

            kick = due && Sender.Begin();
        }

        Sender.Kick(kick);
    }

    internal bool TrySendSmall(Http2Stream stream, ReadOnlySpan<byte> bytes, bool endStream = false)
    {
        bool kick;
        var over = false;
        lock (Gate)
        {
            if (!MaySend(stream) || !Sender.TrySendSmall(stream, bytes, endStream))
            {
                return false;
            }

            if (endStream)
            {
                over = EndNeedsLock(stream);
            }

            kick = Sender.Begin();
        }

        Sender.Kick(kick);
        if (over)
        {
            OnStreamOver(stream);
        }

        return true;
    }

    internal ValueTask<bool> Send(Http2Stream stream, byte[] buffer, int offset, int count)
    {
        ValueTask<bool> result;
        bool kick;
        lock (Gate)
        {
            if (!Enqueue(stream, buffer, offset, count))
            {
                return new ValueTask<bool>(false);
            }

            result = Sender.Queue.WaitForRoom(stream);
            kick = Sender.Begin();
        }

        Sender.Kick(kick);
        return result;
    }

    internal bool Queue(Http2Stream stream, byte[] buffer, int offset, int count)
    {
        bool kick;
        lock (Gate)
        {
            if (!Enqueue(stream, buffer, offset, count))
            {
                return false;
            }

            kick = Sender.Begin();
        }

        Sender.Kick(kick);
        return true;
    }

    internal ValueTask<bool> WaitForRoom(Http2Stream stream)
    {
        lock (Gate)
        {
            return stream.Removed || _closed ? new ValueTask<bool>(false) : Sender.Queue.WaitForRoom(stream);
        }
    }

    internal void EndStream(Http2Stream stream)
    {
        var over = false;
        bool kick;
        lock (Gate)
        {
            if (stream.Removed || stream.LocalEnded)
            {
                return;
            }

            if (stream.Chunk.Buffer is not null)
            {
                stream.LocalEnded = true;
                stream.EndQueued = true;
                return;
            }

            WriteEnd(stream);
            over = EndNeedsLock(stream);
            kick = Sender.Begin();
        }

        Sender.Kick(kick);
        if (over)
        {
            OnStreamOver(stream);
        }
    }

    internal void ResetStream(Http2Stream stream, Http2ErrorCode code)
    {
        if (stream.Removed)
        {
            return;
        }

        bool kick;
        lock (Gate)
        {
            if (stream.Removed)
            {
                return;
            }

            Remove(stream, settle: true);
            WriteReset(stream, code);
            kick = Sender.Begin();
        }

        Sender.Kick(kick);
        EndFaulted(stream, new StreamFault(StreamFaultOrigin.Local, code));
        CloseIfDone();
    }

    internal void ReleaseStream(Http2Stream stream, Http2ErrorCode code)
    {
        if (stream.Removed)
        {
            return;
        }

        lock (Gate)
        {
            if (stream.EndQueued && !stream.Removed)
            {
                stream.ResetAfterEnd = code;
                return;
            }
        }

        ResetStream(stream, code);
    }

    /// <summary>Adds the streams that are open to a list.</summary>
    internal void CopyStreams(List<Http2Stream> streams)
    {
        lock (Gate)
        {
            streams.AddRange(Streams.Open);
        }
    }

    /// <summary>Under the lock: a stream begins.</summary>
    internal Http2Stream AddStream(int id, IHttp2StreamOwner? owner)
    {
        var stream = new Http2Stream(this, id) { Owner = owner, SendWindow = Peer.InitialWindowSize, ReceiveWindow = _options.StreamWindowSize };
        Streams.Add(stream);
        return stream;
    }

    /// <summary>
    /// Under the lock: takes a stream out of the table. Its queued data is dropped. True: its credit has made a WINDOW_UPDATE, and
    /// a caller that writes nothing else wakes the loop for it: other streams may wait for just that.
    /// </summary>
    internal bool Remove(Http2Stream stream, bool settle)
    {
        if (stream.Removed)
        {
            return false;
        }

        var update = false;
        stream.Removed = true;
        Streams.Remove(stream);
        Sender.Queue.Drop(stream, Streams.Count);
        if (settle)
        {
            stream.Settled = true;
            update = Sender.WriteWindowUpdate(0, Sender.Windows.Return(stream.Unconsumed));
            stream.Unconsumed = 0;
        }

        _closeWhenEmpty |= Streams.Count == 0 && _farewell.Received;
        return update;
    }

    /// <summary>After the lock: both halves of a stream have ended in order.</summary>
    internal void OnStreamOver(Http2Stream stream)
    {
        stream.OnClosed();
        StreamEnded?.Invoke(stream);
        CloseIfDone();
    }

    /// <summary>After the lock: tells everyone who waits on a stream that it is over before its time.</summary>
    internal void EndFaulted(Http2Stream stream, StreamFault fault)
    {
        bool writerWaits;
        lock (Gate)
        {
            (writerWaits, stream.WriterWaits) = (stream.WriterWaits, false);
        }

        if (writerWaits && fault.Origin == StreamFaultOrigin.Local)
        {
            // Whoever ends a stream of others may hold a lock that its writer wants.
            stream.RefuseRoomLater();
        }
        else if (writerWaits)
        {
            stream.SignalRoom(false);
        }

        stream.DeliverFault(fault);
        StreamEnded?.Invoke(stream);
    }

    /// <summary>The same for many streams, some in each turn where this is an event loop.</summary>
    internal void EndFaulted(IReadOnlyList<Http2Stream> streams, Func<Http2Stream, StreamFault> faultOf)
    {
        if (streams.Count == 0)
        {
            return;
        }

        var endings = new StreamEndings(this, streams, faultOf);
        lock (Gate)
        {
            _endings = _endings.IsCompleted ? endings.Done : Task.WhenAll(_endings, endings.Done);
        }

        // Each goes on where its bytes are moved, and not on the thread of whoever ends the connection.
        if (Loop is not { } loop || loop == EventLoop.Current || !loop.Post(endings))
        {
            endings.Run();
        }
    }

    /// <summary>Under the lock: writes a response's HEADERS; any status but 200 ends the stream.</summary>
    internal void WriteResponse(int streamId, int status, string? baggage)
    {
        ConnectHeaderWriter.WriteResponse(Sender.Control, Encoder, streamId, new ConnectResponseHeaders(status, baggage), endStream: status != 200, Peer.MaxFrameSize);
        Sender.CountAnswer();
    }

    /// <summary>Write loop: END_STREAM has left behind a stream's data.</summary>
    private void OnEndSent(Http2Stream stream)
    {
        lock (Gate)
        {
            stream.EndQueued = false;
            if (stream.Removed)
            {
                return;
            }

            if (stream.Owner is { HasTrailers: true })
            {
                WriteEnd(stream);
            }

            if (!stream.RemoteEnded && stream.ResetAfterEnd is null)
            {
                return;
            }

            if (!stream.RemoteEnded)
            {
                WriteReset(stream, stream.ResetAfterEnd!.Value);
                stream.RemoteEnded = true;
            }

            // Released: nobody reads what has come or is still coming in, so its credit returns now.
            Remove(stream, settle: stream.ResetAfterEnd is not null);
        }

        OnStreamOver(stream);
    }

    /// <summary>Under the lock: what ends our half, where no data is queued that could.</summary>
    private void WriteEnd(Http2Stream stream)
    {
        if (stream.Owner is { HasTrailers: true } owner)
        {
            owner.WriteTrailers(Sender.Control, Encoder, stream.Id, Peer.MaxFrameSize);
        }
        else
        {
            Sender.WriteEndStream(stream);
        }
    }

    /// <summary>Under the lock: our half has ended. True: so has the stream.</summary>
    private bool EndNeedsLock(Http2Stream stream)
    {
        stream.LocalEnded = true;
        if (!stream.RemoteEnded)
        {
            return false;
        }

        Remove(stream, settle: false);
        return true;
    }

    private bool MaySend(Http2Stream stream) => !stream.Removed && !stream.LocalEnded && !_closed;

    /// <summary>Under the lock: takes a buffer over. False: the stream can send nothing any more.</summary>
    private bool Enqueue(Http2Stream stream, byte[] buffer, int offset, int count)
    {
        if (!MaySend(stream))
        {
            IoBuffers.Return(buffer);
            return false;
        }

        Sender.Queue.Enqueue(stream, buffer, offset, count);
        return true;
    }

    private void WriteReset(Http2Stream stream, Http2ErrorCode code)
    {
        Sender.WriteReset(stream.Id, code);
        if (!stream.RemoteEnded)
        {
            Streams.RememberReset(stream.Id);
        }
    }
}
