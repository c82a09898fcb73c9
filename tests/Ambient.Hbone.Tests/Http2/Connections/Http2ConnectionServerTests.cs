using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Connections;

/// <summary>Our connection as a server, asked by a client that knows the rules and breaks one at a time.</summary>
public class Http2ConnectionServerTests
{
    [Fact]
    public async Task Start_Server_SendsTheReferencesSettings()
    {
        await using var harness = ConnectionHarness.StartServer();
        var settings = await harness.Peer.HandshakeAsync();
        Assert.Equal(new() { [3] = 200, [4] = 4194304, [5] = 1048576, [6] = 65536 }, settings.Settings);
    }

    [Fact]
    public async Task Start_Server_RaisesTheConnectionWindow()
    {
        await using var harness = ConnectionHarness.StartServer();
        await harness.Peer.ExpectAsync(FrameType.Settings);
        var update = await harness.Peer.ExpectAsync(FrameType.WindowUpdate, 0);
        Assert.Equal(16711681, update.Increment);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(14)]
    [InlineData(23)]
    public async Task Preface_Wrong_EndsTheConnection(int position)
    {
        await using var harness = ConnectionHarness.StartServer();
        var preface = Http2Constants.ClientPreface.ToArray();
        preface[position] ^= 1;
        await harness.Peer.SendRawAsync(preface);
        await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.ProtocolError);
        Assert.True(harness.Connection.SettingsReceived.IsFaulted);
    }

    [Fact]
    public async Task Preface_Http11Request_EndsTheConnection()
    {
        await using var harness = ConnectionHarness.StartServer();
        await harness.Peer.SendRawAsync("CONNECT 10.0.0.1:80 HTTP/1.1\r\n\r\n"u8.ToArray());
        await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.ProtocolError);
    }

    [Fact]
    public async Task Preface_OtherFrameThanSettings_EndsTheConnection()
    {
        await using var harness = ConnectionHarness.StartServer();
        await harness.Peer.SendRawAsync(Http2Constants.ClientPreface.ToArray());
        await harness.Peer.SendPingAsync();
        await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.ProtocolError);
    }

    [Fact]
    public async Task Connect_Accepted_CarriesBytesAndEndsBothWays()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendHeadersAsync(1, false, (":method", "CONNECT"), (":authority", "10.0.0.1:80"), ("baggage", "a=b"), ("forwarded", "for=x"), ("traceparent", "t"));
        var connect = await harness.NextConnectAsync();
        Assert.Equal(("10.0.0.1:80", "a=b", "for=x", "t"), (connect.Authority, connect.Baggage, connect.Forwarded, connect.TraceParent));
        var tunnel = connect.Accept("k=v");
        Assert.Equal([(":status", "200"), ("baggage", "k=v")], (await harness.Peer.ExpectHeadersAsync(1)).Headers);

        await harness.Peer.SendDataAsync(1, "ping"u8.ToArray());
        Assert.Equal("ping"u8.ToArray(), await tunnel.ReadAsync(4));
        await tunnel.WriteAsync("pong"u8.ToArray());
        Assert.Equal("pong"u8.ToArray(), await harness.Peer.ExpectDataAsync(1, 4));

        await harness.Peer.SendDataAsync(1, "bye"u8.ToArray(), endStream: true);
        Assert.Equal("bye"u8.ToArray(), await tunnel.ReadToEndAsync());
        Assert.False(tunnel.Closed.IsCancellationRequested);
        await tunnel.Output.CompleteAsync();
        var end = await harness.Peer.ExpectAsync(FrameType.Data, 1);
        Assert.Equal((0, true), (end.Payload.Length, end.EndStream));
        await tunnel.WaitUntilClosedAsync();
        Assert.Equal(0, harness.Connection.OpenStreams);
    }

    [Fact]
    public async Task HalfClose_OursFirst_PeerMayStillSend()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        await tunnel.Output.CompleteAsync();
        Assert.True((await harness.Peer.ExpectAsync(FrameType.Data, 1)).EndStream);
        await harness.Peer.SendDataAsync(1, "late"u8.ToArray());
        Assert.Equal("late"u8.ToArray(), await tunnel.ReadAsync(4));
        Assert.Equal(1, harness.Connection.OpenStreams);
        await harness.Peer.SendDataAsync(1, default, endStream: true);
        Assert.Empty(await tunnel.ReadToEndAsync());
        await tunnel.WaitUntilClosedAsync();
    }

    [Fact]
    public async Task Data_BeforeTheAnswer_WaitsForIt()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendConnectAsync(1);
        await harness.Peer.SendDataAsync(1, "early"u8.ToArray(), endStream: true);
        await harness.Peer.SettleAsync();
        Assert.Equal("early"u8.ToArray(), await (await harness.NextConnectAsync()).Accept().ReadToEndAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Connect_Rejected_IsAnsweredAndTheUnreadRestIsReset(bool endStream)
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendConnectAsync(1, endStream: endStream);
        (await harness.NextConnectAsync()).Reject(401);
        var (headers, ended) = await harness.Peer.ExpectHeadersAsync(1);
        Assert.Equal([(":status", "401")], headers);
        Assert.True(ended);
        var rest = await harness.Peer.SettleAsync();
        Assert.Equal(endStream ? [] : [Http2ErrorCode.NoError], rest.Where(frame => frame.Type == FrameType.RstStream).Select(frame => frame.Code));
        Assert.Equal(0, harness.Connection.OpenStreams);
    }

    [Fact]
    public async Task Data_AfterARejection_IsNoFault()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendConnectAsync(1);
        (await harness.NextConnectAsync()).Reject(503);
        await harness.Peer.SendDataAsync(1, new byte[1000]);
        await harness.Peer.SendDataAsync(1, default, endStream: true);
        await harness.Peer.SendResetAsync(1, Http2ErrorCode.Cancel);
        await harness.Peer.SendWindowUpdateAsync(1, 5);
        await harness.Peer.SettleAsync();
    }

    public static TheoryData<string, int?> Requests => new()
    {
        { ":method=GET;:scheme=https;:authority=10.0.0.1:80;:path=/", 400 },
        { ":method=CONNECT", 400 },
        { ":method=CONNECT;:authority=%%%", null },
        { ":method=CONNECT;:authority=", null },
        { ":method=CONNECT;:protocol=websocket;:scheme=https;:authority=a:1;:path=/", null },
        { ":method=CONNECT;:scheme=https;:authority=a:1;:path=/", null },
        { ":method=CONNECT;:authority=a:1;Baggage=x", null },
        { ":method=CONNECT;:authority=a:1;connection=close", null },
        { ":method=CONNECT;x=y;:authority=a:1", null },
        { ":authority=a:1", null },
    };

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task Connect_NotAConnectOrMalformed_IsAnsweredAsTheReferenceDoes(string request, int? status)
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendHeadersAsync(1, false, [.. request.Split(';').Select(header => header.Split('=', 2)).Select(pair => (pair[0], pair[1]))]);
        if (status is not null)
        {
            var (headers, ended) = await harness.Peer.ExpectHeadersAsync(1);
            Assert.Equal([(":status", $"{status}")], headers);
            Assert.True(ended);
        }

        await harness.Peer.ExpectResetAsync(1, status is null ? Http2ErrorCode.ProtocolError : Http2ErrorCode.NoError);
        await harness.Peer.SettleAsync();
        Assert.False(harness.HasConnect);
        await harness.AcceptAsync(3);
    }

    [Fact]
    public async Task Connect_HeaderListTooLarge_Is431()
    {
        await using var harness = await ConnectionHarness.ServerAsync(new Http2ConnectionOptions { MaxHeaderListSize = 4000 });

        // Small on the wire, large when decoded: an entry in the table, many times over.
        await harness.Peer.SendHeadersAsync(1, false, [(":method", "CONNECT"), (":authority", "a:1"), .. Enumerable.Repeat(("x", new string('y', 500)), 10)]);
        Assert.Equal([(":status", "431")], (await harness.Peer.ExpectHeadersAsync(1)).Headers);
        await harness.AcceptAsync(3);
    }

    [Fact]
    public async Task Connect_HeaderBlockLargerThanTheList_Is431Too()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var block = harness.Peer.Block((":method", "CONNECT"), (":authority", "a:1"));
        var value = new byte[100_000];
        value.AsSpan().Fill((byte)'y');
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders, 1, [.. block, 0x00, 1, (byte)'x', 0x7f, 0xa1, 0x8c, 0x06, .. value]);
        Assert.Equal([(":status", "431")], (await harness.Peer.ExpectHeadersAsync(1)).Headers);
        await harness.AcceptAsync(3);
    }

    public static TheoryData<string, int, int, int, string, int> BrokenFrames => new()
    {
        { "DATA on the connection", 0, 0, 0, "00", 1 },
        { "DATA on an idle stream", 0, 0, 5, "00", 1 },
        { "DATA with too much padding", 0, 8, 1, "0500", 1 },
        { "DATA without a pad length", 0, 8, 1, "", 6 },
        { "HEADERS on the connection", 1, 4, 0, "82", 1 },
        { "HEADERS on a server's stream", 1, 4, 2, "82", 1 },
        { "HEADERS with too much padding", 1, 12, 3, "ff82", 1 },
        { "HEADERS with half a priority", 1, 0x24, 3, "000000", 6 },
        { "HEADERS that do not decode", 1, 4, 3, "ff", 9 },
        { "RST_STREAM on the connection", 3, 0, 0, "00000000", 1 },
        { "RST_STREAM on an idle stream", 3, 0, 5, "00000000", 1 },
        { "RST_STREAM of 3 bytes", 3, 0, 1, "000000", 6 },
        { "SETTINGS on a stream", 4, 0, 1, "", 1 },
        { "SETTINGS of 5 bytes", 4, 0, 0, "0000000000", 6 },
        { "SETTINGS with ACK and entries", 4, 1, 0, "000300000001", 6 },
        { "SETTINGS_INITIAL_WINDOW_SIZE too large", 4, 0, 0, "000480000000", 3 },
        { "SETTINGS_MAX_FRAME_SIZE too small", 4, 0, 0, "000500003fff", 1 },
        { "SETTINGS_MAX_FRAME_SIZE too large", 4, 0, 0, "000501000000", 1 },
        { "SETTINGS_ENABLE_PUSH of 2", 4, 0, 0, "000200000002", 1 },
        { "PUSH_PROMISE", 5, 4, 1, "0000000282", 1 },
        { "PING on a stream", 6, 0, 1, "0000000000000000", 1 },
        { "PING of 7 bytes", 6, 0, 0, "00000000000000", 6 },
        { "GOAWAY on a stream", 7, 0, 1, "0000000000000000", 1 },
        { "GOAWAY of 7 bytes", 7, 0, 0, "00000000000000", 6 },
        { "WINDOW_UPDATE of 3 bytes", 8, 0, 0, "000001", 6 },
        { "WINDOW_UPDATE of 0 on the connection", 8, 0, 0, "00000000", 1 },
        { "WINDOW_UPDATE on an idle stream", 8, 0, 5, "00000001", 1 },
        { "WINDOW_UPDATE over 2^31-1 on the connection", 8, 0, 0, "7fffffff", 3 },
        { "CONTINUATION of nothing", 9, 4, 1, "82", 1 },
    };

    [Theory]
    [MemberData(nameof(BrokenFrames))]
    public async Task Frame_AgainstTheRules_EndsTheConnectionWithTheRfcsCode(string what, int type, int flags, int streamId, string payload, int code)
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        await harness.Peer.SendAsync((FrameType)type, (FrameFlags)flags, streamId, Convert.FromHexString(payload));
        var goAway = await harness.Peer.ExpectGoAwayAsync((Http2ErrorCode)code);
        Assert.Equal(1, goAway.LastStreamId & ~2);
        Assert.NotEqual("", goAway.Debug);
        await tunnel.WaitUntilClosedAsync();
        await Assert.ThrowsAnyAsync<IOException>(tunnel.ReadToEndAsync);
        Assert.True(harness.Connection.Error is Http2ConnectionException, what);
    }

    [Fact]
    public async Task Frame_LargerThanAllowed_IsRefusedBeforeItsPayload()
    {
        await using var harness = await ConnectionHarness.ServerAsync(new Http2ConnectionOptions { MaxFrameSize = 16384 });
        await harness.AcceptAsync(1);
        var header = new byte[FrameHeader.Size];
        new FrameHeader(16385, FrameType.Data, 0, 1).Write(header);
        await harness.Peer.SendRawAsync(header);
        await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.FrameSizeError);
    }

    [Fact]
    public async Task Headers_OnAStreamThatIsOver_EndTheConnection()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendConnectAsync(5);
        await harness.NextConnectAsync();
        await harness.Peer.SendConnectAsync(3);
        var goAway = await harness.Peer.ExpectAsync(FrameType.GoAway);
        Assert.Contains(goAway.Code, new[] { Http2ErrorCode.ProtocolError, Http2ErrorCode.StreamClosed });
        await harness.Peer.ExpectEndAsync();
    }

    [Fact]
    public async Task Data_AfterEndStream_ResetsTheStream()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.AcceptAsync(1);
        await harness.Peer.SendDataAsync(1, default, endStream: true);
        await harness.Peer.SendDataAsync(1, "x"u8.ToArray());
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.StreamClosed);
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task Headers_WithinATunnel_ResetTheStreamAndKeepTheTablesInStep()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.AcceptAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, ("x-new", "y"), (":authority", "other:1"));
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        await harness.Peer.SendConnectAsync(3, "other:1");
        Assert.Equal("other:1", (await harness.NextConnectAsync()).Authority);
    }

    [Fact]
    public async Task Priority_RightOrWrong_CostsAStreamAtMost()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        await harness.Peer.SendAsync(FrameType.Priority, 0, 1, 0, 0, 0, 1, 7);
        await harness.Peer.SendAsync(FrameType.Priority, 0, 99, 0, 0, 0, 0, 7);
        Assert.Empty(await harness.Peer.SettleAsync());
        await harness.Peer.SendAsync(FrameType.Priority, 0, 1, 0, 0, 0);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.FrameSizeError);
        await tunnel.WaitUntilClosedAsync();
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task WindowUpdate_OfZeroOnAStream_ResetsIt()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.AcceptAsync(1);
        await harness.Peer.SendWindowUpdateAsync(1, 0);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task UnknownFramesAndFlags_Anywhere_AreIgnored()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        await harness.Peer.SendAsync((FrameType)0xbe, (FrameFlags)0xff, 0, 1, 2, 3);
        await harness.Peer.SendAsync((FrameType)0x20, 0, 1);
        await harness.Peer.SendAsync((FrameType)0x21, 0, 77, new byte[5000]);
        await harness.Peer.SendAsync(FrameType.Data, (FrameFlags)0xf6, 1, "ok"u8.ToArray());
        Assert.Equal("ok"u8.ToArray(), await tunnel.ReadAsync(2));
        Assert.Empty(await harness.Peer.SettleAsync());
    }

    [Fact]
    public async Task Settings_UnknownIdentifiers_AreIgnored()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendSettingsAsync(((SettingId)0x0a0a, uint.MaxValue), ((SettingId)0, 0));
        var frame = Assert.Single(await harness.Peer.SettleAsync());
        Assert.Equal((FrameType.Settings, FrameFlags.Ack), (frame.Type, frame.Header.Flags));
    }

    [Fact]
    public async Task Connect_OverTheStreamLimit_IsRefusedUntilOneEnds()
    {
        await using var harness = await ConnectionHarness.ServerAsync(new Http2ConnectionOptions { MaxConcurrentStreams = 2 });
        var first = await harness.AcceptAsync(1);
        await harness.AcceptAsync(3);
        await harness.Peer.SendConnectAsync(5);
        await harness.Peer.ExpectResetAsync(5, Http2ErrorCode.RefusedStream);
        Assert.False(harness.HasConnect);
        first.Abort();
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.Cancel);
        await harness.AcceptAsync(7);
    }

    [Fact]
    public async Task Padding_InDataAndHeaders_IsCutOff()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var block = harness.Peer.Block((":method", "CONNECT"), (":authority", "a:1"));
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.Padded | FrameFlags.Priority, 1, [3, 0, 0, 0, 0, 9, .. block, 0, 0, 0]);
        var tunnel = (await harness.NextConnectAsync()).Accept();
        for (var pad = 0; pad < 256; pad += 15)
        {
            await harness.Peer.SendAsync(FrameType.Data, FrameFlags.Padded, 1, [(byte)pad, (byte)'a', (byte)'b', .. new byte[pad]]);
            Assert.Equal("ab"u8.ToArray(), await tunnel.ReadAsync(2));
        }

        await harness.Peer.SendAsync(FrameType.Data, FrameFlags.Padded | FrameFlags.EndStream, 1, 4, 0, 0, 0, 0);
        Assert.Empty(await tunnel.ReadToEndAsync());
    }

    [Fact]
    public async Task HeaderBlock_InContinuations_IsPutTogether()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var block = harness.Peer.Block((":method", "CONNECT"), (":authority", "a:1"), ("baggage", new string('b', 500)));
        await harness.Peer.SendAsync(FrameType.Headers, 0, 1, block[..3]);
        await harness.Peer.SendAsync(FrameType.Continuation, 0, 1, block[3..100]);
        await harness.Peer.SendAsync(FrameType.Continuation, 0, 1);
        await harness.Peer.SendAsync(FrameType.Continuation, FrameFlags.EndHeaders, 1, block[100..]);
        Assert.Equal(500, (await harness.NextConnectAsync()).Baggage!.Length);
    }

    [Theory]
    [InlineData(6, 0, 8)] // PING
    [InlineData(0, 1, 1)] // DATA
    [InlineData(9, 3, 1)] // CONTINUATION of another stream
    [InlineData(0xbe, 0, 1)] // even unknown ones
    public async Task HeaderBlock_Interrupted_EndsTheConnection(byte type, int streamId, int length)
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendAsync(FrameType.Headers, 0, 1, 0x83);
        await harness.Peer.SendAsync((FrameType)type, 0, streamId, new byte[length]);
        await harness.Peer.ExpectGoAwayAsync(Http2ErrorCode.ProtocolError);
    }

    [Fact]
    public async Task Ping_Any_IsAnsweredWithItsBytes()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendPingAsync(0xfedcba9876543210);
        var answer = await harness.Peer.ExpectAsync(FrameType.Ping);
        Assert.Equal((FrameFlags.Ack, "FEDCBA9876543210"), (answer.Header.Flags, Convert.ToHexString(answer.Payload)));
        await harness.Peer.SendPingAsync(1, ack: true);
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task Settings_HeaderTableSizeMidway_IsAnnouncedInTheNextBlock()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        await harness.Peer.SendConnectAsync(1);
        (await harness.NextConnectAsync()).Accept("k=v");
        await harness.Peer.ExpectHeadersAsync(1);
        await harness.Peer.SendSettingsAsync((SettingId.HeaderTableSize, 0));
        await harness.Peer.SettleAsync();
        await harness.Peer.SendConnectAsync(3);
        (await harness.NextConnectAsync()).Accept("k=v");
        var frame = await harness.Peer.ExpectAsync(FrameType.Headers, 3);
        Assert.Equal(0x20, frame.Payload[0]);
        Assert.Equal([(":status", "200"), ("baggage", "k=v")], harness.Peer.Decode(frame));
    }

    [Fact]
    public async Task Settings_MaxFrameSize_BoundsWhatWeSend()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        await tunnel.WriteAsync(new byte[60_000]);
        for (var received = 0; received < 60_000;)
        {
            var frame = await harness.Peer.ExpectAsync(FrameType.Data, 1);
            Assert.InRange(frame.Payload.Length, 1, 16384);
            received += frame.Payload.Length;
        }
    }

    [Fact]
    public async Task Transport_EndsInsideAFrame_FailsTheTunnels()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        await harness.Peer.SendRawAsync(new byte[] { 0, 0, 100, 0, 0, 0, 0, 0, 1, 7 });
        await harness.Peer.CloseAsync();
        await tunnel.WaitUntilClosedAsync();
        await Assert.ThrowsAnyAsync<IOException>(tunnel.ReadToEndAsync);
        await harness.Connection.Completion.WaitAsync(ConnectionHarness.Patience);
    }

    [Fact]
    public async Task Transport_Reset_FailsTheTunnels()
    {
        await using var harness = await ConnectionHarness.ServerAsync();
        var tunnel = await harness.AcceptAsync(1);
        var reading = tunnel.ReadToEndAsync();
        harness.Wire.Break();
        await Assert.ThrowsAnyAsync<IOException>(() => reading);
        Assert.True((await tunnel.Output.WriteAsync("x"u8.ToArray()).AsTask().WaitAsync(ConnectionHarness.Patience)).IsCompleted);
        await harness.Connection.Completion.WaitAsync(ConnectionHarness.Patience);
    }
}
