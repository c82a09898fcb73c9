using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>Our connection as a client, against a server that knows the rules and breaks one at a time.</summary>
public class Http2ConnectionClientTests
{
    [Fact]
    public async Task Start_Client_SendsPrefaceSettingsAndWindowOfTheReference()
    {
        await using var harness = ConnectionHarness.StartClient();
        await harness.Peer.ExpectPrefaceAsync();
        var settings = await harness.Peer.ReadAsync();
        Assert.Equal(new() { [2] = 0, [4] = 4194304, [5] = 1048576, [6] = 16384 }, settings!.Settings);
        var update = await harness.Peer.ReadAsync();
        Assert.Equal((FrameType.WindowUpdate, 0, 16711681), (update!.Type, update.StreamId, update.Increment));
    }

    [Fact]
    public async Task Open_Answered200_CarriesBytesAndEndsBothWays()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var tunnel = await harness.OpenAsync(1);
        await tunnel.WriteAsync("hello"u8.ToArray());
        Assert.Equal("hello"u8.ToArray(), await harness.Peer.ExpectDataAsync(1, 5));
        await tunnel.Output.CompleteAsync();
        var end = await harness.Peer.ExpectAsync(FrameType.Data, 1);
        Assert.Equal((0, true), (end.Payload.Length, end.EndStream));
        await harness.Peer.SendDataAsync(1, "world"u8.ToArray());
        Assert.Equal("world"u8.ToArray(), await tunnel.ReadAsync(5));
        await harness.Peer.SendDataAsync(1, default, endStream: true);
        Assert.Empty(await tunnel.ReadToEndAsync());
        await tunnel.WaitUntilClosedAsync();
        Assert.Equal(0, harness.Connection.OpenStreams);
    }

    [Fact]
    public async Task Open_InformationalFirst_WaitsForTheFinalAnswer()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var (_, sent) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "103"));
        await harness.Peer.SettleAsync();
        Assert.False(sent.Answer.IsCompleted);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "200"), ("baggage", "k=v"));
        Assert.Equal("k=v", (await sent.Answer.WaitAsync(ConnectionHarness.Patience)).Baggage);
    }

    [Fact]
    public async Task Open_Refused_GivesTheStatus()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var (_, sent) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(1);
        await harness.Peer.SendHeadersAsync(1, true, (":status", "401"));
        await harness.Peer.SendResetAsync(1, Http2ErrorCode.NoError);
        Assert.Equal(401, (await sent.Answer.WaitAsync(ConnectionHarness.Patience)).Status);
        await harness.Peer.SettleAsync();
    }

    [Theory]
    [InlineData(7u)] // REFUSED_STREAM
    [InlineData(8u)] // CANCEL
    [InlineData(0u)] // NO_ERROR
    public async Task Open_ResetInsteadOfAnAnswer_Fails(uint code)
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var (_, sent) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(1);
        await harness.Peer.SendResetAsync(1, (Http2ErrorCode)code);
        await Assert.ThrowsAnyAsync<IOException>(() => sent.Answer.WaitAsync(ConnectionHarness.Patience));
        await harness.OpenAsync(3);
    }

    public static TheoryData<string> MalformedAnswers => new() { "x=y", ":status=20", ":status=200;:status=200", ":status=200;:path=/", ":status=200;connection=close", ":status=200;Bad=x" };

    [Theory]
    [MemberData(nameof(MalformedAnswers))]
    public async Task Open_MalformedAnswer_ResetsTheStreamAlone(string answer)
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var (_, sent) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, [.. answer.Split(';').Select(header => header.Split('=', 2)).Select(pair => (pair[0], pair[1]))]);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        await Assert.ThrowsAnyAsync<IOException>(() => sent.Answer.WaitAsync(ConnectionHarness.Patience));
        await harness.OpenAsync(3);
    }

    [Fact]
    public async Task Data_BeforeTheAnswer_ResetsTheStream()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var (_, sent) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(1);
        await harness.Peer.SendDataAsync(1, "x"u8.ToArray());
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        await Assert.ThrowsAnyAsync<IOException>(() => sent.Answer.WaitAsync(ConnectionHarness.Patience));
    }

    public static TheoryData<string, int, int, int, string, int> BrokenFrames => new()
    {
        { "PUSH_PROMISE", 5, 4, 1, "0000000282", 1 },
        { "HEADERS on a server's stream", 1, 4, 2, "88", 1 },
        { "HEADERS on an idle stream", 1, 4, 9, "88", 1 },
        { "DATA on an idle stream", 0, 0, 9, "00", 1 },
        { "RST_STREAM on an idle stream", 3, 0, 9, "00000000", 1 },
        { "WINDOW_UPDATE on an idle stream", 8, 0, 9, "00000001", 1 },
        { "SETTINGS_ENABLE_PUSH of 1", 4, 0, 0, "000200000001", 1 },
        { "HEADERS that do not decode", 1, 4, 1, "ff", 9 },
        { "SETTINGS of 5 bytes", 4, 0, 0, "0000000000", 6 },
    };

    [Theory]
    [MemberData(nameof(BrokenFrames))]
    public async Task Frame_AgainstTheRules_EndsTheConnectionWithTheRfcsCode(string what, int type, int flags, int streamId, string payload, int code)
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var tunnel = await harness.OpenAsync(1);
        await harness.Peer.SendAsync((FrameType)type, (FrameFlags)flags, streamId, Convert.FromHexString(payload));
        await harness.Peer.ExpectGoAwayAsync((Http2ErrorCode)code);
        await tunnel.WaitUntilClosedAsync();
        Assert.False(harness.Connection.CanOpen, what);
    }

    [Fact]
    public async Task Preface_OtherFrameThanSettings_EndsTheConnection()
    {
        await using var harness = ConnectionHarness.StartClient();
        await harness.Peer.SendPingAsync();
        await harness.Peer.ExpectPrefaceAsync();
        await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.ProtocolError);
        Assert.True(harness.Connection.SettingsReceived.IsFaulted);
    }

    [Fact]
    public async Task Preface_Http11Answer_EndsTheConnection()
    {
        await using var harness = ConnectionHarness.StartClient();
        await harness.Peer.SendRawAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
        await harness.Peer.ExpectPrefaceAsync();
        await harness.Peer.ExpectEndAsync();
        Assert.True(harness.Connection.SettingsReceived.IsFaulted);
    }

    [Fact]
    public async Task GoAway_BelowOurStreams_FailsThoseAndKeepsTheOthers()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var kept = await harness.OpenAsync(1);
        var (_, lost) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(3);
        await harness.Peer.SendGoAwayAsync(1, Http2ErrorCode.NoError);
        await Assert.ThrowsAsync<UnprocessedException>(() => lost.Answer.WaitAsync(ConnectionHarness.Patience));
        Assert.False(harness.Connection.CanOpen);
        Assert.ThrowsAny<IOException>(() => harness.Open());
        await harness.Peer.SendDataAsync(1, "still"u8.ToArray(), endStream: true);
        Assert.Equal("still"u8.ToArray(), await kept.ReadToEndAsync());
        await kept.WriteAsync("here"u8.ToArray());
        Assert.Equal("here"u8.ToArray(), await harness.Peer.ExpectDataAsync(1, 4));
    }

    [Theory]
    [InlineData((int)Http2ErrorCode.RefusedStream, true)]
    [InlineData((int)Http2ErrorCode.InternalError, false)]
    public async Task Reset_BeforeTheAnswer_MayBeTriedAgainOnlyWhenRefused(int code, bool unprocessed)
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var (_, sent) = harness.Open();
        await harness.Peer.ExpectHeadersAsync(1);
        await harness.Peer.SendResetAsync(1, (Http2ErrorCode)code);
        var failure = await Assert.ThrowsAnyAsync<IOException>(() => sent.Answer.WaitAsync(ConnectionHarness.Patience));
        Assert.Equal(unprocessed, failure is UnprocessedException);
    }

    [Fact]
    public async Task GoAway_WithAnError_FailsNoStreamThatItCovers()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var tunnel = await harness.OpenAsync(1);
        await harness.Peer.SendGoAwayAsync(int.MaxValue, Http2ErrorCode.NoError);
        await harness.Peer.SettleAsync();
        await harness.Peer.SendGoAwayAsync(1, Http2ErrorCode.EnhanceYourCalm);
        await harness.Peer.SendDataAsync(1, "x"u8.ToArray());
        await tunnel.ReadAsync(1);
    }

    [Fact]
    public async Task Settings_MaxConcurrentStreams_LowersTheLimit()
    {
        await using var harness = await ConnectionHarness.ClientAsync(null, (SettingId.MaxConcurrentStreams, 3));
        Assert.Equal(3, harness.Connection.StreamLimit);
        await harness.Peer.SendSettingsAsync((SettingId.MaxConcurrentStreams, 1000));
        await harness.Peer.SettleAsync();
        Assert.Equal(100, harness.Connection.StreamLimit);
    }

    [Fact]
    public async Task ShutDown_Client_SaysGoAwayCode0Last0()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        harness.Connection.ShutDown();
        Assert.Equal(0, (await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.NoError)).LastStreamId);
    }

    [Fact]
    public async Task Trailers_OnATunnel_EndIt()
    {
        await using var harness = await ConnectionHarness.ClientAsync();
        var tunnel = await harness.OpenAsync(1);
        await harness.Peer.SendHeadersAsync(1, true, ("x-trailer", "y"));
        Assert.Empty(await tunnel.ReadToEndAsync());
    }
}
