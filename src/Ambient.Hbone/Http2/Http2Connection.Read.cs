using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>The read loop: frames in, events out.</summary>
internal sealed partial class Http2Connection
{
    private const int ReadSize = 32 * 1024;
    private const int BulkReadSize = 128 * 1024;

    // The DATA frame whose payload is arriving: its stream (null: nobody wants it), what is left, and how much of that is padding.
    private FrameHeader _frame;
    private Http2Stream? _dataStream;
    private int _payloadLeft;
    private int _paddingLeft;
    private bool _paddingUnread;
    private bool _skipping;

    // Bytes that are read after the end for the peer's sake.
    private const int MaxDiscarded = 4 * 1024 * 1024;

    private readonly LoopTurn _readTurn = new();
    private bool _prefaceRead;
    private bool _kickDue;

    private async Task ReadLoopAsync()
    {
        byte[]? buffer = null;
        var start = 0;
        var end = 0;
        var size = ReadSize;
        try
        {
            while (true)
            {
                if (start == end && buffer is not null)
                {
                    IoBuffers.Return(buffer);
                    buffer = null;
                    start = end = 0;
                }

                await _transport.WaitToReadAsync().ConfigureAwait(false);
                int count;
                var received = 0;
                do
                {
                    if (received >= TurnBudget)
                    {
                        received = 0;
                        await _readTurn.NextAsync().ConfigureAwait(false);
                    }

                    MakeReadSpace(ref buffer, ref start, ref end, size);
                    count = _transport.TryRead(buffer.AsMemory(end));
                    if (count < 0)
                    {
                        OnEndOfInput();
                        return;
                    }

                    end += count;
                    received += count;
                    size = end == buffer!.Length || end > BulkReadSize / 4 ? BulkReadSize : size;
                    start += Process(buffer.AsSpan(start, end - start));
                }
                while (count > 0 && !_closed);

                if (_closed)
                {
                    await DiscardAsync(buffer).ConfigureAwait(false);
                    return;
                }
            }
        }
        catch (Http2ConnectionException e)
        {
            OnReadFailed(e);
            await DiscardAsync(buffer!).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            OnReadFailed(e);
        }
        finally
        {
            if (buffer is not null)
            {
                IoBuffers.Return(buffer);
            }

            _blocks.Release();
        }
    }

    /// <summary>After the end: reads what the peer sent before it knew, up to its own end. <see cref="CompleteAsync"/> bounds the time.</summary>
    private async Task DiscardAsync(byte[] buffer)
    {
        try
        {
            for (var discarded = 0; discarded < MaxDiscarded;)
            {
                await _transport.WaitToReadAsync().ConfigureAwait(false);
                int count;
                do
                {
                    count = _transport.TryRead(buffer);
                    discarded += Math.Max(count, 1);
                }
                while (count > 0 && discarded < MaxDiscarded);

                if (count < 0)
                {
                    return;
                }
            }
        }
        catch (Exception)
        {
            // It is over either way.
        }
    }

    private static void MakeReadSpace(ref byte[]? buffer, ref int start, ref int end, int size)
    {
        if (buffer is null)
        {
            buffer = IoBuffers.Rent(size);
            start = end = 0;
            return;
        }

        if (start == end)
        {
            start = end = 0;
            if (buffer.Length >= size)
            {
                return;
            }
        }

        if (buffer.Length - end >= Http2Transport.MinReadSpace)
        {
            return;
        }

        var left = end - start;
        var old = buffer;
        if (old.Length - left < Http2Transport.MinReadSpace || old.Length < size)
        {
            buffer = IoBuffers.Rent(Math.Max(size, left + Http2Transport.MinReadSpace));
        }

        old.AsSpan(start, left).CopyTo(buffer);
        if (!ReferenceEquals(old, buffer))
        {
            IoBuffers.Return(old);
        }

        start = 0;
        end = left;
    }

    private void OnEndOfInput()
    {
        bool orderly;
        lock (_gate)
        {
            orderly = _streams.Count == 0 && (_goAwayReceived || _goAwaySent || _settingsReceived.Task.IsCompletedSuccessfully);
        }

        Close(orderly ? null : new IOException("the peer closed the connection"));
    }

    private void OnReadFailed(Exception e)
    {
        if (e is Http2ConnectionException fault)
        {
            lock (_gate)
            {
                if (!_closed)
                {
                    WriteGoAway(fault.Code, fault.Message);
                }
            }
        }

        Close(e);
    }

    /// <summary>Handles all complete frames, and of an incomplete DATA frame what is there. Returns the bytes consumed.</summary>
    private int Process(ReadOnlySpan<byte> input)
    {
        var length = input.Length;
        CheckControlQueue();
        _corkThread = Environment.CurrentManagedThreadId;
        try
        {
            while (TryProcessOne(ref input) && !_closed)
            {
            }
        }
        finally
        {
            _corkThread = 0;
            if (_kickDue)
            {
                _kickDue = false;
                Kick(true);
            }
        }

        return length - input.Length;
    }

    private bool TryProcessOne(ref ReadOnlySpan<byte> input)
    {
        if (_payloadLeft > 0)
        {
            return ContinuePayload(ref input);
        }

        if (!_prefaceRead && !ReadPreface(ref input))
        {
            return false;
        }

        if (!FrameHeader.TryRead(input, out var header))
        {
            return false;
        }

        try
        {
            FrameRules.Check(header, _options.MaxFrameSize);
            CheckOrder(header);
            switch (header.Type)
            {
                case FrameType.Data:
                    input = input[FrameHeader.Size..];
                    BeginData(header);
                    return true;
                case FrameType.Headers or FrameType.Continuation:
                    if (header.Length > _options.MaxHeaderListSize + 256 + 6)
                    {
                        _guard.OnHeaders(header.Length);
                    }

                    break;
                case FrameType.Settings when header.Length <= 64 * Setting.Size:
                case FrameType.RstStream or FrameType.Ping or FrameType.WindowUpdate:
                    break;
                case FrameType.GoAway:
                    return OnGoAway(header, ref input);
                case FrameType.Settings:
                    _peer.Apply(new byte[header.Length], !IsServer);
                    return false;
                default:
                    // PRIORITY and frames of unknown types.
                    input = input[FrameHeader.Size..];
                    _guard.OnIgnoredFrame();
                    Skip(header);
                    return true;
            }

            if (input.Length < FrameHeader.Size + header.Length)
            {
                return false;
            }

            var payload = input.Slice(FrameHeader.Size, header.Length);
            input = input[(FrameHeader.Size + header.Length)..];
            OnFrame(header, payload);
            return true;
        }
        catch (Http2StreamException e)
        {
            OnStreamFault(e);
            if (header.Type is FrameType.Priority)
            {
                input = input[FrameHeader.Size..];
                Skip(header);
            }

            return true;
        }
    }

    private bool ReadPreface(ref ReadOnlySpan<byte> input)
    {
        if (!IsServer)
        {
            _prefaceRead = true;
            return true;
        }

        var expected = Http2Constants.ClientPreface;
        var there = Math.Min(input.Length, expected.Length);
        if (!input[..there].SequenceEqual(expected[..there]))
        {
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, "the client does not speak HTTP/2: no connection preface");
        }

        if (there < expected.Length)
        {
            return false;
        }

        input = input[expected.Length..];
        _prefaceRead = true;
        return true;
    }

    private void CheckOrder(in FrameHeader header)
    {
        _blocks.CheckOrder(header);
        if (!_firstSettings && header.Type != FrameType.Settings)
        {
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"{header}: SETTINGS must come first");
        }
    }

    private void Skip(in FrameHeader header)
    {
        _frame = header;
        _dataStream = null;
        _skipping = true;
        _payloadLeft = header.Length;
        _paddingLeft = 0;
        _paddingUnread = false;
    }

    private void BeginData(in FrameHeader header)
    {
        var stream = ReceiveData(header);
        _guard.OnData(header.Length, header.HasFlag(FrameFlags.EndStream));
        _frame = header;
        _dataStream = stream;
        _skipping = false;
        _payloadLeft = header.Length;
        _paddingLeft = 0;
        _paddingUnread = header.HasFlag(FrameFlags.Padded);
        if (_payloadLeft == 0)
        {
            EndData();
        }
    }

    private bool ContinuePayload(ref ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return false;
        }

        if (_skipping)
        {
            var skipped = Math.Min(_payloadLeft, input.Length);
            _payloadLeft -= skipped;
            input = input[skipped..];
            return true;
        }

        if (_paddingUnread)
        {
            _paddingUnread = false;
            _paddingLeft = FramePayload.PadLength(_frame, input[0]);
            input = input[1..];
            _payloadLeft--;
            _guard.OnData(_payloadLeft - _paddingLeft, _frame.HasFlag(FrameFlags.EndStream));
            if (_dataStream is not null)
            {
                // Padding is never handed on, so its credit returns at once.
                ReturnCredit(_dataStream, _paddingLeft + 1);
            }
        }

        var data = Math.Min(_payloadLeft - _paddingLeft, input.Length);
        if (data > 0)
        {
            _payloadLeft -= data;
            _dataStream?.DeliverData(input[..data]);
            input = input[data..];
        }

        if (_payloadLeft <= _paddingLeft && _paddingLeft > 0)
        {
            var padding = Math.Min(_payloadLeft, input.Length);
            _payloadLeft -= padding;
            _paddingLeft -= padding;
            input = input[padding..];
        }

        if (_payloadLeft == 0)
        {
            EndData();
        }

        return true;
    }

    private void EndData()
    {
        var stream = _dataStream;
        _dataStream = null;
        if (stream is not null && _frame.HasFlag(FrameFlags.EndStream))
        {
            EndRemote(stream);
        }
    }

    /// <summary>The peer half-closed.</summary>
    private void EndRemote(Http2Stream stream)
    {
        var over = false;
        lock (_gate)
        {
            stream.RemoteEnded = true;
            if (stream.LocalEnded && !stream.EndQueued && !stream.Removed)
            {
                Remove(stream, settle: false);
                over = true;
            }
        }

        stream.DeliverEnd();
        if (over)
        {
            OnStreamOver(stream);
        }
    }

    private void OnStreamOver(Http2Stream stream)
    {
        stream.OnClosed();
        StreamEnded?.Invoke(stream);
        CloseIfDone();
    }

    private void OnFrame(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        switch (header.Type)
        {
            case FrameType.Headers or FrameType.Continuation:
                if (_blocks.TryComplete(header, payload, out var block))
                {
                    OnHeaderBlock(block);
                    _blocks.Release();
                }

                break;
            case FrameType.RstStream:
                OnReset(header, FramePayload.RstStream(payload));
                break;
            case FrameType.Settings:
                OnSettings(header, payload);
                break;
            case FrameType.Ping:
                OnPing(header, FramePayload.Ping(payload));
                break;
            case FrameType.WindowUpdate:
                OnWindowUpdate(header, FramePayload.WindowUpdate(header, payload));
                break;
            default:
                break;
        }
    }

    private void OnHeaderBlock(ReadOnlySpan<byte> block)
    {
        var id = _blocks.StreamId;
        var stream = FindForHeaders(id, out var mayOpen);
        if (stream is null ? !mayOpen : stream.Answered || IsServer)
        {
            // Late, or trailers: they mean nothing in a tunnel, but they may end it. Decoded in any case, for the tables' sake.
            _headerReader.Skip(block);
            if (stream is not null)
            {
                OnTrailers(stream);
            }
        }
        else if (stream is null)
        {
            OnRequest(id, block);
        }
        else
        {
            OnResponse(stream, block);
        }
    }

    private Http2Stream? FindForHeaders(int id, out bool mayOpen)
    {
        lock (_gate)
        {
            mayOpen = false;
            if (_streams.TryGetValue(id, out var stream))
            {
                return stream;
            }

            if (!IsServer)
            {
                CheckNotIdle(id);
                return null;
            }

            if ((id & 1) == 0)
            {
                throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"a client opened stream {id}, which is a server's number");
            }

            if (id <= _lastPeerStreamId)
            {
                throw new Http2ConnectionException(Http2ErrorCode.StreamClosed, $"HEADERS on stream {id}, which is closed");
            }

            _lastPeerStreamId = id;
            mayOpen = true;
            return null;
        }
    }

    private void OnTrailers(Http2Stream stream)
    {
        if (stream.RemoteEnded)
        {
            throw new Http2StreamException(stream.Id, Http2ErrorCode.StreamClosed, $"HEADERS on stream {stream.Id} after END_STREAM");
        }

        if (!_blocks.EndStream)
        {
            throw new Http2StreamException(stream.Id, Http2ErrorCode.ProtocolError, $"HEADERS within stream {stream.Id} that do not end it");
        }

        EndRemote(stream);
    }

    private void OnRequest(int id, ReadOnlySpan<byte> block)
    {
        var headers = _headerReader.ReadRequest(id, block);
        Http2Stream stream;
        lock (_gate)
        {
            if (_goAwaySent || _closed)
            {
                // Sent before the peer knew: it may try again elsewhere.
                WriteReset(id, Http2ErrorCode.RefusedStream);
                DueKick();
                return;
            }

            if (_streams.Count >= _options.MaxConcurrentStreams)
            {
                throw new Http2StreamException(id, Http2ErrorCode.RefusedStream, $"stream {id} is over the {_options.MaxConcurrentStreams} of SETTINGS_MAX_CONCURRENT_STREAMS");
            }

            stream = new Http2Stream(this, id)
            {
                SendWindow = _peer.InitialWindowSize,
                ReceiveWindow = _options.StreamWindowSize,
                RemoteEnded = _blocks.EndStream,
            };
            _streams.Add(id, stream);
        }

        if (_blocks.EndStream)
        {
            stream.DeliverEnd();
        }

        _server!.OnConnect(stream, headers);
    }

    private void OnResponse(Http2Stream stream, ReadOnlySpan<byte> block)
    {
        var headers = _headerReader.ReadResponse(stream.Id, block);
        if (headers.IsInformational)
        {
            return;
        }

        stream.Answered = true;
        stream.Owner?.OnResponse(headers);
        if (_blocks.EndStream)
        {
            EndRemote(stream);
        }
    }

    private void OnReset(in FrameHeader header, Http2ErrorCode code)
    {
        Http2Stream? stream;
        lock (_gate)
        {
            if (!_streams.TryGetValue(header.StreamId, out stream))
            {
                CheckNotIdle(header.StreamId);
            }
            else if (Remove(stream, settle: true))
            {
                DueKick();
            }
        }

        _guard.OnResetReceived(stream?.Answered ?? true);
        if (stream is not null)
        {
            EndFaulted(stream, new StreamFault(StreamFaultOrigin.Peer, code) { IsUnprocessed = code == Http2ErrorCode.RefusedStream && !IsServer && !stream.Answered });
            CloseIfDone();
        }
    }

    private bool OnGoAway(in FrameHeader header, ref ReadOnlySpan<byte> input)
    {
        if (input.Length < FrameHeader.Size + 8)
        {
            return false;
        }

        var (last, code) = FramePayload.GoAway(input.Slice(FrameHeader.Size, 8));
        input = input[(FrameHeader.Size + 8)..];
        Skip(header with { Length = header.Length - 8 });
        _guard.OnIgnoredFrame();
        List<Http2Stream>? refused = null;
        lock (_gate)
        {
            _goAwayReceived = true;
            if (!IsServer)
            {
                foreach (var stream in _streams.Values)
                {
                    if (stream.Id > last)
                    {
                        (refused ??= []).Add(stream);
                    }
                }

                var update = false;
                refused?.ForEach(stream => update |= Remove(stream, settle: true));
                if (update)
                {
                    DueKick();
                }
            }

            _closeWhenEmpty |= _streams.Count == 0 && (!IsServer || code != Http2ErrorCode.NoError);
        }

        refused?.ForEach(stream => EndFaulted(
            stream, new StreamFault(StreamFaultOrigin.Connection, code, new IOException($"the peer goes away: {code}")) { IsUnprocessed = !stream.Answered }));
        CloseIfDone();
        return true;
    }

    /// <summary>One stream is at fault: an answer if the fault has one, then a reset.</summary>
    private void OnStreamFault(Http2StreamException fault)
    {
        _guard.OnStreamError();
        Http2Stream? stream;
        lock (_gate)
        {
            _streams.TryGetValue(fault.StreamId, out stream);
            if (stream is null && fault.StatusCode is { } status)
            {
                ConnectHeaderWriter.WriteResponse(_control, _encoder, fault.StreamId, new ConnectResponseHeaders(status, null), endStream: true, _peer.MaxFrameSize);
            }

            WriteReset(fault.StreamId, fault.Code);
            if (stream is not null)
            {
                Remove(stream, settle: true);
            }

            DueKick();
        }

        if (stream is not null)
        {
            EndFaulted(stream, new StreamFault(StreamFaultOrigin.Connection, fault.Code, fault));
            CloseIfDone();
        }
    }

    /// <summary>Under the lock: a frame for a stream that never was breaks the connection; for one that was, it is late.</summary>
    private void CheckNotIdle(int id)
    {
        var idle = IsServer ? (id & 1) == 0 || id > _lastPeerStreamId : (id & 1) == 0 || id >= _nextStreamId;
        if (idle)
        {
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"a frame for stream {id}, which is idle");
        }
    }
}
