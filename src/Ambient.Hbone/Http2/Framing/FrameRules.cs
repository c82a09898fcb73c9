namespace Ambient.Hbone.Http2.Framing;

/// <summary>
/// What a frame header alone can be wrong about: size, fixed lengths, which frames belong to a stream and which to
/// the connection (RFC 9113 sections 4.2 and 6). Called before the payload is read, so that nothing is buffered
/// for a frame that will be refused.
/// </summary>
internal static class FrameRules
{
    /// <exception cref="Http2ConnectionException">The frame breaks the connection.</exception>
    /// <exception cref="Http2StreamException">The frame breaks its stream; its payload must still be skipped.</exception>
    public static void Check(in FrameHeader header, int maxFrameSize)
    {
        if (header.Length > maxFrameSize)
        {
            throw new Http2ConnectionException(Http2ErrorCode.FrameSizeError, $"{header}: over the {maxFrameSize} bytes of SETTINGS_MAX_FRAME_SIZE");
        }

        switch (header.Type)
        {
            case FrameType.Data:
                OnStream(header);
                AtLeast(header, header.HasFlag(FrameFlags.Padded) ? 1 : 0);
                break;
            case FrameType.Headers:
                OnStream(header);
                AtLeast(header, (header.HasFlag(FrameFlags.Padded) ? 1 : 0) + (header.HasFlag(FrameFlags.Priority) ? 5 : 0));
                break;
            case FrameType.Continuation:
                OnStream(header);
                break;
            case FrameType.Priority:
                OnStream(header);
                if (header.Length != 5)
                {
                    throw new Http2StreamException(header.StreamId, Http2ErrorCode.FrameSizeError, $"{header}: must have 5 bytes");
                }

                break;
            case FrameType.RstStream:
                OnStream(header);
                Exactly(header, 4);
                break;
            case FrameType.WindowUpdate:
                Exactly(header, 4);
                break;
            case FrameType.Settings:
                OnConnection(header);
                if (header.HasFlag(FrameFlags.Ack))
                {
                    Exactly(header, 0);
                }
                else if (header.Length % Setting.Size != 0)
                {
                    throw new Http2ConnectionException(Http2ErrorCode.FrameSizeError, $"{header}: not a multiple of {Setting.Size} bytes");
                }

                break;
            case FrameType.Ping:
                OnConnection(header);
                Exactly(header, 8);
                break;
            case FrameType.GoAway:
                OnConnection(header);
                AtLeast(header, 8);
                break;
            case FrameType.PushPromise:
                throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"{header}: push is never allowed here");
            default:
                break;
        }
    }

    private static void OnStream(in FrameHeader header)
    {
        if (header.StreamId == 0)
        {
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"{header}: must belong to a stream");
        }
    }

    private static void OnConnection(in FrameHeader header)
    {
        if (header.StreamId != 0)
        {
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"{header}: must belong to the connection");
        }
    }

    private static void Exactly(in FrameHeader header, int length)
    {
        if (header.Length != length)
        {
            throw new Http2ConnectionException(Http2ErrorCode.FrameSizeError, $"{header}: must have {length} bytes");
        }
    }

    private static void AtLeast(in FrameHeader header, int length)
    {
        if (header.Length < length)
        {
            throw new Http2ConnectionException(Http2ErrorCode.FrameSizeError, $"{header}: must have at least {length} bytes");
        }
    }
}
