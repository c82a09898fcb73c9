using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;

namespace Ambient.Hbone.Http2;

/// <summary>What each frame of the peer means for the connection and its streams. Called by the read loop, one frame at a time.</summary>
internal sealed class FrameHandler(
    Http2Connection connection, bool isServer, IStreamUse use, Http2ConnectionOptions options, HeaderBlockAssembler blocks, Http2AbuseGuard guard)
{
    private readonly Lock _gate = connection.Gate;
    private readonly StreamTable _streams = connection.Streams;
    private readonly Http2Sender _sender = connection.Sender;
    private bool _firstSettings;
    private int _work;

    /// <summary>Counts what the peer sends.</summary>
    public Http2AbuseGuard Guard { get; } = guard;

    /// <summary>Whether the connection is over, so that nothing more is handled.</summary>
    public bool IsClosed => connection.IsClosed;

    /// <summary>What was done since the last call beyond the handling of frames, in frames.</summary>
    public int TakeWork()
    {
        var work = _work;
        _work = 0;
        return work;
    }

    /// <summary>An open stream, or null.</summary>
    public Http2Stream? Find(int id)
    {
        lock (_gate)
        {
            return _streams.Find(id);
        }
    }

    /// <summary>
    /// Before more is handled: a peer that does not read its answers has to stop. Checked here and not where an answer is queued,
    /// which may be a handler's thread that must not be told of it.
    /// </summary>
    public void CheckAnswers()
    {
        // Looked at without the lock first. What is seen may be out of date by what others change at this moment; it is looked at again before every read.
        if (!Guard.IsControlQueueLong(_sender.ControlFrames, _sender.Control.Length))
        {
            return;
        }

        lock (_gate)
        {
            if (!connection.IsClosed)
            {
                Guard.CheckControlQueue(_sender.ControlFrames, _sender.Control.Length);
            }
        }
    }

    /// <summary>SETTINGS come first (RFC 9113 section 3.4).</summary>
    public void CheckOrder(in FrameHeader header)
    {
        if (!_firstSettings && header.Type != FrameType.Settings)
        {
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"{header}: SETTINGS must come first");
        }
    }

    /// <summary>Accounts for a DATA frame whose payload is about to come. Null: the payload is for nobody.</summary>
    public Http2Stream? ReceiveData(in FrameHeader header)
    {
        Http2StreamException? fault;
        lock (_gate)
        {
            _sender.Windows.Receive(header);
            if (_streams.Find(header.StreamId) is not { } stream)
            {
                _streams.CheckNotIdle(header.StreamId);

                // Sent before the peer knew that the stream is over: nobody will consume it.
                ReturnUnwanted(header.Length);
                fault = null;
            }
            else if (stream.RemoteEnded)
            {
                fault = new Http2StreamException(header.StreamId, Http2ErrorCode.StreamClosed, $"{header}: after END_STREAM");
            }
            else if (header.Length > stream.ReceiveWindow)
            {
                fault = new Http2StreamException(header.StreamId, Http2ErrorCode.FlowControlError, $"{header}: the stream's window has {stream.ReceiveWindow} bytes left");
            }
            else if (!isServer && !stream.Answered)
            {
                fault = new Http2StreamException(header.StreamId, Http2ErrorCode.ProtocolError, $"{header}: before the response");
            }
            else
            {
                stream.ReceiveWindow -= header.Length;
                stream.Unconsumed += header.Length;
                return stream;
            }

            if (fault is not null)
            {
                ReturnUnwanted(header.Length);
            }
        }

        if (fault is not null)
        {
            OnStreamFault(fault);
        }
        else if (header.Length < Http2AbuseGuard.LateData)
        {
            Guard.OnLateFrame();
        }

        return null;
    }

    /// <summary>The peer half-closed.</summary>
    public void EndRemote(Http2Stream stream)
    {
        var over = false;
        lock (_gate)
        {
            stream.RemoteEnded = true;
            if (stream.LocalEnded && !stream.EndQueued && !stream.Removed)
            {
                connection.Remove(stream, settle: false);
                over = true;
            }
        }

        stream.DeliverEnd();
        if (over)
        {
            _work += use.StreamWork;
            connection.OnStreamOver(stream);
        }
    }

    public void OnHeaderBlock(ReadOnlySpan<byte> block)
    {
        var id = blocks.StreamId;
        if (isServer && _streams.IsNext(id))
        {
            // The last number of the peer's is the read loop's to change. Who names it in a GOAWAY at this moment names it with or without this stream,
            // which is served or refused by what was named.
            _streams.OpensByPeer(id);
            OnRequest(id, block);
            return;
        }

        Http2Stream? stream;
        bool opens;
        lock (_gate)
        {
            stream = _streams.Find(id);
            opens = stream is null && _streams.OpensByPeer(id);
        }

        if (opens)
        {
            OnRequest(id, block);
        }
        else if (stream is { Answered: false } && !isServer)
        {
            OnResponse(stream, block);
        }
        else
        {
            if (stream is not null)
            {
                OnTrailers(stream, block);
            }
            else
            {
                use.Skip(block);
                Guard.OnLateFrame();
            }
        }
    }

    public void OnSettings(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.HasFlag(FrameFlags.Ack))
        {
            // One is due, for the preface; more answer nothing.
            Guard.OnIgnoredFrame();
            return;
        }

        Guard.OnSettings();
        lock (_gate)
        {
            var peer = connection.Peer;
            var before = peer.InitialWindowSize;
            peer.Apply(payload, fromServer: !isServer);
            connection.Encoder.SetPeerTableSize(peer.HeaderTableSize);
            var change = peer.InitialWindowSize - before;
            if (change != 0)
            {
                foreach (var stream in _streams.Open)
                {
                    ConnectionWindows.Shift(stream, change);
                    _sender.Queue.MakeReady(stream);
                }
            }

            _sender.Control.Advance(FrameWriter.WriteSettingsAck(_sender.Control.GetSpan(FrameWriter.MaxSmallFrame)));
            _sender.CountAnswer();
            _sender.Due();
        }

        if (!_firstSettings)
        {
            _firstSettings = true;
            connection.OnFirstSettings();
        }

        use.OnRoomChanged();
    }

    public void OnWindowUpdate(in FrameHeader header, int increment)
    {
        Guard.OnWindowUpdate(increment, _sender.Queue.FramesSent, _sender.Queue.BytesSent);
        lock (_gate)
        {
            if (header.StreamId == 0)
            {
                _sender.Windows.Widen(header, increment);
            }
            else if (_streams.Find(header.StreamId) is { } stream)
            {
                ConnectionWindows.Widen(stream, header, increment);
                _sender.Queue.MakeReady(stream);
            }
            else
            {
                _streams.CheckNotIdle(header.StreamId);
                Guard.OnLateFrame();
                return;
            }

            if (_sender.Queue.HasReady)
            {
                _sender.Due();
            }
        }
    }

    public void OnPing(in FrameHeader header, ulong data)
    {
        if (header.HasFlag(FrameFlags.Ack))
        {
            if (!connection.OnPingAck(data))
            {
                Guard.OnIgnoredFrame();
            }

            return;
        }

        Guard.OnPing();
        lock (_gate)
        {
            _sender.WritePing(data, ack: true);
            _sender.CountAnswer();
            _sender.Due();
        }
    }

    public void OnReset(in FrameHeader header, Http2ErrorCode code)
    {
        // What nobody has looked at yet is taken back before anything is done for it; of everything else, what came before the reset goes first.
        var isUnbegun = isServer && IsUnbegun(header.StreamId);
        if (!isUnbegun)
        {
            connection.RunAfterRead();
        }

        Http2Stream? stream;
        lock (_gate)
        {
            stream = _streams.Find(header.StreamId);
            if (stream is null)
            {
                _streams.CheckNotIdle(header.StreamId);
            }
            else if (connection.Remove(stream, settle: true))
            {
                _sender.Due();
            }
        }

        var isAnswered = stream?.Answered ?? true;
        if (stream is not null)
        {
            // What is taken back before its answer was for nothing, and all that it has set going ends now, a connection to an endpoint with it. An honest peer
            // does that now and then. It ends the turn, so that others of the thread wait for one such stream and not for as many as a read has brought.
            _work += isServer && !isAnswered && !isUnbegun ? Http2Receiver.FramesOfATurn : use.StreamWork;
            connection.EndFaulted(stream, new StreamFault(StreamFaultOrigin.Peer, code) { IsUnprocessed = code == Http2ErrorCode.RefusedStream && !isServer && !stream.Answered });
            connection.CloseIfDone();
        }

        // When this was one too many, its stream has ended all the same.
        Guard.OnResetReceived(isAnswered);
    }

    private bool IsUnbegun(int streamId)
    {
        Http2Stream? stream;
        lock (_gate)
        {
            stream = _streams.Find(streamId);
        }

        return stream is not null && use.IsUnbegun(stream);
    }

    /// <summary>
    /// The peer goes away. Its first GOAWAY of two names no limit: nothing is opened here any more, and what is open goes on. One
    /// that names a stream has not looked at those above it, which may be tried elsewhere (RFC 9113 section 6.8).
    /// </summary>
    public void OnGoAway(int last, Http2ErrorCode code)
    {
        connection.RunAfterRead();
        List<Http2Stream>? refused = null;
        lock (_gate)
        {
            if (!isServer)
            {
                foreach (var stream in _streams.Open)
                {
                    if (stream.Id > last)
                    {
                        (refused ??= []).Add(stream);
                    }
                }

                var update = false;
                foreach (var stream in refused ?? [])
                {
                    update |= connection.Remove(stream, settle: true);
                }

                if (update)
                {
                    _sender.Due();
                }
            }

            connection.OnGoAwayReceived(code);
        }

        use.OnRoomChanged();

        connection.EndFaulted(
            refused ?? [], stream => new StreamFault(StreamFaultOrigin.Connection, code, new IOException($"the peer goes away: {code}")) { IsUnprocessed = !stream.Answered });
        connection.CloseIfDone();
    }

    /// <summary>One stream is at fault: an answer if the fault has one, then a reset.</summary>
    /// <exception cref="Http2ConnectionException">The stream is idle.</exception>
    public void OnStreamFault(Http2StreamException fault)
    {
        connection.RunAfterRead();
        Guard.OnStreamError();
        Http2Stream? stream;
        lock (_gate)
        {
            stream = _streams.Find(fault.StreamId);
            if (stream is null && _streams.IsIdle(fault.StreamId))
            {
                // There is nothing that could be reset (RFC 9113 section 6.4).
                throw new Http2ConnectionException(fault.Code, fault.Message);
            }

            if (stream is null && fault.StatusCode is { } status)
            {
                connection.WriteResponse(fault.StreamId, status, null);
            }

            _sender.WriteReset(fault.StreamId, fault.Code);
            if (stream is not { RemoteEnded: true })
            {
                _streams.RememberReset(fault.StreamId);
            }

            if (stream is not null)
            {
                connection.Remove(stream, settle: true);
            }

            _sender.Due();
        }

        if (stream is not null)
        {
            _work += use.StreamWork;
            connection.EndFaulted(stream, new StreamFault(StreamFaultOrigin.Connection, fault.Code, fault));
            connection.CloseIfDone();
        }
    }

    private void OnRequest(int id, ReadOnlySpan<byte> block)
    {
        use.ReadRequest(id, block, blocks.EndStream);
        Http2Stream stream;
        lock (_gate)
        {
            if (!connection.TakesStream(id))
            {
                // Sent before the peer knew of our last GOAWAY: it may try again elsewhere.
                _sender.WriteReset(id, Http2ErrorCode.RefusedStream);
                _streams.RememberReset(id);
                _sender.Due();
                return;
            }

            if (_streams.Count >= options.MaxConcurrentStreams)
            {
                throw new Http2StreamException(id, Http2ErrorCode.RefusedStream, $"stream {id} is over the {options.MaxConcurrentStreams} of SETTINGS_MAX_CONCURRENT_STREAMS");
            }

            stream = connection.AddStream(id, owner: null);
            stream.RemoteEnded = blocks.EndStream;
        }

        if (blocks.EndStream)
        {
            stream.BeginEnded();
        }

        _work += use.StreamWork;
        use.OnStream(stream);
    }

    private void OnResponse(Http2Stream stream, ReadOnlySpan<byte> block)
    {
        // Asked now: whoever hears of the response may put an end to the stream, or to this block's buffer.
        var ends = blocks.EndStream;
        if (use.OnResponse(stream, block, ends) && ends)
        {
            EndRemote(stream);
        }
    }

    private void OnTrailers(Http2Stream stream, ReadOnlySpan<byte> block)
    {
        if (stream.RemoteEnded || !blocks.EndStream)
        {
            use.Skip(block);
            throw stream.RemoteEnded
                ? new Http2StreamException(stream.Id, Http2ErrorCode.StreamClosed, $"HEADERS on stream {stream.Id} after END_STREAM")
                : new Http2StreamException(stream.Id, Http2ErrorCode.ProtocolError, $"HEADERS within stream {stream.Id} that do not end it");
        }

        use.OnTrailers(stream, block);
        EndRemote(stream);
    }

    /// <summary>Under the lock: bytes that nobody will consume.</summary>
    private void ReturnUnwanted(int bytes)
    {
        if (_sender.WriteWindowUpdate(0, _sender.Windows.Return(bytes)))
        {
            _sender.Due();
        }
    }
}
