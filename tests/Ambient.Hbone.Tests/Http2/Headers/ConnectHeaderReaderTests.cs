using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.HPack;
using Ambient.Hbone.Http2.Headers;
using Ambient.Hbone.Tests.Http2.HPack;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Http2.Headers;

public class ConnectHeaderReaderTests
{
    private const int Limit = 1000;
    private static readonly (string, string) s_method = (":method", "CONNECT");
    private static readonly (string, string) s_authority = (":authority", "10.0.0.1:8080");

    [Fact]
    [Trait("Reference", "baggage_parser_multiline")]
    public void ReadRequest_Everything_IsRead()
    {
        var headers = Request(
            s_method, s_authority, ("baggage", "a=b"), ("x-istio-source", "gateway"), ("forwarded", "for=\"1.2.3.4:5\""), ("baggage", "c=d"),
            ("traceparent", "00-x"), ("x-forwarded-network", "n1"), ("te", "trailers"));
        Assert.Equal(
            new ConnectRequestHeaders { Authority = "10.0.0.1:8080", Baggage = "a=b,c=d", Forwarded = "for=\"1.2.3.4:5\"", TraceParent = "00-x", ForwardedNetwork = "n1", RequestSource = "gateway" },
            headers);
    }

    [Theory]
    [InlineData("10.0.0.1:80")]
    [InlineData("10.0.0.1")] // no port: for the reader of authorities to refuse
    [InlineData("[2001:db8::1]:80")]
    [InlineData("productpage.default.svc.cluster.local:9080")]
    [InlineData("host:notaport")]
    public void ReadRequest_Authority_IsTakenAsSent(string authority) => Assert.Equal(authority, Request(s_method, (":authority", authority)).Authority);

    [Theory]
    [InlineData("%%%")]
    [InlineData("")]
    [InlineData("a b:80")]
    [InlineData("a/b:80")]
    [InlineData("a?b")]
    [InlineData("a#b")]
    [InlineData("user@host:80")]
    [InlineData("a:1:2")]
    [InlineData("[::1:80")]
    [InlineData("::1]:80")]
    [InlineData("x[::1]:80")]
    [InlineData("[::1][::2]:80")]
    [InlineData("a\\b")]
    [InlineData("a\"b")]
    [InlineData("caf\u00e9:80")]
    public void ReadRequest_NotAnAuthority_IsMalformed(string authority) => Malformed(s_method, (":authority", authority));

    [Fact]
    public void ReadRequest_NoAuthority_Is400() => Refused(400, s_method);

    [Fact]
    public void ReadRequest_HostInPlaceOfAuthority_Is400() => Refused(400, s_method, ("host", "10.0.0.1:8080"));

    [Theory]
    [InlineData("GET")]
    [InlineData("connect")]
    [InlineData("CONNECT2")]
    public void ReadRequest_OtherMethod_Is400(string method) =>
        Refused(400, (":method", method), (":scheme", "https"), s_authority, (":path", "/"));

    [Fact]
    public void ReadRequest_NoMethod_IsMalformed() => Malformed(s_authority);

    [Theory]
    [InlineData(":protocol", "websocket")]
    [InlineData(":scheme", "https")]
    [InlineData(":path", "/")]
    [InlineData(":status", "200")]
    [InlineData(":method", "CONNECT")] // twice
    [InlineData(":authority", "10.0.0.1:8080")] // twice
    [InlineData(":unknown", "x")]
    [InlineData(":", "x")]
    [InlineData("", "x")]
    [InlineData("Baggage", "x")]
    [InlineData("bag gage", "x")]
    [InlineData("bag:gage", "x")]
    [InlineData("bag\u00e9", "x")]
    [InlineData("connection", "close")]
    [InlineData("keep-alive", "x")]
    [InlineData("proxy-connection", "x")]
    [InlineData("transfer-encoding", "chunked")]
    [InlineData("upgrade", "h2c")]
    [InlineData("te", "gzip")]
    [InlineData("x", "a\rb")]
    [InlineData("x", "a\nb")]
    [InlineData("x", "a\0b")]
    [InlineData("x", "\u007f")]
    [InlineData("x", " a")]
    [InlineData("x", "a\t")]
    public void ReadRequest_HeaderOutsideTheRules_IsMalformed(string name, string value) => Malformed(s_method, s_authority, (name, value));

    [Fact]
    public void ReadRequest_PseudoHeaderAfterHeader_IsMalformed() => Malformed(s_method, ("x", "y"), s_authority);

    [Fact]
    public void ReadRequest_GetWithoutPath_IsMalformed() => Malformed((":method", "GET"), (":scheme", "https"), s_authority);

    [Fact]
    public void ReadRequest_ListAtTheLimit_PassesAndOneByteMoreIs431()
    {
        // 7+7+32, 10+13+32, 1+n+32 bytes.
        var room = Limit - 46 - 55 - 33;
        Request(s_method, s_authority, ("x", new string('y', room)));
        Refused(431, s_method, s_authority, ("x", new string('y', room + 1)));
    }

    [Fact]
    public void ReadRequest_TableEntryRepeatedWithoutEnd_Is431AndKeepsNothing()
    {
        // A bomb: one large entry, then one byte for each repetition.
        var decoder = new HPackDecoder();
        var reader = new ConnectHeaderReader(decoder, Limit);
        var bomb = HPackBlocks.Encode(new HPackEncoder(), ("baggage", new string('a', 900), HeaderIndexing.Incremental));
        byte[] block = [.. bomb, .. Enumerable.Repeat((byte)0xbe, 60_000)];
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(431, Assert.Throws<Http2StreamException>(() => reader.ReadRequest(1, block)).StatusCode);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 256 * 1024);
    }

    [Fact]
    public void ReadRequest_MalformedOne_LeavesTheTableInStep()
    {
        var encoder = new HPackEncoder();
        var reader = new ConnectHeaderReader(new HPackDecoder(), Limit);
        var bad = HPackBlocks.Encode(encoder, ("Bad", "x", HeaderIndexing.Incremental), (":authority", "a:1", HeaderIndexing.Incremental));
        var good = HPackBlocks.Encode(encoder, (":method", "CONNECT", HeaderIndexing.Incremental), (":authority", "a:1", HeaderIndexing.Incremental));
        Assert.Throws<Http2StreamException>(() => reader.ReadRequest(1, bad));
        Assert.Equal("a:1", reader.ReadRequest(3, good).Authority);
    }

    [Fact]
    public void ReadRequest_SameAuthorityAndBaggageAgain_AllocatesNothing()
    {
        var encoder = new HPackEncoder();
        var reader = new ConnectHeaderReader(new HPackDecoder(), Limit);
        (string, string, HeaderIndexing)[] headers =
            [(":method", "CONNECT", HeaderIndexing.Incremental), (":authority", "10.0.0.1:80", HeaderIndexing.Incremental), ("baggage", "k8s.cluster.name=Kubernetes", HeaderIndexing.Incremental)];
        reader.ReadRequest(1, HPackBlocks.Encode(encoder, headers));
        var block = HPackBlocks.Encode(encoder, headers);
        reader.ReadRequest(3, block);
        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                reader.ReadRequest(5, block);
            }
        }));
    }

    [Fact]
    public void ReadResponse_StatusAndBaggage_AreRead()
    {
        Assert.Equal(new ConnectResponseHeaders(200, "a=b"), Response((":status", "200"), ("baggage", "a=b"), ("date", "today")));
        Assert.Equal(new ConnectResponseHeaders(503, null), Response((":status", "503")));
        Assert.True(Response((":status", "103")).IsInformational);
    }

    [Fact]
    public void Baggage_OfAnyLength_IsKeptInWholeEntriesUpTo8KB()
    {
        // Both ways: a tunnel holds it as long as it lives, and it is the peer who says how long it is.
        var entry = "k=" + new string('v', 1000);
        var list = string.Join(',', Enumerable.Repeat(entry, 60));
        Check(Asked(s_method, s_authority, ("baggage", list)).Baggage, 8);
        Check(Asked([s_method, s_authority, .. Enumerable.Repeat(("baggage", entry), 60)]).Baggage, 8);
        Check(Answered((":status", "200"), ("baggage", list)).Baggage, 8);
        Check(Answered([(":status", "200"), .. Enumerable.Repeat(("baggage", entry), 60)]).Baggage, 8);
        Assert.Equal("", Answered((":status", "200"), ("baggage", "k=" + new string('v', 20_000))).Baggage);

        static ConnectRequestHeaders Asked(params (string, string)[] headers) =>
            new ConnectHeaderReader(new HPackDecoder(), 100_000).ReadRequest(1, HPackBlocks.Plain(headers));

        static ConnectResponseHeaders Answered(params (string, string)[] headers) =>
            new ConnectHeaderReader(new HPackDecoder(), 100_000).ReadResponse(1, HPackBlocks.Plain(headers));

        void Check(string? baggage, int entries) => Assert.Equal(string.Join(',', Enumerable.Repeat(entry, entries)), baggage);
    }

    [Theory]
    [InlineData("20")]
    [InlineData("2000")]
    [InlineData("2x0")]
    [InlineData("099")]
    [InlineData("")]
    [InlineData("+20")]
    public void ReadResponse_StatusNotANumber_IsMalformed(string status) => MalformedResponse((":status", status));

    [Fact]
    public void ReadResponse_OutsideTheRules_IsMalformed()
    {
        MalformedResponse();
        MalformedResponse(("baggage", "x"));
        MalformedResponse((":status", "200"), (":status", "200"));
        MalformedResponse((":status", "200"), (":path", "/"));
        MalformedResponse(("x", "y"), (":status", "200"));
        MalformedResponse((":status", "200"), ("transfer-encoding", "chunked"));
        MalformedResponse((":status", "200"), ("x", new string('y', Limit)));
    }

    private static ConnectRequestHeaders Request(params (string, string)[] headers) =>
        new ConnectHeaderReader(new HPackDecoder(), Limit).ReadRequest(1, HPackBlocks.Plain(headers));

    private static ConnectResponseHeaders Response(params (string, string)[] headers) =>
        new ConnectHeaderReader(new HPackDecoder(), Limit).ReadResponse(1, HPackBlocks.Plain(headers));

    private static void Malformed(params (string, string)[] headers)
    {
        var exception = Assert.Throws<Http2StreamException>(() => Request(headers));
        Assert.Equal((1, Http2ErrorCode.ProtocolError, null), (exception.StreamId, exception.Code, exception.StatusCode));
    }

    private static void MalformedResponse(params (string, string)[] headers) =>
        Assert.Equal(Http2ErrorCode.ProtocolError, Assert.Throws<Http2StreamException>(() => Response(headers)).Code);

    private static void Refused(int status, params (string, string)[] headers)
    {
        var exception = Assert.Throws<Http2StreamException>(() => Request(headers));
        Assert.Equal((Http2ErrorCode.NoError, status), (exception.Code, exception.StatusCode));
    }
}
