using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>Requests as our server reads them, by sections of RFC 9113.</summary>
public class ServerRequestTests
{
    private static readonly (string, string)[] s_none = [];

    // Section 8.3.1.
    [Fact]
    public async Task Request_Ordinary_IsPresentedWhole()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get("/a%20b?c=d&e", ("user-agent", "test"), ("x-one", "1"), ("te", "trailers"), ("x-one", "2")));
        var call = await harness.NextAsync();
        var request = call.Request;
        Assert.Equal(HttpProtocolVersion.Http2, request.Version);
        Assert.Equal(("GET", "http", "server.test", "/a%20b?c=d&e"), (request.Method, request.Scheme, request.Authority, request.Target));
        Assert.Equal("1,2", request.Fields.Get("x-one"));
        Assert.Equal(3, request.Fields.Count);
        Assert.True(request.TakesTrailers);
        Assert.False(request.HasBody);
        Assert.Null(request.ContentLength);
        Assert.Null(request.Upgrade);
        Assert.Equal("state", call.Exchange.ConnectionState);
        Assert.True(call.Exchange.TryRead(out var piece));
        Assert.True(piece.IsEmpty);
        await call.Exchange.AnswerAsync("hi");
        call.Done();
        var (headers, end) = await harness.Peer.ExpectHeadersAsync(1);
        Assert.Equal([(":status", "200"), ("content-type", "text/plain"), ("content-length", "2")], headers);
        Assert.False(end);
        var data = await harness.Peer.ExpectAsync(FrameType.Data, 1);
        Assert.Equal("hi"u8.ToArray(), data.Payload);
        Assert.True(data.EndStream);
    }

    [Theory]
    [InlineData("patch")]
    [InlineData("PROPFIND")]
    [InlineData("Get")]
    public async Task Method_AnyToken_IsPassedOnLetterForLetter(string method)
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, true, (":method", method), (":scheme", "https"), (":authority", "server.test"), (":path", "/"));
        Assert.Equal(method, (await harness.NextAsync()).Request.Method);
    }

    // Sections 8.1.1 to 8.3.1: malformed requests are stream errors.
    [Theory]
    [InlineData("X-Upper", "1", "lower-case")]
    [InlineData("a b", "1", "lower-case")]
    [InlineData("", "1", "lower-case")]
    [InlineData("connection", "close", "connection-specific")]
    [InlineData("keep-alive", "1", "connection-specific")]
    [InlineData("proxy-connection", "close", "connection-specific")]
    [InlineData("transfer-encoding", "chunked", "connection-specific")]
    [InlineData("upgrade", "websocket", "connection-specific")]
    [InlineData("te", "gzip", "connection-specific")]
    [InlineData("te", "trailers, gzip", "connection-specific")]
    [InlineData("x", "a\r\nb", "control")]
    [InlineData("x", "a\0b", "control")]
    [InlineData("x", " a", "white space")]
    [InlineData("x", "a\t", "white space")]
    [InlineData("content-length", "-1", "content-length")]
    [InlineData("content-length", "+1", "content-length")]
    [InlineData("content-length", "1, 1", "content-length")]
    [InlineData("content-length", "", "content-length")]
    [InlineData("content-length", "9999999999999999999", "content-length")]
    [InlineData("content-length", "5", "no content")]
    [InlineData(":path", "/late", "after a header")]
    [InlineData(":status", "200", "pseudo-header")]
    public async Task Field_NotAllowed_ResetsTheStreamAlone(string name, string value, string reason)
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get("/", ("x-first", "1"), (name, value)));
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        Assert.Contains(reason, Assert.Single(harness.Handler.Refusals).Reason, StringComparison.Ordinal);
        Assert.Equal(0, Assert.Single(harness.Handler.Refusals).Status);
        await harness.Peer.SendHeadersAsync(3, true, ServerHarness.Get());
        await harness.NextAsync();
    }

    public static TheoryData<string, (string, string)[]> MalformedPseudoHeaders => new()
    {
        { "no :method", [(":scheme", "http"), (":authority", "a"), (":path", "/")] },
        { "no :scheme", [(":method", "GET"), (":authority", "a"), (":path", "/")] },
        { "no :path", [(":method", "GET"), (":scheme", "http"), (":authority", "a")] },
        { ":path is not valid", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "")] },
        { ":method is not valid", [(":method", "GE T"), (":scheme", "http"), (":authority", "a"), (":path", "/")] },
        { ":method twice", [(":method", "GET"), (":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")] },
        { ":path twice", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/"), (":path", "/")] },
        { ":authority twice", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":authority", "a"), (":path", "/")] },
        { ":scheme twice", [(":method", "GET"), (":scheme", "http"), (":scheme", "http"), (":authority", "a"), (":path", "/")] },
        { "host twice", [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a"), ("host", "a")] },
        { "pseudo-header that requests", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/"), (":foo", "a")] },
        { "CONNECT with", [(":method", "CONNECT"), (":scheme", "http"), (":authority", "a:1"), (":path", "/")] },
        { "CONNECT with a content-length", [(":method", "CONNECT"), (":authority", "a:1"), ("content-length", "1")] },
        { ":protocol in a request", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/"), (":protocol", "websocket")] },
        { "no :scheme or no :path", [(":method", "CONNECT"), (":authority", "a:1"), (":protocol", "websocket")] },
        { "content-length twice", [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/"), ("content-length", "1"), ("content-length", "2")] },
    };

    [Theory]
    [MemberData(nameof(MalformedPseudoHeaders))]
    public async Task PseudoHeaders_Malformed_ResetTheStreamAlone(string reason, (string, string)[] headers)
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, headers);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.ProtocolError);
        Assert.Contains(reason, Assert.Single(harness.Handler.Refusals).Reason, StringComparison.Ordinal);
        await harness.Peer.SettleAsync();
        Assert.False(harness.HasCall);
    }

    public static TheoryData<(string, string)[]> RefusedRequests =>
    [
        [(":method", "GET"), (":scheme", "http"), (":path", "/")],
        [(":method", "GET"), (":scheme", "http"), (":authority", ""), (":path", "/")],
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "user@a"), (":path", "/")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "a:99999"), (":path", "/")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/"), ("host", "b/c")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "a")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "*")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/#x")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/a b")],
        [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "http://a/")],
        [(":method", "GET"), (":scheme", "1http"), (":authority", "a"), (":path", "/")],
    ];

    [Theory]
    [MemberData(nameof(RefusedRequests))]
    public async Task Request_NotServable_Is400(params (string, string)[] headers)
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, headers);
        var (answer, end) = await harness.Peer.ExpectHeadersAsync(1);
        Assert.Equal([(":status", "400")], answer);
        Assert.True(end);
        await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.NoError);
        Assert.Equal(400, Assert.Single(harness.Handler.Refusals).Status);
        Assert.False(harness.HasCall);
    }

    [Theory]
    [InlineData("OPTIONS", "*")]
    [InlineData("OPTIONS", "/")]
    public async Task Options_Asterisk_IsServed(string method, string target)
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, true, (":method", method), (":scheme", "http"), (":authority", "a"), (":path", target));
        Assert.Equal(target, (await harness.NextAsync()).Request.Target);
    }

    // Section 8.3.1: what the client says in two places is decided once, and the other is gone.
    [Theory]
    [InlineData("a:80", null, "a:80")]
    [InlineData(null, "b", "b")]
    [InlineData("a", "b", "a")]
    public async Task Authority_AndHost_OneIsLeft(string? authority, string? host, string expected)
    {
        await using var harness = await ServerHarness.StartAsync();
        (string, string)[] headers =
        [
            (":method", "GET"), (":scheme", "http"), (":path", "/"), .. authority is null ? s_none : [(":authority", authority)], .. host is null ? s_none : [("host", host)],
        ];
        await harness.Peer.SendHeadersAsync(1, true, headers);
        var request = (await harness.NextAsync()).Request;
        Assert.Equal(expected, request.Authority);
        Assert.Equal(0, request.Fields.Count);
        Assert.Equal(expected, request.Get("host"));
    }

    // Section 8.2.3.
    [Fact]
    public async Task Cookie_InCrumbs_IsOneFieldAgain()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get("/", ("cookie", "a=b"), ("x", "1"), ("cookie", "c=d"), ("cookie", "e=f")));
        var fields = (await harness.NextAsync()).Request.Fields;
        Assert.Equal("a=b; c=d; e=f", fields.Get("cookie"));
        Assert.Equal(2, fields.Count);
    }

    // Section 8.5.
    [Fact]
    public async Task Connect_Plain_IsPresentedAsConnect()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, (":method", "CONNECT"), (":authority", "a.test:443"));
        var request = (await harness.NextAsync()).Request;
        Assert.Equal(("CONNECT", "a.test:443", "", ""), (request.Method, request.Authority, request.Target, request.Scheme));
        Assert.Null(request.Upgrade);
    }

    // RFC 8441.
    [Theory]
    [InlineData(101)]
    [InlineData(200)]
    public async Task Connect_Extended_IsAGetThatUpgrades(int status)
    {
        await using var harness = ServerHarness.Start();
        var settings = await harness.Peer.HandshakeAsync();
        Assert.Equal(1u, settings.Settings[8]);
        await harness.Peer.SendHeadersAsync(
            1, false, (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "a"), (":path", "/chat"), ("sec-websocket-version", "13"));
        var call = await harness.NextAsync();
        Assert.Equal(("GET", "websocket", "/chat", "a"), (call.Request.Method, call.Request.Upgrade, call.Request.Target, call.Request.Authority));
        Assert.False(call.Request.HasBody);
        call.Exchange.Response.Status = status;
        call.Exchange.Response.Upgrade = "websocket";
        await call.Exchange.SendHeadAsync(call.Exchange.Response, end: false);
        await call.Exchange.FlushAsync();
        Assert.Equal([(":status", "200")], (await harness.Peer.ExpectHeadersAsync(1)).Headers);
        await harness.Peer.SendDataAsync(1, "ping"u8.ToArray());
        Assert.Equal("ping"u8.ToArray(), (await call.Exchange.ReadAsync()).ToArray());
        await call.Exchange.WriteAsync("pong"u8.ToArray());
        await call.Exchange.FlushAsync();
        Assert.Equal("pong"u8.ToArray(), await harness.Peer.ExpectDataAsync(1, 4));
        await harness.Peer.SendDataAsync(1, default, endStream: true);
        Assert.True((await call.Exchange.ReadAsync()).IsEmpty);
        await call.Exchange.EndAsync();
        call.Done();
        Assert.True((await harness.Peer.ExpectAsync(FrameType.Data, 1)).EndStream);
    }

    // Section 10.5.1, and HPACK's tables stay equal.
    [Fact]
    public async Task Head_TooLarge_Is431AndTheNextIsRead()
    {
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { MaxHeadSize = 2000, MaxFields = 10 });
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get("/", ("x-new", "kept in the table"), ("x-large", new string('a', 2000))));
        Assert.Equal([(":status", "431")], (await harness.Peer.ExpectHeadersAsync(1)).Headers);
        await harness.Peer.SendHeadersAsync(3, true, ServerHarness.Get("/", [.. Enumerable.Range(0, 11).Select(static i => ($"x-{i}", "1"))]));
        Assert.Equal([(":status", "431")], (await harness.Peer.ExpectHeadersAsync(3)).Headers);
        await harness.Peer.SendHeadersAsync(5, true, ServerHarness.Get("/", ("x-new", "kept in the table"), ("x-10", "1")));
        var fields = (await harness.NextAsync()).Request.Fields;
        Assert.Equal("kept in the table", fields.Get("x-new"));
        Assert.Equal([431, 431], harness.Handler.Refusals.Select(static refusal => refusal.Status));
    }

    [Fact]
    public async Task Head_AtTheLimits_IsServed()
    {
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { MaxFields = 10 });
        await harness.Peer.SendHeadersAsync(1, true, ServerHarness.Get("/", [.. Enumerable.Range(0, 10).Select(static i => ($"x-{i}", "1"))]));
        Assert.Equal(10, (await harness.NextAsync()).Request.Fields.Count);
    }

    // Section 6.10: a block in two pieces, cut at each offset.
    [Fact]
    public async Task HeaderBlock_SplitAnywhere_IsTheSame()
    {
        await using var harness = await ServerHarness.StartAsync(new MessageServerOptions { MaxConcurrentStreams = 1000 });
        var id = 1;
        for (var at = 0; ; at++, id += 2)
        {
            var block = harness.Peer.Block(ServerHarness.Post(("x-field", $"value {at % 3}"), ("cookie", "a=1"), ("content-length", "2")));
            if (at > block.Length)
            {
                await harness.Peer.SendRawAsync(RudePeer.Frame(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, id, block));
                break;
            }

            await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.None, id, block[..at]);
            await harness.Peer.SendAsync(FrameType.Continuation, FrameFlags.EndHeaders, id, block[at..]);
            var call = await harness.NextAsync();
            Assert.Equal($"value {at % 3}", call.Request.Fields.Get("x-field"));
            Assert.Equal("a=1", call.Request.Fields.Get("cookie"));
            Assert.Equal(2, call.Request.ContentLength);
            await harness.Peer.SendDataAsync(id, "ab"u8.ToArray(), endStream: true);
            Assert.Equal("ab", await call.Exchange.ReadTextAsync());
            await call.Exchange.AnswerAsync("ok");
            call.Done();
        }
    }

    // Section 5.3.2 and RFC 9218: priority is advice, which is not taken.
    [Fact]
    public async Task Priority_InEveryForm_IsPassedOver()
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendAsync(FrameType.Priority, FrameFlags.None, 5, 0, 0, 0, 0, 10);
        await harness.Peer.SendAsync((FrameType)0x10, FrameFlags.None, 0, [0, 0, 0, 1, .. "u=1"u8]);
        var block = harness.Peer.Block(ServerHarness.Get("/", ("priority", "u=2, i")));
        await harness.Peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream | FrameFlags.Priority, 1, [0, 0, 0, 0, 10, .. block]);
        Assert.Equal("u=2, i", (await harness.NextAsync()).Request.Fields.Get("priority"));
    }
}
