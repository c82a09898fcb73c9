using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Http2.Framing;

public class PeerSettingsTests
{
    [Fact]
    public void New_BeforeAnyFrame_HasTheDefaults()
    {
        var settings = new PeerSettings();
        Assert.Equal((4096u, uint.MaxValue, 65535), (settings.HeaderTableSize, settings.MaxConcurrentStreams, settings.InitialWindowSize));
        Assert.Equal((16384, uint.MaxValue), (settings.MaxFrameSize, settings.MaxHeaderListSize));
    }

    [Theory]
    [InlineData(2, 2u, false, Http2ErrorCode.ProtocolError)]
    [InlineData(2, 1u, true, Http2ErrorCode.ProtocolError)]
    [InlineData(4, 0x80000000u, false, Http2ErrorCode.FlowControlError)]
    [InlineData(5, 16383u, false, Http2ErrorCode.ProtocolError)]
    [InlineData(5, 16777216u, false, Http2ErrorCode.ProtocolError)]
    public void Apply_ValueOutOfRange_IsAConnectionError(ushort id, uint value, bool fromServer, object code) =>
        Assert.Equal((Http2ErrorCode)code, Assert.Throws<Http2ConnectionException>(() => Apply(new PeerSettings(), fromServer, ((SettingId)id, value))).Code);

    [Fact]
    public void Apply_UnknownAndRepeated_LastKnownWins()
    {
        var settings = new PeerSettings();
        Apply(settings, true, ((SettingId)0xaaaa, uint.MaxValue), (SettingId.MaxFrameSize, 20000), (SettingId.MaxFrameSize, 16777215), (SettingId.InitialWindowSize, 0x7fffffff), (SettingId.EnablePush, 0));
        Assert.Equal((16777215, int.MaxValue), (settings.MaxFrameSize, settings.InitialWindowSize));
    }

    [Fact]
    public void Apply_MassesOfEntries_IsAbuse()
    {
        var entries = Enumerable.Repeat((SettingId.InitialWindowSize, 1u), 65).ToArray();
        Assert.Equal(Http2Abuse.SettingsFlood, Assert.Throws<Http2ConnectionException>(() => Apply(new PeerSettings(), false, entries)).Abuse);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Apply_RandomBytes_KeepsValuesInRange()
    {
        FuzzBudget.Run(10_000, random =>
        {
            var payload = new byte[random.Next(10) * 6];
            random.NextBytes(payload);
            for (var entry = 0; entry < payload.Length; entry += 6)
            {
                payload[entry] = 0;
                payload[entry + 1] = (byte)random.Next(8);
            }

            var settings = new PeerSettings();
            Assert.True(Record.Exception(() => settings.Apply(payload, random.Next(2) == 0)) is null or Http2ConnectionException);
            Assert.InRange(settings.MaxFrameSize, 16384, 16777215);
            Assert.InRange(settings.InitialWindowSize, 0, int.MaxValue);
        });
    }

    private static void Apply(PeerSettings settings, bool fromServer, params (SettingId Id, uint Value)[] entries)
    {
        var wire = new byte[FrameHeader.Size + (entries.Length * Setting.Size)];
        FrameWriter.WriteSettings(wire, [.. entries.Select(entry => new Setting(entry.Id, entry.Value))]);
        settings.Apply(wire.AsSpan(FrameHeader.Size), fromServer);
    }
}
