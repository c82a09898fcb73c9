using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Http2.Framing;

public class FrameHeaderTests
{
    [Fact]
    [Trait("Category", "Fuzz")]
    public void ReadWrite_AnyHeader_RoundTrips()
    {
        var wire = new byte[FrameHeader.Size];
        FuzzBudget.Run(10_000, random =>
        {
            var header = new FrameHeader(random.Next(1 << 24), (FrameType)random.Next(256), (FrameFlags)random.Next(256), random.Next());
            header.Write(wire);
            Assert.Equal(header, FrameHeader.Read(wire));
        });
    }

    [Fact]
    public void Write_KnownHeader_IsAsInTheRfc()
    {
        var wire = new byte[FrameHeader.Size];
        new FrameHeader(0x010203, FrameType.Ping, FrameFlags.Ack, 0x0a0b0c0d).Write(wire);
        Assert.Equal([1, 2, 3, 6, 1, 0x0a, 0x0b, 0x0c, 0x0d], wire);
    }

    [Fact]
    public void Read_ReservedBit_IsIgnored() =>
        Assert.Equal(5, FrameHeader.Read([0, 0, 0, 0, 0, 0x80, 0, 0, 5]).StreamId);

    [Fact]
    public void TryRead_EverySplit_WaitsForNineBytes()
    {
        byte[] wire = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2];
        for (var length = 0; length <= wire.Length; length++)
        {
            Assert.Equal(length >= FrameHeader.Size, FrameHeader.TryRead(wire.AsSpan(0, length), out var header));
            Assert.Equal(length >= FrameHeader.Size ? FrameType.Ping : default, header.Type);
        }
    }
}
