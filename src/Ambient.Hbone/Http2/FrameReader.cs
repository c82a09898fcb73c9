using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;

namespace Ambient.Hbone.Http2;

/// <summary>
/// Takes received bytes apart into frames (RFC 9113 section 4). DATA is handed on as it comes, other frames when they are whole.
/// Belongs to the read loop.
/// </summary>
internal sealed class FrameReader(FrameHandler handler, HeaderBlockAssembler blocks, Http2ConnectionOptions options, bool isServer)
{
    // A byte of a block may be a whole field of the dynamic table, so it costs far more than a byte of DATA: 16 of them count as a frame.
    private const int BlockBytesPerFrame = 16;

    private readonly DataGatherer _gatherer = new();
    private readonly Http2AbuseGuard _guard = handler.Guard;
    private bool _prefaceRead = !isServer;

    // The frame whose payload is arriving: its stream (null: nobody wants it), what is left, and how much of that is padding.
    private FrameHeader _frame;
    private Http2Stream? _dataStream;
    private int _payloadLeft;
    private int _paddingLeft;
    private bool _paddingUnread;
    private bool _skipping;

    /// <summary>Handles complete frames, and of an incomplete DATA frame what is there.</summary>
    /// <param name="input">What was read and is not consumed yet. Data in it may be moved.</param>
    /// <param name="frames">
    /// How many frames at most; on return how many there were. A frame that opens or ends a stream counts as many (<see cref="IStreamUse.StreamWork"/>),
    /// and so do the bytes of a header block, so there may be more than were asked for.
    /// </param>
    /// <returns>The bytes consumed.</returns>
    /// <exception cref="Http2ConnectionException">The peer has broken the connection.</exception>
    public int Process(Span<byte> input, ref int frames)
    {
        var position = 0;
        var most = frames;
        frames = 0;
        try
        {
            while (frames < most && TryProcessOne(input, ref position, ref frames) && !handler.IsClosed)
            {
                frames += handler.TakeWork();
            }
        }
        finally
        {
            _gatherer.Flush(input);
        }

        return position;
    }

    private bool TryProcessOne(Span<byte> input, ref int position, ref int frames)
    {
        if (_payloadLeft > 0)
        {
            return ContinuePayload(input, ref position);
        }

        if (!_prefaceRead && !ReadPreface(input, ref position))
        {
            return false;
        }

        var rest = input[position..];
        if (!FrameHeader.TryRead(rest, out var header))
        {
            return false;
        }

        try
        {
            FrameRules.Check(header, options.MaxFrameSize);
            blocks.CheckOrder(header);
            handler.CheckOrder(header);
            switch (header.Type)
            {
                case FrameType.Data:
                    position += FrameHeader.Size;
                    frames++;
                    BeginData(input, header);
                    return true;
                case FrameType.Headers or FrameType.Continuation:
                    if (header.Length > options.MaxHeaderListSize + 256 + 6)
                    {
                        _guard.OnHeaders(header.Length);
                    }

                    break;
                case FrameType.Settings when header.Length > PeerSettings.MaxPayload:
                    throw PeerSettings.TooMany(header.Length);
                case FrameType.Settings or FrameType.RstStream or FrameType.Ping or FrameType.WindowUpdate:
                    break;
                case FrameType.GoAway:
                    return ReadGoAway(rest, header, ref position, ref frames);
                default:
                    // PRIORITY and frames of unknown types.
                    position += FrameHeader.Size;
                    frames++;
                    _guard.OnIgnoredFrame();
                    Skip(header);
                    return true;
            }

            if (rest.Length < FrameHeader.Size + header.Length)
            {
                return false;
            }

            position += FrameHeader.Size + header.Length;
            frames += header.Type is FrameType.Headers or FrameType.Continuation ? 1 + (header.Length / BlockBytesPerFrame) : 1;
            OnFrame(input, header, rest.Slice(FrameHeader.Size, header.Length));
            return true;
        }
        catch (Http2StreamException e)
        {
            handler.OnStreamFault(e);
            if (header.Type is FrameType.Priority)
            {
                position += FrameHeader.Size;
                frames++;
                Skip(header);
            }

            return true;
        }
    }

    private bool ReadPreface(Span<byte> input, ref int position)
    {
        var expected = Http2Constants.ClientPreface;
        var there = Math.Min(input.Length - position, expected.Length);
        if (!input.Slice(position, there).SequenceEqual(expected[..there]))
        {
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, "the client does not speak HTTP/2: no connection preface");
        }

        if (there < expected.Length)
        {
            return false;
        }

        position += expected.Length;
        _prefaceRead = true;
        return true;
    }

    private bool ReadGoAway(ReadOnlySpan<byte> rest, in FrameHeader header, ref int position, ref int frames)
    {
        if (rest.Length < FrameHeader.Size + 8)
        {
            return false;
        }

        var (last, code) = FramePayload.GoAway(rest.Slice(FrameHeader.Size, 8));
        position += FrameHeader.Size + 8;
        frames++;
        Skip(header with { Length = header.Length - 8 });
        _guard.OnIgnoredFrame();
        handler.OnGoAway(last, code);
        return true;
    }

    private void OnFrame(Span<byte> input, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        switch (header.Type)
        {
            case FrameType.Headers or FrameType.Continuation:
                if (blocks.TryComplete(header, payload, out var block))
                {
                    Deliver(input, blocks.StreamId);
                    handler.OnHeaderBlock(block);
                    blocks.Release();
                }

                break;
            case FrameType.RstStream:
                Deliver(input, header.StreamId);
                handler.OnReset(header, FramePayload.RstStream(payload));
                break;
            case FrameType.Settings:
                handler.OnSettings(header, payload);
                break;
            case FrameType.Ping:
                handler.OnPing(header, FramePayload.Ping(payload));
                break;
            case FrameType.WindowUpdate:
                handler.OnWindowUpdate(header, FramePayload.WindowUpdate(header, payload));
                break;
            default:
                break;
        }
    }

    /// <summary>What came for a stream goes before what is about to be said of it.</summary>
    private void Deliver(Span<byte> input, int streamId)
    {
        if (_gatherer.HoldsAny && handler.Find(streamId) is { } stream)
        {
            _gatherer.Flush(input, stream);
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

    private void BeginData(Span<byte> input, in FrameHeader header)
    {
        var stream = handler.ReceiveData(header);
        var ends = header.HasFlag(FrameFlags.EndStream);
        _guard.OnData(header.Length, ends, splinter: stream is not null && _gatherer.HasBrought(stream));
        _frame = header;
        _dataStream = stream;
        _skipping = false;
        _payloadLeft = header.Length;
        _paddingLeft = 0;
        _paddingUnread = header.HasFlag(FrameFlags.Padded);
        if (_payloadLeft == 0)
        {
            EndData(input);
        }
    }

    private bool ContinuePayload(Span<byte> input, ref int position)
    {
        var there = input.Length - position;
        if (there == 0)
        {
            return false;
        }

        if (_skipping)
        {
            var skipped = Math.Min(_payloadLeft, there);
            _payloadLeft -= skipped;
            position += skipped;
            return true;
        }

        if (_paddingUnread)
        {
            _paddingUnread = false;
            _paddingLeft = FramePayload.PadLength(_frame, input[position++]);
            there--;
            _payloadLeft--;
            _guard.OnPadding(_payloadLeft - _paddingLeft, _frame.HasFlag(FrameFlags.EndStream));

            // Padding is never handed on, so its credit returns at once.
            _dataStream?.Consumed(_paddingLeft + 1);
        }

        var data = Math.Min(_payloadLeft - _paddingLeft, there);
        if (data > 0)
        {
            _payloadLeft -= data;
            if (_dataStream is not null)
            {
                _gatherer.Add(input, _dataStream, position, data);
            }

            position += data;
            there -= data;
        }

        if (_payloadLeft <= _paddingLeft && _paddingLeft > 0)
        {
            var padding = Math.Min(_payloadLeft, there);
            _payloadLeft -= padding;
            _paddingLeft -= padding;
            position += padding;
        }

        if (_payloadLeft == 0)
        {
            EndData(input);
        }

        return true;
    }

    private void EndData(Span<byte> input)
    {
        var stream = _dataStream;
        _dataStream = null;
        if (stream is not null && _frame.HasFlag(FrameFlags.EndStream))
        {
            _gatherer.Flush(input, stream);
            handler.EndRemote(stream);
        }
    }
}
