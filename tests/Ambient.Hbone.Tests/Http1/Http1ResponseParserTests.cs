using Ambient.Hbone.Http1;
using Ambient.Http;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Http1;

public sealed class Http1ResponseParserTests
{
    [Fact]
    public void A_head_is_split_into_the_model()
    {
        var bytes = Heads.Bytes("HTTP/1.0 418 I am a teapot\r\nContent-Length: 5\r\nConnection: keep-alive, x-gone, content-type\r\nX-Gone: 1\r\nSet-Cookie: a\r\n"
            + "Content-Type: text/plain\r\nset-cookie: b\r\nHost: odd\r\nKeep-Alive: timeout=5\r\nTrailer: x-sum\r\n\r\nhello");
        var read = Heads.Response(bytes);
        Assert.Equal((true, bytes.Length - 5, new Http1Framing(Http1BodyKind.Length, 5, true)), (read.IsComplete, read.Consumed, read.Framing));
        var head = read.Head;
        Assert.Equal((HttpProtocolVersion.Http10, 418, true, 5L, null), (head.Version, head.Status, head.HasBody, head.ContentLength, head.Upgrade));
        Assert.Equal("set-cookie: a\ncontent-type: text/plain\nset-cookie: b\nhost: odd\ntrailer: x-sum\n", Heads.Lines(head.Fields));
        for (var size = 1; size < bytes.Length; size++)
        {
            Assert.Equal(Heads.Describe(read), Heads.Describe(Heads.Response(bytes, "GET", size)));
        }
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HEAD", 7L)]
    [InlineData("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "GET", 7L)]
    [InlineData("HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", "GET", null)]
    [InlineData("HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n", "GET", null)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "CONNECT", null)]
    public void A_length_without_a_body_is_kept_where_it_means_something(string text, string method, long? length)
    {
        var head = Heads.Response(Heads.Bytes(text), method).Head;
        Assert.Equal((false, length), (head.HasBody, head.ContentLength));
    }

    [Fact]
    public void Interim_heads_come_before_the_final_one()
    {
        var (parser, head) = (new Http1ResponseParser(Heads.MaxSize, Heads.MaxFields), new ResponseHead());
        var bytes = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\r\nxyz"u8;
        var seen = new List<string>();
        while (true)
        {
            Assert.True(parser.Parse(bytes, head, "GET", out var consumed));
            bytes = bytes[consumed..];
            seen.Add($"{head.Status} {head.IsInterim} {head.Upgrade} {Heads.Lines(head.Fields)}");
            if (!head.IsInterim)
            {
                break;
            }

            parser.Reset();
            head.Clear();
        }

        Assert.Equal(["103 True  link: </a>\n", "100 True  ", "101 False websocket "], seen);
        Assert.Equal("xyz"u8, bytes);
    }

    [Fact]
    public void A_head_has_at_most_60_KiB_and_100_fields()
    {
        static string Large(int size)
        {
            var text = "HTTP/1.1 204 \r\nX: \r\n\r\n";
            return text.Insert(text.IndexOf("\r\n\r\n", StringComparison.Ordinal), new string('a', size - text.Length));
        }

        static string Many(int count) => "HTTP/1.1 204 \r\n" + string.Concat(Enumerable.Repeat("X: y\r\n", count)) + "\r\n";
        Assert.True(Heads.Response(Heads.Bytes(Large(Heads.MaxSize))).IsComplete);
        Assert.True(Heads.Response(Heads.Bytes(Many(100))).IsComplete);
        Assert.Equal(431, Assert.Throws<Http1Exception>(() => Heads.Response(Heads.Bytes(Large(Heads.MaxSize + 1)))).Status);
        Assert.Equal(431, Assert.Throws<Http1Exception>(() => Heads.Response(Heads.Bytes(Many(101)))).Status);
    }

    [Fact]
    public void Heads_allocate_nothing()
    {
        var (parser, head) = (new Http1ResponseParser(Heads.MaxSize, Heads.MaxFields), new ResponseHead());
        var bytes = Heads.Bytes("HTTP/1.1 200 OK\r\nDate: today\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nServer: test\r\nConnection: keep-alive\r\n\r\n");
        Assert.Equal(0, Allocations.InSteadyState(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                parser.Reset();
                head.Clear();
                parser.Parse(bytes, head, "GET", out _);
            }
        }));
    }
}
