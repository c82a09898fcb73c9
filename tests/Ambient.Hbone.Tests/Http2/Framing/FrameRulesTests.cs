using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Http2.Framing;

public class FrameRulesTests
{
    private const int MaxFrameSize = 1 << 20;

    // Frame by frame, section 6 of RFC 9113: type, flags, stream, length, code.
    [Theory]
    [InlineData(0, 0, 0, 5, Http2ErrorCode.ProtocolError)] // DATA on the connection
    [InlineData(0, 8, 1, 0, Http2ErrorCode.FrameSizeError)] // padded DATA without a pad length
    [InlineData(1, 0, 0, 5, Http2ErrorCode.ProtocolError)] // HEADERS on the connection
    [InlineData(1, 8, 1, 0, Http2ErrorCode.FrameSizeError)]
    [InlineData(1, 0x20, 1, 4, Http2ErrorCode.FrameSizeError)] // priority cut short
    [InlineData(1, 0x28, 1, 5, Http2ErrorCode.FrameSizeError)]
    [InlineData(2, 0, 0, 5, Http2ErrorCode.ProtocolError)] // PRIORITY on the connection
    [InlineData(3, 0, 0, 4, Http2ErrorCode.ProtocolError)] // RST_STREAM on the connection
    [InlineData(3, 0, 1, 3, Http2ErrorCode.FrameSizeError)]
    [InlineData(3, 0, 1, 5, Http2ErrorCode.FrameSizeError)]
    [InlineData(4, 0, 1, 6, Http2ErrorCode.ProtocolError)] // SETTINGS on a stream
    [InlineData(4, 0, 0, 5, Http2ErrorCode.FrameSizeError)]
    [InlineData(4, 1, 0, 6, Http2ErrorCode.FrameSizeError)] // ACK with entries
    [InlineData(5, 4, 1, 10, Http2ErrorCode.ProtocolError)] // PUSH_PROMISE, ever
    [InlineData(6, 0, 1, 8, Http2ErrorCode.ProtocolError)] // PING on a stream
    [InlineData(6, 0, 0, 7, Http2ErrorCode.FrameSizeError)]
    [InlineData(6, 1, 0, 9, Http2ErrorCode.FrameSizeError)]
    [InlineData(7, 0, 1, 8, Http2ErrorCode.ProtocolError)] // GOAWAY on a stream
    [InlineData(7, 0, 0, 7, Http2ErrorCode.FrameSizeError)]
    [InlineData(8, 0, 0, 3, Http2ErrorCode.FrameSizeError)] // WINDOW_UPDATE
    [InlineData(8, 0, 1, 5, Http2ErrorCode.FrameSizeError)]
    [InlineData(9, 4, 0, 5, Http2ErrorCode.ProtocolError)] // CONTINUATION on the connection
    [InlineData(0, 0, 1, MaxFrameSize + 1, Http2ErrorCode.FrameSizeError)]
    [InlineData(0xbe, 0, 1, MaxFrameSize + 1, Http2ErrorCode.FrameSizeError)] // unknown, but too large all the same
    public void Check_BrokenFrame_IsAConnectionError(byte type, byte flags, int stream, int length, object code)
    {
        var header = new FrameHeader(length, (FrameType)type, (FrameFlags)flags, stream);
        var exception = Assert.Throws<Http2ConnectionException>(() => FrameRules.Check(header, MaxFrameSize));
        Assert.Equal((Http2ErrorCode)code, exception.Code);
        Assert.Contains(stream.ToString(System.Globalization.CultureInfo.InvariantCulture), exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_PriorityOfWrongLength_IsAStreamError()
    {
        var exception = Assert.Throws<Http2StreamException>(() => FrameRules.Check(new FrameHeader(4, FrameType.Priority, 0, 3), MaxFrameSize));
        Assert.Equal(Http2ErrorCode.FrameSizeError, exception.Code);
        Assert.Equal(3, exception.StreamId);
    }

    [Theory]
    [InlineData(0, 0, 1, 0)]
    [InlineData(0, 1, 1, MaxFrameSize)]
    [InlineData(0, 8, 1, 1)]
    [InlineData(1, 4, 1, 0)]
    [InlineData(1, 0x2c, 1, 6)]
    [InlineData(2, 0, 1, 5)]
    [InlineData(3, 0, 1, 4)]
    [InlineData(4, 0, 0, 0)]
    [InlineData(4, 1, 0, 0)]
    [InlineData(4, 0, 0, 12)]
    [InlineData(6, 0, 0, 8)]
    [InlineData(7, 0, 0, 20)]
    [InlineData(8, 0, 0, 4)]
    [InlineData(8, 0, 7, 4)]
    [InlineData(9, 0, 1, 0)]
    [InlineData(0xbe, 0xff, 0, 3)] // unknown frames may be anywhere
    [InlineData(0xbe, 0xff, 9, 0)]
    [InlineData(6, 0xfe, 0, 8)] // flags without meaning are ignored
    public void Check_LegalFrame_Passes(byte type, byte flags, int stream, int length) =>
        FrameRules.Check(new FrameHeader(length, (FrameType)type, (FrameFlags)flags, stream), MaxFrameSize);

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Check_AnyHeader_ThrowsOnlyTheTwoExceptions()
    {
        FuzzBudget.Run(20_000, random =>
        {
            var header = new FrameHeader(random.Next(2) == 0 ? random.Next(20) : random.Next(1 << 24), (FrameType)random.Next(12), (FrameFlags)random.Next(256), random.Next(3));
            var exception = Record.Exception(() => FrameRules.Check(header, 16384));
            Assert.True(exception is null or Http2ConnectionException or Http2StreamException, exception?.ToString());
            Assert.True(exception is not null || header.Length <= 16384);
        });
    }
}
