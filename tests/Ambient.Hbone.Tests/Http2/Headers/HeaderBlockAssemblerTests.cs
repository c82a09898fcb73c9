using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.Headers;

namespace Ambient.Hbone.Tests.Http2.Headers;

public class HeaderBlockAssemblerTests
{
    private readonly HeaderBlockAssembler _assembler = new(new Http2AbuseGuard(Http2AbuseLimits.Default, TimeProvider.System, 100_000));

    [Fact]
    public void TryComplete_EverySplit_GivesTheSameBlock()
    {
        var block = Enumerable.Range(0, 40).Select(i => (byte)i).ToArray();
        for (var first = 0; first <= block.Length; first++)
        {
            for (var second = first; second <= block.Length; second++)
            {
                Assert.False(Add(FrameType.Headers, FrameFlags.EndStream, 3, block[..first], out _));
                Assert.False(Add(FrameType.Continuation, 0, 3, block[first..second], out _));
                Assert.True(Add(FrameType.Continuation, FrameFlags.EndHeaders, 3, block[second..], out var whole));
                Assert.Equal(block, whole);
                Assert.True(_assembler.EndStream);
                _assembler.Release();
            }

            Assert.True(Add(FrameType.Headers, FrameFlags.EndHeaders, 5, block[..first], out var single));
            Assert.Equal(block[..first], single);
            Assert.False(_assembler.EndStream);
        }
    }

    [Fact]
    public void TryComplete_LargePieces_Grow()
    {
        var piece = new byte[30_000];
        Assert.False(Add(FrameType.Headers, 0, 3, piece, out _));
        Assert.False(Add(FrameType.Continuation, 0, 3, piece, out _));
        Assert.True(Add(FrameType.Continuation, FrameFlags.EndHeaders, 3, piece, out var whole));
        Assert.Equal(90_000, whole.Length);
    }

    [Theory]
    [InlineData(0, 3)] // DATA
    [InlineData(1, 3)] // HEADERS again
    [InlineData(3, 3)] // RST_STREAM
    [InlineData(6, 0)] // PING
    [InlineData(0xaa, 3)] // unknown
    [InlineData(9, 5)] // CONTINUATION of another stream
    public void CheckOrder_OtherFrameInsideABlock_IsAConnectionError(byte type, int stream)
    {
        Add(FrameType.Headers, 0, 3, [1], out _);
        Assert.Equal(Http2ErrorCode.ProtocolError, Assert.Throws<Http2ConnectionException>(() => _assembler.CheckOrder(new FrameHeader(1, (FrameType)type, 0, stream))).Code);
    }

    [Fact]
    public void CheckOrder_ContinuationOfNothing_IsAConnectionError()
    {
        Assert.Throws<Http2ConnectionException>(() => _assembler.CheckOrder(new FrameHeader(1, FrameType.Continuation, 0, 3)));
        Add(FrameType.Headers, FrameFlags.EndHeaders, 3, [1], out _);
        Assert.Throws<Http2ConnectionException>(() => _assembler.CheckOrder(new FrameHeader(1, FrameType.Continuation, 0, 3)));
    }

    [Fact]
    public void TryComplete_BytesOverTheLimit_IsAbuse()
    {
        Add(FrameType.Headers, 0, 3, new byte[60_000], out _);
        var exception = Assert.Throws<Http2ConnectionException>(() => Add(FrameType.Continuation, 0, 3, new byte[60_000], out _));
        Assert.Equal(Http2Abuse.HeaderBlockTooLarge, exception.Abuse);
    }

    private bool Add(FrameType type, FrameFlags flags, int stream, byte[] payload, out byte[] block)
    {
        var header = new FrameHeader(payload.Length, type, flags, stream);
        _assembler.CheckOrder(header);
        var complete = _assembler.TryComplete(header, payload, out var span);
        block = span.ToArray();
        return complete;
    }
}
