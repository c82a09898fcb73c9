using System.Text;
using Ambient.Hbone.Http1;
using Ambient.Http;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Http1;

public sealed class Http1WriterTests
{
    [Fact]
    public void A_request_is_its_line_its_host_its_fields_and_its_framing()
    {
        var head = new RequestHead { Method = "POST", Authority = "shop.app:80", Target = "/a?b", ContentLength = 5, HasBody = true, TakesTrailers = true };
        head.Fields.Add("X-One", "1");
        head.Fields.Add("x-one", "");
        Assert.Equal(
            "POST /a?b HTTP/1.1\r\nhost: shop.app:80\r\nx-one: 1\r\nx-one: \r\ncontent-length: 5\r\nte: trailers\r\nconnection: te\r\n\r\n",
            Request(head, Http1BodyKind.Length));
        head.TakesTrailers = false;
        Assert.EndsWith("x-one: \r\ntransfer-encoding: chunked\r\n\r\n", Request(head, Http1BodyKind.Chunked), StringComparison.Ordinal);
        Assert.EndsWith("chunked\r\nconnection: close\r\n\r\n", Request(head, Http1BodyKind.Chunked, keepAlive: false), StringComparison.Ordinal);
    }

    // RFC 9110 section 8.6: a method that means a body says that there is none.
    [Theory]
    [InlineData("GET", null, "")]
    [InlineData("HEAD", null, "")]
    [InlineData("DELETE", null, "")]
    [InlineData("GET", 0L, "content-length: 0\r\n")]
    [InlineData("POST", null, "content-length: 0\r\n")]
    [InlineData("POST", 0L, "content-length: 0\r\n")]
    [InlineData("post", null, "content-length: 0\r\n")]
    public void A_request_without_body_says_so_where_one_is_expected(string method, long? length, string framing) =>
        Assert.Equal(
            $"{method} / HTTP/1.1\r\nhost: a\r\n{framing}\r\n",
            Request(new RequestHead { Method = method, Authority = "a", Target = "/", ContentLength = length }, Http1BodyKind.None));

    [Theory]
    [InlineData(false, "upgrade: websocket\r\nconnection: upgrade\r\n")]
    [InlineData(true, "te: trailers\r\nupgrade: websocket\r\nconnection: upgrade, te\r\n")]
    public void An_upgrade_is_asked_for(bool takesTrailers, string lines) =>
        Assert.Equal(
            $"GET /chat HTTP/1.1\r\nhost: a\r\n{lines}\r\n",
            Request(new RequestHead { Method = "GET", Authority = "a", Target = "/chat", Upgrade = "websocket", TakesTrailers = takesTrailers }, Http1BodyKind.None));

    [Fact]
    public void The_target_of_connect_is_the_authority() =>
        Assert.StartsWith("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", Request(new RequestHead { Method = "CONNECT", Authority = "a:1" }, Http1BodyKind.None), StringComparison.Ordinal);

    [Fact]
    public void Framing_and_connection_fields_that_an_edit_put_in_are_left_out()
    {
        string[] names = ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "TE", "HTTP2-Settings"];
        var head = new RequestHead { Method = "GET", Authority = "a", Target = "/" };
        var response = new ResponseHead { Status = 200 };
        var trailers = new HttpFields();
        foreach (var name in names)
        {
            head.Fields.Add(name, "1");
            response.Fields.Add(name, "1");
            trailers.Add(name, "1");
        }

        Assert.Equal("GET / HTTP/1.1\r\nhost: a\r\n\r\n", Request(head, Http1BodyKind.None));
        Assert.Equal("HTTP/1.1 200 OK\r\nhost: 1\r\ncontent-length: 0\r\n\r\n", Response(response, Http1BodyKind.Length));
        Assert.Equal("0\r\n\r\n", Trailers(trailers));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nx: y\r\n\r\nGET", "a", "/")]
    [InlineData("", "a", "/")]
    [InlineData("G T", "a", "/")]
    [InlineData("GET", "a\r\nx: y", "/")]
    [InlineData("GET", "", "/")]
    [InlineData("GET", "a b", "/")]
    [InlineData("GET", "a", "/ HTTP/1.1\r\nx: y\r\n\r\nGET /")]
    [InlineData("GET", "a", "/a b")]
    [InlineData("GET", "a", "/\u00E9")]
    [InlineData("GET", "a", "/\u0130")]
    [InlineData("GET", "a", "")]
    [InlineData("GET", "a", "x")]
    public void What_an_edit_put_in_never_makes_another_request(string method, string authority, string target) =>
        Assert.Throws<InvalidOperationException>(() => Request(new RequestHead { Method = method, Authority = authority, Target = target }, Http1BodyKind.None));

    [Theory]
    [InlineData(200, nameof(Http1BodyKind.Length), 5L, true, "content-length: 5\r\n")]
    [InlineData(200, nameof(Http1BodyKind.Length), null, true, "content-length: 0\r\n")]
    [InlineData(200, nameof(Http1BodyKind.Length), 5L, false, "content-length: 5\r\nconnection: close\r\n")]
    [InlineData(200, nameof(Http1BodyKind.Chunked), null, true, "transfer-encoding: chunked\r\n")]
    [InlineData(200, nameof(Http1BodyKind.UntilClose), null, true, "connection: close\r\n")]
    [InlineData(200, nameof(Http1BodyKind.None), 5L, true, "content-length: 5\r\n")]
    [InlineData(200, nameof(Http1BodyKind.None), null, true, "")]
    [InlineData(304, nameof(Http1BodyKind.None), 5L, true, "content-length: 5\r\n")]
    [InlineData(204, nameof(Http1BodyKind.None), 5L, true, "")]
    [InlineData(204, nameof(Http1BodyKind.Length), 0L, false, "connection: close\r\n")]
    [InlineData(103, nameof(Http1BodyKind.None), 5L, false, "")]
    public void A_response_is_framed_by_what_it_is(int status, string body, long? length, bool keepAlive, string lines) =>
        Assert.EndsWith($"\r\nx: y\r\n{lines}\r\n", Response(With(new ResponseHead { Status = status, ContentLength = length }), Enum.Parse<Http1BodyKind>(body), keepAlive), StringComparison.Ordinal);

    [Fact]
    public void A_client_of_http10_is_told_when_the_connection_goes_on_and_gets_no_chunks()
    {
        var head = new ResponseHead { Status = 200, ContentLength = 5 };
        Assert.Equal("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n", Response(head, Http1BodyKind.Length, true, HttpProtocolVersion.Http10));
        Assert.Equal("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", Response(head, Http1BodyKind.UntilClose, true, HttpProtocolVersion.Http10));
        Assert.Throws<ArgumentException>(() => Response(head, Http1BodyKind.Chunked, true, HttpProtocolVersion.Http10));
    }

    [Fact]
    public void A_change_of_protocols_names_the_new_one()
    {
        Assert.Equal(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
            Response(new ResponseHead { Status = 101, Upgrade = "websocket", ContentLength = 3 }, Http1BodyKind.None));
        Assert.Throws<InvalidOperationException>(() => Response(new ResponseHead { Status = 101 }, Http1BodyKind.None));
    }

    [Fact]
    public void A_status_without_a_phrase_still_has_its_blank() =>
        Assert.StartsWith("HTTP/1.1 599 \r\n", Response(new ResponseHead { Status = 599 }, Http1BodyKind.None), StringComparison.Ordinal);

    [Theory]
    [InlineData(1, "1\r\n")]
    [InlineData(0x1a2b, "1a2b\r\n")]
    [InlineData(int.MaxValue, "7fffffff\r\n")]
    public void A_chunk_begins_with_its_size(int length, string text)
    {
        Span<byte> buffer = stackalloc byte[Http1Writer.ChunkHeaderSize];
        Assert.Equal(text, Encoding.ASCII.GetString(buffer[..Http1Writer.WriteChunkHeader(length, buffer)]));
    }

    [Fact]
    public void An_empty_chunk_is_not_written_since_it_would_be_the_last() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Http1Writer.WriteChunkHeader(0, new byte[10]));

    [Fact]
    public void A_chunked_body_ends_with_its_trailers()
    {
        Assert.Equal("0\r\n\r\n", Trailers(null));
        var trailers = new HttpFields();
        trailers.Add("X-Sum", "42");
        trailers.Add("x-sum", "");
        Assert.Equal("0\r\nx-sum: 42\r\nx-sum: \r\n\r\n", Trailers(trailers));
    }

    [Fact]
    public void Writing_allocates_nothing()
    {
        var request = new RequestHead { Method = "POST", Authority = "shop.app:80", Target = "/a?b", ContentLength = 5, HasBody = true, TakesTrailers = true };
        var response = With(new ResponseHead { Status = 200, ContentLength = 5 });
        var buffer = new byte[1024];
        AssertAllocatesNothing(() => Http1Writer.WriteRequest(request, Http1BodyKind.Length, true, buffer.AsSpan(0, Http1Writer.MeasureRequest(request))));
        AssertAllocatesNothing(() =>
            Http1Writer.WriteResponse(response, Http1BodyKind.Length, true, HttpProtocolVersion.Http11, buffer.AsSpan(0, Http1Writer.MeasureResponse(response))));
        AssertAllocatesNothing(() => Http1Writer.WriteChunkHeader(0x1234, buffer));
        AssertAllocatesNothing(() => Http1Writer.WriteTrailers(response.Fields, buffer));
    }

    private static void AssertAllocatesNothing(Action write) => Assert.Equal(0, Allocations.InSteadyState(() =>
    {
        for (var i = 0; i < 1_000; i++)
        {
            write();
        }
    }));

    private static ResponseHead With(ResponseHead head)
    {
        head.Fields.Add("x", "y");
        return head;
    }

    private static string Request(RequestHead head, Http1BodyKind body, bool keepAlive = true)
    {
        var buffer = new byte[Http1Writer.MeasureRequest(head)];
        return Encoding.Latin1.GetString(buffer, 0, Http1Writer.WriteRequest(head, body, keepAlive, buffer));
    }

    private static string Response(ResponseHead head, Http1BodyKind body, bool keepAlive = true, HttpProtocolVersion version = HttpProtocolVersion.Http11)
    {
        var buffer = new byte[Http1Writer.MeasureResponse(head)];
        return Encoding.Latin1.GetString(buffer, 0, Http1Writer.WriteResponse(head, body, keepAlive, version, buffer));
    }

    private static string Trailers(HttpFields? trailers)
    {
        var buffer = new byte[Http1Writer.MeasureTrailers(trailers)];
        return Encoding.Latin1.GetString(buffer, 0, Http1Writer.WriteTrailers(trailers, buffer));
    }
}
