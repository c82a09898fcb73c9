using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Bodies, trailers and ends as our server reads and writes them (RFC 9113 sections 8.1 and 8.1.1).</summary>
public class ServerBodyTests
{
    [Fact]
    public async Task Body_WithTrailers_IsReadPieceByPiece()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post(("content-length", "6")));
        var call = await harness.NextAsync();
        Assert.True(call.Request.HasBody);
        Assert.Equal(6, call.Request.ContentLength);
        Assert.False(call.Exchange.TryRead(out _));
        await harness.Peer.SendDataAsync(1, "abc"u8.ToArray());
        Assert.Equal("abc"u8.ToArray(), (await call.Exchange.ReadAsync()).ToArray());
        await harness.Peer.SendDataAsync(1, "def"u8.ToArray());
        await harness.Peer.SendHeadersAsync(1, true, ("x-sum", "7"));
        Assert.Equal("def", await call.Exchange.ReadTextAsync());
        Assert.Equal("7", call.Exchange.Trailers.Get("x-sum"));
        Assert.Equal(6, call.Exchange.BytesReceived);
        Assert.Equal(MessageFault.None, call.Exchange.Fault);
    }

    [Theory]
    [InlineData("abcdefg", false)]
    [InlineData("abcdefg", true)]
    [InlineData("abcde", true)]
    [InlineData("", true)]
    public async Task Body_OfAnotherLengthThanAnnounced_IsMalformed(string body, bool end)
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post(("content-length", "6")));
        var call = await harness.NextAsync();
        await harness.Peer.SendDataAsync(1, System.Text.Encoding.ASCII.GetBytes(body), end);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        Assert.Equal(MessageFault.Malformed, (await call.Exchange.ReadToEndAsync().FailureAsync()).Fault);
        Assert.Equal(MessageFault.Malformed, call.Exchange.Fault);
        call.Done();
        await harness.Peer.SettleAsync();
    }

    [Fact]
    public async Task Body_OfTooFewBytesBehindTrailers_IsMalformed()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post(("content-length", "6")));
        var call = await harness.NextAsync();
        await harness.Peer.SendHeadersAsync(1, true, ("x-sum", "7"));
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        Assert.Equal(MessageFault.Malformed, (await call.Exchange.ReadToEndAsync().FailureAsync()).Fault);
    }

    [Theory]
    [InlineData(":path", "/")]
    [InlineData("X", "/")]
    [InlineData("connection", "x")]
    [InlineData("content-length", "3")]
    [InlineData("host", "b")]
    [InlineData("te", "trailers")]
    public async Task Trailers_Malformed_ResetTheStream(string name, string value)
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        var call = await harness.NextAsync();
        await harness.Peer.SendHeadersAsync(1, true, (name, value));
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        Assert.Equal(MessageFault.Malformed, (await call.Exchange.ReadToEndAsync().FailureAsync()).Fault);
    }

    [Fact]
    public async Task Trailers_TooLarge_ResetTheStream()
    {
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { MaxFields = 5 });
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        var call = await harness.NextAsync();
        await harness.Peer.SendHeadersAsync(1, true, [.. Enumerable.Range(0, 6).Select(static i => ($"x-{i}", "1"))]);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.EnhanceYourCalm);
        Assert.Equal(MessageFault.TooLarge, (await call.Exchange.ReadToEndAsync().FailureAsync()).Fault);
    }

    [Fact]
    public async Task Trailers_WithinTheBody_ResetTheStream()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        var call = await harness.NextAsync();
        await harness.Peer.SendHeadersAsync(1, false, ("x-sum", "7"));
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        Assert.Equal(MessageFault.Malformed, (await call.Exchange.ReadToEndAsync().FailureAsync()).Fault);
    }

    [Fact]
    public async Task Frames_AfterTheEnd_AreStreamClosed()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        await harness.NextAsync();
        await harness.Peer.SendDataAsync(1, "x"u8.ToArray());
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.StreamClosed);
        await harness.Peer.SendHeadersAsync(3, true, ServerHarness.Get());
        await harness.NextAsync();
        await harness.Peer.SendHeadersAsync(3, true, ("x", "1"));
        await harness.Peer.ExpectResetAsync(3, Http2ErrorCode.StreamClosed);
    }

    // A complete response whose request was not read to its end (section 8.1).
    [Fact]
    public async Task Response_BeforeTheRequestEnded_IsFollowedByNoError()
    {
        await using var harness = await ServerHarness.StartAsync(handle: static exchange => exchange.AnswerAsync("enough"));
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        Assert.Equal("200", (await harness.Peer.ExpectHeadersAsync(1)).Headers[0].Value);
        Assert.True((await harness.Peer.ExpectAsync(FrameType.Data, 1)).EndStream);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.NoError);

        // What was on its way does no harm.
        await harness.Peer.SendDataAsync(1, new byte[1000], endStream: true);
        await harness.Peer.SettleAsync();
    }

    // A large one whose data waits for the window leaves before the reset.
    [Fact]
    public async Task Response_QueuedBeforeTheRequestEnded_LeavesWhole()
    {
        await using var harness = await ServerHarness.StartAsync(
            handle: static async exchange =>
            {
                exchange.Response.Status = 200;
                exchange.Response.HasBody = true;
                await exchange.SendHeadAsync(exchange.Response, end: false);
                await exchange.WriteAsync(new byte[5000]);
                await exchange.EndAsync();
            },
            settings: (SettingId.InitialWindowSize, 1000));
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        Assert.Equal(1000, (await harness.Peer.ExpectDataAsync(1, 1000)).Length);
        await harness.Peer.SettleAsync();
        await harness.Peer.SendWindowUpdateAsync(1, 10_000);
        var last = await harness.Peer.ExpectAsync(FrameType.Data, 1);
        Assert.Equal(4000, last.Payload.Length);
        Assert.True(last.EndStream);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.NoError);
    }

    [Fact]
    public async Task Trailers_BehindQueuedData_ComeLast()
    {
        await using var harness = await ServerHarness.StartAsync(
            handle: static async exchange =>
            {
                exchange.Response.Status = 200;
                exchange.Response.HasBody = true;
                await exchange.SendHeadAsync(exchange.Response, end: false);
                await exchange.WriteAsync(new byte[5000]);
                var trailers = new HttpFields();
                trailers.Add("grpc-status", "0");
                await exchange.EndAsync(trailers);
                trailers.Clear();
            },
            settings: (SettingId.InitialWindowSize, 1000));
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        Assert.Equal(1000, (await harness.Peer.ExpectDataAsync(1, 1000)).Length);
        await harness.Peer.SendWindowUpdateAsync(1, 10_000);
        var last = await harness.Peer.ExpectAsync(FrameType.Data, 1);
        Assert.Equal((4000, false), (last.Payload.Length, last.EndStream));
        var (trailers, end) = await harness.Peer.ExpectHeadersAsync(1);
        Assert.Equal([("grpc-status", "0")], trailers);
        Assert.True(end);
        await harness.Peer.SendHeadersAsync(3, true, ServerHarness.Get());
        await harness.Peer.ExpectHeadersAsync(3);
    }

    [Fact]
    public async Task Trailers_WithoutABody_AreTheEnd()
    {
        await using var harness = await ServerHarness.StartAsync(handle: static async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            var trailers = new HttpFields();
            trailers.Add("grpc-status", "5");
            await exchange.EndAsync(trailers);
        });
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get());
        Assert.Equal((":status", "200"), (await harness.Peer.ExpectHeadersAsync(1)).Headers[0]);
        var (trailers, end) = await harness.Peer.ExpectHeadersAsync(1);
        Assert.Equal([("grpc-status", "5")], trailers);
        Assert.True(end);
    }

    [Fact]
    public async Task Interim_Heads_ComeFirst()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post(("expect", "100-continue"), ("content-length", "2")));
        var call = await harness.NextAsync();
        Assert.True(call.Request.ExpectsContinue);
        var interim = new ResponseHead { Status = 100 };
        await call.Exchange.SendInterimAsync(interim);
        Assert.Equal([(":status", "100")], (await harness.Peer.ExpectHeadersAsync(1)).Headers);
        interim.Status = 103;
        interim.Fields.Add("link", "</style.css>");
        await call.Exchange.SendInterimAsync(interim);
        Assert.Equal([(":status", "103"), ("link", "</style.css>")], (await harness.Peer.ExpectHeadersAsync(1)).Headers);
        await harness.Peer.SendDataAsync(1, "ab"u8.ToArray(), endStream: true);
        Assert.Equal("ab", await call.Exchange.ReadTextAsync());
        await call.Exchange.AnswerAsync("done");
        Assert.Equal("200", (await harness.Peer.ExpectHeadersAsync(1)).Headers[0].Value);
        await Assert.ThrowsAsync<InvalidOperationException>(() => call.Exchange.SendInterimAsync(interim).AsTask());
        await Assert.ThrowsAsync<InvalidOperationException>(() => call.Exchange.SendHeadAsync(call.Exchange.Response, true).AsTask());
    }

    [Theory]
    [InlineData("HEAD", 200)]
    [InlineData("GET", 204)]
    [InlineData("GET", 304)]
    public async Task Response_WithoutContent_IsHeadersAlone(string method, int status)
    {
        await using var harness = await ServerHarness.StartAsync(handle: async exchange =>
        {
            exchange.Response.Status = status;
            exchange.Response.ContentLength = 10;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync(new byte[10]);
            await exchange.EndAsync();
        });
        await harness.Peer.SendHeadersAsync(1, true, (":method", method), (":scheme", "http"), (":authority", "a"), (":path", "/"));
        var (headers, _) = await harness.Peer.ExpectHeadersAsync(1);
        Assert.Equal(status == 204 ? [(":status", "204")] : [(":status", $"{status}"), ("content-length", "10")], headers);
        var end = await harness.Peer.ExpectAsync(FrameType.Data, 1);
        Assert.Equal((0, true), (end.Payload.Length, end.EndStream));
        Assert.Empty(harness.Handler.Failures);
    }

    [Fact]
    public async Task Response_OfAnotherLengthThanAnnounced_IsTheHandlersMistake()
    {
        await using var harness = await ServerHarness.StartAsync(handle: static async exchange =>
        {
            exchange.Response.Status = 200;
            exchange.Response.ContentLength = 10;
            exchange.Response.HasBody = true;
            await exchange.SendHeadAsync(exchange.Response, end: false);
            await exchange.WriteAsync(new byte[9]);
            if (exchange.Request.Target == "/long")
            {
                await exchange.WriteAsync(new byte[2]);
            }

            await exchange.EndAsync();
        });
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get("/long"));
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.InternalError);
        await harness.Peer.SendHeadersAsync(3, true, ServerHarness.Get("/short"));
        await harness.Peer.ExpectResetAsync(3, Http2ErrorCode.InternalError);
        Assert.Equal(2, harness.Handler.Failures.OfType<InvalidOperationException>().Count());
    }
}
