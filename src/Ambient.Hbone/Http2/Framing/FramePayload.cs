using System.Buffers.Binary;

namespace Ambient.Hbone.Http2.Framing;

/// <summary>Reads payloads of frames whose header <see cref="FrameRules.Check"/> has passed.</summary>
internal static class FramePayload
{
    /// <summary>
    /// Length of the padding at the end of a padded DATA or HEADERS frame, from the payload's first byte; for
    /// readers that take the payload in pieces.
    /// </summary>
    /// <exception cref="Http2ConnectionException">The padding is as long as the payload or longer.</exception>
    public static int PadLength(in FrameHeader header, byte first)
    {
        var around = 1 + (header.Type == FrameType.Headers && header.HasFlag(FrameFlags.Priority) ? 5 : 0);
        if (first > header.Length - around)
        {
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"{header}: {first} bytes of padding do not fit");
        }

        return first;
    }

    /// <summary>The data of a DATA frame without its padding.</summary>
    public static ReadOnlySpan<byte> Data(in FrameHeader header, ReadOnlySpan<byte> payload) =>
        header.HasFlag(FrameFlags.Padded) ? payload[1..^PadLength(header, payload[0])] : payload;

    /// <summary>The piece of header block in a HEADERS frame, without padding and priority.</summary>
    public static ReadOnlySpan<byte> HeaderBlock(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.HasFlag(FrameFlags.Padded))
        {
            payload = payload[1..^PadLength(header, payload[0])];
        }

        // Priority is obsolete (RFC 9113 section 5.3.2) and says nothing about a tunnel.
        return header.HasFlag(FrameFlags.Priority) ? payload[5..] : payload;
    }

    /// <summary>The increment of a WINDOW_UPDATE, 1 to 2^31-1.</summary>
    /// <exception cref="Http2StreamException">It is 0, on a stream.</exception>
    /// <exception cref="Http2ConnectionException">It is 0, on the connection.</exception>
    public static int WindowUpdate(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        var increment = (int)(BinaryPrimitives.ReadUInt32BigEndian(payload) & 0x7fffffff);
        if (increment != 0)
        {
            return increment;
        }

        throw header.StreamId == 0
            ? new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"{header}: increment of 0")
            : new Http2StreamException(header.StreamId, Http2ErrorCode.ProtocolError, $"{header}: increment of 0");
    }

    /// <summary>The code of an RST_STREAM.</summary>
    public static Http2ErrorCode RstStream(ReadOnlySpan<byte> payload) => (Http2ErrorCode)BinaryPrimitives.ReadUInt32BigEndian(payload);

    /// <summary>The eight bytes of a PING, as a number.</summary>
    public static ulong Ping(ReadOnlySpan<byte> payload) => BinaryPrimitives.ReadUInt64BigEndian(payload);

    /// <summary>What a GOAWAY says: the last stream that was or may be handled, and why.</summary>
    public static (int LastStreamId, Http2ErrorCode Code) GoAway(ReadOnlySpan<byte> payload) =>
        ((int)(BinaryPrimitives.ReadUInt32BigEndian(payload) & 0x7fffffff), (Http2ErrorCode)BinaryPrimitives.ReadUInt32BigEndian(payload[4..]));

    /// <summary>The debug data of a GOAWAY as text for a log: at most 128 characters, what is not printable ASCII as '?'.</summary>
    public static string GoAwayDebug(ReadOnlySpan<byte> payload)
    {
        var debug = payload[8..];
        return string.Create(Math.Min(debug.Length, 128), debug, static (text, bytes) =>
        {
            for (var i = 0; i < text.Length; i++)
            {
                text[i] = bytes[i] is >= 0x20 and < 0x7f ? (char)bytes[i] : '?';
            }
        });
    }
}
