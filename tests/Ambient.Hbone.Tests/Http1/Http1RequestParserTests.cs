using System.Text;
using Ambient.Hbone.Http1;
using Ambient.Http;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Http1;

public sealed class Http1RequestParserTests
{
    [Fact]
    public void A_head_is_split_into_the_model()
    {
        var bytes = Heads.Bytes("\r\nPOST /a?b=c HTTP/1.1\r\nHost: shop.app:80\r\nX-One: 1\r\nAccept:\ttext/html \r\nx-one:2\r\nContent-Length: 5\r\n"
            + "Connection: keep-alive, X-Gone\r\nX-Gone: 1\r\nTE: gzip;q=0.5, Trailers\r\nTrailer: x-sum\r\nExpect: 100-Continue\r\nx-gone: 2\r\n\r\nhello");
        var read = Heads.Request(bytes);
        Assert.True(read.IsComplete);
        Assert.Equal(bytes.Length - 5, read.Consumed);
        Assert.Equal(new Http1Framing(Http1BodyKind.Length, 5, true), read.Framing);
        var head = read.Head;
        Assert.Equal(("POST", "", "shop.app:80", "/a?b=c", HttpProtocolVersion.Http11), (head.Method, head.Scheme, head.Authority, head.Target, head.Version));
        Assert.Equal((true, 5L, true, true, null), (head.HasBody, head.ContentLength, head.ExpectsContinue, head.TakesTrailers, head.Upgrade));
        Assert.Equal("x-one: 1\naccept: text/html\nx-one: 2\ntrailer: x-sum\nexpect: 100-Continue\n", Heads.Lines(head.Fields));
    }

    [Fact]
    public void Pieces_of_any_size_make_the_same_head()
    {
        var bytes = Heads.Bytes("\r\n\r\nGET http://Shop.app/a HTTP/1.1\r\nhost: other\r\nconnection: Upgrade\r\nupgrade: WebSocket, h2c\r\nx: y\r\n\r\nrest");
        var whole = Heads.Describe(Heads.Request(bytes));
        Assert.Contains("GET|http|Shop.app|/a|Http11|websocket|", whole, StringComparison.Ordinal);
        for (var size = 1; size <= bytes.Length; size++)
        {
            Assert.Equal(whole, Heads.Describe(Heads.Request(bytes, size)));
            Assert.Equal(whole, Heads.Describe(Heads.Request(bytes, size, bytes.Length)));
        }
    }

    [Theory]
    [InlineData("GET /a HTTP/1.1", "", "a.example", "/a")]
    [InlineData("GET http://B.example:81/a?b HTTP/1.1", "http", "B.example:81", "/a?b")]
    [InlineData("GET HTTPS://b.example?b HTTP/1.1", "https", "b.example", "/?b")]
    [InlineData("GET http://b.example HTTP/1.1", "http", "b.example", "/")]
    [InlineData("OPTIONS http://b.example HTTP/1.1", "http", "b.example", "*")]
    [InlineData("OPTIONS http://b.example/ HTTP/1.1", "http", "b.example", "/")]
    [InlineData("OPTIONS * HTTP/1.1", "", "a.example", "*")]
    [InlineData("CONNECT b.example:443 HTTP/1.1", "", "b.example:443", "")]
    public void The_target_of_each_form_becomes_scheme_authority_and_path(string line, string scheme, string authority, string target)
    {
        var head = Heads.Request(Heads.Bytes($"{line}\r\nHost: a.example\r\n\r\n")).Head;
        Assert.Equal((scheme, authority, target), (head.Scheme, head.Authority, head.Target));
    }

    [Theory]
    [InlineData("upgrade", "websocket", "websocket")]
    [InlineData("Keep-Alive, UPGRADE", "WebSocket", "websocket")]
    [InlineData("upgrade, http2-settings", "h2c", null)]
    [InlineData("upgrade", "h2c, SPDY/3.1,, websocket", "SPDY/3.1, websocket")]
    [InlineData("upgrade", "", null)]
    [InlineData("keep-alive", "websocket", null)]
    public void An_upgrade_counts_where_connection_names_it_and_is_not_to_http2(string connection, string upgrade, string? expected)
    {
        var text = $"GET / HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMA\r\n\r\n";
        var head = Heads.Request(Heads.Bytes(text)).Head;
        Assert.Equal((expected, ""), (head.Upgrade, Heads.Lines(head.Fields)));
        Assert.Null(Heads.Request(Heads.Bytes(text.Replace("HTTP/1.1", "HTTP/1.0"))).Head.Upgrade);
    }

    [Fact]
    public void A_client_of_http10_asks_for_nothing_that_it_cannot_know()
    {
        var head = Heads.Request(Heads.Bytes("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\nTE: trailers\r\n\r\n")).Head;
        Assert.Equal((HttpProtocolVersion.Http10, "", false, false, true), (head.Version, head.Authority, head.ExpectsContinue, head.TakesTrailers, head.HasBody));
    }

    [Fact]
    public void An_expectation_without_a_body_or_of_another_kind_asks_for_no_interim_head_but_stays()
    {
        var head = Heads.Request(Heads.Bytes("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")).Head;
        Assert.Equal((false, "100-continue"), (head.ExpectsContinue, head.Get("expect")));
        head = Heads.Request(Heads.Bytes("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 200-ok\r\n\r\n")).Head;
        Assert.Equal((false, "200-ok"), (head.ExpectsContinue, head.Get("expect")));
    }

    [Fact]
    public void A_request_has_begun_with_the_first_byte_of_its_line()
    {
        var (parser, head) = (new Http1RequestParser(Heads.MaxSize, Heads.MaxFields), new RequestHead());
        Assert.False(parser.Parse("\r\n\r"u8, head, out var consumed));
        Assert.Equal((2, false), (consumed, parser.HasBegun));
        Assert.False(parser.Parse("\r\nG"u8, head, out consumed));
        Assert.Equal((2, true), (consumed, parser.HasBegun));
        Assert.True(parser.Parse("GET / HTTP/1.1\r\nhost: a\r\n\r\n"u8, head, out _));
        parser.Reset();
        Assert.False(parser.HasBegun);
        Assert.False(parser.Parse("\r"u8, head, out _));
        Assert.False(parser.HasBegun);
        Assert.Throws<Http1Exception>(() => parser.Parse("\rG"u8, head, out _));
        Assert.True(parser.HasBegun);
    }

    [Fact]
    public void What_one_head_said_is_not_in_the_next()
    {
        var parser = new Http1RequestParser(Heads.MaxSize, Heads.MaxFields);
        var full = "CONNECT b:1 HTTP/1.0\r\nHost: b:1\r\nConnection: x-gone, upgrade\r\nUpgrade: a\r\nTE: trailers\r\nContent-Length: 0\r\n\r\n"u8;
        Assert.True(Heads.Request(parser, full).IsComplete);
        parser.Reset();
        var next = Heads.Request(parser, "GET / HTTP/1.1\r\nHost: a\r\nX-Gone: 1\r\nConnection: upgrade\r\n\r\n"u8);
        Assert.Equal(Heads.Describe(Heads.Request("GET / HTTP/1.1\r\nHost: a\r\nX-Gone: 1\r\nConnection: upgrade\r\n\r\n"u8)), Heads.Describe(next));
        Assert.Equal((null, null, "1"), (next.Head.Upgrade, next.Head.ContentLength, next.Head.Get("x-gone")));
    }

    [Theory]
    [InlineData("/{0}", "", 431)]
    [InlineData("/", "X: {0}", 431)]
    [InlineData("/", "{0}: x", 431)]
    [InlineData("/", "Connection: {0}", 431)]
    public void A_head_has_at_most_60_KiB(string target, string field, int status)
    {
        // Exactly as many as allowed, and one more; whole, and in pieces that stop short of the end of the line.
        string Text(int size)
        {
            var line = field.Length == 0 ? "" : field + "\r\n";
            var text = $"GET {target} HTTP/1.1\r\nHost: a\r\n{line}\r\n";
            return string.Format(System.Globalization.CultureInfo.InvariantCulture, text, new string('a', size - text.Length + "{0}".Length));
        }

        Assert.Equal("None", RequestCases.Outcome(Heads.Bytes(Text(Heads.MaxSize))));
        Assert.Equal(status.ToString(System.Globalization.CultureInfo.InvariantCulture), RequestCases.Outcome(Heads.Bytes(Text(Heads.MaxSize + 1))));
        var tooLong = Heads.Bytes(Text(Heads.MaxSize * 2));
        Assert.Equal("431", RequestCases.Outcome(tooLong.AsSpan(0, Heads.MaxSize + 1), 1000));
        Assert.Equal("more", RequestCases.Outcome(tooLong.AsSpan(0, Heads.MaxSize - 100), 1000));
    }

    [Fact]
    public void A_head_has_at_most_100_fields_whatever_they_are()
    {
        static string Text(int count) => "GET / HTTP/1.1\r\nHost: a\r\n" + string.Concat(Enumerable.Repeat("Keep-Alive: 1\r\n", count - 1)) + "\r\n";
        Assert.Equal("None", RequestCases.Outcome(Heads.Bytes(Text(100))));
        Assert.Equal("431", RequestCases.Outcome(Heads.Bytes(Text(101))));
    }

    [Fact]
    public void Connection_names_at_most_as_many_fields_as_a_head_has()
    {
        static string Text(int count) => $"GET / HTTP/1.1\r\nHost: a\r\nConnection: {string.Join(',', Enumerable.Range(0, count).Select(i => $"x-{i}"))}\r\n\r\n";
        Assert.Equal("None", RequestCases.Outcome(Heads.Bytes(Text(100))));
        Assert.Equal("431", RequestCases.Outcome(Heads.Bytes(Text(101))));
    }

    [Fact]
    public void A_line_that_comes_byte_by_byte_is_searched_once()
    {
        // Searched again with each byte, 50,000 bytes would be 1.25 thousand million; the head is read in far less than a second.
        var parser = new Http1RequestParser(1024 * 1024, Heads.MaxFields);
        var bytes = Heads.Bytes($"GET / HTTP/1.1\r\nHost: a\r\nX: {new string('a', 1_000_000)}\r\n\r\n");
        var head = new RequestHead();
        var (taken, watch) = (0, System.Diagnostics.Stopwatch.StartNew());
        for (var shown = 1; shown <= bytes.Length; shown++)
        {
            parser.Parse(bytes.AsSpan(taken, shown - taken), head, out var consumed);
            taken += consumed;
        }

        Assert.Equal(bytes.Length, taken);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"it took {watch.Elapsed}");
    }

    [Fact]
    public void Heads_like_the_last_one_allocate_nothing()
    {
        var parser = new Http1RequestParser(Heads.MaxSize, Heads.MaxFields);
        var head = new RequestHead();
        var bytes = Heads.Bytes("REPORT /a/long/path?with=query HTTP/1.1\r\nHost: shop.app.svc.cluster.local\r\nUser-Agent: test\r\nAccept: */*\r\nConnection: x-gone, upgrade\r\n"
            + "Upgrade: websocket\r\nX-Gone: 1\r\nTE: trailers\r\nCookie: a=b\r\nContent-Length: 12\r\n\r\n");
        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                parser.Reset();
                head.Clear();
                parser.Parse(bytes, head, out _);
            }
        }));
    }

    [Fact]
    public void A_long_target_is_not_kept_by_a_connection_that_idles()
    {
        var parser = new Http1RequestParser(Heads.MaxSize, Heads.MaxFields);
        var bytes = Heads.Bytes($"GET /{new string('a', 10_000)} HTTP/1.1\r\nHost: a\r\n\r\n");
        var first = Heads.Request(parser, bytes).Head.Target;
        parser.Reset();
        Assert.NotSame(first, Heads.Request(parser, bytes).Head.Target);
        Assert.Equal(10_001, Encoding.ASCII.GetByteCount(first));
    }
}
