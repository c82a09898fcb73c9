using System.Buffers;
using Ambient.Hbone.Http2.Framing;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Http2.Framing;

public class FrameWriterTests
{
    private readonly byte[] _wire = new byte[256];

    [Fact]
    public void WriteSettings_ReadBack_IsTheSame()
    {
        var written = FrameWriter.WriteSettings(
            _wire, [new(SettingId.EnablePush, 0), new(SettingId.InitialWindowSize, 4194304), new(SettingId.MaxFrameSize, 1048576), new(SettingId.MaxHeaderListSize, 16384)]);
        Assert.Equal("0000180400000000000002000000000004004000000005001000000006" + "00004000", Convert.ToHexStringLower(_wire.AsSpan(0, written)));
        var settings = new PeerSettings();
        settings.Apply(_wire.AsSpan(FrameHeader.Size, written - FrameHeader.Size), fromServer: true);
        Assert.Equal((4194304, 1048576, 16384u), (settings.InitialWindowSize, settings.MaxFrameSize, settings.MaxHeaderListSize));
    }

    [Fact]
    public void WriteSmallFrames_ReadBack_AreTheSame()
    {
        Assert.Equal(FrameHeader.Size, FrameWriter.WriteSettingsAck(_wire));
        Check(new FrameHeader(0, FrameType.Settings, FrameFlags.Ack, 0));
        Assert.Equal(17, FrameWriter.WritePing(_wire, 0x3b7cdb7a0b8716b4, ack: true));
        Check(new FrameHeader(8, FrameType.Ping, FrameFlags.Ack, 0));
        Assert.Equal(0x3b7cdb7a0b8716b4ul, FramePayload.Ping(Payload));
        Assert.Equal(13, FrameWriter.WriteRstStream(_wire, 5, Http2ErrorCode.Cancel));
        Check(new FrameHeader(4, FrameType.RstStream, 0, 5));
        Assert.Equal(Http2ErrorCode.Cancel, FramePayload.RstStream(Payload));
        Assert.Equal(13, FrameWriter.WriteWindowUpdate(_wire, 0, 16711681));
        Check(new FrameHeader(4, FrameType.WindowUpdate, 0, 0));
        Assert.Equal(16711681, FramePayload.WindowUpdate(FrameHeader.Read(_wire), Payload));
        Assert.Equal(19, FrameWriter.WriteGoAway(_wire, 7, Http2ErrorCode.EnhanceYourCalm, "ab"u8));
        Check(new FrameHeader(10, FrameType.GoAway, 0, 0));
        Assert.Equal((7, Http2ErrorCode.EnhanceYourCalm), FramePayload.GoAway(Payload));
        Assert.Equal(9, FrameWriter.WriteDataHeader(_wire, 3, 0, endStream: true));
        Check(new FrameHeader(0, FrameType.Data, FrameFlags.EndStream, 3));
    }

    [Theory]
    [InlineData(0, 16384, 1)]
    [InlineData(1, 16384, 1)]
    [InlineData(16384, 16384, 1)]
    [InlineData(16385, 16384, 2)]
    [InlineData(70000, 16384, 5)]
    [InlineData(70000, 65536, 2)]
    public void WriteHeaderBlock_AnyLength_SplitsAtTheFrameSize(int length, int maxFrameSize, int frames)
    {
        var block = new byte[length];
        new Random(length).NextBytes(block);
        var output = new ArrayBufferWriter<byte>();
        FrameWriter.WriteHeaderBlock(output, 3, block, endStream: true, maxFrameSize);
        Assert.Equal(FrameWriter.HeaderBlockSize(length, maxFrameSize), output.WrittenCount);
        var rest = output.WrittenSpan;
        var joined = new List<byte>();
        for (var i = 0; i < frames; i++)
        {
            var header = FrameHeader.Read(rest);
            FrameRules.Check(header, maxFrameSize);
            Assert.Equal(i == 0 ? FrameType.Headers : FrameType.Continuation, header.Type);
            Assert.Equal(i == 0, header.HasFlag(FrameFlags.EndStream));
            Assert.Equal(i == frames - 1, header.HasFlag(FrameFlags.EndHeaders));
            joined.AddRange(rest.Slice(FrameHeader.Size, header.Length));
            rest = rest[(FrameHeader.Size + header.Length)..];
        }

        Assert.Equal(0, rest.Length);
        Assert.Equal(block, joined);
    }

    [Fact]
    public void Writers_Always_AllocateNothing()
    {
        FrameWriter.WritePing(_wire, 1, ack: false);
        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                FrameWriter.WritePing(_wire, 1, ack: false);
                FrameWriter.WriteDataHeader(_wire, 1, 100, endStream: false);
                FrameWriter.WriteWindowUpdate(_wire, 1, 100);
                FrameRules.Check(FrameHeader.Read(_wire), 16384);
            }
        }));
    }

    private ReadOnlySpan<byte> Payload => _wire.AsSpan(FrameHeader.Size);

    private void Check(FrameHeader expected)
    {
        Assert.Equal(expected, FrameHeader.Read(_wire));
        FrameRules.Check(expected, 16384);
    }
}
