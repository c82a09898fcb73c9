namespace Ambient.Hbone.Http2.Framing;

#pragma warning disable CA1069 // Two names of one bit: the RFC's.
/// <summary>Frame flags (RFC 9113 section 6). What a bit means depends on the frame's type.</summary>
[Flags]
internal enum FrameFlags : byte
{
    None = 0,

    /// <summary>DATA, HEADERS: the sender's half of the stream ends here.</summary>
    EndStream = 0x1,

    /// <summary>SETTINGS, PING: an answer. The same bit as <see cref="EndStream"/>.</summary>
    Ack = 0x1,

    /// <summary>HEADERS, CONTINUATION: the header block ends here.</summary>
    EndHeaders = 0x4,

    /// <summary>DATA, HEADERS: the payload begins with the length of the padding at its end.</summary>
    Padded = 0x8,

    /// <summary>HEADERS: five bytes of priority precede the block.</summary>
    Priority = 0x20,
}
