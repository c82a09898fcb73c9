using Ambient.Hbone.Http1;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http1;

public sealed class Http1RequestParserTests
{
    [Fact]
    public void A_head_is_split_into_the_model()
    {
        var bytes = Heads.Bytes("\r\nPOST /a?b=c HTTP/1.1\r\nHost: shop.app:80\r\nX-One: 1\r\nAccept:\ttext/html \r\nx-one:2\r\nContent-Length: 5\r\n"
            + "Connection: keep-alive, X-Gone\r\nX-Gone: 1\r\nTE: trailers\r\nTrailer: x-sum\r\nExpect: 100-continue\r\n\r\nhello");
        var read = Heads.Request(bytes);
        Assert.True(read.IsComplete);
        Assert.Equal(bytes.Length - 5, read.Consumed);
        Assert.Equal(new Http1Framing(Http1BodyKind.Length, 5, true), read.Framing);
        var head = read.Head;
        Assert.Equal(("POST", "", "shop.app:80", "/a?b=c", HttpProtocolVersion.Http11), (head.Method, head.Scheme, head.Authority, head.Target, head.Version));
        Assert.Equal((true, 5L, true, true, null), (head.HasBody, head.ContentLength, head.ExpectsContinue, head.TakesTrailers, head.Upgrade));
        Assert.Equal("x-one: 1\naccept: text/html\nx-one: 2\ntrailer: x-sum\nexpect: 100-continue\n", Heads.Lines(head.Fields));
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
}
