using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Http2.Framing;

public class FramePayloadTests
{
    [Fact]
    public void Data_EveryPadding_IsCutOffOrRefused()
    {
        for (var length = 1; length < 20; length++)
        {
            var header = new FrameHeader(length, FrameType.Data, FrameFlags.Padded, 1);
            for (var pad = 0; pad < 256; pad++)
            {
                var payload = new byte[length];
                payload[0] = (byte)pad;
                if (pad <= length - 1)
                {
                    Assert.Equal(length - 1 - pad, FramePayload.Data(header, payload).Length);
                }
                else
                {
                    Assert.Equal(Http2ErrorCode.ProtocolError, Assert.Throws<Http2ConnectionException>(() => FramePayload.Data(header, payload)).Code);
                }
            }
        }
    }

    [Fact]
    public void HeaderBlock_PaddingAndPriority_AreCutOff()
    {
        byte[] payload = [2, 0x80, 0, 0, 1, 255, 10, 11, 12, 0, 0];
        var header = new FrameHeader(payload.Length, FrameType.Headers, FrameFlags.Padded | FrameFlags.Priority, 3);
        Assert.Equal([10, 11, 12], FramePayload.HeaderBlock(header, payload).ToArray());
        Assert.Equal([10, 11, 12, 0, 0], FramePayload.HeaderBlock(header with { Flags = FrameFlags.Priority, Length = 10 }, payload.AsSpan(1)).ToArray());
        Assert.Equal([1, 2], FramePayload.HeaderBlock(new FrameHeader(2, FrameType.Headers, 0, 3), [1, 2]).ToArray());
    }

    [Fact]
    public void HeaderBlock_PaddingOverPriority_IsRefused()
    {
        byte[] payload = [6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5];
        var header = new FrameHeader(payload.Length, FrameType.Headers, FrameFlags.Padded | FrameFlags.Priority, 3);
        Assert.Throws<Http2ConnectionException>(() => FramePayload.HeaderBlock(header, payload).Length);
    }

    [Fact]
    public void WindowUpdate_Zero_CostsTheStreamOrTheConnection()
    {
        byte[] zero = [0x80, 0, 0, 0];
        Assert.Equal(7, Assert.Throws<Http2StreamException>(() => FramePayload.WindowUpdate(new FrameHeader(4, FrameType.WindowUpdate, 0, 7), zero)).StreamId);
        Assert.Throws<Http2ConnectionException>(() => FramePayload.WindowUpdate(new FrameHeader(4, FrameType.WindowUpdate, 0, 0), zero));
    }

    [Fact]
    public void WindowUpdate_ReservedBit_IsIgnored() =>
        Assert.Equal(int.MaxValue, FramePayload.WindowUpdate(new FrameHeader(4, FrameType.WindowUpdate, 0, 7), [0xff, 0xff, 0xff, 0xff]));

    [Fact]
    public void GoAwayDebug_Anything_IsShortPrintableText()
    {
        byte[] payload = [0, 0, 0, 1, 0, 0, 0, 0, .. "bad\r\n\u001b[31m"u8, .. new byte[500]];
        var text = FramePayload.GoAwayDebug(payload);
        Assert.StartsWith("bad???[31m?", text, StringComparison.Ordinal);
        Assert.Equal(128, text.Length);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Payloads_OfAnyBytes_AfterTheRules_AreReadOrRefused() => FuzzBudget.Run(50_000, random =>
    {
        var payload = new byte[random.Next(40)];
        random.NextBytes(payload);
        var header = new FrameHeader(payload.Length, (FrameType)random.Next(10), (FrameFlags)random.Next(256), random.Next(3));
        try
        {
            FrameRules.Check(header, 16384);
            switch (header.Type)
            {
                case FrameType.Data:
                    Assert.InRange(FramePayload.Data(header, payload).Length, 0, payload.Length);
                    break;
                case FrameType.Headers:
                    Assert.InRange(FramePayload.HeaderBlock(header, payload).Length, 0, payload.Length);
                    break;
                case FrameType.WindowUpdate:
                    Assert.InRange(FramePayload.WindowUpdate(header, payload), 1, int.MaxValue);
                    break;
                case FrameType.RstStream:
                    FramePayload.RstStream(payload);
                    break;
                case FrameType.Ping:
                    FramePayload.Ping(payload);
                    break;
                case FrameType.GoAway:
                    Assert.InRange(FramePayload.GoAway(payload).LastStreamId, 0, int.MaxValue);
                    Assert.DoesNotContain(FramePayload.GoAwayDebug(payload), char.IsControl);
                    break;
                case FrameType.Settings when !header.HasFlag(FrameFlags.Ack):
                    new PeerSettings().Apply(payload, fromServer: random.Next(2) == 0);
                    break;
            }
        }
        catch (Exception e) when (e is Http2ConnectionException or Http2StreamException)
        {
            Assert.NotEmpty(e.Message);
        }
    });
}
