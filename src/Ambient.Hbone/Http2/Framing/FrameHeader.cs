using System.Buffers.Binary;

namespace Ambient.Hbone.Http2.Framing;

/// <summary>The nine bytes before every frame's payload (RFC 9113 section 4.1).</summary>
/// <param name="Length">Bytes of payload, 0 to 16,777,215.</param>
/// <param name="Type">Type.</param>
/// <param name="Flags">Flags; those without a meaning for the type are to be ignored.</param>
/// <param name="StreamId">Stream, or 0 for the connection.</param>
internal readonly record struct FrameHeader(int Length, FrameType Type, FrameFlags Flags, int StreamId)
{
    /// <summary>Bytes of a frame header on the wire.</summary>
    public const int Size = 9;

    public bool HasFlag(FrameFlags flag) => (Flags & flag) != 0;

    /// <summary>Reads a header from the first <see cref="Size"/> bytes. The reserved bit is ignored.</summary>
    public static FrameHeader Read(ReadOnlySpan<byte> source)
    {
        var lengthAndType = BinaryPrimitives.ReadUInt32BigEndian(source);
        return new FrameHeader(
            (int)(lengthAndType >> 8),
            (FrameType)(byte)lengthAndType,
            (FrameFlags)source[4],
            (int)(BinaryPrimitives.ReadUInt32BigEndian(source[5..]) & 0x7fffffff));
    }

    /// <summary>Reads a header when <paramref name="source"/> holds all of it.</summary>
    public static bool TryRead(ReadOnlySpan<byte> source, out FrameHeader header)
    {
        if (source.Length < Size)
        {
            header = default;
            return false;
        }

        header = Read(source);
        return true;
    }

    /// <summary>Writes the header into the first <see cref="Size"/> bytes.</summary>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, ((uint)Length << 8) | (byte)Type);
        destination[4] = (byte)Flags;
        BinaryPrimitives.WriteUInt32BigEndian(destination[5..], (uint)StreamId);
    }

    /// <summary>For logs and exceptions: <c>DATA on stream 5, 12 bytes, flags 0x01</c>.</summary>
    public override string ToString() =>
        $"{NameOf(Type)} on stream {StreamId}, {Length} bytes, flags 0x{(byte)Flags:x2}";

    private static string NameOf(FrameType type) => type switch
    {
        FrameType.Data => "DATA",
        FrameType.Headers => "HEADERS",
        FrameType.Priority => "PRIORITY",
        FrameType.RstStream => "RST_STREAM",
        FrameType.Settings => "SETTINGS",
        FrameType.PushPromise => "PUSH_PROMISE",
        FrameType.Ping => "PING",
        FrameType.GoAway => "GOAWAY",
        FrameType.WindowUpdate => "WINDOW_UPDATE",
        FrameType.Continuation => "CONTINUATION",
        _ => $"frame 0x{(byte)type:x2}",
    };
}
