using System.Buffers;
using System.Buffers.Binary;

namespace Ambient.Hbone.Http2.Framing;

/// <summary>
/// Writes whole frames into a span, and returns how many bytes were written. Nothing here allocates; the caller
/// provides <see cref="FrameHeader.Size"/> plus the payload's bytes. DATA is written by its header alone
/// (<see cref="WriteDataHeader"/>), so that bytes need not be copied to be framed.
/// </summary>
internal static class FrameWriter
{
    /// <summary>Bytes of PING, RST_STREAM, WINDOW_UPDATE: none is longer.</summary>
    public const int MaxSmallFrame = FrameHeader.Size + 8;

    public static int WriteDataHeader(Span<byte> destination, int streamId, int length, bool endStream)
    {
        new FrameHeader(length, FrameType.Data, endStream ? FrameFlags.EndStream : FrameFlags.None, streamId).Write(destination);
        return FrameHeader.Size;
    }

    public static int WriteSettings(Span<byte> destination, ReadOnlySpan<Setting> settings)
    {
        new FrameHeader(settings.Length * Setting.Size, FrameType.Settings, FrameFlags.None, 0).Write(destination);
        var position = FrameHeader.Size;
        foreach (var setting in settings)
        {
            BinaryPrimitives.WriteUInt16BigEndian(destination[position..], (ushort)setting.Id);
            BinaryPrimitives.WriteUInt32BigEndian(destination[(position + 2)..], setting.Value);
            position += Setting.Size;
        }

        return position;
    }

    public static int WriteSettingsAck(Span<byte> destination)
    {
        new FrameHeader(0, FrameType.Settings, FrameFlags.Ack, 0).Write(destination);
        return FrameHeader.Size;
    }

    public static int WritePing(Span<byte> destination, ulong data, bool ack)
    {
        new FrameHeader(8, FrameType.Ping, ack ? FrameFlags.Ack : FrameFlags.None, 0).Write(destination);
        BinaryPrimitives.WriteUInt64BigEndian(destination[FrameHeader.Size..], data);
        return FrameHeader.Size + 8;
    }

    public static int WriteRstStream(Span<byte> destination, int streamId, Http2ErrorCode code)
    {
        new FrameHeader(4, FrameType.RstStream, FrameFlags.None, streamId).Write(destination);
        BinaryPrimitives.WriteUInt32BigEndian(destination[FrameHeader.Size..], (uint)code);
        return FrameHeader.Size + 4;
    }

    /// <param name="destination">Where to.</param>
    /// <param name="streamId">Stream, or 0 for the connection.</param>
    /// <param name="increment">1 to 2^31-1.</param>
    public static int WriteWindowUpdate(Span<byte> destination, int streamId, int increment)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(increment);
        new FrameHeader(4, FrameType.WindowUpdate, FrameFlags.None, streamId).Write(destination);
        BinaryPrimitives.WriteUInt32BigEndian(destination[FrameHeader.Size..], (uint)increment);
        return FrameHeader.Size + 4;
    }

    public static int WriteGoAway(Span<byte> destination, int lastStreamId, Http2ErrorCode code, ReadOnlySpan<byte> debug = default)
    {
        new FrameHeader(8 + debug.Length, FrameType.GoAway, FrameFlags.None, 0).Write(destination);
        BinaryPrimitives.WriteUInt32BigEndian(destination[FrameHeader.Size..], (uint)lastStreamId);
        BinaryPrimitives.WriteUInt32BigEndian(destination[(FrameHeader.Size + 4)..], (uint)code);
        debug.CopyTo(destination[(FrameHeader.Size + 8)..]);
        return FrameHeader.Size + 8 + debug.Length;
    }

    /// <summary>Bytes that <see cref="WriteHeaderBlock(Span{byte}, int, ReadOnlySpan{byte}, bool, int)"/> needs.</summary>
    public static int HeaderBlockSize(int blockLength, int maxFrameSize) =>
        blockLength + (FrameHeader.Size * Math.Max(1, (blockLength + maxFrameSize - 1) / maxFrameSize));

    /// <summary>Writes a header block as HEADERS and as many CONTINUATIONs as the peer's frame size asks for.</summary>
    public static int WriteHeaderBlock(Span<byte> destination, int streamId, ReadOnlySpan<byte> block, bool endStream, int maxFrameSize)
    {
        var type = FrameType.Headers;
        var flags = endStream ? FrameFlags.EndStream : FrameFlags.None;
        var position = 0;
        do
        {
            var piece = block[..Math.Min(block.Length, maxFrameSize)];
            block = block[piece.Length..];
            new FrameHeader(piece.Length, type, block.IsEmpty ? flags | FrameFlags.EndHeaders : flags, streamId).Write(destination[position..]);
            piece.CopyTo(destination[(position + FrameHeader.Size)..]);
            position += FrameHeader.Size + piece.Length;
            type = FrameType.Continuation;
            flags = FrameFlags.None;
        }
        while (!block.IsEmpty);
        return position;
    }

    /// <summary>Writes a header block into a buffer writer.</summary>
    public static void WriteHeaderBlock(IBufferWriter<byte> destination, int streamId, ReadOnlySpan<byte> block, bool endStream, int maxFrameSize)
    {
        var span = destination.GetSpan(HeaderBlockSize(block.Length, maxFrameSize));
        destination.Advance(WriteHeaderBlock(span, streamId, block, endStream, maxFrameSize));
    }
}
