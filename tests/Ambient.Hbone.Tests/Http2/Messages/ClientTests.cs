using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Our client, answered by a server that knows the rules and breaks one at a time.</summary>
public class ClientTests
{
    [Fact]
    public async Task Request_Sent_SaysWhatTheHeadSays()
    {
        await using var harness = await ClientHarness.StartAsync();
        var exchange = harness.Begin();
        var head = MessageText.Post(3, "/a?b", "server.test:8080");
        head.Scheme = "https";
        head.TakesTrailers = true;
        head.Fields.Add("x-one", "1");
        head.Fields.Add("Connection", "x-one");
        head.Fields.Add("authorization", "secret");
        head.Fields.Add("x-one", "2");
        Assert.False(exchange.HasSent);
        await exchange.SendHeadAsync(head, end: false);
        await exchange.WriteAsync("abc"u8.ToArray());
        await exchange.EndAsync();
        Assert.True(exchange.HasSent);
        var (headers, end) = await harness.Peer.ExpectHeadersAsync(1);
        Assert.Equal(
            [
                (":method", "POST"), (":scheme", "https"), (":path", "/a?b"), (":authority", "server.test:8080"), ("x-one", "1"), ("authorization", "secret"), ("x-one", "2"),
                ("content-length", "3"), ("te", "trailers"),
            ],
            headers);
        Assert.False(end);
        var data = await harness.Peer.ExpectAsync(FrameType.Data, 1);
        Assert.Equal("abc"u8.ToArray(), data.Payload);
        Assert.True(data.EndStream);
    }

    [Fact]
    public async Task Response_WithTrailers_IsPresentedWhole()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "200"), ("x-one", "1"), ("content-length", "4"));
        var head = await exchange.HeadAsync();
        Assert.Equal((200, 4L, true, HttpProtocolVersion.Http2), (head.Status, head.ContentLength, head.HasBody, head.Version));
        Assert.Equal("1", head.Fields.Get("x-one"));
        Assert.Equal(1, head.Fields.Count);
        await harness.Peer.SendDataAsync(1, "body"u8.ToArray());
        await harness.Peer.SendHeadersAsync(1, true, ("grpc-status", "0"));
        Assert.Equal("body", await exchange.ReadTextAsync());
        Assert.Equal("0", exchange.Trailers.Get("grpc-status"));
        Assert.Equal(MessageFault.None, exchange.Fault);
    }

    [Theory]
    [InlineData("GET", "200", "0", false)]
    [InlineData("HEAD", "200", "10", false)]
    [InlineData("GET", "304", "10", false)]
    [InlineData("GET", "204", null, false)]
    public async Task Response_WithoutContent_HasNoBody(string method, string status, string? length, bool hasBody)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = harness.Begin();
        var request = MessageText.Get();
        request.Method = method;
        await exchange.SendHeadAsync(request, end: true);
        await harness.Peer.ExpectHeadersAsync(1);
        await harness.Peer.SendHeadersAsync(1, true, length is null ? [(":status", status)] : [(":status", status), ("content-length", length)]);
        var head = await exchange.HeadAsync();
        Assert.Equal(hasBody, head.HasBody);
        Assert.Equal(length, $"{head.ContentLength}" is "" ? null : $"{head.ContentLength}");
        Assert.Equal("", await exchange.ReadTextAsync());
    }

    public static TheoryData<string, bool, (string, string)[]> MalformedResponses => new()
    {
        { "no :status", false, [("x", "1")] },
        { "no :status", false, [] },
        { ":status twice", false, [(":status", "200"), (":status", "200")] },
        { ":status is not", false, [(":status", "20")] },
        { ":status is not", false, [(":status", "2x0")] },
        { ":status is not", false, [(":status", "600")] },
        { ":status is not", false, [(":status", "099")] },
        { "101", false, [(":status", "101")] },
        { "pseudo-header that responses", false, [(":status", "200"), (":path", "/")] },
        { "after a header", false, [("x", "1"), (":status", "200")] },
        { "connection-specific", false, [(":status", "200"), ("connection", "close")] },
        { "connection-specific", false, [(":status", "200"), ("transfer-encoding", "chunked")] },
        { "lower-case", false, [(":status", "200"), ("X-A", "1")] },
        { "control", false, [(":status", "200"), ("x", "a\nb")] },
        { "content-length", false, [(":status", "200"), ("content-length", "x")] },
        { "content-length", false, [(":status", "200"), ("content-length", "1"), ("content-length", "2")] },
        { "no content", true, [(":status", "200"), ("content-length", "1")] },
        { "interim response that ends", true, [(":status", "100")] },
    };

    [Theory]
    [MemberData(nameof(MalformedResponses))]
    public async Task Response_Malformed_ResetsTheStreamAlone(string reason, bool end, (string, string)[] headers)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendHeadersAsync(1, end, headers);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        var failure = await exchange.HeadAsync().FailureAsync();
        Assert.Equal(MessageFault.Malformed, failure.Fault);
        Assert.Contains(reason, failure.Message, StringComparison.Ordinal);
        Assert.Equal(MessageFault.Malformed, (await exchange.ReadToEndAsync().FailureAsync()).Fault);
        Assert.True(harness.Client.IsUsable);
    }

    [Theory]
    [InlineData("GET", "200", "4", "abcde", false)]
    [InlineData("GET", "200", "4", "abc", true)]
    [InlineData("HEAD", "200", "4", "a", false)]
    [InlineData("GET", "304", null, "a", false)]
    [InlineData("GET", "204", null, "a", true)]
    public async Task Response_OfAnotherLengthThanAnnounced_IsMalformed(string method, string status, string? length, string body, bool end)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = harness.Begin();
        var request = MessageText.Get();
        request.Method = method;
        await exchange.SendHeadAsync(request, end: true);
        await harness.Peer.ExpectHeadersAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, length is null ? [(":status", status)] : [(":status", status), ("content-length", length)]);
        await exchange.HeadAsync();
        await harness.Peer.SendDataAsync(1, System.Text.Encoding.ASCII.GetBytes(body), end);
        Assert.Equal(MessageFault.Malformed, (await exchange.ReadToEndAsync().FailureAsync()).Fault);
        if (!end)
        {
            await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        }
    }

    [Fact]
    public async Task Response_HeadTooLarge_IsTooLarge()
    {
        await using var harness = await ClientHarness.StartAsync(new MessageClientOptions { MaxHeadSize = 2000 });
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "200"), ("x", new string('a', 2000)));
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.EnhanceYourCalm);
        Assert.Equal(MessageFault.TooLarge, (await exchange.HeadAsync().FailureAsync()).Fault);
    }

    [Fact]
    public async Task Data_BeforeTheHead_IsMalformed()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendDataAsync(1, "x"u8.ToArray());
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        Assert.Equal(MessageFault.Malformed, (await exchange.HeadAsync().FailureAsync()).Fault);
    }

    // Section 8.1: interim heads come first, whether somebody waits for them or not.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Interim_Heads_AreReceivedOneByOne(bool atOnce)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.PostAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "100"));
        if (atOnce)
        {
            await harness.Peer.SettleAsync();
        }

        var first = atOnce ? null : await exchange.HeadAsync();
        await harness.Peer.SendHeadersAsync(1, false, (":status", "103"), ("link", "</a>"));
        await harness.Peer.SendHeadersAsync(1, true, (":status", "200"), ("x", "1"));
        await harness.Peer.SettleAsync();
        first ??= await exchange.HeadAsync();
        Assert.Equal(100, first.Status);
        var second = await exchange.HeadAsync();
        Assert.Equal((103, "</a>", true), (second.Status, second.Fields.Get("link"), second.IsInterim));
        var last = await exchange.HeadAsync();
        Assert.Equal((200, "1"), (last.Status, last.Fields.Get("x")));
    }

    [Theory]
    [InlineData(21, 10)]
    [InlineData(3, 30_000)]
    public async Task Interim_Flood_EndsTheExchange(int count, int size)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        for (var i = 0; i < count; i++)
        {
            await harness.Peer.SendHeadersAsync(1, false, (":status", "103"), ($"x-{i}", new string((char)('a' + i), size)));
        }

        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.EnhanceYourCalm);
        Assert.True(harness.Client.IsUsable);
    }

    [Theory]
    [InlineData(Http2ErrorCode.RefusedStream, false, MessageFault.Refused)]
    [InlineData(Http2ErrorCode.RefusedStream, true, MessageFault.Reset)]
    [InlineData(Http2ErrorCode.Cancel, false, MessageFault.Reset)]
    [InlineData(Http2ErrorCode.Cancel, true, MessageFault.Reset)]
    [InlineData(Http2ErrorCode.NoError, true, MessageFault.Reset)]
    [InlineData(Http2ErrorCode.InternalError, true, MessageFault.Reset)]
    internal async Task Server_ResetsTheStream_IsTheFault(Http2ErrorCode code, bool answered, MessageFault fault)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        if (answered)
        {
            await harness.Peer.SendHeadersAsync(1, false, (":status", "200"));
            await exchange.HeadAsync();
        }

        await harness.Peer.SendResetAsync(1, code);
        Assert.Equal(fault, (await (answered ? exchange.ReadToEndAsync() : (Task)exchange.HeadAsync()).FailureAsync()).Fault);
        Assert.Equal(fault, exchange.Fault);
    }

    // Section 8.1: an early answer ends the exchange in order, and the writer learns that nobody reads.
    [Theory]
    [InlineData(Http2ErrorCode.NoError)]
    [InlineData(Http2ErrorCode.Cancel)]
    internal async Task Server_AnswersEarly_IsAnEnd(Http2ErrorCode code)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.PostAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "413"));
        await harness.Peer.SendDataAsync(1, "no"u8.ToArray(), endStream: true);
        await harness.Peer.SendResetAsync(1, code);
        await harness.Peer.SettleAsync();
        Assert.Equal(413, (await exchange.HeadAsync()).Status);
        Assert.Equal("no", await exchange.ReadTextAsync());
        Assert.Equal(MessageFault.None, exchange.Fault);
        Assert.Equal(MessageFault.Reset, (await WriteAsync(exchange, 10).FailureAsync()).Fault);
    }

    [Fact]
    public async Task Server_GoesAway_RefusesWhatItHasNotSeen()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var first = await harness.GetAsync(1);
        await using var second = await harness.GetAsync(3);
        var waiting = harness.Begin();
        await harness.Peer.SendGoAwayAsync(1, Http2ErrorCode.NoError);
        Assert.Equal(MessageFault.Refused, (await second.HeadAsync().FailureAsync()).Fault);
        Assert.False(harness.Client.IsUsable);
        Assert.False(harness.Client.TryBegin(out _));
        Assert.True(harness.Changes > 0);
        Assert.Equal(MessageFault.Refused, (await waiting.SendHeadAsync(MessageText.Get(), true).AsTask().FailureAsync()).Fault);
        Assert.False(waiting.HasSent);
        await harness.Peer.SendHeadersAsync(1, true, (":status", "200"));
        Assert.Equal(200, (await first.HeadAsync()).Status);
    }

    [Theory]
    [InlineData(false, MessageFault.ClosedUnanswered)]
    [InlineData(true, MessageFault.Closed)]
    public async Task Connection_Lost_IsTheFault(bool answered, MessageFault fault)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        if (answered)
        {
            await harness.Peer.SendHeadersAsync(1, false, (":status", "200"));
            await exchange.HeadAsync();
        }

        var changes = harness.Changes;
        harness.Wire.Break();
        Assert.Equal(fault, (await (answered ? exchange.ReadToEndAsync() : (Task)exchange.HeadAsync()).FailureAsync()).Fault);
        Assert.False(harness.Client.IsUsable);
        Assert.True(harness.Changes > changes);
    }

    [Fact]
    public async Task Server_BreaksTheConnection_IsMalformed()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendAsync(FrameType.Settings, FrameFlags.None, 1);
        Assert.Equal(MessageFault.Malformed, (await exchange.HeadAsync().FailureAsync()).Fault);
    }

    [Theory]
    [InlineData(MessageFault.ClientGone, Http2ErrorCode.Cancel)]
    [InlineData(MessageFault.TimedOut, Http2ErrorCode.Cancel)]
    [InlineData(MessageFault.Malformed, Http2ErrorCode.ProtocolError)]
    internal async Task Abort_ByUs_ResetsByWhatItWas(MessageFault fault, Http2ErrorCode code)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.PostAsync(1);
        var waiting = exchange.HeadAsync();
        exchange.Abort(fault);
        await harness.Peer.ExpectResetAsync(1, code);
        Assert.Equal(fault, (await waiting.FailureAsync()).Fault);
        Assert.Equal(fault, (await WriteAsync(exchange, 10).FailureAsync()).Fault);
    }

    [Fact]
    public async Task Dispose_OfWhatIsUnderWay_CancelsIt()
    {
        await using var harness = await ClientHarness.StartAsync();
        var exchange = await harness.GetAsync(1);
        Assert.Equal(1, harness.Client.Active);
        await exchange.DisposeAsync();
        await exchange.DisposeAsync();
        Assert.Equal(0, harness.Client.Active);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.Cancel);
        await harness.Peer.SendHeadersAsync(1, true, (":status", "200"));
        await harness.Peer.SettleAsync();
    }

    // Section 5.1.2.
    [Fact]
    public async Task Limit_OfTheServer_IsKept()
    {
        await using var harness = await ClientHarness.StartAsync(null, (SettingId.MaxConcurrentStreams, 2));
        var first = await harness.GetAsync(1);
        await harness.GetAsync(3);
        Assert.False(harness.Client.TryBegin(out _));
        Assert.True(harness.Client.IsUsable);
        var changes = harness.Changes;
        await harness.Peer.SendHeadersAsync(1, true, (":status", "200"));
        await first.HeadAsync();
        await first.DisposeAsync();
        Assert.True(harness.Changes > changes);
        await harness.GetAsync(5);
        Assert.False(harness.Client.TryBegin(out _));
        changes = harness.Changes;
        await harness.Peer.SendSettingsAsync((SettingId.MaxConcurrentStreams, 3));
        await harness.Peer.SettleAsync();
        Assert.True(harness.Changes > changes);
        await harness.GetAsync(7);
    }

    [Fact]
    public async Task Limit_BeforeTheServersSettings_IsAHundred()
    {
        await using var harness = ClientHarness.Start();
        for (var i = 0; i < 100; i++)
        {
            harness.Begin();
        }

        Assert.False(harness.Client.TryBegin(out _));
    }

    // RFC 8441.
    [Fact]
    public async Task Upgrade_WhereTheServerTakesIt_IsAnExtendedConnect()
    {
        await using var harness = ClientHarness.Start();
        var exchange = harness.Begin();
        var head = MessageText.Get("/chat");
        head.Upgrade = "websocket";
        var sending = exchange.SendHeadAsync(head, end: false).AsTask();
        Assert.False(sending.IsCompleted);
        await harness.Peer.HandshakeAsync((SettingId.EnableConnectProtocol, 1));
        await sending.WaitAsync(MessageText.Patience);
        var waiting = exchange.HeadAsync();
        Assert.Equal(
            [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/chat"), (":authority", "server.test")],
            (await harness.Peer.ExpectHeadersAsync(1)).Headers);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "200"));
        Assert.Equal("websocket", (await waiting).Upgrade);
        await exchange.WriteAsync("ping"u8.ToArray());
        await exchange.FlushAsync();
        Assert.Equal("ping"u8.ToArray(), await harness.Peer.ExpectDataAsync(1, 4));
        await harness.Peer.SendDataAsync(1, "pong"u8.ToArray(), endStream: true);
        Assert.Equal("pong", await exchange.ReadTextAsync());
        await exchange.EndAsync();
        Assert.True((await harness.Peer.ExpectAsync(FrameType.Data, 1)).EndStream);
    }

    [Fact]
    public async Task Upgrade_WhereTheServerDoesNotTakeIt_IsSaidBeforeAnythingIsSent()
    {
        await using var harness = await ClientHarness.StartAsync();
        var exchange = harness.Begin();
        var head = MessageText.Get("/chat");
        head.Upgrade = "websocket";
        Assert.Equal(MessageFault.Unsupported, (await exchange.SendHeadAsync(head, end: false).AsTask().FailureAsync()).Fault);
        Assert.False(exchange.HasSent);
        Assert.DoesNotContain(await harness.Peer.SettleAsync(), static frame => frame.Type == FrameType.Headers);
    }

    // Section 6.9: a writer waits for the window, with one buffer.
    [Fact]
    public async Task Writer_WithoutWindow_Waits()
    {
        await using var harness = await ClientHarness.StartAsync(null, (SettingId.InitialWindowSize, 100));
        await using var exchange = await harness.PostAsync(1);
        var writing = WriteAsync(exchange, 150);
        Assert.Equal(100, (await harness.Peer.ExpectDataAsync(1, 100)).Length);
        await harness.Peer.SettleAsync();
        Assert.False(writing.IsCompleted);
        using var impatient = new CancellationTokenSource();
        await harness.Peer.SendWindowUpdateAsync(1, 50);
        await writing.WaitAsync(MessageText.Patience);
        await exchange.WriteAsync(new byte[10]);
        var flushing = exchange.FlushAsync(impatient.Token).AsTask();
        Assert.False(flushing.IsCompleted);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => flushing.WaitAsync(MessageText.Patience));

        // The cancelled flush has taken its bytes, and the exchange goes on.
        var more = WriteAsync(exchange, 20);
        await harness.Peer.SendWindowUpdateAsync(1, 1000);
        await more.WaitAsync(MessageText.Patience);
        Assert.Equal(80, (await harness.Peer.ExpectDataAsync(1, 80)).Length);
        Assert.Equal(180, exchange.BytesSent);
    }

    [Fact]
    public async Task Write_CancelledWithHalfOfItTaken_BreaksTheExchangeOff()
    {
        await using var harness = await ClientHarness.StartAsync(null, (SettingId.InitialWindowSize, 100));
        await using var exchange = await harness.PostAsync(1);
        using var impatient = new CancellationTokenSource();
        var writing = exchange.WriteAsync(new byte[200_000], impatient.Token).AsTask();
        Assert.False(writing.IsCompleted);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing.WaitAsync(MessageText.Patience));
        Assert.Equal(MessageFault.Aborted, exchange.Fault);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.Cancel);
        Assert.Equal(MessageFault.Aborted, (await exchange.WriteAsync(new byte[10]).AsTask().FailureAsync()).Fault);
    }

    [Fact]
    public async Task Read_Cancelled_GoesOnLater()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        using var impatient = new CancellationTokenSource(20);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => exchange.ReceiveHeadAsync(impatient.Token).AsTask());
        await harness.Peer.SendHeadersAsync(1, false, (":status", "200"));
        await exchange.HeadAsync();
        using var again = new CancellationTokenSource(20);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => exchange.ReadAsync(again.Token).AsTask());
        await harness.Peer.SendDataAsync(1, "late"u8.ToArray(), endStream: true);
        Assert.Equal("late", await exchange.ReadTextAsync());
    }

    // Section 6.7: a server that is silent is given up.
    [Fact]
    public async Task Server_Silent_IsGivenUp()
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        for (var i = 0; i < 3000 && exchange.Fault == MessageFault.None; i++)
        {
            harness.Time.Advance(TimeSpan.FromSeconds(10));
            await Task.Delay(10);
        }

        Assert.Equal(MessageFault.ClosedUnanswered, (await exchange.HeadAsync().FailureAsync()).Fault);
        Assert.False(harness.Client.IsUsable);
    }

    private static async Task WriteAsync(ClientExchange exchange, int count)
    {
        await exchange.WriteAsync(new byte[count]);
        await exchange.FlushAsync();
    }
}
